/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop over epoll; see loop.h. Timers are few, so they are an array that is walked; a
 * source that is removed within a turn has its fetched events blanked.
 */
#include "net/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/* More in one batch would make the clients march in step: they all get their answers at once,
 * and all ask again at once. */
#define LOOP_EVENTS_MAX 200
#define LOOP_TIMERS_MAX 32

static struct loop {
    int epoll_fd, wake_fd;
    struct loop_source wake_source;
    struct loop_hooks hooks;
    struct loop_timer timers[LOOP_TIMERS_MAX];
    int timer_count;
    struct epoll_event events[LOOP_EVENTS_MAX];
    int event_count; /* of the running turn; a removed source's events are blanked */
    bool stop;
    int at_most_ms; /* for the next poll; -1 no limit but the timers' */
    /* A wake is one look at two words, and a write only to a main that sleeps: who wakes says that
     * it is wanted and then looks whether main sleeps; main does it the other way round. */
    atomic_bool woken, asleep;
    struct {
        int64_t began_us; /* monotonic */
        int64_t sum_us;   /* of those that have ended */
        /* The thread's CPU time when it was read last, at the monotonic time read_us. */
        int64_t cpu_us, read_us;
        _Atomic int64_t longest_wall_us, longest_cpu_us; /* main writes, any thread reads */
    } turn;
} loop = {.epoll_fd = -1, .wake_fd = -1, .at_most_ms = -1};

/* Each write is told once, so nobody has to read what was written. */
static void wake_seen(struct loop_source *s, uint32_t ready)
{
    UNUSED(s);
    UNUSED(ready);
}

enum status loop_setup(void)
{
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop.epoll_fd < 0 || loop.wake_fd < 0) return STATUS_IO;
    loop.wake_source = (struct loop_source){
        .fd = loop.wake_fd, .read_once_told = true, .fn = wake_seen};
    return loop_add(&loop.wake_source, LOOP_READ);
}

void loop_set_hooks(const struct loop_hooks *hooks)
{
    loop.hooks = *hooks;
}

static uint32_t to_epoll(const struct loop_source *s, uint32_t interest)
{
    uint32_t events = 0;
    if (interest & LOOP_READ) events |= EPOLLIN;
    if (interest & LOOP_WRITE) events |= EPOLLOUT;
    if (s->read_once_told && interest == LOOP_READ) events |= EPOLLET | EPOLLRDHUP;
    return events;
}

enum status loop_add(struct loop_source *s, uint32_t interest)
{
    struct epoll_event ev = {.events = to_epoll(s, interest), .data.ptr = s};
    s->interest = interest;
    return epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) ? STATUS_IO : STATUS_OK;
}

void loop_change(struct loop_source *s, uint32_t interest)
{
    if (s->interest == interest) return;
    struct epoll_event ev = {.events = to_epoll(s, interest), .data.ptr = s};
    s->interest = interest;
    ASSERT(epoll_ctl(loop.epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) == 0);
}

