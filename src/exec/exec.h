/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running a command. A handler sees a context, not a client: the same handler serves a client, a
 * MULTI, a gears step, later a script or a module. What a context may do is in its flags.
 *
 * The way of a command: resolve, admit (exec/admit.h), run the handler, then deliver what it
 * recorded (events to subscribers) within the same unit, before its reply leaves.
 * Thread: the holder of the data token.
 */
#ifndef EXEC_EXEC_H
#define EXEC_EXEC_H

#include "base/arg.h"
#include "base/status.h"
#include "exec/user.h"
#include "keyspace/keyspace.h"

struct client;
struct command;
struct sink;
struct tape;

enum exec_flag {
    EXEC_IN_MULTI = 1 << 0,      /* one of the commands of an EXEC */
    EXEC_DENY_BLOCKING = 1 << 1, /* must answer now: MULTI, scripts, gears steps */
    EXEC_FROM_GEARS = 1 << 2,    /* run by execute() of a gears step or sync callback */
    EXEC_ANSWERS_EVENT = 1 << 5, /* by a subscriber's callback: what it misses is no event, or one
                                    that asks for a key that is gone would set itself off */
    EXEC_RETRY = 1 << 4,         /* a waiting command runs again; exec/blocking.h */
    EXEC_TRACKED = 1 << 6,       /* by a client that caches what it reads */
    EXEC_IN_EVENT = 1 << 3       /* run by a subscriber while events are delivered */
};

struct exec_ctx {
    struct client *client; /* NULL when no connection stands behind it */
    struct kv_db *db;
    const struct command *cmd;
    struct arg *argv;
    int argc;
    uint32_t flags;
    struct sink *sink;
    struct kv_unit *unit;
    unsigned event_depth; /* how many deliveries of events this command is inside of */
    uint64_t ended_ticks; /* exec_call: when the handler returned */
    struct exec_user *user; /* for whom a context without a client acts; NULL: the server */
    uint64_t hooks_below; /* only older hooks than this one run; 0: all. exec/hook.h */
};

/* A handler: replies through exec/reply.h and returns STATUS_OK, STATUS_ERR (an error was
 * replied) or STATUS_BLOCKED (the client waits; exec/client.h). */
typedef enum status exec_handler(struct exec_ctx *ctx);

/* What a call on behalf of no client may bring. */
struct exec_call {
    int db_id;
    uint32_t flags;          /* enum exec_flag */
    unsigned event_depth;    /* of the context that makes the call, plus one */
    struct kv_unit *unit;    /* the unit to join (atomic blocks, sync callbacks), or NULL: own */
    uint8_t resp;            /* shape of the reply: 2 or 3 */
    struct exec_user *user;  /* with whose rights, as they are now; NULL: the server's. Borrowed */
    uint64_t hooks_below;    /* as in exec_ctx */
    const void *origin;      /* what subscribers know the caller by: events that this causes bring
                                it along. Borrowed until they are delivered */
};

/* Runs argv on behalf of the server itself and writes the reply, or the error, to `tape` as one
 * node tree. Resolves, checks arity and admission as for a client in a script: commands flagged
 * noscript and RG.* that wait are refused, but commands that wait for keys run as they do in MULTI,
 * where they find something at once or nothing. Events are delivered before it returns when it has
 * a unit of its own; else they stay in call->unit for exec_unit_end. A user who is gone may do
 * nothing. Needs the data token. STATUS_ERR if the reply is an error. */
enum status exec_run(const struct exec_call *call, struct arg *argv, int argc,
                     struct tape *tape);

/* Begins a unit that several exec_run share (an atomic block): sets its clock. */
void exec_unit_begin(struct kv_unit *unit);

/* Delivers the unit's events to all subscribers, until none is left (subscribers may run commands
 * that record more), and releases it. Needs the token. `depth` bounds the recursion. */
void exec_unit_end(struct kv_unit *unit, unsigned depth);

/* A command was refused, but on the way to that something happened in its unit (evictions):
 * delivers the events. As exec_call otherwise. */
void exec_refused(struct exec_ctx *ctx);

/* Ends a command of a client that another thread ran and can't end, since it is in a subscriber's
 * code that doesn't return (gears/gsync.h): the handler has returned, and an event is being
 * delivered. Under the token; main. */
