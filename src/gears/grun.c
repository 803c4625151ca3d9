/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Executions and their list; see grun.h. The list is short (MaxExecutions), and looked up by
 * people and tests, so it is searched, newest first. Any thread.
 */
#include "gears/grun.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/log.h"
#include "exec/client.h"
#include "exec/reply.h"
#include "gears/gconf.h"
#include "gears/gstuck.h"

#define WORKERS_MAX 64
/* Executions that one insertion looks at in search of some to drop. */
#define EXCESS_LOOKS 64
/* How long RG.ABORTEXECUTION waits for the end of what it stopped. */
#define ABORT_WAIT_US 5000000
/* Room for results that an execution takes along into its next life. */
#define REUSED_TAPE_MAX 4096

static struct {
    pthread_mutex_t mutex; /* guards the list and what grun.h says of executions */
    struct gexec *newest, *oldest;
    size_t count;
    atomic_uint_fast64_t next_number;
    _Atomic uint64_t started, finished, failed, aborted, dropped;
    _Atomic int64_t busy_us;
} run = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- ids ---- */

void grun_format_id(char out[GEARS_ID_SIZE], uint64_t number)
{
    snprintf(out, GEARS_ID_SIZE, GEARS_SHARD_ID "-%llu", (unsigned long long)number);
}

bool grun_parse_id(struct view id, uint64_t *number_out)
{
    const size_t prefix = sizeof(GEARS_SHARD_ID "-") - 1;
    if (id.len <= prefix || memcmp(id.ptr, GEARS_SHARD_ID "-", prefix) != 0) return false;
    return num_parse_u64(view_of(id.ptr + prefix, id.len - prefix), number_out) == STATUS_OK;
}

const char *gexec_status_name(enum gexec_status status)
{
    static const char *const names[] = {"created",         "running",
                                        "pending_receive", "pending_run",
                                        "pending_cluster", "pending_termination",
                                        "done",            "aborted"};
    return names[status];
}

static bool ended(const struct gexec *e)
{
    return e->status == GEXEC_DONE || e->status == GEXEC_ABORTED;
}

/* ---- life ---- */

void grun_skip_number(void)
{
    grun_take_number();
}

uint64_t grun_take_number(void)
{
    return atomic_fetch_add_explicit(&run.next_number, 1, memory_order_relaxed);
}

static void bound_bytes(struct gexec_limits *out, enum glimit limit)
{
    out->max_bytes = (size_t)out->own.v[limit];
    out->bytes_of = limit;
}

/* Results and errors aren't Python's, but are an execution's memory no less. */
static void of_plan(const struct gplan *plan, struct gexec_limits *out)
{
    if (unlikely(plan->limits != NULL)) glimits_override(&out->own, plan->limits);
    if (out->own.v[GLIMIT_RESULT_BYTES]) bound_bytes(out, GLIMIT_RESULT_BYTES);
    size_t memory = (size_t)out->own.v[GLIMIT_MEMORY];
    if (unlikely(memory) && (!out->max_bytes || memory < out->max_bytes))
        bound_bytes(out, GLIMIT_MEMORY);
}

void grun_limits_of(const struct gplan *plan, struct gexec_limits *out)
{
    gconf_limits(out);
    of_plan(plan, out);
}

void grun_limits_held(const struct gplan *plan, struct gexec_limits *out)
{
    gconf_limits_held(out);
    of_plan(plan, out);
}

static struct gexec *exec_make(struct gplan *plan, uint64_t number, bool registered,
                               const struct gexec_limits *limits)
{
    struct gexec *e = mem_zalloc(sizeof(*e));
    atomic_init(&e->refs, 1);
    e->number = number;
    e->plan = gplan_ref(plan);
    e->registered = registered;
    e->limits = *limits;
    if (limits->profile)
        e->step_ns = mem_zalloc(sizeof(*e->step_ns) * MAX(plan->step_count, (size_t)1));
    if (limits->profile || !registered)
        e->step_records = mem_zalloc(sizeof(*e->step_records) * (plan->step_count + 1));
    return e;
}

struct gexec *grun_exec_new(struct gplan *plan, bool registered)
{
    struct gexec_limits limits;
    grun_limits_of(plan, &limits);
    return exec_make(plan, grun_take_number(), registered, &limits);
}

struct gexec *grun_exec_of_event(struct gplan *plan, uint64_t number,
                                 const struct gexec_limits *limits)
{
    return exec_make(plan, number, true, limits);
}

bool grun_exec_is_small(const struct gexec *e)
{
    return e->results.tape.bytes.cap <= REUSED_TAPE_MAX && !e->errors.tape.bytes.cap;
}

