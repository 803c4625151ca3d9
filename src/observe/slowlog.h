/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow log: the latest commands whose handler took at least slowlog-log-slower-than
 * microseconds, with their arguments cut short. All functions need the token; any thread.
 */
#ifndef OBSERVE_SLOWLOG_H
#define OBSERVE_SLOWLOG_H

#include "exec/exec.h"

/* Replies the newest `max` entries (at most as many as there are). */
void slowlog_reply(struct exec_ctx *ctx, size_t max);
size_t slowlog_len(void);
void slowlog_reset(void);

#endif
