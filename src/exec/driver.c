/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver: what a turn of the loop does for the clients.
 *
 *   poll ─ read every ready socket ─ take the token ─ waves of { parse, prefetch, run } ─
 *   posts of other threads ─ timers ─ free what ended ─ give the token ─ write ─ poll
 *
 * A wave collects the complete requests of many clients, then prefetches buckets and entries of
 * their keys, and of fields and members within large collections, then runs them: 16 cache misses
 * at once instead of one after the other. Parsing decides nothing; whatever depends on state
 * (database, MULTI, authentication) is looked at when the command runs. A client that blocks or
 * ends in the middle of a wave has its later requests put back: they are parsed again when it
 * goes on.
 *
 * Main only. Reading, writing and the poll happen without the token.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mpsc.h"
#include "base/ticks.h"
#include "exec/admit.h"
#include "exec/blocking.h"
#include "exec/client_impl.h"
#include "exec/command.h"
#include "exec/hook.h"
#include "exec/io.h"
#include "exec/lend.h"
#include "exec/token.h"
#include "exec/wave.h"
#include "net/sock.h"

#define IO_WAVES_PER_TURN 16 /* of I/O threads; then answers leave, and the others come */
#define ACCEPTS_PER_TURN  1000
#define LISTENERS_MAX     40
#define BUSY_POLL_MS      5
#define CLOCK_STALE_NS    1e6
#define CARRY_LEAST       2 /* commands: fewer aren't worth the way */
#define EXPECT_NS         100000 /* how long main stays awake for a post */
#define EXPECT_YIELD_NS   2000

/* Of what main has read. */
static struct wave wave;

/* The wave that is under way. */
static struct running {
    struct wave *wave;
    /* The entry that runs, where to stop before another, and the end of those to be run; NULL:
     * none. */
    const struct wave_entry *at, *stop, *end;
    /* Of main's own wave: whose input it is made of, and NULL in place of who has left it. */
    struct client **members;
    size_t member_count;
} running;

/* Waves in other hands; see client.h. */
static struct {
    enum exec_carried (*fn)(void (*run)(void *ctx), void *ctx); /* NULL: nobody can */
    bool wanted; /* the next wave is to be carried, or the rest of this one */
    bool on;     /* one is */
} carry;

static struct {
    struct loop_source listeners[LISTENERS_MAX];
    bool listens_for_tls[LISTENERS_MAX];
    struct tls_context *tls; /* of new connections; NULL: nothing listens for them */
    int listener_count;
    struct clock clock;
    uint64_t clock_ticks;       /* when it was last read for commands … */
    uint64_t clock_stale_ticks; /* … and after how long it is read anew between two of them */
    struct kv_unit unit;
    struct mpsc posts;
    struct {
        size_t count;     /* posts that others have promised for soon */
        bool fresh;       /* since the last look one was promised, or came */
        bool on;          /* they come soon enough for main to stay awake */
        int64_t since_ns; /* of the last look that found something fresh */
        int64_t yield_ns; /* how long after that main gives way next */
    } expected;
    bool busy; /* main waits for the token: clients are answered from the parser alone */
} driver;

struct post {
    struct mpsc_node node;
    void (*fn)(void *ctx);
    void *ctx;
};

int64_t exec_now_ms(void)
{
    return driver.clock.wall_ms;
}

/* The time that commands see from here on. Reading it for each would cost more than many a command
 * does; once a turn would be too seldom: what runs behind a slow command would count its times to
 * live from before it. */
static void clock_for_commands(void)
{
    clock_refresh(&driver.clock);
    driver.clock_ticks = ticks_now();
    kv_clock_set(driver.clock.wall_ms);
    driver.unit.now_ms = driver.clock.wall_ms;
}

bool exec_is_busy(void)
{
    return driver.busy;
}

/* ---- posts ---- */

void exec_post(void (*fn)(void *ctx), void *ctx)
{
    exec_post_quietly(fn, ctx);
    if (!lend_main_waits()) loop_wake(); /* main itself looks before it sleeps */
}

void exec_post_quietly(void (*fn)(void *ctx), void *ctx)
{
    struct post *p = mem_alloc(sizeof(*p));
    p->fn = fn;
    p->ctx = ctx;
    mpsc_push(&driver.posts, &p->node);
}

void exec_wake(void)
{
    loop_wake();
}

static void posts_run(void)
{
    if (mpsc_is_empty(&driver.posts)) return;
    struct mpsc_node *n = mpsc_take_all(&driver.posts);
    while (n) {
        struct post *p = CONTAINER_OF(n, struct post, node);
        n = n->next;
        p->fn(p->ctx);
        mem_free(p);
    }
}

/* ---- posts that are expected ---- */

void exec_expect_posts(int change)
{
    driver.expected.count = (size_t)((ptrdiff_t)driver.expected.count + change);
    if (change < 0 && !driver.expected.on)
        driver.expected.on = clock_mono_ns() - driver.expected.since_ns < EXPECT_NS;
    driver.expected.fresh = true;
}

