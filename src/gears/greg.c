/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registrations and their events; see greg.h. Events come under the data token, on whichever
 * thread ran the command; runs of sync registrations happen right there, those of others on a
 * worker.
 */
#include "gears/greg.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/ticks.h"
#include "exec/pause.h"
#include "exec/reply.h"
#include "exec/token.h"
#include "gears/gbacklog.h"
#include "gears/gcalls.h"
#include "gears/gconf.h"
#include "gears/gorigin.h"
#include "gears/gpause.h"
#include "gears/greg_impl.h"
#include "gears/gscript.h"
#include "gears/gsync.h"
#include "gears/gtrigger.h"

/* What one turn of a registration's job runs before others get the worker. */
#define EVENTS_PER_TURN 1024
#define TURN_US 2000
#define CALLS_PER_TURN 64
/* A batch that events are read into keeps its room from one to the next, up to this. */
#define SCRATCH_MAX ((size_t)64 * 1024)
#define EVENTS_ALL                                                                                 \
    (KV_EVENT_GENERIC | KV_EVENT_STRING | KV_EVENT_LIST | KV_EVENT_SET | KV_EVENT_HASH |           \
     KV_EVENT_ZSET | KV_EVENT_EXPIRED | KV_EVENT_EVICTED | KV_EVENT_STREAM | KV_EVENT_KEYMISS |    \
     KV_EVENT_MODULE | KV_EVENT_NEW)

static struct {
    struct greg *list; /* oldest first; guard: the token */
    atomic_size_t count;
    uint64_t chain_since; /* when a command's own event began to be told, in ticks; guard: the
                             token */
    struct gread_batch scratch; /* guard: the token */
    _Atomic uint64_t own, too_deep; /* events that weren't told, and why */
    _Atomic unsigned depth_peak;
} regs;

/* ---- life ---- */

void greg_request_free(struct greg_request *r)
{
    if (!r) return;
    gplan_unref(r->plan);
    gpy_discard(r->on_registered);
    for (size_t i = 0; i < r->event_type_count; i++) mem_free(r->event_types[i]);
    mem_free(r->event_types);
    gstream_args_free(r->stream);
    mem_free(r->trigger);
    mem_free(r->time);
    ghook_request_release(&r->hook);
    mem_free(r->prefix);
    mem_free(r);
}

static void free_event(struct greg_event *ev)
{
    if (ev->release) {
        ev->release(ev);
        return;
    }
    grun_exec_unref(ev->exec);
    mem_free(ev->bytes);
    mem_free(ev->words);
    mem_free(ev);
}

void greg__ref(struct greg *g)
{
    atomic_fetch_add(&g->refs, 1);
}

/* Nothing is left to drop when the last reference goes: the worker's is among them. */
static void none_dropped(void *unused, uint64_t number, struct gexec *take_e)
{
    UNUSED(unused);
    UNUSED(number);
    UNUSED(take_e);
    ASSERT(false);
}

void greg__unref(struct greg *g)
{
    if (atomic_fetch_sub(&g->refs, 1) != 1) return;
    gbacklog_remove(g);
    gevent_release(&g->queue, none_dropped);
    grun_exec_unref(g->spare);
    gcalls_forget(g);
    mem_free(g->held);
    for (size_t i = 0; i < g->kept_count; i++)
        grun_exec_unref(g->kept[(g->kept_first + i) % g->kept_cap]);
    gstream_free(g->stream);
    mem_free(g->kept);
    mem_free(g->last_error);
    pthread_mutex_destroy(&g->mutex);
    greg_request_free(g->request);
    mem_free(g);
}

static void run_turn(struct gjob *job, const char *failure);

static struct greg *new_registration(struct greg_request *take_request)
{
    struct greg *g = mem_zalloc(sizeof(*g));
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->mutex, NULL);
    g->request = take_request;
    g->request->next = NULL;
    g->plan = take_request->plan;
    g->job.run = run_turn;
    gbacklog_add(g);
    return g;
}

/* ---- the list: under the token ---- */

static void link_last(struct greg *g)
{
    struct greg **at = &regs.list;
    while (*at) at = &(*at)->next;
    *at = g;
    atomic_fetch_add(&regs.count, 1);
    gsession_link(g->plan->session, g);
    if (g->request->trigger) gtrigger_add(g);
    if (g->plan->reader == GREADER_TIME) gtime_add(g);
    ghook_add(g);
    if (g->plan->reader == GREADER_STREAM) gstream_add(g);
}

static void on_event(void *ctx, const struct exec_event *e);

/* The batch that events are read into; a callback may cause others, which get one of their own. */
static struct gread_batch take_scratch(void)
{
    struct gread_batch b = regs.scratch;
    regs.scratch = (struct gread_batch){0};
    gread_batch_clear(&b);
    return b;
}

static void give_scratch(struct gread_batch *take_b)
{
    if (regs.scratch.records || take_b->bytes.cap > SCRATCH_MAX ||
        take_b->part_cap * sizeof(struct gread_part) > SCRATCH_MAX)
        gread_batch_release(take_b);
    else
        regs.scratch = *take_b;
}