/* What it keeps is its place in memory and the room of its tapes. */
bool grun_exec_reuse(struct gexec *e, uint64_t number, const struct gexec_limits *limits)
{
    bool plain = !e->step_ns && !e->step_records && !e->runner && !e->watch && !limits->profile;
    if (atomic_load_explicit(&e->refs, memory_order_acquire) != 1 || !plain ||
        !grun_exec_is_small(e))
        return false;
    ASSERT(!e->listed && !e->waiters && ended(e));
    e->status = GEXEC_CREATED;
    e->number = number;
    e->limits = *limits;
    memset(&e->meter, 0, sizeof(e->meter));
    memset(&e->loop_meter, 0, sizeof(e->loop_meter));
    memset(&e->page, 0, sizeof(e->page));
    memset(&e->hook, 0, sizeof(e->hook));
    e->drop_when_done = e->parked_abort = false;
    e->then = NULL;
    memset(&e->slow, 0, sizeof(e->slow));
    atomic_store(&e->stop.wanted, false);
    atomic_store(&e->stop.met, 0);
    tape_clear(&e->results.tape);
    e->results.count = 0;
    e->total_us = 0;
    return true;
}

struct gexec *grun_exec_ref(struct gexec *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void grun_exec_unref(struct gexec *e)
{
    if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) return;
    ASSERT(!e->listed && !e->waiters && !e->hold);
    tape_release(&e->results.tape);
    tape_release(&e->errors.tape);
    mem_free(e->step_ns);
    mem_free(e->step_records);
    gpy_discard(e->objects);
    gplan_unref(e->plan);
    mem_free(e);
}

/* ---- the list; these need the mutex ---- */

static void link_newest(struct gexec *e)
{
    e->next = run.newest;
    if (run.newest) run.newest->prev = e;
    run.newest = e;
    if (!run.oldest) run.oldest = e;
    e->listed = true;
    run.count++;
}

static void unlink_one(struct gexec *e)
{
    if (e->prev) e->prev->next = e->next;
    else run.newest = e->next;
    if (e->next) e->next->prev = e->prev;
    else run.oldest = e->prev;
    e->prev = e->next = NULL;
    e->listed = false;
    run.count--;
}

/* Takes the oldest finished executions beyond the limit off the list, as a chain through next.
 * Those that wait or run stay, however many there are; so the search is not for all of them. */
static struct gexec *take_excess(size_t limit)
{
    struct gexec *taken = NULL;
    int looks = EXCESS_LOOKS;
    for (struct gexec *e = run.oldest, *newer; e && run.count > limit && looks > 0; e = newer) {
        looks--;
        newer = e->prev;
        if (!ended(e)) continue;
        unlink_one(e);
        e->next = taken;
        taken = e;
    }
    return taken;
}

static void unref_chain(struct gexec *e)
{
    for (struct gexec *next; e; e = next) {
        next = e->next;
        e->next = NULL;
        atomic_fetch_add_explicit(&run.dropped, 1, memory_order_relaxed);
        grun_exec_unref(e);
    }
}

void grun_list(struct gexec *e)
{
    size_t limit = gconf_max_executions();
    pthread_mutex_lock(&run.mutex);
    link_newest(grun_exec_ref(e));
    struct gexec *excess = take_excess(limit);
    pthread_mutex_unlock(&run.mutex);
    unref_chain(excess);
}

void grun_list_begun(struct gexec *e, size_t limit)
{
    pthread_mutex_lock(&run.mutex);
    ASSERT(e->status == GEXEC_CREATED);
    e->status = GEXEC_RUNNING;
    link_newest(grun_exec_ref(e));
    struct gexec *excess = unlikely(run.count > limit) ? take_excess(limit) : NULL;
    pthread_mutex_unlock(&run.mutex);
    unref_chain(excess);
}

bool grun_unlist(struct gexec *e)
{
    pthread_mutex_lock(&run.mutex);
    bool was = e->listed;
    if (was) unlink_one(e);
    pthread_mutex_unlock(&run.mutex);
    if (was) grun_exec_unref(e);
    return was;
}

struct gexec *grun_find(struct view id)
{
    uint64_t number;
    return grun_parse_id(id, &number) ? grun_of_number(number) : NULL;
}

struct gexec *grun_of_number(uint64_t number)
{
    pthread_mutex_lock(&run.mutex);
    struct gexec *e = run.newest;
    while (e && e->number != number) e = e->next;
    if (e) grun_exec_ref(e);
    pthread_mutex_unlock(&run.mutex);
    return e;
}

