/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RG.EXPLAIN: what a script would run and register. Its body is run, since only that says which
 * plans there are; what it asks of run() and register() is shown and forgotten, and nothing of the
 * body reaches the data (struct gsession, `explained`).
 */
#ifndef GEARS_GEXPLAIN_H
#define GEARS_GEXPLAIN_H

#include "gears/gscript.h"

/* Appends the reply: a map for each registration, in their order, and for the run. A worker, after
 * the body. */
void gexplain_reply(const struct gscript *s, struct tape *out);

#endif
