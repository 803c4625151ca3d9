/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What other folders may know of a client. The struct itself is private to exec; services keep
 * ids, never pointers, across commands. Main only, unless said otherwise.
 */
#ifndef EXEC_CLIENT_H
#define EXEC_CLIENT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "exec/exec.h"
#include "exec/settings.h"
#include "exec/tape.h"

struct out_run;
struct tls_context;

/* The connection's id, unique while the server lives. */
uint64_t client_id(const struct client *c);

/* The peer is on this machine: loopback or unix socket. */
bool client_is_local(const struct client *c);

/* Whether a feature that is open to no, yes or local clients is open to this context. */
bool client_access_ok(const struct exec_ctx *ctx, enum exec_access access);

/* ---- waiting for a reply that comes later ---- */

/* Who is told when a waiting client goes away (disconnect, kill, server end). Main, in busy mode
 * without the token. NULL: nobody. */
typedef void client_gone_fn(void *ctx, uint64_t client_id);

/* Blocks the client of ctx: no further command of it runs until client_unblock_post. The handler
 * then returns STATUS_BLOCKED and replies nothing. Must not be called when ctx->client is NULL or
 * ctx->flags has EXEC_DENY_BLOCKING. */
void client_block(struct exec_ctx *ctx, client_gone_fn *gone, void *gone_ctx);

/* Ends the wait of a client with the reply on the tape, which is taken and released. Any thread,
 * token or not: the reply is queued and main is woken. A client that is gone is skipped; one that
 * does not wait is left alone. */
void client_unblock_post(uint64_t client_id, struct tape *take_reply);

/* As that, at once: main, under the token, between commands. */
void client_unblock_now(uint64_t client_id, const struct tape *reply);
/* The same with what `reply` replies; it isn't called if nobody waits any more. */
void client_unblock_with(uint64_t client_id, void (*reply)(struct exec_ctx *ctx, void *what),
                         void *what);

/* The next request of this turn is for the same command, and another client's. Main. */
bool client_wave_repeats(const struct exec_ctx *ctx);

/* Between the slices of a very long reply: applies the output limits now rather than after the
 * command. False when nobody reads the reply any more. */
bool client_reply_goes_on(struct exec_ctx *ctx);

/* Main has waited for the token longer than busy-reply-threshold: it has no hold on the data, and
 * clients are answered from the parser alone. Main. */
bool exec_is_busy(void);
/* Sets who knows more of what main waits for then: fn returns the error line for what can't be
 * served meanwhile, static, with its code word and without '-'; NULL: the usual one. Main, at
 * boot. */
void exec_on_busy(const char *(*fn)(void));

/* The calling thread is main, or has its role for now (exec/lend.h). */
bool exec_is_main(void);

/* Runs fn(ctx) on main, under the token, soon. Any thread. */
void exec_post(void (*fn)(void *ctx), void *ctx);

/* As exec_post, but a main that sleeps isn't woken: who posts sees to it that exec_wake follows.
 * So many posts cost one wake. Any thread. */
void exec_post_quietly(void (*fn)(void *ctx), void *ctx);
void exec_wake(void);

/* So many posts more (or, having come, less) are expected from threads that are at work on them:
 * main stays awake for them for a moment, if they use to come that soon. Main. */
void exec_expect_posts(int change);

/*
 * Waves in other hands. A service whose part in a command is done by a thread of its own, for which
 * main waits, can carry main's work there instead: all commands of a wave run on that thread, which
 * has main's role for it (exec/lend.h), and its part in each at once.
 */
enum exec_carried {
    EXEC_NOT_CARRIED, /* it can't at this moment */
    EXEC_CARRIED,     /* run has returned */
    EXEC_CARRIER_LOST /* run never returns: the service's code within a command doesn't; of the
                         command everything but the delivery of its events has been done */
};
/* Sets who does: fn has run(ctx) called there. One service. */
void exec_on_carry(enum exec_carried (*fn)(void (*run)(void *ctx), void *ctx));
/* The command that runs needed that thread: the wave's commands behind it are carried, and the next
 * wave. Main, or who carries. */