/* Whether main, with nothing to do, stays awake for posts that are to come. To sleep and to be
 * woken would take it longer than another thread takes for something small. It gives way, for that
 * thread, or a client, may be waiting for this very processor; but less and less often (lend.c says
 * why). Once one came too late, none is waited for until one has come in time. */
static bool stays_for_posts(void)
{
    if (likely(!driver.expected.count)) return false;
    int64_t now_ns = clock_mono_ns();
    if (driver.expected.fresh) {
        driver.expected.since_ns = now_ns;
        driver.expected.yield_ns = EXPECT_YIELD_NS;
    }
    driver.expected.fresh = false;
    if (!driver.expected.on) return false;
    int64_t waited_ns = now_ns - driver.expected.since_ns;
    driver.expected.on = waited_ns < EXPECT_NS;
    if (driver.expected.on && waited_ns > driver.expected.yield_ns) {
        driver.expected.yield_ns *= 2;
        sched_yield();
    }
    return driver.expected.on;
}

/* ---- connections ---- */

static void refuse(int fd, const char *text)
{
    /* Best effort: a peer that doesn't read its refusal is refused all the same. */
    if (write(fd, text, strlen(text)) < 0) errno = 0;
    close(fd);
    client__count_rejected();
}

static bool protected_from(int fd)
{
    return exec_settings.protected_mode && client__is_unprotected() && !sock_peer_is_local(fd);
}

static const char protected_text[] =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. In this mode connections are only accepted from the loopback "
    "interface. If you want to connect from external computers to Redis you may adopt one of the "
    "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET "
    "protected-mode no' from the loopback interface by connecting to Redis from the same host the "
    "server is running, however MAKE SURE Redis is not publicly accessible from internet if you "
    "do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just "
    "disable the protected mode by editing the Redis configuration file, and setting the "
    "protected mode option to 'no', and then restarting the server. 3) If you started the server "
    "manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an "
    "authentication password for the default user. NOTE: You only need to do one of the above "
    "things in order for the server to start accepting connections from the outside.\r\n";

static void accepted(int fd, bool with_tls)
{
    struct tls *tls = NULL;
    if ((int64_t)client__set.count >= exec_settings.maxclients) {
        refuse(fd, with_tls ? "" : "-ERR max number of clients reached\r\n");
        return;
    }
    if (protected_from(fd)) {
        refuse(fd, with_tls ? "" : protected_text);
        return;
    }
    sock_tune(fd, (int)exec_settings.tcp_keepalive_s);
    if (with_tls && !(driver.tls && (tls = tls_new(driver.tls, fd)))) {
        refuse(fd, "");
        return;
    }
    if (!client__new(fd, tls))
        log_warning("Error registering fd event for the new client: %s", strerror(errno));
}

static void listener_ready(struct loop_source *s, uint32_t ready)
{
    static struct log_limit accept_log;
    UNUSED(ready);
    bool with_tls = driver.listens_for_tls[s - driver.listeners];
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd;
        switch (sock_accept(s->fd, &fd)) {
        case STATUS_OK: accepted(fd, with_tls); break;
        case STATUS_AGAIN: return;
        case STATUS_LIMIT:
            if (log_limit_pass(&accept_log, 1000, NULL))
                log_warning("Accepting client connection: %s", strerror(errno));
            return;
        default: break;
        }
    }
}

void driver_use_tls(struct tls_context *context)
{
    tls_context_free(driver.tls);
    driver.tls = context;
}

enum status driver_listen(int fd, bool with_tls)
{
    if (driver.listener_count == LISTENERS_MAX) return STATUS_LIMIT;
    driver.listens_for_tls[driver.listener_count] = with_tls;
    struct loop_source *s = &driver.listeners[driver.listener_count++];
    *s = (struct loop_source){.fd = fd, .fn = listener_ready};
    return loop_add(s, LOOP_READ);
}

void driver_close_listeners(void)
{
    for (int i = 0; i < driver.listener_count; i++) {
        loop_remove(&driver.listeners[i]);
        close(driver.listeners[i].fd);
    }
    driver.listener_count = 0;
}

/* ---- waves ---- */

/* Cross-protocol requests of a browser: ended without a word, so that no page can use the server
 * of who visits it. */
static bool is_http(const struct arg *argv)
{
    return arg_is(&argv[0], "post") || arg_is(&argv[0], "host:");
}

/* Parses what is complete of a client's input into main's wave. True if there may be more. */
static bool collect(struct client *c)
{
    struct resp_limits limits = {.bulk_max = exec_settings.proto_max_bulk_len,
                                 .unauthenticated = c->admit & ADMIT_AUTH};
    return wave_collect(&wave, c, &limits);
}

