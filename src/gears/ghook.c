/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See ghook.h. Hooks stand in a list by command, latest first, numbered in the order in which they
 * came: call_next() asks for those below its own number, so that a hook may go, or come, while
 * another runs.
 *
 * The hold of a command is made when its first event joins: most commands cause none. Until then
 * there is a frame on the stack, with the reply in it. Frames nest where a command runs within
 * another (EXEC).
 */
#include "gears/ghook.h"

#include <pthread.h>

#include "exec/client.h"
#include "exec/command.h"
#include "exec/hook.h"
#include "gears/greg_impl.h"
#include "gears/gtrigger.h"

struct row {
    struct greg *hooks; /* latest first, through hook_next */
    size_t holds;       /* registrations that list the command */
};

/* A command of a client that some registration lists, while it runs. */
struct frame {
    struct frame *outer;
    struct exec_ctx *ctx;
    struct ghold *hold; /* NULL: nothing has joined */
    struct kept_reply own;
};

static struct {
    struct row *rows; /* by the id of a command that is no subcommand; NULL before the first */
    uint64_t last_number;
    struct frame *frame;
} hooks;

struct ghold {
    atomic_uint refs;
    atomic_uint running;   /* executions that haven't ended, and the command itself */
    uint64_t client_id;
    struct kept_reply own; /* main's */
    pthread_mutex_t mutex; /* guards the two below */
    bool overridden;
    struct tape instead;
    int argc;
    struct arg argv[]; /* and the bytes behind them */
};

static const struct command *top_of(const struct command *cmd)
{
    return cmd->parent ? cmd->parent : cmd;
}

static struct row *row_of(const struct command *cmd)
{
    if (!hooks.rows) hooks.rows = mem_zalloc(sizeof(*hooks.rows) * command_top_count());
    return &hooks.rows[top_of(cmd)->id];
}

/* ---- requests ---- */

void ghook_request_release(struct ghook_request *r)
{
    for (size_t i = 0; i < r->held_count; i++) mem_free(r->held_names[i]);
    mem_free(r->held_names);
    mem_free(r->held);
    mem_free(r->name);
    mem_free(r->key_prefix);
}

/* What scripts may not run can't be run by call_next(); and what manages gears must work whatever
 * is registered. */
static bool in_scripts(const struct command *cmd)
{
    const uint32_t no = COMMAND_NOSCRIPT | COMMAND_NO_EXECUTE;
    for (unsigned i = 0; i < cmd->sub_count; i++)
        if (cmd->subs[i].flags & no) return false;
    return !(cmd->flags & no) && !(cmd->acl_categories & COMMAND_ACL_GEARS);
}

static bool has_fixed_keys(const struct command *cmd)
{
    for (unsigned i = 0; i < cmd->sub_count; i++)
        if (!has_fixed_keys(&cmd->subs[i])) return false;
    return cmd->sub_count || (cmd->first_key > 0 && cmd->key_step > 0);
}

static bool has_movable_keys(const struct command *cmd)
{
    for (unsigned i = 0; i < cmd->sub_count; i++)
        if (cmd->subs[i].flags & COMMAND_MOVABLEKEYS) return true;
    return cmd->flags & COMMAND_MOVABLEKEYS;
}

const char *ghook_refuses_hook(struct ghook_request *r)
{
    r->command = command_lookup(r->name, r->name_len);
    if (!r->command) return "Can not override an unexisting command";
    if (!in_scripts(r->command))
        return "Can not override a command which are not allowed inside a script";
    if (!r->key_prefix) return NULL;
    if (r->key_prefix_len == 0) return "Empty perfix given to command hooker";
    if (has_movable_keys(r->command))
        return "Can not override a command with moveable keys by key prefix";
    if (!has_fixed_keys(r->command)) return "Can not override a command without keys by key prefix";
    return NULL;
}

const char *ghook_refuses_held(struct ghook_request *r, const char *name)
{
    const struct command *cmd = command_lookup(name, strlen(name));
    if (!cmd) return "bad reply on COMMAND command";
    if (!in_scripts(cmd)) return "Can not hook a command which are not allowed inside a script";
    if (has_movable_keys(cmd)) return "Can not hook a command with moveable keys by key prefix";
    if (!has_fixed_keys(cmd)) return "Can not hook a command without keys by key prefix";
    for (size_t i = 0; i < r->held_count; i++)
        if (r->held[i] == cmd) return NULL;
    size_t count = r->held_count + 1;
    r->held = mem_realloc(r->held, sizeof(*r->held) * count);
    r->held_names = mem_realloc(r->held_names, sizeof(*r->held_names) * count);
    r->held[r->held_count] = cmd;
    r->held_names[r->held_count++] = mem_dup(name, strlen(name));
    return NULL;
}

