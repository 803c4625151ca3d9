/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gtrigger.h. Names are found under the token; what runs on a worker has copies of the words,
 * and a reference of its registration.
 */
#include "gears/gtrigger.h"

#include "ds/table.h"
#include "exec/client.h"
#include "exec/command.h"
#include "gears/gcalls.h"
#include "gears/gcmd.h"
#include "gears/gpause.h"
#include "gears/greg_impl.h"
#include "gears/gstuck.h"
#include "gears/gsync.h"

/* ---- names ---- */

static struct table names; /* of struct greg; guard: the token */

static struct view name_of(const void *entry)
{
    const struct greg *g = entry;
    return view_of(g->request->trigger, g->request->trigger_len);
}

static const struct table_type name_table = {.key = name_of};

static struct greg *find(struct view name)
{
    return table_find(&names, &name_table, name, hash_bytes(name.ptr, name.len));
}

void gtrigger_add(struct greg *g)
{
    struct view name = name_of(g);
    table_insert(&names, &name_table, g, hash_bytes(name.ptr, name.len));
}

void gtrigger_remove(struct greg *g)
{
    struct view name = name_of(g);
    table_remove(&names, &name_table, name, hash_bytes(name.ptr, name.len));
}

static bool of_session(const struct greg *g, const char *id)
{
    return id && g->plan->session && !strcmp(g->plan->session->id, id);
}

static bool wanted_before(const struct greg_request *list, const struct greg_request *r)
{
    for (; list != r; list = list->next) {
        if (list->trigger && view_eq(view_of(list->trigger, list->trigger_len),
                                     view_of(r->trigger, r->trigger_len)))
            return true;
    }
    return false;
}

bool gtrigger_any_taken(const struct greg_request *list, const char *going, const char *going_too)
{
    for (const struct greg_request *r = list; r; r = r->next) {
        if (!r->trigger) continue;
        const struct greg *g = find(view_of(r->trigger, r->trigger_len));
        if (g && !of_session(g, going) && !of_session(g, going_too)) return true;
        if (wanted_before(list, r)) return true;
    }
    return false;
}

/* ---- waiting ---- */

static bool ended(struct gexec *e)
{
    enum gexec_status status = grun_status(e);
    return status == GEXEC_DONE || status == GEXEC_ABORTED;
}

/* A client that is blocked gets the outcome of e when there is one. */
static void answer_at_end(struct gexec *e, uint64_t client_id)
{
    struct gwaiter *w = mem_zalloc(sizeof(*w));
    w->client_id = client_id;
    w->what = gcalls_wait(e);
    if (!grun_wait(e, w)) grun_answer(e, w); /* it has ended in between */
}

static enum status wait_for(struct exec_ctx *ctx, struct gexec *e)
{
    client_block(ctx, gcalls_gone, (void *)(uintptr_t)e->number);
    answer_at_end(e, client_id(ctx->client));
    return STATUS_BLOCKED;
}

/* ---- within the command ---- */

static enum status reply_outcome(struct exec_ctx *ctx, const struct gexec *e)
{
    uint64_t errors = ctx->sink->errors;
    grun_reply_outcome(ctx, e, gcalls_wait(e));
    return ctx->sink->errors == errors ? STATUS_OK : STATUS_ERR;
}

/* It has been left behind, and its client can't be made to wait. */
static enum status reply_stuck(struct exec_ctx *ctx, const struct gexec *e)
{
    struct buf text = {0};
    gstuck_text(&e->stop, &e->limits.own, &text);
    enum status st = reply_error(ctx, buf_cstr(&text));
    buf_release(&text);
    return st;
}

static enum status trigger_sync(struct exec_ctx *ctx, struct greg *g, int first,
                                const struct ghook_place *hook)
{
    struct gpy_input input = {.words = ctx->argv + first,
                              .word_count = ctx->argc - first,
                              .must_end = !gcmd_may_block(ctx),
                              .hook = hook};
    struct gexec *e = greg__run_sync(g, &input, ctx->unit, ctx->event_depth);
    if (!e) return reply_error(ctx, GREG_LATE);
    enum status st;
    if (ended(e)) st = reply_outcome(ctx, e);
    else if (input.must_end) st = reply_stuck(ctx, e);
    else st = wait_for(ctx, e);
    grun_exec_unref(e);
    return st;
}

/* ---- at the end of the turn ---- */

/*
 * Calls of sync registrations that clients made in one turn of the loop. One by one each would cost
 * two switches between threads, main's and the runner's, which on a busy machine is most of what
 * they cost. So where such a call is followed by another client's, its client waits for the end of
 * the turn, and all of them are run in one go, in their order, each a unit of its own. Nobody can
 * tell the difference: no client of this turn had its answer when the others sent their requests.
 */
struct turn_call {
    struct turn_call *next;
    struct greg *g; /* a reference until it runs */
    struct greg_event *ev;
    struct gexec *exec; /* a reference */
    uint64_t client_id;
    struct kv_unit unit; /* its own, */
    bool unit_open;      /* which is still to be ended */
    bool ended;
};

static struct {
    struct turn_call *first, *last; /* main's */
} turn;

static struct greg_event *copy_words(struct exec_ctx *ctx, int first)
{
    struct greg_event *ev = mem_zalloc(sizeof(*ev));
    int count = ctx->argc - first;
    size_t bytes = 0, at = 0;
    for (int i = first; i < ctx->argc; i++) bytes += ctx->argv[i].len;
    ev->words = mem_alloc((size_t)count * sizeof(*ev->words));
    ev->word_count = count;
    ev->bytes = mem_alloc(bytes + 1);
    for (int i = 0; i < count; i++) {
        const struct arg *a = &ctx->argv[i + first];
        if (a->len) memcpy(ev->bytes + at, a->ptr, a->len);
        ev->words[i] = arg_of(ev->bytes + at, a->len);
        at += a->len;
    }
    return ev;
}

