/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watching commands as they run: what the slow log and MONITOR have in common. Main, at boot.
 */
#ifndef OBSERVE_OBSERVE_H
#define OBSERVE_OBSERVE_H

/* Attaches the hooks, when the options are set. */
void observe_setup(void);
/* Registers the slow log's options. */
void observe_options_register(void);

#endif
