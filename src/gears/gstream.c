/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which streams have something for which registration, and when it is to be run; see gstream.h.
 * Runs under the data token on whichever thread holds it.
 *
 * A state is a hint, not a record: what is to be done is read from the stream each time. So a
 * stream that was deleted, replaced, emptied or set back needs no care but another look, and
 * `lacking` saves most looks: so many entries at least must come before a batch is complete.
 */
#include "gears/gstream.h"

#include "base/clock.h"
#include "base/log.h"
#include "exec/client.h"
#include "exec/pause.h"
#include "exec/token.h"
#include "gears/gstream_impl.h"
#include "net/loop.h"

#define EVENTS (KV_EVENT_STREAM | KV_EVENT_GENERIC)
/* States that one call of the cron looks at. */
#define CRON_LOOKS 64
/* The search for streams: entries between two looks at the clock, and a slice's length. */
#define FIND_ENTRIES 64
#define FIND_US 50

/* A group that is to end, on all streams of its prefix. */
struct ending {
    struct ending *next;
    struct view group, prefix; /* owned */
    uint64_t cursor;
};

static struct {
    struct list_node live; /* of struct gstream; oldest first */
    size_t count;          /* of those that aren't removed */
    size_t forerunners;    /* those that are, with a batch in flight */
    uint64_t serial;
    struct ending *removed; /* by gstream_remove, until gstream_settle */
    struct ending *endings; /* that a worker sees to */
    bool ending_scheduled;
    struct gjob ending_job;
    int64_t alarm_ms; /* monotonic; 0: none */
    bool ringing;     /* it is looked at when that is over */
    const void *keys; /* of database 0, when the cron looked last */
    uint64_t cron_serial;
} streams;

/* ---- arguments ---- */

struct gstream_args *gstream_args_new(void)
{
    struct gstream_args *a = mem_zalloc(sizeof(*a));
    a->batch = a->retry_s = 1;
    a->trim = true;
    return a;
}

void gstream_args_free(struct gstream_args *a)
{
    if (a) mem_free(a->dead_letter);
    mem_free(a);
}

const char *gstream_policy_name(enum gstream_policy policy)
{
    static const char *const names[] = {"continue", "abort", "retry"};
    return names[policy];
}

/* ---- who wants what ---- */

/* Who may not read and write a stream can't consume it. */
static bool may_consume(const struct gstream *s, struct view key)
{
    struct exec_user *user = s->g->plan->session ? s->g->plan->session->user : NULL;
    if (!user) return true;
    const struct exec_user *now = exec_user_now(user);
    return !now || (exec_user_reads(now, key) && exec_user_writes(now, key));
}

static bool wants(const struct gstream *s, struct view key)
{
    const struct gstream_args *a = s->args;
    if (a->dead_letter && view_eq(key, view_of(a->dead_letter, a->dead_letter_len))) return false;
    return greg__prefix_matches(s->g->request, key) && may_consume(s, key);
}

/* ---- states ---- */

static struct view state_key(const void *entry)
{
    const struct gstream_state *st = entry;
    return view_of(st->key, st->key_len);
}

static const struct table_type state_table = {.key = state_key};

static struct gstream_state *find_state(const struct gstream *s, struct view key)
{
    return table_find(&s->states, &state_table, key, hash_bytes(key.ptr, key.len));
}

/* The state of a stream, made if there is none. */
static struct gstream_state *state_of(struct gstream *s, struct view key)
{
    struct gstream_state *st = find_state(s, key);
    if (st) return st;
    st = mem_alloc(sizeof(*st) + key.len);
    *st = (struct gstream_state){.key_len = key.len};
    if (key.len) memcpy(st->key, key.ptr, key.len);
    list_init(&st->ready);
    list_init(&st->timed);
    list_push(&s->all, &st->all);
    table_insert(&s->states, &state_table, st, hash_bytes(key.ptr, key.len));
    return st;
}