/* A key of any database goes: its value is kept if a registration of it asks for that. */
static void *on_gone(const struct kv_db *db, const struct kv_entry *e)
{
    struct view key = kv_entry_key(e);
    const struct greg *g = regs.list;
    while (g && !(g->plan->old_value && greg__prefix_matches(g->request, key))) g = g->next;
    if (!g || db->id != 0) return NULL;
    struct gread_batch b = take_scratch();
    gread_entry(&b, e);
    void *packed = gread_pack(&b);
    give_scratch(&b);
    return packed;
}

static bool anybody_wants_old(void)
{
    const struct greg *g = regs.list;
    while (g && !g->plan->old_value) g = g->next;
    return g != NULL;
}

/* Nobody listens while there is no registration of events. */
static void update_mask(void)
{
    kv_on_gone(anybody_wants_old() ? on_gone : NULL);
    const struct greg *g = regs.list;
    while (g && g->plan->reader != GREADER_KEYS) g = g->next;
    exec_event_mask(on_event, g ? EVENTS_ALL : 0);
}

static struct greg **find(struct view id)
{
    uint64_t number;
    struct greg **at = &regs.list;
    if (!grun_parse_id(id, &number)) return NULL;
    while (*at && (*at)->plan->number != number) at = &(*at)->next;
    return *at ? at : NULL;
}

/* Events that were dropped: all that had executions, and of the others the last, as many as are
 * kept of executions. */
struct dropped {
    struct gexec **list;
    uint64_t *numbers; /* a ring */
    size_t count, number_count, kept;
};

static void note_dropped(void *ctx, uint64_t number, struct gexec *take_e)
{
    struct dropped *d = ctx;
    if (take_e) {
        d->list = mem_realloc(d->list, (d->count + 1) * sizeof(struct gexec *));
        d->list[d->count++] = take_e;
        return;
    }
    if (d->kept) d->numbers[d->number_count % d->kept] = number;
    d->number_count++;
}

/* They are seen as aborted. */
static void abort_dropped(struct greg *g, struct dropped *d)
{
    struct gexec_limits limits;
    grun_limits_of(g->plan, &limits);
    size_t kept = MIN(d->number_count, d->kept);
    for (size_t i = d->number_count - kept; i < d->number_count; i++) {
        struct gexec *e = grun_exec_of_event(g->plan, d->numbers[i % d->kept], &limits);
        grun_list(e);
        grun_abort(e);
        grun_exec_unref(e);
    }
    for (size_t i = 0; i < d->count; i++) {
        grun_abort(d->list[i]);
        grun_exec_unref(d->list[i]);
    }
    mem_free(d->list);
    mem_free(d->numbers);
}

/* Takes what hasn't begun; it counts as aborted. */
static void drop_pending(struct greg *g)
{
    struct dropped dropped = {
        .kept = MIN(gconf_max_executions(), (size_t)gevent_waiting(&g->queue))};
    dropped.numbers = mem_alloc(MAX(dropped.kept, (size_t)1) * sizeof(*dropped.numbers));
    pthread_mutex_lock(&g->mutex);
    struct greg_event *list = g->first;
    g->first = g->last = NULL;
    for (struct greg_event *ev = list; ev; ev = ev->next) g->aborted++;
    gevent_drop_all(&g->queue, note_dropped, &dropped);
    g->aborted += dropped.count + dropped.number_count;
    pthread_mutex_unlock(&g->mutex);
    abort_dropped(g, &dropped);
    gbacklog_let_go(g);
    for (struct greg_event *ev = list, *next; ev; ev = next) {
        next = ev->next;
        grun_abort(ev->exec);
        free_event(ev);
    }
}

static void remove_at(struct greg **at, bool pending_too)
{
    struct greg *g = *at;
    *at = g->next;
    g->next = NULL;
    g->removed = true;
    gsession_unlink(g->plan->session, g);
    if (g->request->trigger) gtrigger_remove(g);
    if (g->plan->reader == GREADER_TIME) gtime_remove(g);
    ghook_remove(g);
    if (g->plan->reader == GREADER_STREAM) gstream_remove(g);
    atomic_fetch_sub(&regs.count, 1);
    update_mask();
    if (pending_too) drop_pending(g);
    gcalls_forget(g);
    greg__unref(g);
}

enum status greg_remove(struct view id, bool pending_too)
{
    struct greg **at = find(id);
    if (!at) return STATUS_NOT_FOUND;
    remove_at(at, pending_too);
    gstream_settle();
    return STATUS_OK;
}

bool greg_session_exists(struct view id)
{
    return gsession_find(id) != NULL;
}

/* The session of this id is replaced: its registrations go, and it can't have others. */
static void replace_session(const char *id)
{
    struct gsession *s = id ? gsession_find(view_cstr(id)) : NULL;
    if (!s) return;
    gsession_ref(s);
    s->replaced = true;
    for (struct greg **at = &regs.list; *at;) {
        if ((*at)->plan->session == s) remove_at(at, true);
        else at = &(*at)->next;
    }
    gtime_end(s, false);
    gsession_unref(s);
}

struct greg *greg__first(void)
{
    return regs.list;
}

