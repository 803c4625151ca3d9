/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the commands on keys record: events in their order, and the count of changes. Scripts of
 * commands with what stock's server notified after each of them (notify-keyspace-events KEAmn).
 * Handlers are run on a context made here, without clients.
 */
#include "commands_table.h"
#include "exec/command.h"
#include "exec/reply.h"
#include "exec/settings.h"
#include "unit.h"

/* One line: a command, the events that follow ("name:key …"), the changes counted. A command
 * "+n" moves the clock by n milliseconds. */
struct line {
    const char *command, *events;
    int dirty;
};

struct run {
    struct kv_unit unit;
    int db;
};

#define ARGS_MAX 32

/* Splits at blanks; '' is an empty word. */
static int words_of(const char *text, struct arg *argv)
{
    int argc = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        bool empty = len == 2 && memcmp(text, "''", 2) == 0;
        CHECK(argc < ARGS_MAX);
        argv[argc++] = arg_of(text, empty ? 0 : len);
        text += len + (text[len] == ' ');
    }
    return argc;
}

static void run_command(struct run *run, const char *text)
{
    struct arg argv[ARGS_MAX];
    struct tape tape = {0};
    struct sink sink = {.tape = &tape, .resp = 2};
    int argc = words_of(text, argv);
    const struct command *cmd;
    CHECK_MSG(command_resolve(argv, argc, &cmd) == STATUS_OK, "%s isn't found", text);
    CHECK_MSG(command_arity_ok(cmd, argc), "%s has a wrong length", text);
    struct exec_ctx ctx = {.db = kv_db(run->db), .cmd = cmd, .argv = argv, .argc = argc,
                           .sink = &sink, .unit = &run->unit};
    enum status status = cmd->handler(&ctx);
    CHECK_MSG(status == STATUS_OK || status == STATUS_ERR, "%s: status %d", text, status);
    tape_release(&tape);
}

/* Every name belongs to one class here. */
static void check_class(const struct kv_event *e)
{
    static const struct {
        const char *name;
        enum kv_event_class class_;
    } others[] = {{"new", KV_EVENT_NEW}, {"set", KV_EVENT_STRING}, {"expired", KV_EVENT_EXPIRED},
                  {"keymiss", KV_EVENT_KEYMISS}};
    enum kv_event_class want = KV_EVENT_GENERIC;
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        if (strcmp(e->name, others[i].name) == 0) want = others[i].class_;
    }
    CHECK_INT(e->class_, want);
}

static void events_text(const struct kv_unit *u, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < u->event_count; i++) {
        struct view key = kv_event_key(u, &u->events[i]);
        check_class(&u->events[i]);
        buf_printf(out, "%s%s:%.*s", i ? " " : "", u->events[i].name, (int)key.len, key.ptr);
    }
}

static void run_script(const struct line *lines)
{
    struct run run = {.unit = {.now_ms = 1700000000000}};
    struct buf text = {0};
    exec_settings.proto_max_bulk_len = 1 << 20;
    command_setup(&commands_table);
    kv_setup(2);
    kv_event_mask_set(~0u);
    for (const struct line *l = lines; l->command; l++) {
        if (l->command[0] == '+') {
            run.unit.now_ms += atoi(l->command);
            continue;
        }
        uint64_t dirty = run.unit.dirty;
        run_command(&run, l->command);
        events_text(&run.unit, &text);
        CHECK_MSG(strcmp(buf_cstr(&text), l->events) == 0, "%s: \"%s\", expected \"%s\"",
                  l->command, buf_cstr(&text), l->events);
        CHECK_MSG(run.unit.dirty - dirty == (uint64_t)l->dirty, "%s: %d changes, expected %d",
                  l->command, (int)(run.unit.dirty - dirty), l->dirty);
        run.unit.event_count = 0;
        buf_clear(&run.unit.event_bytes);
    }
    buf_release(&text);
    kv_unit_release(&run.unit);
    kv_lazyfree_teardown();
    kv_teardown();
    command_teardown();
}