static void drop_state(struct gstream *s, struct gstream_state *st)
{
    if (s->cron_at == &st->all) s->cron_at = st->all.next;
    if (s->current == st) s->current = NULL;
    list_unlink(&st->all);
    list_unlink(&st->ready);
    list_unlink(&st->timed);
    table_remove_entry(&s->states, st, hash_bytes(st->key, st->key_len));
    mem_free(st);
}

static void make_ready(struct gstream *s, struct gstream_state *st)
{
    list_unlink(&st->timed);
    st->is_due = false;
    list_push(&s->ready, &st->ready);
    greg__triggered(s->g);
    gstream__schedule(s);
}

static void wait_for_more(struct gstream *s, struct gstream_state *st, uint64_t fresh)
{
    st->lacking = s->args->batch - (int64_t)fresh;
    if (!s->args->duration_ms || list_is_linked(&st->timed)) return;
    st->due_ms = clock_mono_ms() + s->args->duration_ms;
    list_push(&s->timed, &st->timed);
    gstream__alarm(st->due_ms);
}

void gstream__look(struct gstream *s, struct gstream_state *st, struct kv_unit *u)
{
    if (list_is_linked(&st->ready) || s->current == st) return;
    struct view key = view_of(st->key, st->key_len);
    struct gstream_look look = gstream_look(u, key, s->group, (uint64_t)s->args->batch);
    if (!wants(s, key) || !look.is_stream || look.pending + look.fresh == 0) {
        drop_state(s, st);
    } else if (look.pending || (int64_t)look.fresh >= s->args->batch || st->is_due) {
        st->lacking = 0;
        if (s->status == GSTREAM_OK) make_ready(s, st);
    } else {
        wait_for_more(s, st, look.fresh);
    }
}

void gstream__drop_ready(struct gstream *s)
{
    struct list_node *n;
    uint64_t count = 0;
    for (; (n = list_pop(&s->ready)); count++) continue;
    if (count) greg__aborted(s->g, count);
}

/* Looks at all states again, since the registration is OK again. */
static void resume(struct gstream *s)
{
    struct kv_unit u = {.now_ms = clock_wall_ms()};
    s->status = GSTREAM_OK;
    s->retry_at_ms = 0;
    LIST_EACH(&s->all, n) gstream__look(s, CONTAINER_OF(n, struct gstream_state, all), &u);
    gstream__schedule(s);
}

/* ---- what all have done ---- */

static void trim(struct kv_unit *u, struct gstream_flight *f, const struct gstream_place *p,
                 struct view key)
{
    struct stream_id least = STREAM_ID_MAX, from;
    bool wanted = false;
    if (p->db->id != 0) return; /* where nobody reads */
    LIST_EACH(&streams.live, n) {
        const struct gstream *o = CONTAINER_OF(n, struct gstream, live);
        if (o->removed || !wants(o, key)) continue;
        wanted |= o->args->trim;
        if (!gstream_needs_from(p->stream, o->group, &from)) return;
        if (stream_id_compare(from, least) < 0) least = from;
    }
    if (wanted) gstream_trim(u, f, p, key, least);
}

void gstream__trim(struct gstream *s, const struct gstream_hold *h, const struct gstream_place *p)
{
    trim(h->unit, &s->flight, p, buf_view(&s->flight.key));
}

/* ---- when a worker is needed ---- */

/* A batch of one that had this group before is still in flight. */
static bool has_forerunner(const struct gstream *s)
{
    if (likely(!streams.forerunners)) return false;
    LIST_EACH(&streams.live, n) {
        const struct gstream *o = CONTAINER_OF(n, struct gstream, live);
        if (o->removed && !o->stuck && view_eq(o->group, s->group)) return true;
    }
    return false;
}

static void schedule_successors(const struct gstream *s)
{
    LIST_EACH(&streams.live, n) {
        struct gstream *o = CONTAINER_OF(n, struct gstream, live);
        if (view_eq(o->group, s->group)) gstream__schedule(o);
    }
}