void grun_each(void (*fn)(void *ctx, const struct gexec *e), void *ctx)
{
    pthread_mutex_lock(&run.mutex);
    for (const struct gexec *e = run.newest; e; e = e->next) fn(ctx, e);
    pthread_mutex_unlock(&run.mutex);
}

size_t grun_count(void)
{
    pthread_mutex_lock(&run.mutex);
    size_t count = run.count;
    pthread_mutex_unlock(&run.mutex);
    return count;
}

enum gexec_status grun_status(struct gexec *e)
{
    pthread_mutex_lock(&run.mutex);
    enum gexec_status status = e->status;
    pthread_mutex_unlock(&run.mutex);
    return status;
}

/* ---- running ---- */

void grun_results(const struct gexec *e, struct tape *out)
{
    tape_aggregate(out, TAPE_ARRAY, 2);
    tape_aggregate(out, TAPE_ARRAY, e->results.count);
    buf_append(&out->bytes, e->results.tape.bytes.ptr, e->results.tape.bytes.len);
    tape_aggregate(out, TAPE_ARRAY, e->errors.count);
    buf_append(&out->bytes, e->errors.tape.bytes.ptr, e->errors.tape.bytes.len);
}

/* The error that an execution answers with; false: none. */
static bool outcome_error(const struct gexec *e, enum gwait what, struct view *text_out)
{
    struct tape_node node;
    size_t pos = 0;
    if (e->errors.count && tape_next(&e->errors.tape, &pos, &node))
        *text_out = node.u.bytes;
    else if (e->status == GEXEC_ABORTED)
        *text_out = VIEW_LIT("ERR the execution was aborted");
    else if (what == GWAIT_HOOK && e->results.count != 1)
        *text_out = VIEW_LIT("Command hook must return exactly one result");
    else
        return false;
    return true;
}

void grun_outcome(const struct gexec *e, enum gwait what, struct tape *out)
{
    struct view error;
    if (outcome_error(e, what, &error)) {
        tape_bytes(out, TAPE_ERROR, error.ptr, error.len);
        return;
    }
    if (what == GWAIT_TRIGGER) tape_aggregate(out, TAPE_ARRAY, e->results.count);
    buf_append(&out->bytes, e->results.tape.bytes.ptr, e->results.tape.bytes.len);
}

void grun_reply_outcome(struct exec_ctx *ctx, const struct gexec *e, enum gwait what)
{
    struct view error;
    if (unlikely(outcome_error(e, what, &error))) {
        struct tape reply = {0};
        tape_bytes(&reply, TAPE_ERROR, error.ptr, error.len);
        tape_reply(&reply, ctx);
        tape_release(&reply);
        return;
    }
    if (what == GWAIT_TRIGGER) reply_array(ctx, e->results.count);
    tape_reply(&e->results.tape, ctx);
}

/* What the one who waited is told of an execution that doesn't end. */
static void stuck_outcome(const struct gexec *e, enum gwait what, struct tape *out)
{
    struct buf text = {0};
    if (what == GWAIT_ABORT) buf_append_cstr(&text, GRUN_STUCK_TEXT);
    else gstuck_text(&e->stop, &e->limits.own, &text);
    if (what == GWAIT_RESULTS) {
        tape_aggregate(out, TAPE_ARRAY, 2);
        tape_aggregate(out, TAPE_ARRAY, 0);
        tape_aggregate(out, TAPE_ARRAY, 1);
    }
    tape_bytes(out, what == GWAIT_RESULTS ? TAPE_BULK : TAPE_ERROR, text.ptr, text.len);
    buf_release(&text);
}

void grun_answer(const struct gexec *e, struct gwaiter *w)
{
    struct tape reply = {0};
    if (w->told) {
        if (w->stuck) stuck_outcome(e, w->what, &reply);
        w->told(w, w->stuck ? &reply : NULL);
        return;
    }
    if (w->what == GWAIT_JOB) {
        grun_submit(w->job);
        mem_free(w);
        return;
    }
    if (w->stuck)
        stuck_outcome(e, w->what, &reply);
    else if (w->what == GWAIT_RESULTS)
        grun_results(e, &reply);
    else if (w->what == GWAIT_ABORT)
        tape_bytes(&reply, TAPE_STATUS, "OK", 2);
    else
        grun_outcome(e, w->what, &reply);
    client_unblock_post(w->client_id, &reply);
    mem_free(w);
}