static bool is_of(const struct greg *g, const char *session_id)
{
    return session_id && g->plan->session && !strcmp(g->plan->session->id, session_id);
}

static bool waits_in_list(const struct greg_request *list, const struct greg_request *end)
{
    for (; list != end; list = list->next)
        if (list->hook.command == end->hook.command && list->plan->mode != GMODE_SYNC) return true;
    return false;
}

const char *ghook_refuses_list(const struct greg_request *list, const char *going,
                               const char *going_too)
{
    for (const struct greg_request *r = list; r; r = r->next) {
        if (!r->hook.command) continue;
        const struct greg *g = row_of(r->hook.command)->hooks;
        while (g && (g->plan->mode == GMODE_SYNC || is_of(g, going) || is_of(g, going_too)))
            g = g->hook_next;
        if (g) return "Can not override a none sync registration";
        if (waits_in_list(list, r))
            return "Can not override a none sync registration which already created on this "
                   "session";
    }
    return NULL;
}

void ghook_add(struct greg *g)
{
    const struct ghook_request *r = &g->request->hook;
    if (r->command) {
        struct row *row = row_of(r->command);
        g->hook_number = ++hooks.last_number;
        g->hook_next = row->hooks;
        row->hooks = g;
        exec_hook(r->command, true);
    }
    for (size_t i = 0; i < r->held_count; i++) {
        row_of(r->held[i])->holds++;
        exec_hook(r->held[i], true);
    }
}

void ghook_remove(struct greg *g)
{
    const struct ghook_request *r = &g->request->hook;
    if (r->command) {
        struct greg **at = &row_of(r->command)->hooks;
        while (*at != g) at = &(*at)->hook_next;
        *at = g->hook_next;
        exec_hook(r->command, false);
    }
    for (size_t i = 0; i < r->held_count; i++) {
        row_of(r->held[i])->holds--;
        exec_hook(r->held[i], false);
    }
}

/* ---- hooks ---- */

static bool has_key_of(const struct exec_ctx *ctx, const struct ghook_request *r)
{
    struct command_keys keys = {0};
    bool found = false;
    if (!r->key_prefix) return true;
    if (command_keys(ctx->cmd, ctx->argv, ctx->argc, &keys) == STATUS_OK) {
        for (int i = 0; i < keys.count && !found; i++) {
            const struct arg *key = &ctx->argv[keys.keys[i].pos];
            found = !(keys.keys[i].flags & COMMAND_KEY_NOT_KEY) && key->len >= r->key_prefix_len &&
                    memcmp(key->ptr, r->key_prefix, r->key_prefix_len) == 0;
        }
    }
    command_keys_release(&keys);
    return found;
}

static struct greg *find(const struct exec_ctx *ctx)
{
    struct greg *g = row_of(ctx->cmd)->hooks;
    while (g && ((ctx->hooks_below && g->hook_number >= ctx->hooks_below) ||
                 !has_key_of(ctx, &g->request->hook)))
        g = g->hook_next;
    return g;
}

/* In the place of the command's handler. */
static enum status run_latest(struct exec_ctx *ctx)
{
    struct greg *g = find(ctx);
    if (!g) return ctx->cmd->handler(ctx);
    const struct ghook_place place = {top_of(ctx->cmd), g->hook_number, ctx->db->id};
    return gtrigger__run(ctx, g, 0, &place);
}

/* ---- holds ---- */

static struct ghold *new_hold(const struct exec_ctx *ctx)
{
    size_t bytes = 0, argc = (size_t)ctx->argc;
    for (size_t i = 0; i < argc; i++) bytes += ctx->argv[i].len;
    struct ghold *h = mem_zalloc(sizeof(*h) + argc * sizeof(h->argv[0]) + bytes);
    char *at = (char *)(h->argv + argc);
    atomic_init(&h->refs, 1);
    atomic_init(&h->running, 1);
    pthread_mutex_init(&h->mutex, NULL);
    h->client_id = client_id(ctx->client);
    h->argc = ctx->argc;
    for (size_t i = 0; i < argc; i++) {
        const struct arg *a = &ctx->argv[i];
        if (a->len) memcpy(at, a->ptr, a->len);
        h->argv[i] = arg_of(at, a->len);
        at += a->len;
    }
    return h;
}

struct ghold *ghold_ref(struct ghold *h)
{
    atomic_fetch_add(&h->refs, 1);
    return h;
}

void ghold_unref(struct ghold *h)
{
    if (atomic_fetch_sub(&h->refs, 1) != 1) return;
    pthread_mutex_destroy(&h->mutex);
    tape_release(&h->instead);
    mem_free(h);
}

static bool lists(const struct greg *g, const struct command *cmd)
{
    const struct ghook_request *r = &g->request->hook;
    for (size_t i = 0; i < r->held_count; i++)
        if (r->held[i] == cmd) return true;
    return false;
}