enum status greg_pause_all(struct exec_ctx *ctx, const struct arg *ids, int id_count, bool pause)
{
    for (int i = 0; i < id_count; i++) {
        struct greg **at = find(arg_view(&ids[i]));
        if (!at)
            return reply_errorf(ctx, "-Execution %.*s does not exists on shard " GEARS_SHARD_ID,
                                (int)MIN(ids[i].len, 256u), ids[i].ptr);
        if (!(*at)->stream && (pause || !gpause__is_paused(*at)))
            return reply_errorf(ctx, "-Reader %s does not support %s",
                                greader_name((*at)->plan->reader), pause ? "pause" : "unpause");
    }
    for (int i = 0; i < id_count; i++) {
        struct greg *g = *find(arg_view(&ids[i]));
        if (!g->stream) gpause__end(g);
        else if (pause) gstream_pause(g->stream);
        else gstream_unpause(g->stream);
    }
    return STATUS_OK;
}

void greg_clear_stats(void)
{
    for (struct greg *g = regs.list; g; g = g->next) {
        pthread_mutex_lock(&g->mutex);
        /* What is under way will be counted when it ends. */
        uint64_t triggered = atomic_load(&g->triggered);
        atomic_store(&g->triggered,
                     triggered - MIN(triggered, g->succeeded + g->failed + g->aborted));
        g->succeeded = g->failed = g->aborted = g->error_until = 0;
        g->last_us = g->total_us = 0;
        pthread_mutex_unlock(&g->mutex);
        if (g->stream) gstream_clear_stats(g->stream);
    }
}

size_t greg_count(void)
{
    return atomic_load(&regs.count);
}

/* ---- registering: a worker ---- */

static void add_all(struct greg_request *list)
{
    for (struct greg_request *r = list, *next; r; r = next) {
        next = r->next;
        link_last(new_registration(r));
    }
    update_mask();
}

/* Calls onRegistered of what was registered; the plans are kept alive by `plans`. */
static void call_on_registered(struct gplan **plans, void **functions, size_t count,
                               struct gscript *script)
{
    for (size_t i = 0; i < count; i++) {
        if (functions[i]) gpy_call_logged(functions[i], plans[i]->session, script);
        gstream_start(plans[i]->number);
        gplan_unref(plans[i]);
        gpy_discard(functions[i]);
    }
}

static enum status start_runner(const struct greg_request *list)
{
    for (const struct greg_request *r = list; r; r = r->next)
        if (r->plan->mode == GMODE_SYNC) return gsync_start();
    return STATUS_OK;
}

static size_t count_requests(const struct greg_request *list)
{
    size_t count = 0;
    for (; list; list = list->next) count++;
    return count;
}

/* Those that the script replaces; the command has looked already, but that is some time ago. */
static enum status check_sessions(const struct gscript *s, size_t *going_out, struct buf *error)
{
    const struct gsession *same = gsession_find(view_cstr(s->session->id));
    const struct gsession *other =
        s->replace_with ? gsession_find(view_cstr(s->replace_with)) : NULL;
    *going_out = (same ? same->reg_count : 0) + (other ? other->reg_count : 0);
    if (same && s->replace_with)
        buf_printf(error, "ERR shard-" GEARS_SHARD_ID
                   ": Can not replace an existing session %s with %s",
                   s->session->id, s->replace_with);
    else if (s->replace_with && !other)
        buf_printf(error, "ERR shard-" GEARS_SHARD_ID
                   ": Can not replace with %s, session does not exists.", s->replace_with);
    else if (same && !s->upgrade)
        buf_printf(error, "ERR shard-" GEARS_SHARD_ID ": Session %s already exists",
                   s->session->id);
    return error->len ? STATUS_EXISTS : STATUS_OK;
}

const char *greg_refuses(const struct greg_request *list, const char *going, const char *going_too)
{
    if (gtrigger_any_taken(list, going, going_too)) return "trigger already registered";
    return ghook_refuses_list(list, going, going_too);
}

static enum status apply_under_token(struct gscript *s, struct buf *error)
{
    size_t going;
    enum status st = check_sessions(s, &going, error);
    if (st) return st;
    if (greg_count() - going + count_requests(s->requests) > GREG_COUNT_MAX) {
        buf_printf(error, "ERR shard-" GEARS_SHARD_ID ": more than %d registrations",
                   GREG_COUNT_MAX);
        return STATUS_LIMIT;
    }
    /* Those that the script's own session, or the one it replaces, has now don't count. */
    const char *refusal =
        greg_refuses(s->requests, s->upgrade ? s->session->id : NULL, s->replace_with);
    if (refusal) {
        buf_printf(error, "ERR shard-" GEARS_SHARD_ID ": %s", refusal);
        return STATUS_EXISTS;
    }
    /* From here on nothing fails: whoever comes after us meets the new ones alone. */
    if (s->upgrade) replace_session(s->session->id);
    replace_session(s->replace_with);
    add_all(s->requests);
    gstream_settle();
    s->requests = NULL;
    /* The distribution to all shards is a job with a plan and an execution of its own. */
    gplan_next_number();
    grun_skip_number();
    return STATUS_OK;
}

