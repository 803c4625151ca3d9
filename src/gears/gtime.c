/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers of gears; see gtime.h. Main fires them; a worker that ran a time event comes back with
 * the timer's number, since the timer may be gone by then.
 */
#include "gears/gtime.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "exec/client.h"
#include "exec/pause.h"
#include "exec/token.h"
#include "gears/gpause.h"
#include "gears/gsync.h"
#include "net/loop.h"

/* How long the wall clock isn't looked at, at most. */
#define LOOK_MS 5000
/* The clock may be set back by as much without a cron run being repeated. */
#define SET_BACK_S (3 * 3600)
#define MARK "gears time event "
#define EVENTS_MAX 10000

struct gtimer {
    size_t at;      /* in the heap */
    int64_t due_ms; /* monotonic: when it is looked at */
    int64_t every_ms;
    const struct gcron *cron; /* NULL: every_ms */
    int64_t minute_s;         /* the minute that comes next, since 1970 */
    int64_t before_s;         /* the one before it, or when the timer was made */
    uint64_t skipped;

    struct greg *g;     /* of a registration, which lives longer; or NULL, and: */
    uint64_t number;
    struct gplan *plan; /* a reference */
    bool runs;
    char *key; /* NULL: none */
    size_t key_len;
    char mark[GTIME_MARK_MAX];
};

/* Guard of all: the token. */
static struct {
    struct gtimer **heap; /* the first to be due is at 0 */
    size_t count, cap;
    uint64_t next_number;
    atomic_size_t events;
    bool arm_posted;
} timers;

/* ---- the heap ---- */

static void put(size_t at, struct gtimer *t)
{
    timers.heap[at] = t;
    t->at = at;
}

/* Moves t to its place, which is at t->at or nearer to the root or the leaves. */
static void settle(struct gtimer *t)
{
    size_t at = t->at;
    for (size_t up; at > 0 && timers.heap[up = (at - 1) / 2]->due_ms > t->due_ms; at = up)
        put(at, timers.heap[up]);
    for (size_t down; (down = at * 2 + 1) < timers.count; at = down) {
        if (down + 1 < timers.count &&
            timers.heap[down + 1]->due_ms < timers.heap[down]->due_ms)
            down++;
        if (timers.heap[down]->due_ms >= t->due_ms) break;
        put(at, timers.heap[down]);
    }
    put(at, t);
}

static int on_timer(void *ctx);

static void arm(void *unused)
{
    UNUSED(unused);
    timers.arm_posted = false;
    if (timers.count == 0) return;
    int64_t left_ms = timers.heap[0]->due_ms - clock_mono_ms();
    loop_timer_set(MAX(left_ms, 0), on_timer, NULL);
}

static void insert(struct gtimer *t)
{
    if (timers.count == timers.cap) {
        timers.cap = timers.cap ? timers.cap * 2 : 16;
        timers.heap = mem_realloc(timers.heap, sizeof(*timers.heap) * timers.cap);
    }
    put(timers.count++, t);
    settle(t);
    /* The loop is main's; and while it runs timers, it may not be told of any. */
    if (timers.heap[0] != t || timers.arm_posted) return;
    timers.arm_posted = true;
    exec_post(arm, NULL);
}

static void take_out(struct gtimer *t)
{
    struct gtimer *last = timers.heap[--timers.count];
    if (last != t) {
        put(t->at, last);
        settle(last);
    }
    if (!t->g) atomic_fetch_sub(&timers.events, 1);
}

static void free_timer(struct gtimer *t)
{
    gplan_unref(t->plan);
    mem_free(t->key);
    mem_free(t);
}

static void drop(struct gtimer *t)
{
    take_out(t);
    free_timer(t);
}

/* ---- when ---- */

/* Looks at the wall clock. True if the minute has come, which is then in *minute_out. */
static bool minute_has_come(struct gtimer *t, int64_t now_s, int64_t *minute_out)
{
    if (now_s < t->before_s - SET_BACK_S) { /* another time altogether */
        t->before_s = now_s;
        t->minute_s = gcron_next(t->cron, now_s);
    }
    if (t->minute_s < 0 || now_s < t->minute_s) return false;
    *minute_out = t->minute_s;
    t->before_s = now_s;
    t->minute_s = gcron_next(t->cron, now_s);
    return true;
}

/* When to look again. */
static void set_due(struct gtimer *t, int64_t now_ms)
{
    if (t->cron) {
        int64_t left_ms = t->minute_s < 0 ? LOOK_MS : t->minute_s * 1000 - clock_wall_ms();
        t->due_ms = now_ms + MAX(MIN(left_ms, LOOK_MS), 1);
    } else {
        t->due_ms += t->every_ms;
        /* What was missed (a stalled server, a suspended machine) isn't made up for. */
        if (t->due_ms <= now_ms) t->due_ms = now_ms + t->every_ms;
    }
}