/* Of a wave's entries from the first on, up to the end. */
ALWAYS_INLINE void wave_prefetch(const struct wave *w, const struct wave_entry *first,
                                 const struct wave_entry *end)
{
    struct arg *keys[WAVE_KEYS];
    for (const struct wave_entry *e = first; e < end; e++) {
        int n = wave_keys(w, e, keys);
        for (int k = 0; k < n; k++) kv_prefetch_bucket(e->client->db, keys[k]);
    }
    for (const struct wave_entry *e = first; e < end; e++) {
        int n = wave_keys(w, e, keys);
        for (int k = 0; k < n; k++) kv_prefetch_entry(e->client->db, keys[k]);
    }
}

/* What a command looks up inside a collection: the third argument of the commands on hashes and
 * sets, or at least nothing that a hint could harm. */
ALWAYS_INLINE size_t wave_elements(const struct wave *w, const struct wave_entry *e,
                                   const struct wave_entry *end, struct value values[WAVE_COMMANDS],
                                   struct arg *elements[WAVE_COMMANDS])
{
    size_t n = 0;
    for (; e < end; e++) {
        if (!e->cmd || e->argc < 3) continue;
        if (!(e->cmd->acl_categories & (COMMAND_ACL_HASH | COMMAND_ACL_SET))) continue;
        struct arg *argv = &w->args.argv[e->first];
        const struct kv_entry *found = kv_peek(&driver.unit, e->client->db, &argv[1]);
        if (!found || !type_ops_of(kv_entry_type(found))->prefetch_place) continue;
        values[n] = kv_entry_value(found);
        elements[n++] = &argv[2];
    }
    return n;
}

ALWAYS_INLINE void wave_prefetch_elements(const struct wave *w, const struct wave_entry *first,
                                          const struct wave_entry *end)
{
    struct value values[WAVE_COMMANDS];
    struct arg *elements[WAVE_COMMANDS];
    size_t n = wave_elements(w, first, end, values, elements);
    for (size_t i = 0; i < n; i++) {
        type_ops_of(values[i].type)->prefetch_place(values[i], elements[i]);
    }
    for (size_t i = 0; i < n; i++) {
        type_ops_of(values[i].type)->prefetch_element(values[i], elements[i]);
    }
}

static void refuse_unknown(struct exec_ctx *ctx)
{
    struct buf text = {0};
    command_unknown_text(ctx->cmd, ctx->argv, ctx->argc, &text);
    ctx->cmd = NULL;
    admit_refuse(ctx, buf_cstr(&text));
    buf_release(&text);
}

/* Finds the subcommand of a container; false if the call was refused. */
static bool resolve_sub(struct exec_ctx *ctx)
{
    if (ctx->argc < 2) return true;
    const struct command *sub = command_lookup_sub(ctx->cmd, ctx->argv[1].ptr, ctx->argv[1].len);
    if (!sub) {
        refuse_unknown(ctx);
        return false;
    }
    ctx->cmd = sub;
    return true;
}

static void refuse_arity(struct exec_ctx *ctx)
{
    struct buf text = {0};
    buf_printf(&text, "wrong number of arguments for '%s' command", ctx->cmd->fullname);
    admit_refuse(ctx, buf_cstr(&text));
    buf_release(&text);
}

/* Everything before the handler. */
ALWAYS_INLINE bool run_prepare(struct exec_ctx *ctx)
{
    if (unlikely(!ctx->cmd)) {
        refuse_unknown(ctx);
        return false;
    }
    if (unlikely(ctx->cmd->sub_count) && !resolve_sub(ctx)) return false;
    ctx->client->last_cmd = ctx->cmd;
    if (unlikely(!command_arity_ok(ctx->cmd, ctx->argc) || !ctx->cmd->handler)) {
        refuse_arity(ctx);
        return false;
    }
#ifdef COG_DEBUG
    admit_check(ctx);
#endif
    if (unlikely(admit_word | ctx->client->admit | (ctx->cmd->flags & COMMAND_ADMIN)))
        return admit_chain(ctx) == ADMIT_PASS;
    return true;
}

static void run_protocol_error(struct client *c, const char *error)
{
    struct exec_ctx ctx = {.client = c, .db = c->db, .sink = &c->sink, .unit = &driver.unit};
    log_verbose("Protocol error (%s) from client id=%llu", error, (unsigned long long)c->id);
    reply_errorf(&ctx, "Protocol error: %s", error);
    client_close_after_reply(c);
}

/* What a command has left to do for others. */
static COLD void after_command(void)
{
    if (client__pushes_bytes) client__pushes_send();
    client__running = NULL;
    if (block_ready_count) block_serve();
}