static void free_requests(struct greg_request *list)
{
    for (struct greg_request *r = list, *next; r; r = next) {
        next = r->next;
        greg_request_free(r);
    }
}

/* What onRegistered will need once the requests belong to the registrations. */
static size_t take_functions(struct greg_request *list, struct gplan ***plans_out,
                             void ***functions_out)
{
    size_t count = count_requests(list), i = 0;
    *plans_out = mem_alloc(sizeof(void *) * count);
    *functions_out = mem_alloc(sizeof(void *) * count);
    for (struct greg_request *r = list; r; r = r->next, i++) {
        (*plans_out)[i] = gplan_ref(r->plan);
        (*functions_out)[i] = r->on_registered;
        r->on_registered = NULL;
    }
    return count;
}

enum status greg_apply(struct gscript *s, struct buf *error)
{
    enum status st = start_runner(s->requests);
    if (st) buf_append_cstr(error, "ERR shard-" GEARS_SHARD_ID ": no thread could be made");
    struct gplan **plans;
    void **functions;
    size_t count = take_functions(s->requests, &plans, &functions);
    if (!st && !(st = token_take(NULL))) {
        st = apply_under_token(s, error);
        token_give();
    }
    if (st) {
        free_requests(s->requests);
        s->requests = NULL;
        for (size_t i = 0; i < count; i++) {
            gplan_unref(plans[i]);
            gpy_discard(functions[i]);
        }
    } else {
        call_on_registered(plans, functions, count, s);
    }
    mem_free(plans);
    mem_free(functions);
    return st;
}

/* A step's code may be that of a session that was replaced meanwhile, or whose id another has. */
static const char *refusal(const struct greg_request *r)
{
    const struct gsession *session = r->plan->session;
    const struct gsession *same = gsession_find(view_cstr(session->id));
    if (session->replaced) return "the session of this code has been replaced";
    if (same && same != session) return "another session of this id exists";
    if (greg_count() >= GREG_COUNT_MAX) return "there are too many registrations";
    return greg_refuses(r, NULL, NULL);
}

enum status greg_apply_one(struct greg_request *take_request, const char **why_out)
{
    enum status st = start_runner(take_request);
    struct gplan *plan = gplan_ref(take_request->plan);
    void *function = take_request->on_registered;
    take_request->on_registered = NULL;
    *why_out = "no thread could be made";
    if (!st && !(st = token_take(NULL))) {
        if ((*why_out = refusal(take_request)))
            st = STATUS_EXISTS;
        else
            add_all(take_request);
        token_give();
    }
    if (!st) {
        call_on_registered(&plan, &function, 1, NULL);
        return STATUS_OK;
    }
    greg_request_free(take_request);
    gplan_unref(plan);
    gpy_discard(function);
    return st;
}

/* ---- results of a run ---- */

/* The text of the first error of an ended execution. */
struct view greg__first_error(const struct gexec *e)
{
    struct tape_node node;
    size_t pos = 0;
    if (e->errors.count == 0 || !tape_next(&e->errors.tape, &pos, &node)) return VIEW_LIT("");
    return node.u.bytes;
}

/* Under the mutex. */
static void set_error(struct greg *g, struct view text)
{
    mem_free(g->last_error);
    g->last_error = mem_dup(text.ptr, text.len);
    g->last_error_len = text.len;
    g->error_until = 0;
}

/* A later success clears the error; one of an execution that led to it, such as the last but one of
 * a chain without end, isn't later. */
static void clear_error(struct greg *g)
{
    if (likely(!g->last_error) || g->succeeded + g->failed + g->aborted <= g->error_until) return;
    mem_free(g->last_error);
    g->last_error = NULL;
}

/* Keeps an ended execution; returns those that are too many, as a chain of the ring's owner. */
static struct gexec *keep(struct greg *g, struct gexec *e, size_t limit)
{
    if (g->kept_count == g->kept_cap) {
        size_t cap = g->kept_cap ? g->kept_cap * 2 : 16;
        struct gexec **ring = mem_alloc(sizeof(*ring) * cap);
        for (size_t i = 0; i < g->kept_count; i++)
            ring[i] = g->kept[(g->kept_first + i) % g->kept_cap];
        mem_free(g->kept);
        g->kept = ring;
        g->kept_cap = cap;
        g->kept_first = 0;
    }
    g->kept[(g->kept_first + g->kept_count++) % g->kept_cap] = grun_exec_ref(e);
    struct gexec *too_many = NULL;
    while (g->kept_count > limit) {
        struct gexec *oldest = g->kept[g->kept_first];
        g->kept_first = (g->kept_first + 1) % g->kept_cap;
        g->kept_count--;
        if (likely(!too_many)) { /* but where the limit has been lowered */
            too_many = oldest;
            continue;
        }
        grun_unlist(oldest);
        grun_exec_unref(oldest);
    }
    return too_many;
}