struct ghold *ghold_join(const struct greg *g, const struct exec_event *e)
{
    struct frame *f = hooks.frame;
    if (likely(!f) || e->depth != f->ctx->event_depth || e->unit != f->ctx->unit) return NULL;
    if (!lists(g, top_of(f->ctx->cmd))) return NULL;
    if (f->ctx->flags & EXEC_DENY_BLOCKING && g->plan->mode != GMODE_SYNC) return NULL;
    if (!f->hold) f->hold = new_hold(f->ctx);
    atomic_fetch_add(&f->hold->running, 1);
    return ghold_ref(f->hold);
}

bool ghook_is_held(const struct exec_ctx *ctx)
{
    return hooks.frame && hooks.frame->ctx == ctx;
}

/* What is replied instead of the command's own reply, or NULL. It doesn't change any more. */
static const struct tape *instead_of(struct ghold *h)
{
    pthread_mutex_lock(&h->mutex);
    const struct tape *instead = h->overridden ? &h->instead : NULL;
    h->overridden = true;
    pthread_mutex_unlock(&h->mutex);
    return instead;
}

/* Main: nothing holds the client any more. */
static void answer(void *ctx)
{
    struct ghold *h = ctx;
    client_unblock_kept(h->client_id, &h->own, instead_of(h));
    ghold_unref(h);
}

void ghold_leave(struct ghold *h)
{
    if (!h) return;
    if (atomic_fetch_sub(&h->running, 1) == 1)
        exec_post(answer, h); /* with this reference */
    else
        ghold_unref(h);
}

int ghold_words(const struct ghold *h, const struct arg **argv_out)
{
    *argv_out = h->argv;
    return h->argc;
}

bool ghold_override(struct ghold *h, struct tape *take_reply)
{
    pthread_mutex_lock(&h->mutex);
    bool first = !h->overridden;
    h->overridden = true;
    if (first) h->instead = *take_reply;
    pthread_mutex_unlock(&h->mutex);
    if (!first) tape_release(take_reply);
    *take_reply = (struct tape){0};
    return first;
}

/* The client can't be made to wait: whatever is still to come, comes without it. */
static enum status end_unheld(struct frame *f, enum status st)
{
    f->hold->client_id = 0;
    kept_reply_send(f->ctx->client, &f->own);
    ghold_leave(f->hold);
    return st;
}

/* The command has run, and all that it set off at once. */
static enum status end_held(struct frame *f, enum status st)
{
    struct exec_ctx *ctx = f->ctx;
    struct ghold *h = f->hold;
    if (!h) {
        kept_reply_send(ctx->client, &f->own);
        return st;
    }
    bool waits = atomic_load(&h->running) > 1;
    if (st == STATUS_BLOCKED || (waits && ctx->flags & EXEC_DENY_BLOCKING))
        return end_unheld(f, st);
    h->own = f->own;
    if (waits) {
        client_block(ctx, NULL, NULL);
        ghold_leave(h); /* answered in a post, even if all has ended by now */
        return STATUS_BLOCKED;
    }
    const struct tape *instead = instead_of(h);
    if (instead) {
        kept_reply_drop(&h->own);
        tape_reply(instead, ctx);
    } else {
        kept_reply_send(ctx->client, &h->own);
    }
    ghold_unref(h);
    return st;
}

/* Handlers may take large arguments; who asks for the command's words wants them afterwards. */
static void keep_owned(struct exec_ctx *ctx, bool *owned)
{
    for (int i = 0; i < ctx->argc; i++) {
        owned[i] = ctx->argv[i].owned;
        ctx->argv[i].owned = false;
    }
}

static bool any_owned(const struct exec_ctx *ctx)
{
    for (int i = 0; i < ctx->argc; i++)
        if (ctx->argv[i].owned) return true;
    return false;
}

static enum status run_held(struct exec_ctx *ctx)
{
    struct frame f = {.outer = hooks.frame, .ctx = ctx};
    bool *owned = NULL;
    if (any_owned(ctx)) {
        owned = mem_alloc(sizeof(*owned) * (size_t)ctx->argc);
        keep_owned(ctx, owned);
    }
    kept_reply_begin(ctx, &f.own);
    hooks.frame = &f;
    enum status st = exec_call_as(ctx, run_latest);
    hooks.frame = f.outer;
    kept_reply_end(ctx, &f.own);
    st = end_held(&f, st);
    for (int i = 0; owned && i < ctx->argc; i++) ctx->argv[i].owned = owned[i];
    mem_free(owned);
    return st;
}

/* In the place of exec_call, for commands that somebody has hooked. */
static enum status call(struct exec_ctx *ctx)
{
    if (ctx->client && row_of(ctx->cmd)->holds) return run_held(ctx);
    return exec_call_as(ctx, run_latest);
}

void ghook_setup(void)
{
    exec_on_hook(call);
}