/* Within the wave's loop, without a call. */
ALWAYS_INLINE void run_entry(const struct wave_entry *e, struct arg *argv)
{
    struct client *c = e->client;
    client__running = c;
    if (unlikely(e->protocol_error)) {
        run_protocol_error(c, e->protocol_error);
        return;
    }
    struct exec_ctx ctx = {.client = c,
                           .db = c->db,
                           .cmd = e->cmd,
                           .argv = argv,
                           .argc = (int)e->argc,
                           .sink = &c->sink,
                           .unit = &driver.unit};
    if (unlikely(!e->cmd) && is_http(ctx.argv)) {
        log_warning("Possible SECURITY ATTACK detected. It looks like somebody is sending POST or "
                    "Host: commands to Redis. This is likely due to an attacker attempting to use "
                    "Cross Protocol Scripting to compromise your Redis instance. Connection "
                    "aborted.");
        client__close_asap(c);
        return;
    }
    if (likely(run_prepare(&ctx))) {
        exec_call(&ctx);
        if (unlikely(ctx.ended_ticks - driver.clock_ticks > driver.clock_stale_ticks))
            clock_for_commands();
    } else {
        if (unlikely(driver.unit.event_count)) exec_refused(&ctx);
        if (c->admit & ADMIT_TRACKING && !c->held) exec_tracked_refused(&ctx);
    }
    if (unlikely(block_ready_count | client__pushes_bytes)) {
        if (carry.on) running.stop = e + 1; /* main does that, and goes on */
        else after_command();
    }
}

/* The same where it is rare. */
static COLD void run_entry_apart(const struct wave_entry *e, struct arg *argv)
{
    run_entry(e, argv);
}

/* Frees the large arguments that no handler took. */
static void drop_owned(const struct wave_entry *e, struct arg *argv)
{
    if (unlikely(e->owns)) resp_args_drop_owned(argv, e->argc);
}

#ifdef COG_DEBUG
/* What a handler kept of its arguments without copying turns to rubbish at once. */
static void poison_input(const struct wave_entry *e, size_t end)
{
    memset(e->client->in.data + e->start, 0xDB, end - e->start);
}
#endif

/* A client's requests from `start` on are to be parsed again, and with them whatever was known of
 * an incomplete one behind them. */
static void wave_put_back(struct client *c, size_t start)
{
    ASSERT(!c->request.block.ptr); /* begun by a read, which no client has within its wave */
    c->in.pos = start;
    resp_state_release(&c->request);
}

#define CLIENT_STOPPED                                                                             \
    (CLIENT_BLOCKED | CLIENT_STALLED | CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY)
#define CLIENT_GOES_ON_LATER (CLIENT_BLOCKED | CLIENT_STALLED)

/* A client that can't go on, or wants no reply to this request. */
static COLD void wave_run_special(const struct wave_entry *e, struct arg *argv)
{
    struct client *c = e->client;
    if (c->flags & CLIENT_STOPPED) {
        /* A request with a block is its client's first of the wave: it isn't put back. */
        ASSERT(!e->owns || !(c->flags & CLIENT_GOES_ON_LATER));
        if (c->flags & CLIENT_GOES_ON_LATER && e->start < c->in.pos) wave_put_back(c, e->start);
        return;
    }
    client__skip_begin(c);
    run_entry_apart(e, argv);
    if (c->flags & CLIENT_SKIPPING && !(c->flags & CLIENT_BLOCKED)) client__skip_end(c);
}

/* Runs the wave's commands in order, from e to where running.stop says; the requests of a client
 * that can't go on are put back. Returns the next. */
ALWAYS_INLINE const struct wave_entry *wave_run_some(const struct wave *w,
                                                     const struct wave_entry *e)
{
    for (; e < running.stop; e++) {
        struct arg *argv = &w->args.argv[e->first];
        struct client *c = e->client;
        running.at = e;
#ifdef COG_DEBUG
        bool runs = !(c->flags & CLIENT_STOPPED);
#endif
        if (likely(!(c->flags & (CLIENT_STOPPED | CLIENT_SKIP))))
            run_entry(e, argv);
        else
            wave_run_special(e, argv);
        drop_owned(e, argv);
#ifdef COG_DEBUG
        bool next_is_his = e + 1 < running.end && e[1].client == c;
        if (runs && !e->protocol_error) poison_input(e, next_is_his ? e[1].start : c->in.pos);
#endif
    }
    return e;
}

/* What main can end should the carrier not return: commands that do their work, and whose events
 * are delivered then. Others run others' code on the way, or several commands, or wait. */
static bool may_be_carried(const struct wave_entry *e)
{
    if (e->protocol_error || !e->cmd) return false;
    if (e->cmd->flags & (COMMAND_BLOCKING | COMMAND_MAY_EXECUTE)) return false;
    if (e->cmd->flags & COMMAND_NOSCRIPT && !(e->cmd->flags & COMMAND_ADMIN)) return false;
    return !(e->cmd->acl_categories & (COMMAND_ACL_STREAM | COMMAND_ACL_GEARS)) &&
           !(exec__hooks && exec_is_hooked(e->cmd));
}

struct carried {
    const struct wave *w;
    const struct wave_entry *from, *next;
};