/* ---- registrations ---- */

void gtime_add(struct greg *g)
{
    struct gtimer *t = mem_zalloc(sizeof(*t));
    const struct gtime_spec *spec = g->request->time;
    t->g = g;
    g->timer = t;
    t->due_ms = clock_mono_ms();
    if (spec->every_ms) {
        t->every_ms = spec->every_ms;
    } else {
        t->cron = &spec->cron;
        t->before_s = clock_wall_us() / 1000000;
        t->minute_s = gcron_next(t->cron, t->before_s);
    }
    set_due(t, t->due_ms);
    insert(t);
}

void gtime_remove(struct greg *g)
{
    drop(g->timer);
    g->timer = NULL;
}

void gtime_state(const struct greg *g, int64_t *next_ms, uint64_t *skipped)
{
    const struct gtimer *t = g->timer;
    *skipped = t->skipped;
    *next_ms = t->cron ? t->minute_s * 1000 : clock_wall_ms() + t->due_ms - clock_mono_ms();
}

static void run_registration_sync(struct greg *g, int64_t time_ms)
{
    struct gpy_input input = {.time_ms = time_ms};
    struct kv_unit unit;
    exec_unit_begin(&unit);
    struct gexec *e = greg__run_sync(g, &input, &unit, 1);
    exec_unit_end(&unit, 1);
    grun_exec_unref(e);
}

static void fire_registration(struct gtimer *t, int64_t time_ms)
{
    struct greg *g = t->g;
    /* While clients are paused main changes nothing, either; workers wait themselves. */
    bool paused = g->plan->mode == GMODE_SYNC && pause_holds(NULL);
    if (paused || gpause__is_paused(g) || greg__in_flight(g)) {
        t->skipped++;
        return;
    }
    greg__ref(g); /* a callback may unregister it, and with it the timer */
    greg__triggered(g);
    if (g->plan->mode == GMODE_SYNC) {
        run_registration_sync(g, time_ms);
    } else {
        struct greg_event *ev = mem_zalloc(sizeof(*ev));
        ev->exec = grun_exec_new(g->plan, true);
        ev->time_ms = time_ms;
        ev->depth = 1;
        grun_list(ev->exec);
        greg__queue(g, ev);
    }
    greg__unref(g);
}

/* ---- time events ---- */

void gtime_make_mark(char out[GTIME_MARK_MAX], int64_t every_ms)
{
    char id[RANDOM_ID_LEN + 1];
    random_hex_id(id);
    snprintf(out, GTIME_MARK_MAX, MARK "%s, every %lld s", id, (long long)every_ms / 1000);
}

static bool key_holds(struct view key, struct view text, bool only_begins)
{
    char scratch[KV_SCRATCH];
    struct kv_unit unit = {.now_ms = clock_wall_ms()};
    struct arg name = arg_of_view(key);
    const struct kv_entry *e = kv_peek(&unit, kv_db(0), &name);
    if (!e || kv_entry_type(e) != TYPE_STRING) return false;
    struct view value = kv_entry_string(e, scratch);
    if (only_begins && value.len > text.len) value.len = text.len;
    return view_eq(value, text);
}

static struct view key_of(const struct gtimer *t)
{
    return view_of(t->key, t->key_len);
}

bool gtime_is_stale(struct view key)
{
    if (!key_holds(key, VIEW_LIT(MARK), true)) return false;
    for (size_t i = 0; i < timers.count; i++) {
        const struct gtimer *t = timers.heap[i];
        if (t->key && view_eq(key_of(t), key) && key_holds(key, view_cstr(t->mark), false))
            return false;
    }
    return true;
}

enum status gtime_begin(struct gplan *plan, int64_t every_ms, struct view key, const char *mark)
{
    if (atomic_load(&timers.events) >= EVENTS_MAX) return STATUS_LIMIT;
    struct gtimer *t = mem_zalloc(sizeof(*t));
    t->number = ++timers.next_number;
    t->plan = plan;
    t->every_ms = every_ms;
    t->due_ms = clock_mono_ms();
    if (key.ptr) {
        t->key = mem_dup(key.ptr, key.len);
        t->key_len = key.len;
        snprintf(t->mark, sizeof(t->mark), "%s", mark);
    }
    set_due(t, t->due_ms);
    atomic_fetch_add(&timers.events, 1);
    insert(t);
    return STATUS_OK;
}