static void finish(struct gexec *e, enum gexec_status status)
{
    pthread_mutex_lock(&run.mutex);
    e->status = status;
    struct gwaiter *waiters = e->waiters;
    struct ghold *hold = e->hold;
    e->waiters = NULL;
    e->hold = NULL;
    pthread_mutex_unlock(&run.mutex);
    /* Before anybody is told, who may look at once. */
    if (e->drop_when_done) grun_unlist(e);
    ghold_leave(hold);
    for (struct gwaiter *w = waiters, *next; w; w = next) {
        next = w->next;
        grun_answer(e, w);
    }
}

/* CREATED becomes RUNNING, unless it was aborted before. */
bool grun_begin(struct gexec *e)
{
    pthread_mutex_lock(&run.mutex);
    bool fresh = e->status == GEXEC_CREATED;
    if (fresh) e->status = GEXEC_RUNNING;
    pthread_mutex_unlock(&run.mutex);
    return fresh;
}

static void end(struct gexec *e, int64_t now_us)
{
    gwatch_end(e->watch);
    e->watch = NULL;
    e->total_us = now_us - e->began_us;
    atomic_store_explicit(&e->meter.ended_us, now_us, memory_order_relaxed);
    atomic_fetch_add_explicit(e->errors.count ? &run.failed : &run.finished, 1,
                              memory_order_relaxed);
    gslow_execution(e);
    finish(e, e->parked_abort ? GEXEC_ABORTED : GEXEC_DONE);
}

bool grun_run(struct gexec *e, const struct gpy_input *input, struct kv_unit *unit,
              unsigned depth, int64_t *now_us)
{
    int64_t start_us = *now_us;
    e->began_us = start_us;
    atomic_store_explicit(&e->meter.began_us, start_us, memory_order_relaxed);
    e->watch = gwatch_begin(&e->stop, &e->limits.own, &e->meter, e);
    atomic_fetch_add_explicit(&run.started, 1, memory_order_relaxed);
    bool ended = gpy_run_exec(e, input, unit, depth);
    *now_us = clock_mono_us();
    atomic_fetch_add_explicit(&run.busy_us, *now_us - start_us, memory_order_relaxed);
    if (ended) end(e, *now_us);
    return ended;
}

bool grun_execute(struct gexec *e, const struct gpy_input *input, struct kv_unit *unit,
                  unsigned depth)
{
    if (!grun_begin(e)) return true;
    int64_t now_us = clock_mono_us();
    return grun_run(e, input, unit, depth, &now_us);
}

/* The interpreter took a reference when it paused the execution. */
static void resume(struct gjob *job, const char *failure)
{
    struct gexec *e = CONTAINER_OF(job, struct gexec, job);
    ASSERT(!failure); /* it began */
    int64_t start_us = clock_mono_us();
    bool ended = gpy_resume_exec(e);
    int64_t now_us = clock_mono_us();
    atomic_fetch_add_explicit(&run.busy_us, now_us - start_us, memory_order_relaxed);
    if (!ended) return;
    end(e, now_us);
    if (e->then) e->then(e, e->then_ctx);
    grun_exec_unref(e);
}

static bool unpark(struct gexec *e, bool abort)
{
    int parked = GEXEC_PARKED;
    if (!atomic_compare_exchange_strong(&e->park, &parked, GEXEC_NOT_PARKED)) return false;
    e->parked_abort = abort;
    e->job.run = resume;
    grun_submit(&e->job);
    return true;
}

bool grun_unpark(struct gexec *e)
{
    return unpark(e, false);
}

bool grun_wait(struct gexec *e, struct gwaiter *waiter)
{
    pthread_mutex_lock(&run.mutex);
    waiter->stuck = e->status == GEXEC_PENDING_TERMINATION;
    bool waits = !ended(e) && !waiter->stuck;
    if (waits) {
        waiter->next = e->waiters;
        e->waiters = waiter;
    }
    pthread_mutex_unlock(&run.mutex);
    return waits;
}

void grun_abort(struct gexec *e)
{
    pthread_mutex_lock(&run.mutex);
    enum gexec_status before = e->status;
    if (before == GEXEC_CREATED) e->status = GEXEC_ABORTED;
    pthread_mutex_unlock(&run.mutex);
    if (before != GEXEC_CREATED && before != GEXEC_RUNNING) return;
    atomic_fetch_add_explicit(&run.aborted, 1, memory_order_relaxed);
    if (before == GEXEC_CREATED) {
        finish(e, GEXEC_ABORTED);
        return;
    }
    gpy_stop(&e->stop);
    unpark(e, true);
}