/* Prefetches on its own, for the cache is another. */
static void run_carried(void *ctx)
{
    struct carried *c = ctx;
    wave_prefetch(c->w, c->from, running.stop);
    wave_prefetch_elements(c->w, c->from, running.stop);
    c->next = wave_run_some(c->w, c->from);
}

/* The carrier is in the middle of a command, for good. */
static const struct wave_entry *adopt_command(const struct wave *w)
{
    const struct wave_entry *e = running.at;
    client__running = e->client;
    exec_adopt(&driver.unit);
    clock_for_commands();
    if (block_ready_count | client__pushes_bytes) after_command();
    drop_owned(e, &w->args.argv[e->first]);
    return e + 1;
}

/* Has another run the wave from e on, as far as that may be. Returns what main is to go on with,
 * until running.stop. */
static COLD const struct wave_entry *wave_carry(const struct wave *w, const struct wave_entry *e)
{
    struct carried c = {w, e, e};
    const struct wave_entry *end = e;
    running.stop = running.end;
    if (carry.on || !carry.fn) return e;
    while (end < running.end && may_be_carried(end)) end++;
    if (end - e >= CARRY_LEAST) {
        /* Who had it wanted is known to need it; else the wave has to show it. */
        carry.wanted = e != w->entries;
        running.stop = end;
        carry.on = true;
        enum exec_carried how = carry.fn(run_carried, &c);
        carry.on = false;
        carry.wanted &= how == EXEC_CARRIED;
        if (how == EXEC_CARRIER_LOST) c.next = adopt_command(w);
        else if (how == EXEC_CARRIED && block_ready_count | client__pushes_bytes) after_command();
    }
    /* Behind what main alone can run, more may be carried. */
    running.stop = carry.wanted && c.next == end && end < running.end ? end + 1 : running.end;
    return c.next;
}

/* Prefetches and runs. A wave that nobody is to carry pays a test for it. */
ALWAYS_INLINE void wave_run(struct wave *w)
{
    const struct wave_entry *e = w->entries;
    running.wave = w;
    running.stop = running.end = e + w->count;
    if (unlikely(carry.wanted)) e = wave_carry(w, e);
    wave_prefetch(w, e, running.end);
    wave_prefetch_elements(w, e, running.end);
    while (unlikely((e = wave_run_some(w, e)) != running.end)) e = wave_carry(w, e);
    running.at = running.stop = running.end = NULL;
    client__running = NULL;
}

void exec_on_carry(enum exec_carried (*fn)(void (*run)(void *ctx), void *ctx))
{
    ASSERT(!carry.fn);
    carry.fn = fn;
}

void exec_carry_wanted(void)
{
    carry.wanted = true;
    if (running.at && !carry.on) running.stop = running.at + 1;
}

bool exec_is_carried(void)
{
    return carry.on;
}

bool client_wave_repeats(const struct exec_ctx *ctx)
{
    const struct wave_entry *e = running.at;
    if (!e || e + 1 == running.end || e->client != ctx->client) return false;
    return e[1].cmd == e->cmd && e[1].client != e->client;
}

static void wave_end_of_client(struct client *c, bool more)
{
    c->flags &= ~(uint32_t)CLIENT_IN_WAVE;
    if (c->flags & CLIENT_CLOSE_ASAP) return;
    if (unlikely(io_is_on)) io_settle(c);
    if (unlikely(!(c->source.interest & LOOP_READ)))
        loop_change(&c->source, c->source.interest | LOOP_READ);
    client__check_output(c);
    client__want_write(c);
    if (more)
        client__want_run(c);
    else if (unlikely(io_reads(c)))
        io_input_back(c);
    else
        client__input_trim(c);
}

/* There is input behind what has run, here or with its thread. */
static bool has_more(const struct client *c)
{
    return io_has_input(c) || c->in.len > c->in.pos;
}

static void end_of_io_wave(struct wave *w)
{
    struct client *last = NULL;
    for (size_t i = 0; i < w->count; i++) {
        struct client *c = w->entries[i].client;
        if (c && c != last) wave_end_of_client(c, has_more(c));
        last = c;
    }
    io_wave_done(w);
}

void driver__run_held(struct client *c, struct arg *argv, int argc)
{
    struct wave_entry e = {.client = c, .argc = (size_t)argc};
    e.cmd = command_lookup(argv[0].ptr, argv[0].len);
    c->flags |= CLIENT_IN_WAVE;
    if (c->flags & CLIENT_SKIP) client__skip_begin(c);
    run_entry_apart(&e, argv);
    if (c->flags & CLIENT_SKIPPING && !(c->flags & CLIENT_BLOCKED)) client__skip_end(c);
    client__running = NULL;
    wave_end_of_client(c, has_more(c));
}

void driver__hold_expiry(bool on)
{
    driver.unit.flags = on ? driver.unit.flags | KV_UNIT_NO_EXPIRE
                           : driver.unit.flags & ~(uint32_t)KV_UNIT_NO_EXPIRE;
}

/* The waves that I/O threads have made. A copy of its own of what runs a wave: the other, of one
 * that has a fixed place, is what a server without threads runs. */