/* A call with its own copy of the words, and a listed execution. */
static struct greg_event *new_call(struct exec_ctx *ctx, struct greg *g, int first,
                                   const struct ghook_place *hook)
{
    struct greg_event *ev = copy_words(ctx, first);
    ev->depth = ctx->event_depth;
    ev->exec = grun_exec_new(g->plan, true);
    ev->exec->drop_when_done = true;
    ev->exec->slow = (struct gslow){.whose = GSLOW_CLIENT,
                                    .cmd = ctx->cmd,
                                    .named = first == 0,
                                    .words = ev->words,
                                    .word_count = ev->word_count,
                                    .client_id = client_id(ctx->client)};
    if (hook) ev->exec->hook = *hook;
    grun_list(ev->exec);
    return ev;
}

static bool waits_for_turn(const struct exec_ctx *ctx)
{
    return exec_is_main() && !gpy_has_gil() && gcmd_may_block(ctx) && !ghook_is_held(ctx) &&
           (turn.first || client_wave_repeats(ctx));
}

/* The calls of a turn from `next` on. */
struct turn_run {
    struct turn_call *next;
};

/* Runs some of them: until events are to be delivered, which main does, for who is told of them may
 * have to be left behind. */
static void run_calls(void *ctx)
{
    struct turn_run *t = ctx;
    for (struct turn_call *c; (c = t->next);) {
        bool lost;
        exec_unit_begin(&c->unit);
        c->unit_open = true;
        uint64_t outer = gsync_note(c->exec->number + 1);
        bool ended = greg__run_within(c->g, c->ev, &c->unit, &lost);
        if (lost) return;
        c->ended = ended;
        gsync_note(outer);
        t->next = c->next;
        if (c->unit.event_count) return;
        exec_unit_end(&c->unit, 0);
        c->unit_open = false;
    }
}

/* The call that was under way is as good as paused. */
static void lost_call(void *ctx, bool unwound)
{
    struct turn_run *t = ctx;
    UNUSED(unwound);
    t->next = t->next->next;
}

static void answer_call(struct turn_call *c, bool ran)
{
    struct tape reply = {0};
    if (!ran) {
        greg__too_late(c->g, c->ev);
        tape_bytes(&reply, TAPE_ERROR, "ERR " GREG_LATE, sizeof("ERR " GREG_LATE) - 1);
    } else if (c->ended) {
        grun_outcome(c->exec, gcalls_wait(c->exec), &reply);
    } else {
        answer_at_end(c->exec, c->client_id);
        return;
    }
    client_unblock_now(c->client_id, &reply);
    tape_release(&reply);
}

static struct turn_call *answer_calls(struct turn_call *from, const struct turn_call *end,
                                      bool ran)
{
    for (struct turn_call *c = from, *next; c != end; c = next) {
        next = c->next;
        if (c->unit_open) exec_unit_end(&c->unit, 0);
        answer_call(c, ran);
        grun_exec_unref(c->exec);
        mem_free(c);
    }
    return (struct turn_call *)(uintptr_t)end;
}

static void end_turn(void *unused)
{
    static const struct gsync_job job = {run_calls, lost_call};
    UNUSED(unused);
    struct turn_run t = {turn.first};
    struct turn_call *from = turn.first;
    bool ran = true;
    turn.first = turn.last = NULL;
    while (from && ran) {
        ran = gsync_run(&job, &t, false) == STATUS_OK;
        from = answer_calls(from, ran ? t.next : NULL, ran);
    }
}

static enum status trigger_at_turn(struct exec_ctx *ctx, struct greg *g, int first,
                                   const struct ghook_place *hook)
{
    struct turn_call *c = mem_zalloc(sizeof(*c));
    c->ev = new_call(ctx, g, first, hook);
    c->exec = grun_exec_ref(c->ev->exec);
    c->client_id = client_id(ctx->client);
    c->g = g;
    greg__ref(g);
    client_block(ctx, gcalls_gone, (void *)(uintptr_t)c->exec->number);
    if (turn.last) turn.last->next = c;
    else turn.first = c;
    if (!turn.last) exec_post(end_turn, NULL);
    turn.last = c;
    return STATUS_BLOCKED;
}

enum status gtrigger__run(struct exec_ctx *ctx, struct greg *g, int first,
                          const struct ghook_place *hook)
{
    if (g->plan->mode != GMODE_SYNC && !gcmd_may_block(ctx))
        return reply_error(ctx, "can not run a non-sync execution inside a MULTI/LUA (blocking is "
                                "not allowed) or on loading.");
    if (ctx->event_depth >= GREG_DEPTH_MAX)
        return reply_error(ctx, "registrations set each other off without end");
    if (gpause__is_paused(g)) return reply_error(ctx, GPAUSE_TEXT);
    greg__ref(g); /* a callback may unregister it */
    greg__triggered(g);
    enum status st;
    if (g->plan->mode != GMODE_SYNC) st = gcalls_run(ctx, g, first, hook);
    else if (waits_for_turn(ctx)) st = trigger_at_turn(ctx, g, first, hook);
    else st = trigger_sync(ctx, g, first, hook);
    greg__unref(g);
    return st;
}

/* ---- the commands ---- */

enum status cmd_rg_trigger(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    struct greg *g = find(arg_view(&ctx->argv[1]));
    if (!g) return reply_error(ctx, "subcommand not found");
    return gtrigger__run(ctx, g, 1, NULL);
}

enum status cmd_rg_triggeronkey(struct exec_ctx *ctx)
{
    return cmd_rg_trigger(ctx);
}
