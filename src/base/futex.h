/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sleep until a word changes. The two calls are the kernel's; what the word means is the
 * caller's. A wait may end for no reason: callers look at the word again.
 *
 * Any thread. A wake of a sleeping thread costs some 5 µs, a wake of nobody 0.2 µs, so the word
 * should say whether anybody sleeps.
 */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

#include <stdatomic.h>

#include "base/macros.h"

/*
 * Sleeps while *word is `expected`, for at most `timeout_ns` (negative: without limit). Returns
 * false when the time has passed; true for everything else, a change before the sleep included.
 */
bool futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns);

/* Wakes up to `count` sleepers of the word, and returns how many there were. */
int futex_wake(_Atomic uint32_t *word, int count);

#endif