/* The key of an event that has ended goes, if it is still its own. */
static void delete_key(struct view key, const char *mark)
{
    struct exec_call call = {.resp = 2, .flags = EXEC_DENY_BLOCKING, .event_depth = 1};
    struct arg argv[] = {arg_of_view(VIEW_LIT("DEL")), arg_of_view(key)};
    struct tape reply = {0};
    if (!key_holds(key, view_cstr(mark), false)) return;
    if (exec_run(&call, argv, 2, &reply)) log_warning("Gears: a time event's key is left behind");
    tape_release(&reply);
}

/* In three passes, since others are told of a deleted key, and may change the heap. */
void gtime_end(const struct gsession *session, bool named_too)
{
    struct gtimer **ends = mem_alloc(sizeof(*ends) * (timers.count + 1));
    size_t count = 0, named = 0;
    for (size_t i = 0; i < timers.count; i++) {
        struct gtimer *t = timers.heap[i];
        if (!t->g && t->plan->session == session && (!t->key || named_too)) ends[count++] = t;
    }
    for (size_t i = 0; i < count; i++) {
        take_out(ends[i]);
        if (ends[i]->key) ends[named++] = ends[i];
        else free_timer(ends[i]);
    }
    for (size_t i = 0; i < named; i++) {
        delete_key(key_of(ends[i]), ends[i]->mark);
        free_timer(ends[i]);
    }
    mem_free(ends);
}

size_t gtime_event_count(void)
{
    return atomic_load(&timers.events);
}

struct event_run {
    struct gjob job;
    struct gexec *exec;
    uint64_t number; /* of the timer */
    int64_t time_ms;
};

static struct gtimer *timer_numbered(uint64_t number)
{
    for (size_t i = 0; i < timers.count; i++)
        if (!timers.heap[i]->g && timers.heap[i]->number == number) return timers.heap[i];
    return NULL;
}

static void log_end(const struct gexec *e)
{
    struct view error = greg__first_error(e);
    log_warning("Gears: a time event of session %s has failed and ends: %.*s",
                e->plan->session->id, (int)MIN(error.len, (size_t)LOG_MESSAGE_MAX), error.ptr);
}

static void event_ended(struct gexec *e, void *ctx)
{
    struct event_run *run = ctx;
    bool failed = e->errors.count > 0 || grun_status(e) == GEXEC_ABORTED;
    if (failed) log_end(e);
    bool held = token_take(NULL) == STATUS_OK;
    struct gtimer *t = held ? timer_numbered(run->number) : NULL;
    if (t) t->runs = false;
    if (t && failed) drop(t);
    if (held) token_give();
    grun_exec_unref(e);
    mem_free(run);
}

static void run_event(struct gjob *job, const char *failure)
{
    struct event_run *run = CONTAINER_OF(job, struct event_run, job);
    struct gexec *e = run->exec;
    struct gpy_input input = {.time_ms = run->time_ms};
    ASSERT(!failure); /* Python made it */
    e->then = event_ended;
    e->then_ctx = run;
    if (grun_execute(e, &input, NULL, 1)) event_ended(e, run);
}

static void fire_event(struct gtimer *t, int64_t time_ms)
{
    if (t->key && !key_holds(key_of(t), view_cstr(t->mark), false)) {
        drop(t);
        return;
    }
    if (t->runs) return;
    struct event_run *run = mem_zalloc(sizeof(*run));
    t->runs = true;
    run->job.run = run_event;
    run->number = t->number;
    run->time_ms = time_ms;
    run->exec = grun_exec_new(t->plan, true);
    run->exec->drop_when_done = true;
    grun_list(run->exec);
    grun_submit(&run->job);
}

/* ---- main ---- */

/* Each timer that fires is due later than now before its code runs, which may change the heap. */
static int on_timer(void *ctx)
{
    UNUSED(ctx);
    int64_t now_ms = clock_mono_ms();
    while (timers.count && timers.heap[0]->due_ms <= now_ms) {
        struct gtimer *t = timers.heap[0];
        int64_t time_ms = clock_wall_ms(), minute_s;
        bool fires = true;
        if (t->cron) {
            fires = minute_has_come(t, time_ms / 1000, &minute_s);
            if (fires) time_ms = minute_s * 1000;
        }
        set_due(t, now_ms);
        settle(t);
        if (!fires) continue;
        if (t->g) fire_registration(t, time_ms);
        else fire_event(t, time_ms);
    }
    if (timers.count == 0) return -1;
    int64_t left_ms = timers.heap[0]->due_ms - clock_mono_ms();
    return (int)MAX(MIN(left_ms, (int64_t)60000), 0);
}