bool gstream_note_stuck(struct gexec *e)
{
    LIST_EACH(&streams.live, n) {
        struct gstream *s = CONTAINER_OF(n, struct gstream, live);
        if (s->g->plan != e->plan || !s->in_flight) continue;
        if (grun_status(e) != GEXEC_PENDING_TERMINATION) return false; /* it did end */
        s->stuck = true;
        if (s->removed) schedule_successors(s);
        return true;
    }
    return false;
}

bool gstream__may_run(const struct gstream *s)
{
    return s->started && !s->removed && !s->in_flight && s->status == GSTREAM_OK &&
           !has_forerunner(s);
}

void gstream__schedule(struct gstream *s)
{
    if (s->scheduled || !gstream__may_run(s)) return;
    if (!s->finding && !list_is_linked(&s->ready)) return;
    s->scheduled = true;
    greg__ref(s->g);
    grun_submit(&s->job);
}

/* ---- the alarm: durations and retries ---- */

/* Rings what is due in one registration; *next_ms becomes the time of what isn't, if sooner. */
static void ring(struct gstream *s, struct kv_unit *u, int64_t now_ms, int64_t *next_ms)
{
    if (s->status == GSTREAM_WAITING) {
        if (s->retry_at_ms <= now_ms)
            resume(s);
        else
            *next_ms = MIN(*next_ms, s->retry_at_ms);
    }
    while (list_is_linked(&s->timed)) {
        struct gstream_state *st = CONTAINER_OF(s->timed.next, struct gstream_state, timed);
        if (st->due_ms > now_ms) {
            *next_ms = MIN(*next_ms, st->due_ms);
            break;
        }
        list_unlink(&st->timed);
        st->is_due = true;
        gstream__look(s, st, u);
    }
}

static int on_alarm(void *ctx)
{
    UNUSED(ctx);
    int64_t now_ms = clock_mono_ms(), next_ms = INT64_MAX;
    struct kv_unit u = {.now_ms = clock_wall_ms()};
    streams.alarm_ms = 0;
    streams.ringing = true;
    LIST_EACH(&streams.live, n) {
        struct gstream *s = CONTAINER_OF(n, struct gstream, live);
        if (!s->removed) ring(s, &u, now_ms, &next_ms);
    }
    streams.ringing = false;
    if (streams.alarm_ms) next_ms = MIN(next_ms, streams.alarm_ms);
    if (next_ms == INT64_MAX) return -1;
    streams.alarm_ms = next_ms;
    return (int)MIN(MAX(next_ms - now_ms, 0), (int64_t)INT32_MAX);
}

static void set_alarm(void *ctx)
{
    UNUSED(ctx);
    if (!streams.alarm_ms) return;
    loop_timer_set(MAX(streams.alarm_ms - clock_mono_ms(), 0), on_alarm, NULL);
}

void gstream__alarm(int64_t due_ms)
{
    if (streams.alarm_ms && streams.alarm_ms <= due_ms) return;
    streams.alarm_ms = due_ms;
    if (streams.ringing) return;
    if (exec_is_main())
        set_alarm(NULL);
    else
        exec_post(set_alarm, NULL);
}

/* ---- events ---- */

/* A batch in flight follows its stream to another name. */
static void follow(struct gstream *s, const struct exec_event *e)
{
    struct gstream_flight *f = &s->flight;
    if (!s->in_flight || !f->count || !gstream_is_at(e->unit, e->db, e->key, f, s->group)) return;
    if (gstream_is_at(e->unit, e->db, buf_view(&f->key), f, s->group)) return; /* a copy */
    buf_clear(&f->key);
    buf_append_view(&f->key, e->key);
    f->removed = UINT64_MAX; /* what was copied ahead has the old name */
}