/* Counts; returns the one that is too many of those kept, with its reference, or NULL. */
static struct gexec *note_end(struct greg *g, struct gexec *e, size_t limit)
{
    pthread_mutex_lock(&g->mutex);
    bool aborted = grun_status(e) == GEXEC_ABORTED;
    if (aborted) {
        g->aborted++;
    } else if (e->errors.count) {
        g->failed++;
        set_error(g, greg__first_error(e));
    } else {
        g->succeeded++;
        clear_error(g);
    }
    if (!aborted && !g->stream) gpause__note(g, e->errors.count > 0);
    g->last_us = e->total_us;
    g->total_us += e->total_us;
    struct gexec *oldest = limit ? keep(g, e, limit) : NULL;
    pthread_mutex_unlock(&g->mutex);
    return oldest;
}

/* Forgets an ended execution, which a later one may replace in its place. */
static void forget(struct greg *g, struct gexec *take_e)
{
    grun_unlist(take_e);
    if (g->spare || !grun_exec_is_small(take_e)) grun_exec_unref(take_e);
    else g->spare = take_e;
}

/* As note_end, without a place for a later one. Of triggers none are kept: their callers have the
 * results. */
void greg__note_end(struct greg *g, struct gexec *e)
{
    size_t limit = g->plan->reader == GREADER_COMMAND ? 0 : gconf_max_per_registration();
    struct gexec *oldest = note_end(g, e, limit);
    if (!limit) grun_unlist(e);
    if (!oldest) return;
    grun_unlist(oldest);
    grun_exec_unref(oldest);
}

/* The execution of an event that is to run now; `limits` as they were for this turn. */
static struct gexec *next_exec(struct greg *g, uint64_t number, const struct gexec_limits *limits)
{
    struct gexec *e = g->spare;
    g->spare = NULL;
    if (e && grun_exec_reuse(e, number, limits)) return e;
    grun_exec_unref(e);
    return grun_exec_of_event(g->plan, number, limits);
}

static void event_counted(struct greg *g, struct gexec *e, size_t max_kept)
{
    struct gexec *oldest = note_end(g, e, max_kept);
    if (oldest) forget(g, oldest);
    if (unlikely(!max_kept)) grun_unlist(e);
}

void greg__note_failure(struct greg *g, struct view text)
{
    pthread_mutex_lock(&g->mutex);
    g->failed++;
    set_error(g, text);
    g->error_until = atomic_load(&g->triggered);
    pthread_mutex_unlock(&g->mutex);
}

void greg__set_error(struct greg *g, struct view text)
{
    pthread_mutex_lock(&g->mutex);
    set_error(g, text);
    pthread_mutex_unlock(&g->mutex);
}

/* ---- events: under the token ---- */

bool greg__prefix_matches(const struct greg_request *r, struct view key)
{
    if (r->prefix[r->prefix_len - 1] != '*') return view_eq(key, view_of(r->prefix, r->prefix_len));
    size_t len = r->prefix_len - 1;
    return key.len >= len && memcmp(key.ptr, r->prefix, len) == 0;
}

/* `new` comes beside the event of the command that made the key: only who asks for it gets it. */
static bool event_matches(const struct greg_request *r, const struct exec_event *e)
{
    if (r->event_type_count == 0) return e->class_ != KV_EVENT_NEW;
    for (size_t i = 0; i < r->event_type_count; i++)
        if (strcmp(r->event_types[i], e->name) == 0) return true;
    return false;
}

/* What its own callbacks do, also by way of others, it isn't told of. */
static bool is_own(const struct greg *g, const struct exec_event *e)
{
    if (likely(!e->origin) || g->request->recursive) return false;
    if (!gorigin_has(e->origin, g->plan->number)) return false;
    atomic_fetch_add_explicit(&regs.own, 1, memory_order_relaxed);
    return true;
}

static bool type_matches(const struct greg_request *r, const struct exec_event *e)
{
    if (r->key_types == 0) return true;
    struct arg key = arg_of_view(e->key);
    const struct kv_entry *entry = kv_peek(e->unit, e->db, &key);
    return r->key_types & (entry ? 1u << kv_entry_type(entry) : GREG_TYPE_EMPTY);
}

/* ---- within the command ---- */

struct sync_call {
    struct greg *g;
    struct gexec *exec;
    const struct gpy_input *input;
    struct kv_unit *unit;
    unsigned depth;
    bool ended;
};

static void run_sync(void *ctx)
{
    struct sync_call *c = ctx;
    int64_t now_us = clock_mono_us();
    uint64_t outer = gsync_note_at(c->exec->number + 1, now_us);
    grun_list_begun(c->exec, (size_t)gconf.max_executions);
    c->ended = grun_run(c->exec, c->input, c->unit, c->depth, &now_us);
    gsync_note_at(outer, now_us);
    /* Until the GIL is given up nobody goes on with it. */
    if (!c->ended) greg__ref(c->g);
}

static void sync_ended(struct gexec *e, void *ctx)
{
    struct greg *g = ctx;
    greg__note_end(g, e);
    greg__unref(g);
}

