/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registrations: how they come to be, the list of them, and their end; see greg.h. Events come to
 * them by greg_events.c.
 */
#include "gears/greg.h"

#include "exec/reply.h"
#include "exec/token.h"
#include "gears/gbacklog.h"
#include "gears/gcalls.h"
#include "gears/gconf.h"
#include "gears/gpause.h"
#include "gears/greg_impl.h"
#include "gears/gscript.h"
#include "gears/gsync.h"
#include "gears/gtrigger.h"

static struct {
    struct greg *list; /* oldest first; guard: the token */
    atomic_size_t count;
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

void greg__free_event(struct greg_event *ev)
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

static struct greg *new_registration(struct greg_request *take_request)
{
    struct greg *g = mem_zalloc(sizeof(*g));
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->mutex, NULL);
    g->request = take_request;
    g->request->next = NULL;
    g->plan = take_request->plan;
    g->job.run = greg__run_turn;
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
        greg__free_event(ev);
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
    greg__update_mask();
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
    greg__update_mask();
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
