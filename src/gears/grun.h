/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Executions and the threads that run them.
 *
 *   CREATED --worker takes it--> RUNNING --end--> DONE
 *      |                            |
 *      +---- grun_abort ------------+--> (stopped: DONE with the stop as its error)
 *      +--> ABORTED (never began, or was paused)
 *
 * One that was stopped and doesn't end is PENDING_TERMINATION until it does, see gstuck.h.
 *
 * An execution whose records wait for something (a coroutine, a future of a script's) is *paused*:
 * it is RUNNING to those who ask, and no worker has it. What it waits for, or an abort, makes it a
 * job for the pool again: `park` says who does that, once.
 *
 * One list holds every execution that a client can name, newest first, under one mutex, which is
 * held for a few instructions and never across Python, the token or a reply. A worker owns an
 * execution's results until its status says that it has ended; from then on they don't change.
 *
 * The pool is started at the first script: one thread for the interpreter, then ExecutionThreads
 * workers. Jobs wait in a queue until it has started; if it can't, each job is told so.
 */
#ifndef GEARS_GRUN_H
#define GEARS_GRUN_H

#include "gears/ghook.h"
#include "gears/gorigin.h"
#include "gears/gplan.h"
#include "gears/gpy.h"
#include "gears/gslow.h"

/* "0000…0000": the id of the only shard. 40 characters. */
#define GEARS_SHARD_ID "0000000000000000000000000000000000000000"

/* Room for an id with its NUL. */
#define GEARS_ID_SIZE 64

/* Writes "<shard id>-<number>". */
void grun_format_id(char out[GEARS_ID_SIZE], uint64_t number);

/* Reads such an id; false if it isn't one of this shard. */
bool grun_parse_id(struct view id, uint64_t *number_out);

enum gexec_status {
    GEXEC_CREATED,
    GEXEC_RUNNING,
    GEXEC_PENDING_RECEIVE,
    GEXEC_PENDING_RUN,
    GEXEC_PENDING_CLUSTER,
    GEXEC_PENDING_TERMINATION,
    GEXEC_DONE,
    GEXEC_ABORTED
};

/* Who would have it end is told, if it doesn't. */
#define GRUN_STUCK_TEXT                                                                            \
    "the execution is in a call that can not be interrupted; it ends when that returns"

/* "created", "running" … */
const char *gexec_status_name(enum gexec_status status);

/* Values for a reply, one behind the other. */
struct gtally {
    struct tape tape;
    uint64_t count;
};

/* A place in a tally: where its value `index` begins. */
struct gpage {
    const struct gtally *tally;
    uint64_t index;
    size_t pos;
};

/* What is waited for: [results, errors]; OK; the results alone, or one result, or an error; or just
 * the end, for a job. */
enum gwait { GWAIT_RESULTS, GWAIT_ABORT, GWAIT_TRIGGER, GWAIT_HOOK, GWAIT_JOB };

/* Work for the pool; embedded in what it is about. */
struct gjob {
    struct gjob *next;
    /* On a worker, attached, without GIL and token. `failure` is NULL, or says why there's no
     * interpreter (then on any thread). */
    void (*run)(struct gjob *job, const char *failure);
};

/* Who waits for the end: a client, or a job. */
struct gwaiter {
    struct gwaiter *next;
    uint64_t client_id;
    enum gwait what;
    int64_t deadline_us; /* of GWAIT_ABORT */
    struct gjob *job;    /* of GWAIT_JOB: nobody is answered, it is submitted instead; it looks
                            whether e has ended, or doesn't end */
    bool stuck;          /* what it waited for doesn't end: it is told so */
    /* Not NULL: nobody is answered, this is called instead; with a reply, which it takes, if that
     * is to be said while the execution doesn't end. On whatever thread. */
    void (*told)(struct gwaiter *take_w, struct tape *take_reply);
};

enum gexec_park {
    GEXEC_NOT_PARKED, /* a worker has it, or will have it */
    GEXEC_PARKED      /* paused: whoever swaps this for the other submits it, grun_unpark */
};

/* Settings that an execution takes along, so that a change concerns later ones only. */
struct gexec_limits {
    struct glimits own;     /* see gears/glimit.h */
    uint64_t max_generated; /* records of a PythonReader */
    size_t max_bytes;       /* of results, and of errors; 0: any */
    enum glimit bytes_of;   /* whose that is; GLIMIT_COUNT: gears-max-memory's */
    bool traceback;
    bool profile;
};

struct gexec {
    struct gexec *prev, *next; /* guard: the list's mutex */
    bool listed;               /* guard: the list's mutex */
    enum gexec_status status;  /* guard: the list's mutex */
    struct gwaiter *waiters;   /* guard: the list's mutex */
    atomic_uint refs;
    uint64_t number;
    struct gplan *plan;
    bool registered;     /* an event began it */
    bool drop_when_done; /* nobody is going to ask for it */
    struct gexec_limits limits;
    struct gstop stop;
    struct gmeter meter;
    struct gslow slow; /* set before it begins */
    struct gmeter loop_meter; /* of its coroutines, which may run at the same time */
    struct gwatch *watch; /* of its time, from begin to end; NULL: that isn't limited */

    /* Called on the worker that brings a paused execution to its end, after the waiters have been
     * told; not if grun_execute brought it there itself. Set before grun_execute. */
    void (*then)(struct gexec *e, void *ctx);
    void *then_ctx;

    _Atomic int park;    /* enum gexec_park */
    bool parked_abort;   /* aborted while paused; guard: whoever took it out of GEXEC_PARKED */
    void *runner;        /* the interpreter's; guard: the GIL */
    void *objects;       /* a Python list of the results for who awaits them, or NULL; the same */
    struct gjob job;     /* to go on */
    int64_t began_us;
    struct ghook_place hook; /* where call_next() goes on */
    struct ghold *hold;      /* the command that waits for it, until the end; NULL: none */
    struct gorigin origin; /* of a registration's: itself, and what led to it */

    /* The worker's until the end. */
    struct gtally results, errors;
    int64_t total_us;
    struct gpage page; /* where the last page of results ended; guard: the token */
    _Atomic int64_t *step_ns; /* one a step, also read while it runs; NULL unless profiled */
    _Atomic uint64_t *step_records; /* the same: those that reached it, and behind them those that
                                       were read; NULL for events, unless profiled */
};

/* ---- executions ---- */

/* A new execution of plan (which gains a reference) with the next id, one reference, the current
 * limits, not yet listed. */
struct gexec *grun_exec_new(struct gplan *plan, bool registered);
struct gexec *grun_exec_ref(struct gexec *e);
void grun_exec_unref(struct gexec *e);

/* Takes an execution id that nothing will use (a script that registers consumes one). */
void grun_skip_number(void);

/* Takes the next execution id for one that is made later, if at all. Any thread. */
uint64_t grun_take_number(void);

/* The limits that an execution of plan made now takes along. Any thread. */
void grun_limits_of(const struct gplan *plan, struct gexec_limits *out);
/* The same, under the token. */
void grun_limits_held(const struct gplan *plan, struct gexec_limits *out);

/* As grun_exec_new for an event, with a number that was taken before, and limits that were read
 * before. */
struct gexec *grun_exec_of_event(struct gplan *plan, uint64_t number,
                                 const struct gexec_limits *limits);

/* Makes an ended execution, of which the caller has the last reference, another one of the same
 * plan. False: somebody has another reference, or it has grown too large to be kept. */
bool grun_exec_reuse(struct gexec *e, uint64_t number, const struct gexec_limits *limits);

/* An ended execution takes little enough memory to be kept for that. */
bool grun_exec_is_small(const struct gexec *e);

/* As grun_list, for an execution that begins at this moment: grun_run must follow. `limit`: what
 * gconf_max_executions says. */
void grun_list_begun(struct gexec *e, size_t limit);

/* A listed execution begins; false if it has been aborted before. grun_run must follow. */
bool grun_begin(struct gexec *e) MUST_CHECK;

/* As grun_execute, for an execution that has begun at *now_us, which becomes the time when it ended
 * or was paused. */
bool grun_run(struct gexec *e, const struct gpy_input *input, struct kv_unit *unit,
              unsigned depth, int64_t *now_us) MUST_CHECK;

/* Puts it on the list, which takes a reference; drops the oldest finished ones beyond
 * MaxExecutions. Any thread. */
void grun_list(struct gexec *e);

/* Takes it off; false if it wasn't listed. Any thread. */
bool grun_unlist(struct gexec *e);

/* The listed execution of this id, with a reference for the caller, or NULL. */
struct gexec *grun_find(struct view id);
struct gexec *grun_of_number(uint64_t number);

/* Runs it here, on a worker, to its end, and tells its waiters. False: it is paused, and goes on
 * later on whichever worker, perhaps at this moment; e->then is called at its end. */
bool grun_execute(struct gexec *e, const struct gpy_input *input, struct kv_unit *unit,
                  unsigned depth) MUST_CHECK;

/* Has a worker go on with a paused execution; false if it isn't paused. Any thread. */
bool grun_unpark(struct gexec *e);

/* Answers one who waited for the end of e, which has ended, or for whom grun_wait said no. */
void grun_answer(const struct gexec *e, struct gwaiter *take_waiter);

/* Has a worker execute it. Takes the caller's reference. */
void grun_start(struct gexec *take_e);

/* Its status, read under the mutex. */
enum gexec_status grun_status(struct gexec *e);

/* Has the client told when e ends. False if it has ended already, or never will: then grun_answer
 * tells. */
bool grun_wait(struct gexec *e, struct gwaiter *waiter);

/* Has the client, which is blocked, told +OK when e ends, or an error when that takes too long. */
void grun_wait_abort(struct gexec *e, uint64_t client_id);

/* It was stopped, and doesn't end: who waits for it is told, and whoever waits later. False: it
 * isn't running. Any thread. */
bool grun_give_up(struct gexec *e);

/* Calls gstuck_exec for those that run and were stopped. Any thread. */
void grun_give_up_stopped(void);

/* The command that waits for it, a reference, or NULL. Any thread. */
struct ghold *grun_hold(struct gexec *e);

/* Answers the clients whose wait for an abort took too long; some times a second. */
void grun_expire_waits(void);

/* Asks for its end: one that hasn't begun is aborted at once, one that runs is stopped. */
void grun_abort(struct gexec *e);

/* Calls fn for each listed execution, newest first, under the mutex: fn only reads. */
void grun_each(void (*fn)(void *ctx, const struct gexec *e), void *ctx);
size_t grun_count(void);

/* Appends the reply [results, errors] to a tape. The execution has ended. */
void grun_results(const struct gexec *e, struct tape *out);
/* As that, what GWAIT_TRIGGER and GWAIT_HOOK wait for. */
void grun_outcome(const struct gexec *e, enum gwait what, struct tape *out);
/* As that, replies it. Main. */
void grun_reply_outcome(struct exec_ctx *ctx, const struct gexec *e, enum gwait what);

/* ---- workers ---- */

/* Queues a job; the first starts the pool. Any thread. */
void grun_submit(struct gjob *job);

/* Jobs that wait. */
size_t grun_queued(void);

/* Since the server began. */
struct grun_stats {
    uint64_t started, finished, failed, aborted, dropped;
    int64_t busy_us;
};
/* A copy. Any thread. */
struct grun_stats grun_stats(void);

/* Threads that are made in place of others that don't come back. */
#define GPOOL_WEDGED_MAX 64

/* Makes a detached thread with a stack for Python; a failure is logged. */
enum status gpool_thread(const char *name, void *(*fn)(void *), void *arg) MUST_CHECK;

/* A thread that nothing stops, +1, or that came back after all, -1: in a worker's place another
 * works. With the GIL. */
void gpool_wedged(int change, bool worker);
size_t gpool_wedged_count(void);

/* What happened to the interpreter: 0 not started, 1 runs, -1 failed. */
int grun_python_state(void);

#endif