struct gexec *greg__run_sync(struct greg *g, const struct gpy_input *input, struct kv_unit *unit,
                             unsigned depth)
{
    struct gexec_limits limits;
    struct gpy_input with_origin = *input;
    grun_limits_held(g->plan, &limits);
    with_origin.origin = gorigin_in_unit(
        unit, input->generation, input->origin ? input->origin : unit->origin, g->plan->number);
    struct sync_call c = {g, next_exec(g, grun_take_number(), &limits), &with_origin, unit, depth,
                          false};
    c.exec->origin = *with_origin.origin;
    c.exec->drop_when_done = g->plan->reader == GREADER_COMMAND;
    c.exec->slow.whose = GSLOW_SOMEONE_TELLS; /* its command */
    c.exec->then = sync_ended;
    c.exec->then_ctx = g;
    if (input->hook) c.exec->hook = *input->hook;
    c.exec->hold = input->hold;
    gorigin_enter();
    enum status st = gsync_run(run_sync, &c);
    gorigin_leave();
    if (st == STATUS_OK) {
        if (c.ended && c.exec->drop_when_done) {
            greg__note_end(g, c.exec);
        } else if (c.ended) {
            event_counted(g, c.exec, (size_t)gconf.max_per_registration);
        }
        return c.exec;
    }
    grun_abort(c.exec);
    greg__note_failure(g, VIEW_LIT(GREG_LATE));
    grun_exec_unref(c.exec);
    return NULL;
}

/* The key as it is, and as it was, as far as the plan wants to know. */
static void read_values(const struct greg *g, const struct exec_event *e, struct gread_batch *b)
{
    if (g->plan->read_value) gread_key(b, e->key, e->unit->now_ms, true);
    if (g->plan->old_value && e->gone) gread_unpack(b, e->gone);
}

static void trigger_sync(struct greg *g, const struct exec_event *e)
{
    struct gread_batch value = take_scratch();
    struct gpy_input input = {.event = view_cstr(e->name),
                              .key = e->key,
                              .value = &value,
                              .has_value = g->plan->read_value,
                              .has_old = g->plan->old_value,
                              .origin = e->origin,
                              .generation = e->generation,
                              .must_end = e->in_multi,
                              .hold = ghold_join(g, e)};
    read_values(g, e, &value);
    grun_exec_unref(greg__run_sync(g, &input, e->unit, e->depth));
    give_scratch(&value);
}

/* Has a worker come, unless one is on its way: what was queued is seen by it. */
static void schedule(struct greg *g)
{
    if (atomic_load(&g->scheduled) || atomic_exchange(&g->scheduled, true)) return;
    atomic_fetch_add(&g->refs, 1);
    grun_submit(&g->job);
}

void greg__queue(struct greg *g, struct greg_event *ev)
{
    pthread_mutex_lock(&g->mutex);
    if (g->last) g->last->next = ev;
    else g->first = ev;
    g->last = ev;
    pthread_mutex_unlock(&g->mutex);
    schedule(g);
}

/* A command waits for it: so it is made at once. */
static struct gexec *exec_for_hold(struct greg *g, uint64_t number, struct ghold *hold)
{
    struct gexec_limits limits;
    grun_limits_of(g->plan, &limits);
    struct gexec *e = grun_exec_of_event(g->plan, number, &limits);
    e->hold = hold;
    grun_list(e);
    return e;
}

static void trigger_async(struct greg *g, const struct exec_event *e)
{
    const struct gorigin *origin = e->origin;
    struct gread_batch values = take_scratch();
    read_values(g, e, &values);
    bool full = gbacklog_is_full(g);
    struct ghold *hold = ghold_join(g, e);
    uint64_t number = grun_take_number();
    struct gexec *exec = hold ? exec_for_hold(g, number, hold) : NULL;
    gevent_push(&g->queue, &(struct gevent_new){.name = e->name,
                                                .key = e->key,
                                                .number = number,
                                                .depth = e->depth,
                                                .origins = origin ? origin->numbers : NULL,
                                                .origin_count = origin ? origin->count : 0,
                                                .exec = exec,
                                                .values = values.count ? &values : NULL});
    schedule(g);
    if (unlikely(full)) gbacklog_hold(g);
    give_scratch(&values);
}

/* What a command sets off shares the time that one callback may take: a client waits for all of
 * it, and each callback may cause many more. */
static bool chain_is_late(const struct exec_event *e)
{
    uint64_t now = ticks_now();
    if (likely(e->generation == 0)) {
        regs.chain_since = now;
        return false;
    }
    return ticks_to_ns(now - regs.chain_since) / 1000 > (uint64_t)gconf.sync_time_ms * 1000;
}

/* Whose rights the registration has, as they are now; NULL with gone set: nobody's. */
static struct exec_user *user_of(const struct greg *g, bool *gone_out)
{
    struct exec_user *user = g->plan->session ? g->plan->session->user : NULL;
    struct exec_user *now = user ? exec_user_now(user) : NULL;
    *gone_out = user && !now;
    return now;
}

void greg__aborted(struct greg *g, uint64_t count)
{
    pthread_mutex_lock(&g->mutex);
    g->aborted += count;
    pthread_mutex_unlock(&g->mutex);
}

void greg__triggered(struct greg *g)
{
    uint64_t before = atomic_load_explicit(&g->triggered, memory_order_relaxed);
    atomic_store_explicit(&g->triggered, before + 1, memory_order_relaxed);
}