void exec_carry_wanted(void);
/* The commands that run are carried. Under the token. */
bool exec_is_carried(void);

/* ---- services' hold on a client ---- */

/* What others see of a client's transaction. The transaction service has it at the head of its own
 * state of the client. Guard: the token. */
struct client_txn {
    int queued;     /* commands in its MULTI, -1 outside of one */
    uint32_t flags; /* enum command_flag of any of them */
    uint32_t common; /* those that each of them has */
    size_t bytes;   /* what they take */
    bool touched;   /* a watched key has changed */
};
/* NULL until the service sets one. */
struct client_txn *client_txn(const struct client *c);
void client_set_txn(struct client *c, struct client_txn *txn);
/* What others see of a client that caches what it reads; at the head of the tracking service's
 * state of it. */
struct client_tracking {
    bool bcast;
    bool broken;       /* whom its messages go to is gone */
    uint64_t redirect; /* that client's id, 0: itself */
};
/* NULL while it doesn't track. */
struct client_tracking *client_tracking(const struct client *c);
void client_set_tracking(struct client *c, struct client_tracking *tracking);
/* A service keeps so much more (less) memory for this client. */
void client_keeps(struct client *c, ptrdiff_t bytes);
/* How many channels, patterns and shard channels a client is subscribed to. */
struct client_subs {
    uint32_t channels, patterns, shards;
};
static inline bool client_subs_any(const struct client_subs *s)
{
    return (s->channels | s->patterns | s->shards) != 0;
}
/* The publish/subscribe service's state of this client; NULL until it sets one. */
void *client_pubsub(const struct client *c);
struct client_subs client_subs(const struct client *c);
void client_set_pubsub(struct client *c, void *pubsub, struct client_subs subs);

/* The client watches all commands (MONITOR). */
bool client_is_monitor(const struct client *c);
void client_set_monitor(struct client *c, bool on);

/* Appends a message that is no reply to a command of this client, and has it sent: RESP that
 * begins with `type`, the rest of which is the same in all versions of the protocol. It is sent
 * even if the client wants no replies; a client that ends gets nothing. One that doesn't read is
 * ended by the limits of its class, so it may end here. Main, under the token. */
void client_push(struct client *c, char type, const char *rest, size_t len);

/* As client_push, of a run that others get too. Where each piece goes by itself (TLS), it is
 * copied. */
void client_push_run(struct client *c, const struct out_run *run);

/* As client_push, but never into the middle of a reply: if the client's own command is running, the
 * message goes when that has ended. Main, under the token. */
void client_push_after(struct client *c, char type, const char *rest, size_t len);

/* The client whose command main runs now; NULL: none, or the caller isn't main. */
struct client *client_running(void);

/* The client with this id, or NULL. Main; valid until the loop's next turn. */
struct client *client_find(uint64_t id);

/* Called for each client that ends, before it is freed; at most 8. */
void client_on_free(void (*fn)(struct client *c));

/* Sets or clears bits of exec/admit.h for this client. */
void client_admit_set(struct client *c, uint32_t bits, bool on);
uint32_t client_admit(const struct client *c);

/* ---- who it acts for ---- */

/* What a new connection is, as the default user has it. */
struct client_login {
    struct exec_user *user; /* NULL before there is an ACL service */
    bool open;              /* nobody needs to authenticate */
    bool no_password;       /* it has none: protected-mode applies */
};
/* Sets it, with a reference of its own, and what follows for those who haven't authenticated. Main,
 * at boot or under the token. */
void client_set_login(const struct client_login *login);

/* The default user, or NULL. Under the token; borrowed. */
struct exec_user *client_login_user(void);

/* The user that the client acts for, or NULL. A borrowed reference. */
struct exec_user *client_user(const struct client *c);
/* Makes it act for `user`; `known`: by a password, or since none was needed. */
void client_set_user(struct client *c, struct exec_user *user, bool known);
/* As a new connection (RESET). */
void client_reset_user(struct client *c);
/* After a user's rights have changed: what filters must ask of its clients. */
void client_users_changed(void);

/* ---- what CLIENT, HELLO, RESET need ---- */