void exec_adopt(struct kv_unit *unit);

/* Runs the handler of ctx->cmd, whose arity and admission are settled, counts it, and delivers the
 * events it recorded. For the driver and for EXEC. Needs the token. */
enum status exec_call(struct exec_ctx *ctx);

/* ---- watching commands ---- */

/* Calls fn after each handler that took at least min_ns, under the token, on the thread that ran
 * it; st is what the handler returned. One watcher; UINT64_MAX switches it off. To nobody it costs
 * a comparison with the time that is measured anyhow. */
void exec_on_done(void (*fn)(const struct exec_ctx *ctx, enum status st, uint64_t ns));
void exec_done_min(uint64_t min_ns);

/* ---- work beside commands ---- */

/* Something that took its time on another thread, for a command that had been answered or waits:
 * what the slow log shows of it. Of a long word only the first 4096 bytes are there. */
struct exec_work {
    const struct arg *argv;
    int argc;
    uint64_t more;      /* words behind them */
    uint64_t client_id; /* whose command it was; 0: nobody's */
    uint64_t ns;
};

/* Tells the watcher of such work. Main, under the token. */
void exec_on_work(void (*fn)(const struct exec_work *w));
void exec_work_done(const struct exec_work *w);

/* What is shorter needn't be told; UINT64_MAX: nothing need be. Any thread reads; it is set under
 * the token. */
uint64_t exec_work_min_us(void);
void exec_work_min_set(uint64_t us);

/* ---- clients that cache what they read ---- */

/* Calls fn after each command with EXEC_TRACKED, before its events are delivered. Also, with `ran`
 * false, for each command of a client with ADMIT_TRACKING that came to no handler: refused or
 * queued; its ctx->cmd may be NULL. One hook; it costs others nothing. */
void exec_on_tracked(void (*fn)(struct exec_ctx *ctx, bool ran));
/* For the driver: such a command came to no handler. */
void exec_tracked_refused(struct exec_ctx *ctx);

/* ---- statistics ---- */

/* Commands run and error replies sent since the last reset, by whatever context. */
uint64_t exec_commands_processed(void);
uint64_t exec_errors_total(void);
/* Counts an error line (without '-') under its code word. Called where errors leave. */
void exec_error_count(struct exec_ctx *ctx, struct view line);
/* Calls fn for each code word. */
void exec_error_each(void (*fn)(void *ctx, const char *code, uint64_t count), void *ctx);
/* Sum of all units' changes since the server began. */
uint64_t exec_dirty_total(void);
/* Counts changes that no command made: in a unit's own count they would make those of the command
 * that runs next in it. */
void exec_dirty_add(uint64_t changes);
void exec_stats_reset(void);
/* The command that runs on this thread now, or NULL: for crash reports. */
const struct command *exec_current_command(void);

/* ---- subscribers of keyspace events ---- */

/* An event as delivered; key is valid during the call only. */
struct exec_event {
    enum kv_event_class class_;
    const char *name;
    struct kv_db *db;
    struct view key;
    unsigned depth;      /* 0: caused by a client; n: by a subscriber's own commands, n deep */
    struct kv_unit *unit; /* to join with exec_run */
    const void *origin;  /* of the exec_call that caused it; NULL: a client's */
    const void *gone; /* of a key that is gone: what kv_on_gone made of it. During the call */
    unsigned generation; /* 0: of the command itself; n: what subscribers did in turn */
    bool in_multi; /* of one of the commands of an EXEC: nobody can be made to wait */
    bool at_end;   /* of a client's command, of which nothing but this is left to do: exec_adopt */
    bool resumed;  /* the subscriber has begun with this event before, and has been left in the
                      middle, see exec_adopt: it goes on behind that */
};

/* Subscribes fn to the classes in mask, in order of registration; at most 8 subscribers. Called
 * on the thread that ran the command, under the token, after the handler. Main, at boot or
 * later; mask 0 silences. */
void exec_on_event(uint32_t mask, void (*fn)(void *ctx, const struct exec_event *e), void *ctx);

/* Changes the mask of a subscriber; under the token. */
void exec_event_mask(void (*fn)(void *ctx, const struct exec_event *e), uint32_t mask);

#endif