/* An entry was added to a stream, or a stream has come under this name. */
static void tell(struct gstream *s, const struct exec_event *e, bool added)
{
    struct gstream_state *st = find_state(s, e->key);
    if (st && s->status != GSTREAM_OK) return; /* looked at when that ends */
    if (st && added && st->lacking > 1) {
        st->lacking--;
        return;
    }
    if (!st) {
        if (!wants(s, e->key)) return;
        st = state_of(s, e->key);
    }
    gstream__look(s, st, e->unit);
    if (s->g->plan->mode != GMODE_SYNC || !gstream__may_run(s)) return;
    st = find_state(s, e->key);
    if (st && list_is_linked(&st->ready)) gstream__run_now(s, st, e);
}

static struct gstream *behind(uint64_t serial)
{
    LIST_EACH(&streams.live, n) {
        struct gstream *s = CONTAINER_OF(n, struct gstream, live);
        if (s->serial > serial) return s;
    }
    return NULL;
}

static bool is_arrival(const char *name)
{
    return !strcmp(name, "rename_to") || !strcmp(name, "move_to") || !strcmp(name, "copy_to") ||
           !strcmp(name, "restore");
}

/* A callback may remove registrations, its own too: the next one is looked for when it has
 * returned. */
static void on_event(void *ctx, const struct exec_event *e)
{
    UNUSED(ctx);
    bool added = e->class_ == KV_EVENT_STREAM && !strcmp(e->name, "xadd");
    if (e->db->id != 0 || (!added && !is_arrival(e->name))) return;
    for (struct gstream *s = behind(0); s;) {
        uint64_t serial = s->serial;
        struct greg *g = s->g;
        struct list_node *next = s->live.next;
        greg__ref(g);
        if (!added) follow(s, e);
        if (!s->removed) tell(s, e, added);
        if (s->removed || g->plan->mode == GMODE_SYNC)
            s = behind(serial);
        else
            s = next == &streams.live ? NULL : CONTAINER_OF(next, struct gstream, live);
        greg__unref(g);
    }
}

/* ---- streams that are there already ---- */

struct finder {
    struct gstream *s;
    struct kv_unit *unit;
};

static void found(void *ctx, struct kv_entry *e)
{
    struct finder *f = ctx;
    if (kv_entry_type(e) != TYPE_STREAM || !wants(f->s, kv_entry_key(e))) return;
    gstream__look(f->s, state_of(f->s, kv_entry_key(e)), f->unit);
}

static bool is_exact(struct view prefix)
{
    return prefix.ptr[prefix.len - 1] != '*';
}

static struct view prefix_of(const struct gstream *s)
{
    return view_of(s->g->request->prefix, s->g->request->prefix_len);
}

void gstream__find(struct gstream *s, struct kv_unit *u)
{
    struct finder f = {s, u};
    struct view prefix = prefix_of(s);
    if (!s->finding) return;
    if (is_exact(prefix)) {
        s->finding = false;
        if (wants(s, prefix)) gstream__look(s, state_of(s, prefix), u);
        return;
    }
    int64_t end_us = clock_mono_us() + FIND_US;
    do {
        s->cursor = kv_scan(kv_db(0), s->cursor, FIND_ENTRIES, found, &f);
        s->finding = s->cursor != 0;
    } while (s->finding && clock_mono_us() < end_us);
}

/* ---- groups that end ---- */

static struct view copy_view(struct view v)
{
    return view_of(mem_dup(v.ptr, v.len), v.len);
}

static void ending_free(struct ending *d)
{
    mem_free((void *)(uintptr_t)d->group.ptr);
    mem_free((void *)(uintptr_t)d->prefix.ptr);
    mem_free(d);
}

/* On one stream, where others may have waited for it with trimming. */
static void end_group(struct kv_unit *u, struct view key, struct view group)
{
    struct gstream_place p = {.db = kv_db(0), .stream = gstream_destroy(u, key, group)};
    if (p.stream) trim(u, NULL, &p, key);
}

struct ender {
    const struct ending *d;
    struct kv_unit *unit;
};

static void end_here(void *ctx, struct kv_entry *e)
{
    struct ender *x = ctx;
    struct view key = kv_entry_key(e), prefix = x->d->prefix;
    if (kv_entry_type(e) != TYPE_STREAM || key.len < prefix.len - 1 ||
        memcmp(key.ptr, prefix.ptr, prefix.len - 1) != 0)
        return;
    end_group(x->unit, key, x->d->group);
}