TEST(keys)
{
    static const struct line lines[] = {
        {"set a 1", "new:a set:a", 1},
        {"set a 2", "set:a", 1},
        {"rename a b", "new:b rename_from:a rename_to:b", 1},
        {"set a 5", "new:a set:a", 1},
        {"rename a b", "new:b rename_from:a rename_to:b", 1},
        {"renamenx b c", "new:c rename_from:b rename_to:c", 1},
        {"set d 1", "new:d set:d", 1},
        {"renamenx c d", "", 0},
        {"rename nokey x", "", 0},
        {"rename c c", "", 0},
        {"renamenx c c", "", 0},
        {"del c d nokey", "del:c del:d", 2},
        {"set a 1", "new:a set:a", 1},
        {"unlink a nokey", "del:a", 1},
        {"exists a b", "keymiss:a keymiss:b", 0},
        {"set a 1", "new:a set:a", 1},
        {"exists a a b", "keymiss:b", 0},
        {"type a", "", 0},
        {"type nokey", "keymiss:nokey", 0},
        {"object encoding a", "", 0},
        {"object encoding nokey", "", 0},
        {"object freq nokey", "", 0},
        {"set x 1", "new:x set:x", 1},
        {"del x x", "del:x", 1},
        {"flushdb", "", 1},
        {"flushdb async", "", 0},
        {"mset x 1 y 2", "new:x set:x new:y set:y", 2},
        {"flushall", "", 2},
        {NULL, NULL, 0},
    };
    run_script(lines);
}

TEST(expiry)
{
    static const struct line lines[] = {
        {"set a 1", "new:a set:a", 1},
        {"ttl a", "", 0},
        {"ttl nokey", "keymiss:nokey", 0},
        {"expire a 100", "expire:a", 1},
        {"pexpire a 100000", "expire:a", 1},
        {"expire a 100 nx", "", 0},
        {"expire nokey 100", "", 0},
        {"persist a", "persist:a", 1},
        {"persist a", "", 0},
        {"expire a -1", "del:a", 1},
        {"set a 1 px 1", "new:a set:a expire:a", 1},
        {"+3", NULL, 0},
        {"get a", "expired:a keymiss:a", 0},
        {"set a 1 px 1", "new:a set:a expire:a", 1},
        {"+3", NULL, 0},
        {"del a", "expired:a", 0},
        {"set a 1 px 1", "new:a set:a expire:a", 1},
        {"+3", NULL, 0},
        {"set a 2", "expired:a new:a set:a", 1},
        {"set a 1 px 1", "set:a expire:a", 1},
        {"+3", NULL, 0},
        {"exists a", "expired:a keymiss:a", 0},
        {"set a 1 px 1", "new:a set:a expire:a", 1},
        {"+3", NULL, 0},
        {"expire a 100", "expired:a", 0},
        {"set a 1 px 1", "new:a set:a expire:a", 1},
        {"set b 2", "new:b set:b", 1},
        {"+3", NULL, 0},
        {"rename b a", "expired:a new:a rename_from:b rename_to:a", 1},
        {"set b 1 px 1", "new:b set:b expire:b", 1},
        {"+3", NULL, 0},
        {"keys *", "", 0},
        {"keys b", "", 0},
        {"dbsize", "", 0},
        {"scan 0 match x", "", 0},
        {"scan 0", "expired:b", 0},
        {"scan 0", "", 0},
        {"set b 1 px 1", "new:b set:b expire:b", 1},
        {"del a", "del:a", 1},
        {"+3", NULL, 0},
        {"object encoding b", "expired:b", 0},
        {"set b 1 px 1", "new:b set:b expire:b", 1},
        {"+3", NULL, 0},
        {"randomkey", "expired:b", 0},
        {"randomkey", "", 0},
        {"set b 1 px 1", "new:b set:b expire:b", 1},
        {"+3", NULL, 0},
        {"debug digest-value b", "", 0},
        {"debug object b", "", 0},
        {"hget b f", "expired:b keymiss:b", 0},
        {NULL, NULL, 0},
    };
    run_script(lines);
}