static NOINLINE void run_io_waves(void)
{
    struct wave *w;
    running.members = NULL;
    for (int i = 0; i < IO_WAVES_PER_TURN && (w = io_next_wave()); i++) {
        wave_run(w);
        end_of_io_wave(w);
    }
    io_bury();
}

/* Waves until no client has a complete request left. */
static void run_ready_clients(void)
{
    struct client *members[WAVE_COMMANDS];
    bool more[WAVE_COMMANDS];
    while (client__set.ready.next != &client__set.ready) {
        size_t n = 0;
        wave.count = wave.args.argc = 0;
        while (wave.count < WAVE_COMMANDS && n < WAVE_COMMANDS) {
            struct list_node *node = list_pop(&client__set.ready);
            if (!node) break;
            members[n] = CLIENT_OF(node, ready);
            members[n]->flags |= CLIENT_IN_WAVE;
            more[n] = collect(members[n]);
            n++;
        }
        running.members = members;
        running.member_count = n;
        wave_run(&wave);
        for (size_t i = 0; i < n; i++)
            if (likely(members[i] != NULL)) wave_end_of_client(members[i], more[i]);
    }
}

/* Calls fn for each client of a list but those whose wave is under way, which stay in it. */
static void each_outside_waves(struct list_node *list, struct client *(*of)(struct list_node *n),
                               void (*fn)(struct client *c))
{
    struct list_node *n, kept;
    list_init(&kept);
    while ((n = list_pop(list))) {
        if (of(n)->flags & CLIENT_IN_WAVE) list_push(&kept, n);
        else fn(of(n));
    }
    while ((n = list_pop(&kept))) list_push(list, n);
}

static struct client *of_closing(struct list_node *n)
{
    return CLIENT_OF(n, closing);
}

static struct client *of_writes(struct list_node *n)
{
    return CLIENT_OF(n, writes);
}

/* ---- busy mode ---- */

static const char busy_text[] = "BUSY Redis is busy running a gears function. You can only call "
                                "RG.ABORTEXECUTION or SHUTDOWN NOSAVE.";

static const char *(*busy_why)(void);

void exec_on_busy(const char *(*fn)(void))
{
    busy_why = fn;
}

static const char *busy_line(void)
{
    const char *why = busy_why ? busy_why() : NULL;
    return why ? why : busy_text;
}

/* What may run without the token: it touches its own client and nothing that the token guards. Of
 * the rows flagged allow_busy the others (WATCH, RESET …) do touch such things. */
static bool busy_allowed(const struct exec_ctx *ctx)
{
    static const char *const names[] = {"auth", "hello", "multi", "quit", "rg.abortexecution",
                                        "rg.dumpexecutions"};
    const struct command *cmd = ctx->cmd;
    if (!cmd->handler || !command_arity_ok(cmd, ctx->argc) || ctx->client->admit & ADMIT_MULTI)
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (!strcmp(cmd->fullname, names[i])) return true;
    return !strcmp(cmd->fullname, "shutdown") && ctx->argc == 2 && arg_is(&ctx->argv[1], "nosave");
}

static void busy_run(struct client *c, struct arg *argv, int argc)
{
    struct exec_ctx ctx = {.client = c, .db = c->db, .argv = argv, .argc = argc, .sink = &c->sink};
    bool allowed = !command_resolve(argv, argc, &ctx.cmd) && busy_allowed(&ctx);
    if (c->flags & CLIENT_SKIP) client__skip_begin(c);
    if (c->admit & ADMIT_AUTH && !(allowed && ctx.cmd->flags & COMMAND_NO_AUTH))
        admit_refuse_busy(&ctx, "NOAUTH Authentication required.");
    else if (allowed)
        ctx.cmd->handler(&ctx);
    else
        admit_refuse_busy(&ctx, busy_line());
    if (c->flags & CLIENT_SKIPPING && !(c->flags & CLIENT_BLOCKED)) client__skip_end(c);
}

/* Serves a client from the parser alone. */
static void busy_client(struct client *c)
{
    while (!(c->flags & CLIENT_STOPPED)) {
        struct resp_limits limits = {.bulk_max = exec_settings.proto_max_bulk_len,
                                     .unauthenticated = c->admit & ADMIT_AUTH};
        struct resp_result r;
        wave.args.argc = 0;
        enum status st = resp_request_parse(&c->request, &limits, c->in.data + c->in.pos,
                                            c->in.len - c->in.pos, &wave.args, &r);
        if (st == STATUS_AGAIN) break;
        if (st == STATUS_SYNTAX) {
            run_protocol_error(c, r.error);
            break;
        }
        c->in.pos += r.consumed;
        if (r.argc) busy_run(c, wave.args.argv + r.first, (int)r.argc);
        if (r.owns) resp_args_drop_owned(wave.args.argv + r.first, r.argc);
    }
    client__input_trim(c);
    if (io_reads(c)) io_input_back(c);
    client__write(c);
}