/* A slice of it; true when the group is gone everywhere. */
static bool end_slice(struct ending *d)
{
    struct kv_unit unit;
    struct ender x = {d, &unit};
    int64_t end_us = clock_mono_us() + FIND_US;
    exec_unit_begin(&unit);
    if (is_exact(d->prefix)) {
        end_group(&unit, d->prefix, d->group);
    } else {
        do {
            d->cursor = kv_scan(kv_db(0), d->cursor, FIND_ENTRIES, end_here, &x);
        } while (d->cursor && clock_mono_us() < end_us);
    }
    bool done = d->cursor == 0;
    if (done) { /* before subscribers are told, who may look */
        struct ending **at = &streams.endings;
        while (*at != d) at = &(*at)->next;
        *at = d->next;
        ending_free(d);
    }
    exec_unit_end(&unit, 0);
    return done;
}

static void ending_turn(struct gjob *job, const char *failure)
{
    UNUSED(failure);
    if (gpy_token_take(NULL)) return;
    if (streams.endings) end_slice(streams.endings);
    bool more = streams.ending_scheduled = streams.endings != NULL;
    token_give();
    if (more) grun_submit(job);
}

static bool is_continued(struct view group)
{
    LIST_EACH(&streams.live, n) {
        const struct gstream *s = CONTAINER_OF(n, struct gstream, live);
        if (!s->removed && view_eq(s->group, group)) return true;
    }
    return false;
}

/* One stream's group ends at once, unless the data is to stand still: then a worker waits for that
 * to be over. */
void gstream_settle(void)
{
    struct kv_unit unit;
    struct ending *list = streams.removed;
    if (!list) return;
    streams.removed = NULL;
    exec_unit_begin(&unit);
    for (struct ending *d = list, *next; d; d = next) {
        next = d->next;
        if (is_continued(d->group)) {
            ending_free(d);
        } else if (is_exact(d->prefix) && !pause_is_on()) {
            end_group(&unit, d->prefix, d->group);
            ending_free(d);
        } else {
            d->next = streams.endings;
            streams.endings = d;
        }
    }
    if (streams.endings && !streams.ending_scheduled) {
        streams.ending_scheduled = true;
        streams.ending_job.run = ending_turn;
        grun_submit(&streams.ending_job);
    }
    exec_unit_end(&unit, 0);
}

/* ---- registrations ---- */

/* gears:<session>:<n>:<prefix>, with the least n that is free. */
static struct view group_name(const struct greg *g)
{
    struct buf name = {0};
    const char *session = g->plan->session ? g->plan->session->id : "";
    for (int n = 1;; n++) {
        buf_clear(&name);
        buf_printf(&name, "gears:%s:%d:", session, n);
        buf_append(&name, g->request->prefix, g->request->prefix_len);
        if (!is_continued(buf_view(&name))) return buf_view(&name);
    }
}

void gstream_add(struct greg *g)
{
    struct gstream *s = mem_zalloc(sizeof(*s));
    s->g = g;
    s->args = g->request->stream;
    s->group = group_name(g);
    s->serial = ++streams.serial;
    s->job.run = gstream__turn;
    list_init(&s->all);
    list_init(&s->ready);
    list_init(&s->timed);
    list_push(&streams.live, &s->live);
    g->stream = s;
    if (++streams.count == 1) exec_event_mask(on_event, EVENTS);
}

void gstream_remove(struct greg *g)
{
    struct gstream *s = g->stream;
    struct ending *d = mem_zalloc(sizeof(*d));
    s->removed = true;
    gstream__drop_ready(s);
    s->cron_at = NULL;
    LIST_EACH(&s->all, n) drop_state(s, CONTAINER_OF(n, struct gstream_state, all));
    if (s->in_flight) streams.forerunners++;
    else list_unlink(&s->live);
    if (--streams.count == 0) exec_event_mask(on_event, 0);
    d->group = copy_view(s->group);
    d->prefix = copy_view(prefix_of(s));
    d->next = streams.removed;
    streams.removed = d;
}

