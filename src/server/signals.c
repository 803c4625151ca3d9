/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals that ask for an end. The handler notes which it was and wakes the loop, so that the end
 * comes from the loop like any other; a second SIGINT is somebody at a terminal who doesn't want
 * to wait.
 *
 * The handler runs on any thread and calls async-signal-safe functions only (log_raw and
 * loop_wake are).
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "net/loop.h"
#include "server/private.h"

static atomic_int taken;
static atomic_int seen_int;

/* A log line without the log's formatting, which may be under way on this very thread. */
static void log_from_handler(const char *message)
{
    char line[160];
    size_t at = num_format_i64(line, getpid());
    const char *middle = ":signal-handler (";
    memcpy(line + at, middle, strlen(middle));
    at += strlen(middle);
    at += num_format_i64(line + at, clock_wall_us() / 1000000);
    memcpy(line + at, ") ", 2);
    at += 2;
    size_t len = strlen(message);
    if (len > sizeof(line) - at - 1) len = sizeof(line) - at - 1;
    memcpy(line + at, message, len);
    at += len;
    line[at++] = '\n';
    log_raw(view_of(line, at));
}

static void on_end_signal(int signo)
{
    if (signo == SIGINT && atomic_exchange(&seen_int, 1)) {
        log_from_handler("You insist... exiting now.");
        server_remove_files();
        _exit(1);
    }
    log_from_handler(signo == SIGINT    ? "Received SIGINT scheduling shutdown..."
                     : signo == SIGTERM ? "Received SIGTERM scheduling shutdown..."
                                        : "Received shutdown signal, scheduling shutdown...");
    atomic_store(&taken, signo);
    loop_wake();
}

void server_signals_setup(void)
{
    struct sigaction act = {.sa_handler = SIG_IGN};
    sigemptyset(&act.sa_mask);
    sigaction(SIGHUP, &act, NULL);
    sigaction(SIGPIPE, &act, NULL);
    act.sa_handler = on_end_signal;
    act.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
}

int server_signal_taken(void)
{
    return atomic_exchange(&taken, 0);
}
