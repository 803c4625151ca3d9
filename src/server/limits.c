/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The limit of open files, which decides how many clients fit. The hard limit is raised too where
 * the process may; how far is found by halving the distance, for the kernel tells yes or no and
 * nothing else.
 *
 * Main thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "server/private.h"

static bool try_limit(rlim_t files)
{
    struct rlimit limit = {files, files};
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max > files) limit.rlim_max = now.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* The largest limit in [low, high) that the system grants; `low` is granted already. */
static rlim_t raise_as_far_as_possible(rlim_t low, rlim_t high)
{
    while (high - low > 1) {
        rlim_t middle = low + (high - low) / 2;
        if (try_limit(middle)) low = middle;
        else high = middle;
    }
    return low;
}

int64_t server_raise_file_limit(int64_t maxclients)
{
    rlim_t wanted = (rlim_t)maxclients + SERVER_RESERVED_FDS;
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now)) {
        log_warning("Unable to obtain the limit of open files (%s), assuming 1024",
                    strerror(errno));
        now.rlim_cur = now.rlim_max = 1024;
    }
    if (now.rlim_cur >= wanted || try_limit(wanted)) return maxclients;
    int reason = errno;
    rlim_t got = raise_as_far_as_possible(now.rlim_cur, wanted);
    log_warning("You requested maxclients of %lld requiring at least %lld max file descriptors.",
                (long long)maxclients, (long long)wanted);
    log_warning("Server can't set maximum open files to %lld because of OS error: %s.",
                (long long)wanted, strerror(reason));
    int64_t possible = (int64_t)got - SERVER_RESERVED_FDS;
    return possible < 0 ? 0 : possible;
}