void gstream__end(struct gstream *s)
{
    list_unlink(&s->live);
    streams.forerunners--;
    schedule_successors(s);
}

void gstream_free(struct gstream *s)
{
    if (!s) return;
    gstream_flight_release(&s->flight);
    mem_free((void *)(uintptr_t)s->group.ptr);
    mem_free(s->failed);
    mem_free(s);
}

static struct ending *ending_of(struct view group)
{
    struct ending *d = streams.endings;
    while (d && !view_eq(d->group, group)) d = d->next;
    return d;
}

/* A group of its name that is still ending must be gone everywhere first, or it would go on where
 * that was. */
void gstream_start(uint64_t number)
{
    for (bool again = true; again;) {
        struct gstream *s = NULL;
        struct ending *d;
        if (gpy_token_take(NULL)) return;
        LIST_EACH(&streams.live, n) {
            struct gstream *o = CONTAINER_OF(n, struct gstream, live);
            if (!o->removed && o->g->plan->number == number) s = o;
        }
        again = s && (d = ending_of(s->group));
        if (again) {
            end_slice(d);
        } else if (s) {
            s->started = s->finding = true;
            gstream__schedule(s);
        }
        token_give();
    }
}

void gstream_pause(struct gstream *s)
{
    s->status = GSTREAM_PAUSED;
    s->retry_at_ms = 0;
    gstream__drop_ready(s);
}

void gstream_unpause(struct gstream *s)
{
    if (s->status == GSTREAM_OK) return;
    s->failed_in_row = 0;
    resume(s);
}

struct gstream_report gstream_report(const struct gstream *s)
{
    static const char *const names[] = {"OK", "WAITING_FOR_RETRY_ON_FAILURE", "ABORTED", "PAUSED"};
    return (struct gstream_report){
        .last_lag_ms = s->last_lag_ms,
        .mean_lag_ms = s->lag_count ? s->lag_sum_ms / (double)s->lag_count : 0,
        .status = names[s->status]};
}

void gstream_clear_stats(struct gstream *s)
{
    s->last_lag_ms = 0;
    s->lag_sum_ms = 0;
    s->lag_count = 0;
}

/* ---- the cron ---- */

/* Looks at some states, from where it stopped. */
static void look_at_some(struct gstream *s, struct kv_unit *u, int *left)
{
    if (!s->cron_at || s->cron_at == &s->all) s->cron_at = s->all.next;
    while (s->cron_at != &s->all && *left > 0) {
        struct gstream_state *st = CONTAINER_OF(s->cron_at, struct gstream_state, all);
        s->cron_at = s->cron_at->next;
        gstream__look(s, st, u);
        --*left;
    }
}

/* After SWAPDB, FLUSHALL or a load, database 0 is another one. */
static void find_anew(void)
{
    const void *keys = kv_db(0)->keys.body;
    if (keys == streams.keys) return;
    streams.keys = keys;
    LIST_EACH(&streams.live, n) {
        struct gstream *s = CONTAINER_OF(n, struct gstream, live);
        if (s->removed || !s->started) continue;
        s->finding = true;
        s->cursor = 0;
        gstream__schedule(s);
    }
}

void gstream_cron(void)
{
    struct kv_unit u = {.now_ms = clock_wall_ms()};
    int left = CRON_LOOKS;
    find_anew();
    struct gstream *s = behind(streams.cron_serial);
    if (!s) s = behind(0);
    for (size_t n = streams.count; s && n > 0 && left > 0; n--) {
        streams.cron_serial = s->serial;
        if (!s->removed) look_at_some(s, &u, &left);
        s = behind(s->serial);
    }
}

void gstream_setup(void)
{
    list_init(&streams.live);
    exec_on_event(0, on_event, NULL);
}