void loop_remove(struct loop_source *s)
{
    epoll_ctl(loop.epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    for (int i = 0; i < loop.event_count; i++)
        if (loop.events[i].data.ptr == s) loop.events[i].data.ptr = NULL;
}

void loop_timer_add(int64_t delay_ms, int (*fn)(void *ctx), void *ctx)
{
    ASSERT(loop.timer_count < LOOP_TIMERS_MAX);
    loop.timers[loop.timer_count++] =
        (struct loop_timer){.due_ms = clock_mono_ms() + delay_ms, .fn = fn, .ctx = ctx};
}

void loop_timer_set(int64_t delay_ms, int (*fn)(void *ctx), void *ctx)
{
    for (int i = 0; i < loop.timer_count; i++) {
        if (loop.timers[i].fn != fn || loop.timers[i].ctx != ctx) continue;
        loop.timers[i].due_ms = clock_mono_ms() + delay_ms;
        return;
    }
    loop_timer_add(delay_ms, fn, ctx);
}

void loop_wake(void)
{
    uint64_t one = 1;
    if (atomic_exchange(&loop.woken, true)) return;
    if (!atomic_exchange(&loop.asleep, false)) return;
    int saved = errno;
    if (write(loop.wake_fd, &one, sizeof(one)) < 0) {
        /* Full means that a wake is pending already. */
    }
    errno = saved;
}

void loop_dont_sleep(void)
{
    loop.at_most_ms = 0;
}

void loop_sleep_at_most(int ms)
{
    if (loop.at_most_ms < 0 || ms < loop.at_most_ms) loop.at_most_ms = ms;
}

void loop_stop(void)
{
    loop.stop = true;
}

static int until_next_timer_ms(int64_t now)
{
    int64_t next = now + 60000;
    if (loop.at_most_ms == 0) return 0;
    if (loop.at_most_ms > 0) next = now + loop.at_most_ms;
    for (int i = 0; i < loop.timer_count; i++) next = MIN(next, loop.timers[i].due_ms);
    return next <= now ? 0 : (int)(next - now);
}

static void run_timers(void)
{
    int64_t now = clock_mono_ms();
    for (int i = 0; i < loop.timer_count; i++) {
        if (loop.timers[i].due_ms > now) continue;
        int again_ms = loop.timers[i].fn(loop.timers[i].ctx);
        if (again_ms >= 0) {
            loop.timers[i].due_ms = clock_mono_ms() + again_ms;
        } else {
            loop.timers[i] = loop.timers[--loop.timer_count];
            i--;
        }
    }
}

static int dispatch(int count)
{
    loop.event_count = count;
    for (int i = 0; i < loop.event_count; i++) {
        struct loop_source *s = loop.events[i].data.ptr;
        if (!s) continue;
        uint32_t ev = loop.events[i].events, ready = 0;
        if (ev & (EPOLLIN | EPOLLERR | EPOLLHUP)) ready |= LOOP_READ;
        if (ev & (EPOLLOUT | EPOLLERR | EPOLLHUP)) ready |= LOOP_WRITE;
        if (ev & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) ready |= LOOP_READ | LOOP_HANGUP;
        s->fn(s, ready);
    }
    loop.event_count = 0;
    return count;
}

static int poll_events(int timeout_ms)
{
    if (timeout_ms) {
        atomic_store(&loop.asleep, true);
        if (atomic_load(&loop.woken)) timeout_ms = 0;
    }
    int n = epoll_wait(loop.epoll_fd, loop.events, LOOP_EVENTS_MAX, timeout_ms);
    atomic_store_explicit(&loop.asleep, false, memory_order_relaxed);
    if (atomic_load(&loop.woken)) atomic_exchange(&loop.woken, false);
    return n < 0 ? 0 : n;
}

int loop_poll_once(int timeout_ms)
{
    return dispatch(poll_events(timeout_ms));
}

/* ---- how long turns take ---- */

static void cpu_read(int64_t now_us)
{
    loop.turn.cpu_us = clock_thread_cpu_us();
    loop.turn.read_us = now_us;
}

static void turn_begin(void)
{
    loop.turn.began_us = clock_mono_us();
    if (loop.turn.began_us - loop.turn.read_us >= LOOP_CPU_ERROR_US)
        cpu_read(loop.turn.began_us);
}

/* A turn used no more CPU time than it took, so most of them need no look at the CPU's clock. */
static void turn_end(int64_t now_us)
{
    int64_t wall_us = now_us - loop.turn.began_us, before_us = loop.turn.cpu_us;
    loop.turn.sum_us += wall_us;
    if (wall_us > loop.turn.longest_wall_us) loop.turn.longest_wall_us = wall_us;
    if (wall_us <= loop.turn.longest_cpu_us) return;
    cpu_read(now_us);
    int64_t cpu_us = MIN(wall_us, loop.turn.cpu_us - before_us);
    if (cpu_us > loop.turn.longest_cpu_us) loop.turn.longest_cpu_us = cpu_us;
}

struct loop_longest loop_longest_turn(void)
{
    return (struct loop_longest){loop.turn.longest_wall_us, loop.turn.longest_cpu_us};
}

void loop_longest_turn_reset(void)
{
    loop.turn.longest_wall_us = loop.turn.longest_cpu_us = 0;
}

int64_t loop_in_turns_us(int64_t now_us)
{
    return loop.turn.sum_us + now_us - loop.turn.began_us;
}

void loop_run(void)
{
    loop.stop = false;
    turn_begin();
    while (!loop.stop) {
        if (loop.hooks.before_sleep) loop.hooks.before_sleep();
        int64_t now_us = clock_mono_us();
        turn_end(now_us);
        int timeout_ms = until_next_timer_ms(now_us / 1000);
        loop.at_most_ms = -1;
        int count = poll_events(timeout_ms);
        turn_begin();
        if (loop.hooks.after_sleep) loop.hooks.after_sleep();
        dispatch(count);
        if (loop.hooks.after_ready) loop.hooks.after_ready();
        run_timers();
    }
}

const char *loop_api_name(void)
{
    return "epoll";
}
