/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two futex calls; see futex.h. They are the private kind, which spares the kernel a look at
 * the mapping: no word is shared between processes. POSIX semaphores and condition variables are
 * built of the same calls, but hide the word, and with it who sleeps. Any thread.
 */
#include "base/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec limit = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    long result = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
                          timeout_ns < 0 ? NULL : &limit, NULL, 0);
    if (result == 0) return true;
    ASSERT(errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT);
    return errno != ETIMEDOUT;
}

int futex_wake(_Atomic uint32_t *word, int count)
{
    long woken = syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    ASSERT(woken >= 0);
    return (int)woken;
}
