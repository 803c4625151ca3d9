/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software watchdog (watchdog-period): when main hasn't come to its periodic work for so long,
 * where it is goes to the log.
 *
 * A timer of the kernel that signals main's thread alone; the periodic work winds it up again, so
 * that it never runs out while main is well. A thread of our own that looks at a time stamp would
 * see the delay as well, but not where main is: that only main's own stack can tell. The signal
 * isn't SIGALRM, which bounds the crash report.
 *
 * Main thread; the handler runs on it, or on the thread that has its role (exec/lend.h), within
 * whatever it was doing, and calls what crash.c calls.
 */
#include <errno.h>
#include <execinfo.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/option.h"
#include "exec/lend.h"
#include "server/private.h"

#define WATCHDOG_SIGNAL SIGVTALRM

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct {
    int period_ms;
    timer_t timer;
    bool made;
} watchdog;

/* Main waits where another does its work: it is that one's place that is asked for. */
static void on_expiry(int signo, siginfo_t *info, void *context)
{
    int saved = errno, pid = (int)getpid(), thread = lend_thread();
    bool here = info->si_code != SI_TIMER || !thread;
    if (here || syscall(SYS_tgkill, pid, thread, signo))
        server_say_where("WATCHDOG TIMER EXPIRED", context);
    errno = saved;
}

static enum status timer_make(struct opt_error *err)
{
    if (watchdog.made) return STATUS_OK;
    void *warm[1];
    backtrace(warm, 1); /* loads the unwinder now, for later it may not allocate */
    struct sigaction act = {.sa_sigaction = on_expiry, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&act.sa_mask);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = WATCHDOG_SIGNAL};
    event.sigev_notify_thread_id = getpid(); /* main, whoever does its work now */
    if (sigaction(WATCHDOG_SIGNAL, &act, NULL) ||
        timer_create(CLOCK_MONOTONIC, &event, &watchdog.timer)) {
        return opt_fail(err, "The watchdog's timer can't be had: %s", strerror(errno));
    }
    watchdog.made = true;
    return STATUS_OK;
}

static void timer_wind(int ms)
{
    struct itimerspec when = {.it_value = {ms / 1000, (long)(ms % 1000) * 1000000}};
    timer_settime(watchdog.timer, 0, &when, NULL);
}

/* The periodic work must have a chance to come in time. */
static void raise_to_least(void)
{
    int least = 2 * (1000 / server_state.hz);
    if (watchdog.period_ms && watchdog.period_ms < least) watchdog.period_ms = least;
}

static enum status apply(struct opt_error *err)
{
    raise_to_least();
    if (watchdog.period_ms && timer_make(err)) return STATUS_ERR;
    if (watchdog.made) timer_wind(watchdog.period_ms);
    return STATUS_OK;
}

void server_watchdog_start(void)
{
    struct opt_error err;
    if (apply(&err)) log_warning("%s", err.text);
}

void server_watchdog_feed(void)
{
    if (unlikely(watchdog.period_ms)) timer_wind(watchdog.period_ms);
}

static const struct opt_row rows[] = {
    {.name = "watchdog-period", .kind = OPT_INT, .var.i = &watchdog.period_ms, .dflt = "0",
     .max = INT_MAX, .apply = apply, .section = OPT_SECTION_GENERAL,
     .doc = "When the periodic work hasn't been done for so many milliseconds, log what the server "
            "is doing instead (0: never). At least twice the time between two rounds of that work. "
            "A means to find what is slow, and not for all days."},
};

void server_watchdog_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}