/* A request that is in a wave. Who waits is asked again when it goes on. */
static void busy_entry(const struct wave *w, const struct wave_entry *e)
{
    struct arg *argv = &w->args.argv[e->first];
    struct client *c = e->client;
    if (c->flags & CLIENT_STOPPED)
        wave_run_special(e, argv);
    else if (e->protocol_error)
        run_protocol_error(c, e->protocol_error);
    else
        busy_run(c, argv, (int)e->argc);
    drop_owned(e, argv);
}

/* All clients of the wave that is under way but this one leave it. */
static void leave_wave(const struct client *stays)
{
    struct client *last = NULL;
    for (size_t i = 0; running.members && i < running.member_count; i++) {
        struct client *c = running.members[i];
        if (!c || c == stays) continue;
        running.members[i] = NULL;
        wave_end_of_client(c, has_more(c));
    }
    for (size_t i = 0; !running.members && i < running.wave->count; i++) {
        struct client *c = running.wave->entries[i].client;
        if (!c || c == stays) continue;
        running.wave->entries[i].client = NULL;
        if (c != last) wave_end_of_client(c, has_more(c));
        last = c;
    }
}

/* The wave that is under way waits for a command of one client: the others are told. All that one
 * of them has in the wave is before that command, and has been run, or behind it. Replies leave in
 * this pass: what must be on disk before them would have to be written here, as before a sleep. */
static void busy_wave(void)
{
    const struct wave_entry *e = running.at;
    if (!e) return;
    const struct client *stays = e->client;
    while (e < running.end && e->client == stays) e++;
    const struct wave_entry *end = e;
    for (; e < running.end; e++) busy_entry(running.wave, e);
    running.end = end;
    running.stop = MIN(running.stop, end);
    leave_wave(stays);
}

/* What I/O threads have read. */
static void busy_io_waves(void)
{
    struct wave *w;
    while ((w = io_next_wave())) {
        for (size_t i = 0; i < w->count; i++) busy_entry(w, &w->entries[i]);
        end_of_io_wave(w);
    }
}

/* Their answers leave. */
static void busy_io_end(void)
{
    io_awake();
    each_outside_waves(&client__set.writes, of_writes, client__write);
    io_flush();
}

/* Clients whose requests were read before main knew that it has to wait. */
static void busy_ready(void)
{
    struct list_node *node;
    while ((node = list_pop(&client__set.ready))) busy_client(CLIENT_OF(node, ready));
}

/* Reads on where the last read may have left something; who fills his room again comes again in
 * the next turn. */
static void reread_clients(void)
{
    struct list_node *n, now;
    if (!list_is_linked(&client__set.reread)) return;
    list_init(&now);
    while ((n = list_pop(&client__set.reread))) list_push(&now, n);
    while ((n = list_pop(&now))) driver__client_ready(&CLIENT_OF(n, reread)->source, LOOP_READ);
}

/* One look at the sockets while main can't have the token. */
static void busy_turn(void)
{
    driver.busy = true;
    clock_refresh(&driver.clock);
    busy_wave();
    struct resp_args saved = wave.args;
    wave.args = (struct resp_args){0};
    busy_ready();
    if (io_is_on) busy_io_waves();
    each_outside_waves(&client__set.writes, of_writes, client__write);
    reread_clients();
    bool may_sleep = !list_is_linked(&client__set.reread) && (!io_is_on || io_may_sleep());
    loop_poll_once(may_sleep ? BUSY_POLL_MS : 0);
    if (io_is_on) busy_io_end();
    driver.busy = false;
    resp_args_release(&wave.args);
    wave.args = saved;
}

/* ---- a turn within a command ---- */

void driver__serve_within(void)
{
    struct wave outer = wave;
    struct kv_unit outer_unit = driver.unit;
    struct client *outer_client = client__running;
    struct running outer_running = running;
    bool outer_carried = carry.on;
    carry.on = false; /* what is served here isn't, and main doesn't come behind it */
    wave = (struct wave){.count = 0};
    clock_refresh(&driver.clock);
    driver.unit = (struct kv_unit){.now_ms = driver.clock.wall_ms,
                                   .flags = outer_unit.flags & KV_UNIT_NO_EXPIRE};
    reread_clients();
    loop_poll_once(0);
    if (io_is_on) run_io_waves();
    run_ready_clients();
    each_outside_waves(&client__set.writes, of_writes, client__write);
    each_outside_waves(&client__set.closing, of_closing, client__free);
    if (io_is_on) io_flush();
    kv_unit_release(&driver.unit);
    resp_args_release(&wave.args);
    wave = outer;
    client__running = outer_client;
    running = outer_running;
    carry.on = outer_carried;
    /* A pause may have begun or ended. */
    outer_unit.flags &= ~(uint32_t)KV_UNIT_NO_EXPIRE;
    outer_unit.flags |= driver.unit.flags & KV_UNIT_NO_EXPIRE;
    driver.unit = outer_unit;
}

