/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop of the main thread: readiness of descriptors by epoll, level-triggered; timers;
 * a wake that any thread may give. It knows nothing of what the descriptors are.
 *
 * A turn: before-sleep hook, poll, after-sleep hook, then the handlers of what is ready, then the
 * timers that are due. Main only, but for loop_wake.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/macros.h"
#include "base/status.h"

enum loop_interest {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
    LOOP_HANGUP = 4 /* told, never asked for: the peer will send no more; there may be bytes left */
};

/* Stands inside whatever owns a descriptor. */
struct loop_source {
    int fd;
    uint32_t interest; /* enum loop_interest, as known to the kernel */
    /* While only LOOP_READ is asked for, readiness is told once for each arrival, not as long as
     * bytes are left: the owner reads on after a full read and after LOOP_HANGUP. Saves the kernel
     * a second look at every socket that was read. */
    bool read_once_told;
    /* `ready` has LOOP_READ, LOOP_WRITE; errors and hang-ups show as both. */
    void (*fn)(struct loop_source *s, uint32_t ready);
};

struct loop_timer {
    int64_t due_ms; /* monotonic */
    /* Returns milliseconds until the next call, -1 to end. */
    int (*fn)(void *ctx);
    void *ctx;
};

struct loop_hooks {
    void (*before_sleep)(void); /* may be NULL */
    void (*after_sleep)(void);
    void (*after_ready)(void);  /* all handlers of the turn have run */
};

/* Once; it stays till the process ends, for any thread may wake it. */
enum status loop_setup(void) MUST_CHECK;
/* What runs around the poll; copied. */
void loop_set_hooks(const struct loop_hooks *hooks);

/* Registers a descriptor; STATUS_IO if the kernel refuses. The source must stay where it is. */
enum status loop_add(struct loop_source *s, uint32_t interest) MUST_CHECK;
/* Changes what is waited for. */
void loop_change(struct loop_source *s, uint32_t interest);
/* Forgets it; events of the running turn that were already fetched for it are dropped. */
void loop_remove(struct loop_source *s);

/* Calls fn in `delay_ms` and then as it says. At most 32 timers. */
void loop_timer_add(int64_t delay_ms, int (*fn)(void *ctx), void *ctx);

/* The same, but a timer of this fn and ctx that there is already is moved to then. Not from within
 * fn, whose return value says it. */
void loop_timer_set(int64_t delay_ms, int (*fn)(void *ctx), void *ctx);

/* Makes the poll return at once, now or at its next call. Any thread, signal handlers too. */
void loop_wake(void);

/* The next poll doesn't sleep: there is work left over. */
void loop_dont_sleep(void);

/* The next poll sleeps for ms at most. */
void loop_sleep_at_most(int ms);

/* Runs turns until loop_stop. */
void loop_run(void);
void loop_stop(void);

/* One poll of at most timeout_ms without hooks and timers, for a main that must wait for
 * something else but keeps answering (busy mode). Returns how many sources were ready. */
int loop_poll_once(int timeout_ms);

/* The longest turn so far, from the poll's return to the next poll, in microseconds. Of CPU time
 * it is at most LOOP_CPU_ERROR_US too much, for the thread's clock isn't read at every turn. */
#define LOOP_CPU_ERROR_US 250
struct loop_longest {
    int64_t wall_us, cpu_us;
};
/* Any thread. */
struct loop_longest loop_longest_turn(void);
void loop_longest_turn_reset(void);

/* How long all turns took so far, in microseconds, the running one up to now_us included: all but
 * the polls. From within a turn. */
int64_t loop_in_turns_us(int64_t now_us);

/* "epoll" */
const char *loop_api_name(void);

#endif
