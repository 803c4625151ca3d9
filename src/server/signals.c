/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals that ask for an end. The handler counts up a descriptor that the loop watches, so that
 * the end comes from the loop like any other, also while main is in busy mode: somebody whose
 * script never ends must be able to stop the server. A second SIGINT is somebody at a terminal
 * who doesn't want to wait. (signalfd would do without a handler, but hands the signals only to
 * threads that block them, and a library's threads may not.)
 *
 * The handler runs on any thread and calls async-signal-safe functions only (log_raw is).
 */
#include <signal.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "exec/client.h"
#include "exec/loading.h"
#include "net/loop.h"
#include "persist/persist.h"
#include "server/private.h"

static struct loop_source source = {.fd = -1};
static atomic_int seen_int, last_signal;

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
    atomic_store(&last_signal, signo);
    uint64_t one = 1;
    int saved = errno;
    if (write(source.fd, &one, sizeof(one)) < 0) {
        /* Full: there are enough of them. */
    }
    errno = saved;
}

static void end_by_signal(void *ctx)
{
    UNUSED(ctx);
    unsigned flags = server_os_signal_flags(atomic_load(&last_signal));
    if (server_request_end(flags)) log_warning("The signal is ignored.");
}

/* Runs without the token: what touches more than the process itself is posted. */
static void signal_ready(struct loop_source *s, uint32_t ready)
{
    uint64_t count;
    UNUSED(ready);
    if (read(s->fd, &count, sizeof(count)) < 0) return;
    /* With data to save the end waits for whoever holds it. */
    if (exec_is_loading() || (exec_is_busy() && !persist_wanted())) end_by_signal(NULL);
    else exec_post(end_by_signal, NULL);
}

enum status server_signals_setup(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    source = (struct loop_source){.fd = fd, .fn = signal_ready};
    if (fd < 0 || loop_add(&source, LOOP_READ)) {
        log_warning("Can't watch for signals: %s", strerror(errno));
        return STATUS_ERR;
    }
    struct sigaction act = {.sa_handler = SIG_IGN};
    sigemptyset(&act.sa_mask);
    sigaction(SIGHUP, &act, NULL);
    sigaction(SIGPIPE, &act, NULL);
    act.sa_handler = on_end_signal;
    act.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    return STATUS_OK;
}
