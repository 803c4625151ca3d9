/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What extensions have added (gears_extension.h): tables that are filled while the server starts
 * and constant from then on, so any thread reads them.
 */
#ifndef GEARS_GEXT_H
#define GEARS_GEXT_H

#include "base/status.h"
#include "base/view.h"
#include "gears/gears_extension.h"

/* The directive gears-extension. Main, at boot. */
void gext_register(void);

/* Loads what the configuration named; a failure is logged. Main, at boot. */
enum status gext_load(void) MUST_CHECK;

/* By name, NULL if there is none. Any thread. */
const struct gears_reader *gext_reader(struct view name);
const struct gears_function *gext_function(struct view name);
const struct gears_language *gext_language(struct view name);

/* Members of the api that need no interpreter; the others are filled by gpy_api_fill. */
extern struct gears_api gext_api;

#endif
