/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator may set about persistence. Changed on main, under the data token.
 */
#ifndef PERSIST_SETTINGS_H
#define PERSIST_SETTINGS_H

#include "base/view.h"

struct persist_settings {
    bool compress; /* rdbcompression */
};
extern struct persist_settings persist_settings;

/* Registers the rows. */
void persist_options_register(void);

#endif