/* Takes the waiters whose time is over from one execution into *late. Under the mutex. */
static void take_late(struct gexec *e, int64_t now_us, struct gwaiter **late)
{
    for (struct gwaiter **at = &e->waiters; *at;) {
        struct gwaiter *w = *at;
        if (w->what == GWAIT_ABORT && w->deadline_us <= now_us) {
            *at = w->next;
            w->next = *late;
            *late = w;
        } else {
            at = &w->next;
        }
    }
}

void grun_expire_waits(void)
{
    struct gwaiter *late = NULL;
    int64_t now_us = clock_mono_us();
    pthread_mutex_lock(&run.mutex);
    for (struct gexec *e = run.newest; e; e = e->next)
        if (e->waiters) take_late(e, now_us, &late);
    pthread_mutex_unlock(&run.mutex);
    for (struct gwaiter *w = late, *next; w; w = next) {
        struct tape reply = {0};
        next = w->next;
        tape_bytes(&reply, TAPE_ERROR, GRUN_STUCK_TEXT, sizeof(GRUN_STUCK_TEXT) - 1);
        client_unblock_post(w->client_id, &reply);
        mem_free(w);
    }
}

/* Under the mutex. */
static struct gwaiter *take_waiters(struct gexec *e)
{
    struct gwaiter *taken = e->waiters;
    e->waiters = NULL;
    for (struct gwaiter *w = taken; w; w = w->next) w->stuck = true;
    return taken;
}

bool grun_give_up(struct gexec *e)
{
    pthread_mutex_lock(&run.mutex);
    bool running = e->status == GEXEC_RUNNING;
    struct gwaiter *list = running ? take_waiters(e) : NULL;
    struct ghold *hold = running ? e->hold : NULL;
    if (running) {
        e->status = GEXEC_PENDING_TERMINATION;
        e->hold = NULL;
    }
    pthread_mutex_unlock(&run.mutex);
    ghold_leave(hold);
    for (struct gwaiter *w = list, *next; w; w = next) {
        next = w->next;
        grun_answer(e, w);
    }
    return running;
}

#define GIVEN_UP_AT_ONCE 64

/* Some of those, with references. */
static size_t take_stopped(struct gexec *out[GIVEN_UP_AT_ONCE])
{
    size_t n = 0;
    pthread_mutex_lock(&run.mutex);
    for (struct gexec *e = run.newest; e && n < GIVEN_UP_AT_ONCE; e = e->next)
        if (e->status == GEXEC_RUNNING && atomic_load(&e->stop.wanted)) out[n++] = grun_exec_ref(e);
    pthread_mutex_unlock(&run.mutex);
    return n;
}

void grun_give_up_stopped(void)
{
    struct gexec *list[GIVEN_UP_AT_ONCE];
    size_t n = take_stopped(list);
    for (size_t i = 0; i < n; i++) {
        gstuck_exec(list[i]);
        grun_exec_unref(list[i]);
    }
}

struct ghold *grun_hold(struct gexec *e)
{
    pthread_mutex_lock(&run.mutex);
    struct ghold *hold = e->hold ? ghold_ref(e->hold) : NULL;
    pthread_mutex_unlock(&run.mutex);
    return hold;
}

void grun_wait_abort(struct gexec *e, uint64_t client_id)
{
    struct gwaiter *w = mem_zalloc(sizeof(*w));
    w->client_id = client_id;
    w->what = GWAIT_ABORT;
    w->deadline_us = clock_mono_us() + ABORT_WAIT_US;
    if (!grun_wait(e, w)) grun_answer(e, w);
}

struct grun_stats grun_stats(void)
{
    return (struct grun_stats){.started = atomic_load(&run.started),
                               .finished = atomic_load(&run.finished),
                               .failed = atomic_load(&run.failed),
                               .aborted = atomic_load(&run.aborted),
                               .dropped = atomic_load(&run.dropped),
                               .busy_us = atomic_load(&run.busy_us)};
}

/* An execution started from a step waits in the queue like any job. */
struct start_job {
    struct gjob job;
    struct gexec *exec;
};

static void run_start_job(struct gjob *job, const char *failure)
{
    struct start_job *s = CONTAINER_OF(job, struct start_job, job);
    /* Paused, it is its own. */
    bool ended = failure || grun_execute(s->exec, NULL, NULL, 0);
    UNUSED(ended);
    grun_exec_unref(s->exec);
    mem_free(s);
}

void grun_start(struct gexec *take_e)
{
    struct start_job *s = mem_zalloc(sizeof(*s));
    s->job.run = run_start_job;
    s->exec = take_e;
    grun_submit(&s->job);
}