/* A chain has come so far. */
static bool too_deep(unsigned depth)
{
    if (likely(depth == 0)) return false;
    if (depth > atomic_load_explicit(&regs.depth_peak, memory_order_relaxed))
        atomic_store_explicit(&regs.depth_peak, depth, memory_order_relaxed);
    if (depth < GREG_DEPTH_MAX) return false;
    atomic_fetch_add_explicit(&regs.too_deep, 1, memory_order_relaxed);
    return true;
}

bool greg__in_flight(struct greg *g)
{
    pthread_mutex_lock(&g->mutex);
    bool yes = atomic_load(&g->triggered) > g->succeeded + g->failed + g->aborted;
    pthread_mutex_unlock(&g->mutex);
    return yes;
}

struct view greg__chain_is_over(const struct greg *g, const struct exec_event *e)
{
    if (g->plan->mode == GMODE_SYNC && chain_is_late(e))
        return VIEW_LIT("what the command set off took longer than gears-sync-max-time");
    if (too_deep(e->depth)) return VIEW_LIT("registrations set each other off without end");
    return VIEW_LIT("");
}

/* While clients' writes are paused, commands that only read go on; but what they set off may write.
 * So that is left to a worker, which waits where it would. */
static bool waits_for_pause(const struct exec_event *e)
{
    return unlikely(pause_is_on()) && e->class_ == KV_EVENT_KEYMISS;
}

static void trigger(struct greg *g, const struct exec_event *e)
{
    greg__triggered(g);
    if (gpause__is_paused(g)) {
        greg__aborted(g, 1);
        return;
    }
    bool gone;
    user_of(g, &gone);
    if (gone) {
        greg__note_failure(g, VIEW_LIT("the user for whom this runs doesn't exist any more"));
        return;
    }
    struct view why = greg__chain_is_over(g, e);
    if (why.len) {
        greg__note_failure(g, why);
        return;
    }
    if (g->plan->mode == GMODE_SYNC && !waits_for_pause(e)) trigger_sync(g, e);
    else trigger_async(g, e);
}

/* What its user may not read, a registration isn't told of. */
static bool may_know(const struct greg *g, const struct exec_event *e)
{
    bool gone;
    const struct exec_user *user = user_of(g, &gone);
    return !user || exec_user_reads(user, e->key);
}

static bool matches(const struct greg *g, const struct exec_event *e)
{
    return g->plan->reader == GREADER_KEYS && greg__prefix_matches(g->request, e->key) &&
           event_matches(g->request, e) && !is_own(g, e) && type_matches(g->request, e) &&
           may_know(g, e);
}

/* A callback may unregister others and itself: what it ran from is kept meanwhile, and if that is
 * gone from the list its successor is found by number. */
static void on_event(void *ctx, const struct exec_event *e)
{
    UNUSED(ctx);
    if (e->db->id != 0) return;
    for (struct greg *g = regs.list, *next; g; g = next) {
        if (!matches(g, e)) {
            next = g->next;
            continue;
        }
        uint64_t number = g->plan->number;
        atomic_fetch_add(&g->refs, 1);
        trigger(g, e);
        next = g->removed ? regs.list : g->next;
        while (g->removed && next && next->plan->number <= number) next = next->next;
        greg__unref(g);
    }
}

struct greg_event_stats greg_event_stats(void)
{
    return (struct greg_event_stats){.own = atomic_load(&regs.own),
                                     .too_deep = atomic_load(&regs.too_deep),
                                     .depth_peak = atomic_load(&regs.depth_peak)};
}

void greg_teardown(void)
{
    gread_batch_release(&regs.scratch);
    gorigin_teardown();
}

void greg_setup(void)
{
    exec_on_event(0, on_event, NULL);
}

/* ---- a worker's turn ---- */

/* What stays the same for all events of a turn. */
struct turn {
    struct gexec_limits limits;
    size_t max_executions, max_kept;
    int64_t end_us; /* no event begins after it */
    int64_t now_us; /* when the last one ended */
};

/* Of an execution that was paused. The job, which the worker has left alone since then, goes on
 * with the next event. */
static void key_event_ended(struct gexec *e, void *ctx)
{
    struct greg *g = ctx;
    event_counted(g, e, gconf_max_per_registration());
    grun_submit(&g->job);
}

/* The registration is paused: what waited isn't run. */
static void pass_over(struct greg *g, struct gexec *take_e)
{
    greg__aborted(g, 1);
    if (!take_e) return;
    grun_abort(take_e);
    grun_exec_unref(take_e);
}