/* ---- the turn ---- */

void driver__client_ready(struct loop_source *s, uint32_t ready)
{
    struct client *c = CONTAINER_OF(s, struct client, source);
    if (c->flags & CLIENT_CLOSE_ASAP) return;
    if (ready & LOOP_WRITE && c->source.interest & LOOP_WRITE) {
        client__write(c);
        if (c->flags & CLIENT_CLOSE_ASAP) return;
    }
    /* A handshake that wanted to write goes on with a read. */
    if (unlikely(c->tls) && ready & LOOP_WRITE) ready |= LOOP_READ;
    if (!(ready & LOOP_READ)) return;
    if (unlikely(c->flags & CLIENT_STALLED)) {
        client__stall_unread(c, ready & LOOP_HANGUP);
        return;
    }
    if (c->flags &
        CLIENT_IN_WAVE) { /* busy mode within a wave: its turn comes when the wave ends */
        loop_change(&c->source, c->source.interest & ~(uint32_t)LOOP_READ);
        return;
    }
    if (!client__read(c)) return;
    /* Told once, too: from now on it is read until the end comes, however much lies before it. */
    if (ready & LOOP_HANGUP) c->flags |= CLIENT_HUNG_UP;
    if (c->flags & CLIENT_HUNG_UP) client__want_reread(c);
    if (driver.busy)
        busy_client(c);
    else
        client__want_run(c);
}

static void after_sleep(void)
{
    if (unlikely(io_is_on)) io_awake();
    clock_refresh(&driver.clock);
    reread_clients();
}

static void after_ready(void)
{
    token_main_take();
    clock_for_commands();
    posts_run();
    if (unlikely(io_is_on)) run_io_waves();
    run_ready_clients();
}

static void before_sleep(void)
{
    struct list_node *n;
    posts_run();
    if (block_ready_count) block_serve();
    int wait_ms = block_expire(), pause_ms = pause__expire();
    if (wait_ms >= 0) loop_sleep_at_most(wait_ms);
    if (pause_ms >= 0) loop_sleep_at_most(pause_ms);
    if (unlikely(client__limit_on)) client__evict();
    while ((n = list_pop(&client__set.closing))) client__free(CLIENT_OF(n, closing));
    token_main_give();
    while ((n = list_pop(&client__set.writes))) client__write(CLIENT_OF(n, writes));
    if (unlikely(io_is_on)) io_flush();
    if (list_is_linked(&client__set.ready) || list_is_linked(&client__set.closing) ||
        list_is_linked(&client__set.reread) || !mpsc_is_empty(&driver.posts) ||
        (unlikely(io_is_on) && !io_may_sleep()) || stays_for_posts())
        loop_dont_sleep();
}

enum status driver_setup(void)
{
    const struct loop_hooks hooks = {before_sleep, after_sleep, after_ready};
    lend_make_main();
    lend_setup(busy_turn, &exec_settings.busy_reply_threshold_ms);
    block_setup();
    list_init(&client__set.all);
    list_init(&client__set.ready);
    list_init(&client__set.writes);
    list_init(&client__set.closing);
    list_init(&client__set.reread);
    admit_setup();
    driver.clock_stale_ticks = (uint64_t)(CLOCK_STALE_NS / ticks_ns_per_tick);
    clock_for_commands();
    loop_set_hooks(&hooks);
    token_on_busy(busy_turn, &exec_settings.busy_reply_threshold_ms);
    return io_setup();
}

void driver_teardown(void)
{
    driver_close_listeners();
    driver_use_tls(NULL);
    io_teardown();
    LIST_EACH(&client__set.all, n) client__free(CLIENT_OF(n, all));
    posts_run();
    kv_unit_release(&driver.unit);
    resp_args_release(&wave.args);
}

void driver_cron(int hz)
{
    /* Everybody is looked at within a second or so. */
    size_t budget = client__set.count / (size_t)MAX(hz, 1) + 8;
    int64_t now = driver.clock.wall_ms;
    while (budget-- && client__set.all.next != &client__set.all) {
        struct list_node *n = list_pop(&client__set.all);
        struct client *c = CLIENT_OF(n, all);
        list_push(&client__set.all, n);
        bool waits = c->flags & (CLIENT_BLOCKED | CLIENT_STALLED | CLIENT_MONITOR) ||
                     client_subs_any(&c->subs);
        if (unlikely(io_reads(c)) && io_was_active(c)) c->active_ms = now;
        bool idle = exec_settings.timeout_s && !waits &&
                    now - c->active_ms > exec_settings.timeout_s * 1000;
        if (idle) {
            log_verbose("Closing idle client");
            client__close_asap(c);
        }
        client__check_output(c);
    }
    if (io_is_on) io_cron();
    outbuf_pool_trim(16);
    if (wave.args.cap > WAVE_ARGS_KEPT) resp_args_release(&wave.args);
}