/* Who is at the other end: "ip:port", "unix:path"; cap at least 128. */
void client_addr(const struct client *c, char *out, size_t cap);
/* The name or NULL. */
const char *client_name(const struct client *c);
/* Copies; len 0 removes it. STATUS_SYNTAX: a character outside '!'..'~'. */
enum status client_set_name(struct client *c, struct view name) MUST_CHECK;
/* The protocol version of its replies: 2 or 3. */
int client_resp(const struct client *c);
void client_set_resp(struct client *c, int resp);
/* The database that its next commands see. */
struct kv_db *client_db(const struct client *c);
void client_set_db(struct client *c, struct kv_db *db);
/* CLIENT REPLY: all replies, none, or none to the next command. */
enum client_reply_mode {
    CLIENT_REPLY_ON,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP
};
/* Takes effect at once, so that ON is answered. */
void client_set_reply_mode(struct client *c, enum client_reply_mode mode);
/* It stays when clients take more memory than they may. */
void client_set_no_evict(struct client *c, bool on);
/* No more commands; the connection ends when its output is sent. */
void client_close_after_reply(struct client *c);

/* Appends CLIENT LIST's line of the client, without the newline. */
void client_info(const struct client *c, struct buf *out);

/* Which clients CLIENT LIST and KILL mean; zero selects all. */
struct client_filter {
    const uint64_t *ids; /* one of them, when id_count > 0 */
    size_t id_count;
    struct view addr, laddr; /* len 0: any */
    int class_;              /* enum client_class + 1; 0: any */
    const struct exec_user *user; /* NULL: any */
    const struct client *skip;
};
/* The word of TYPE (normal, master, replica, slave, pubsub) as filter's class_, or -1. */
int client_class_parse(struct view word);
/* Calls fn for each; fn may kill. */
void client_each(const struct client_filter *f, void (*fn)(void *ctx, struct client *c),
                 void *ctx);
/* Ends a client: at once, or, if it is `self`, after its reply. */
void client_kill(struct client *c, const struct client *self);

/* Clients that maxmemory-clients may end, by what they take: [begin, end), end 0: no limit. */
struct client_memory_bucket {
    size_t begin, end, bytes, clients;
};
#define CLIENT_MEMORY_BUCKETS 19
/* False: there is no such limit. */
bool client_memory_buckets(struct client_memory_bucket out[static CLIENT_MEMORY_BUCKETS]);

/* ---- server side ---- */

/* Prepares lists, the loop's hooks and the busy mode. After loop_setup and token_setup. */
enum status driver_setup(void) MUST_CHECK;
/* Frees all clients and closes the listening sockets. */
void driver_teardown(void);
/* Takes a listening socket; its connections become clients, and speak TLS if so said. */
enum status driver_listen(int fd, bool with_tls) MUST_CHECK;
/* What new connections with TLS use from now on; taken. NULL: there are none. */
void driver_use_tls(struct tls_context *context);
/* Stops accepting; connections stay. */
void driver_close_listeners(void);
/* A slice of the periodic work on clients (idle timeouts, soft output limits); hz times a
 * second. Under the token. */
void driver_cron(int hz);

/* What is told by looking at each client. */
struct client_walk {
    size_t longest_in, longest_out, memory;
    size_t replicas, replicas_memory; /* of all clients and of `memory` */
};
struct client_stats {
    size_t connected, blocked;
    uint64_t received, rejected; /* connections */
    uint64_t net_in_bytes, net_out_bytes;
    uint64_t reads, writes; /* of sockets, that moved something */
    uint64_t threaded_reads, threaded_writes; /* of these, by I/O threads */
    uint64_t commands, errors;
    uint64_t query_limit_disconnections, output_limit_disconnections;
    uint64_t evicted; /* for the memory they took */
    size_t timed;     /* waiting clients whose wait will end */
    struct client_walk walk;
};
/* `walk`: looks at every client, else `walk` is what the last look told. Under the token; clients
 * are main's, so another thread is told what main was told last. */
void client_stats(struct client_stats *out, bool walk);
void client_stats_reset(void);

/* Wall and monotonic clock of the turn. */
int64_t exec_now_ms(void);

#endif
