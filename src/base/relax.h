/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a loop does that waits awake for another thread: tells the processor so, which then wastes
 * less on it. Any thread. Some 40 ns at most.
 */
#ifndef BASE_RELAX_H
#define BASE_RELAX_H

#include <stdatomic.h>

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