/* False: it is paused, and the job is no longer ours. */
static bool run_key_event(struct greg *g, struct gevent *ev, struct turn *t)
{
    struct gread_batch values;
    struct gexec *e = ev->exec;
    if (likely(!e)) {
        e = next_exec(g, ev->number, &t->limits);
        grun_list_begun(e, t->max_executions);
    } else if (!grun_begin(e)) { /* aborted before */
        event_counted(g, e, t->max_kept);
        grun_exec_unref(e);
        return true;
    }
    gevent_batch(ev, &values);
    gorigin_extend(&e->origin, gevent_origins(ev), ev->origin_count, g->plan->number);
    struct gpy_input input = {.event = view_cstr(ev->name),
                              .key = gevent_key(ev),
                              .value = &values,
                              .has_value = g->plan->read_value,
                              .has_old = g->plan->old_value,
                              .origin = &e->origin};
    e->then = key_event_ended;
    e->then_ctx = g;
    bool ended = grun_run(e, &input, NULL, ev->depth, &t->now_us);
    if (likely(ended)) event_counted(g, e, t->max_kept);
    grun_exec_unref(e);
    return ended;
}

enum turn_end { TURN_MORE, TURN_DONE, TURN_PAUSED };

static enum turn_end run_key_events(struct greg *g)
{
    struct turn t = {.max_executions = gconf_max_executions(),
                     .max_kept = gconf_max_per_registration(),
                     .now_us = clock_mono_us()};
    t.end_us = t.now_us + TURN_US;
    grun_limits_of(g->plan, &t.limits);
    for (int i = 0; i < EVENTS_PER_TURN && t.now_us < t.end_us; i++) {
        struct gevent *ev = gevent_next(&g->queue, &g->mutex);
        if (!ev) return TURN_DONE;
        gbacklog_check(g);
        if (gpause__is_paused(g)) {
            pass_over(g, ev->exec);
            continue;
        }
        if (unlikely(!run_key_event(g, ev, &t))) return TURN_PAUSED;
    }
    return TURN_MORE;
}

static struct greg_event *take_call(struct greg *g)
{
    pthread_mutex_lock(&g->mutex);
    struct greg_event *ev = g->first;
    if (ev) g->first = ev->next;
    if (!g->first) g->last = NULL;
    pthread_mutex_unlock(&g->mutex);
    return ev;
}

static void event_ended(struct gexec *e, void *ctx)
{
    struct greg_event *ev = ctx;
    struct greg *g = ev->g;
    bool in_turn = ev->in_turn;
    greg__note_end(g, e);
    free_event(ev);
    if (in_turn) grun_submit(&g->job); /* with its reference: those behind it can go on */
    else greg__unref(g);
}

/* False: it is paused, and ev->g is its. */
static bool run_event(struct greg *g, struct greg_event *ev, struct kv_unit *unit)
{
    struct gpy_input input = {
        .words = ev->words, .word_count = ev->word_count, .time_ms = ev->time_ms};
    ev->g = g;
    ev->exec->then = event_ended;
    ev->exec->then_ctx = ev;
    if (!grun_execute(ev->exec, &input, unit, ev->depth)) return false;
    greg__note_end(g, ev->exec);
    free_event(ev);
    return true;
}

void greg__run_event(struct greg *take_g, struct greg_event *take_ev)
{
    if (run_event(take_g, take_ev, NULL)) greg__unref(take_g);
}

bool greg__run_within(struct greg *take_g, struct greg_event *take_ev, struct kv_unit *unit)
{
    bool ended = run_event(take_g, take_ev, unit);
    if (ended) greg__unref(take_g);
    return ended;
}

void greg__too_late(struct greg *take_g, struct greg_event *take_ev)
{
    grun_abort(take_ev->exec);
    greg__note_failure(take_g, VIEW_LIT(GREG_LATE));
    free_event(take_ev);
    greg__unref(take_g);
}

/* As run_key_events, for calls of a trigger. */
static enum turn_end run_calls(struct greg *g)
{
    for (int i = 0; i < CALLS_PER_TURN; i++) {
        struct greg_event *ev = take_call(g);
        if (!ev) return TURN_DONE;
        if (gpause__is_paused(g)) {
            pass_over(g, grun_exec_ref(ev->exec));
            free_event(ev);
            continue;
        }
        ev->in_turn = true;
        if (!run_event(g, ev, NULL)) return TURN_PAUSED;
    }
    return TURN_MORE;
}

static bool has_work(struct greg *g)
{
    if (g->plan->reader == GREADER_KEYS) return gevent_waiting(&g->queue) > 0;
    pthread_mutex_lock(&g->mutex);
    bool has = g->first != NULL;
    pthread_mutex_unlock(&g->mutex);
    return has;
}

/* Ends behind the other jobs, if something is left. Else it says that nobody is here any more, and
 * looks again: who has queued something before that has relied on this worker. */
static void run_turn(struct gjob *job, const char *failure)
{
    struct greg *g = CONTAINER_OF(job, struct greg, job);
    ASSERT(!failure); /* without Python nothing is ever registered */
    bool took = gpy_hold(); /* once for all of them */
    enum turn_end end = g->plan->reader == GREADER_KEYS ? run_key_events(g) : run_calls(g);
    gpy_release(took);
    if (end == TURN_PAUSED) return; /* it is another's turn when that has ended */
    bool more = end == TURN_MORE;
    if (!more) {
        atomic_store(&g->scheduled, false);
        gbacklog_check(g);
        more = has_work(g) && !atomic_exchange(&g->scheduled, true);
    }
    if (more) grun_submit(&g->job);
    else greg__unref(g);
}
