/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of gears goes to the slow log and to LATENCY: scripts and executions that ran for longer
 * than their thresholds, each once, under the command of the client who waited for it, or, if
 * nobody did, as `rg.execution <id>`. What runs within a command isn't told apart: its command took
 * that long. Statistics of commands count what was worked for them, slow or not.
 */
#ifndef GEARS_GSLOW_H
#define GEARS_GSLOW_H

#include "base/arg.h"
#include "base/macros.h"

struct command;
struct gexec;

/* Whose command an execution is. */
struct gslow {
    enum { GSLOW_ITS_OWN, GSLOW_SOMEONE_TELLS, GSLOW_CLIENT } whose;
    const struct command *cmd; /* GSLOW_CLIENT */
    bool named;              /* its name is among the words */
    const struct arg *words; /* live until the execution has ended */
    int word_count;
    uint64_t client_id;
};

/* An execution has ended. Any thread. */
void gslow_execution(const struct gexec *e);

/* A command was worked for, for so long: counts it, and tells of it if that was slow; bytes are
 * copied, as far as they are shown. Any thread. */
void gslow_command(const struct gslow *what, int64_t us);

#endif
