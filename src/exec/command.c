/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding commands: by name, with their subcommand, and the texts for what isn't found. The idea
 * of the index is told in the header; command_keys.c finds the keys of a call.
 *
 * Names that come from the wire may be of any length and have any bytes. They are read with loads
 * that overlap rather than with a loop or a copy, and never beyond their end.
 */
#include "exec/command.h"

#include <ctype.h>

#include "base/mem.h"

static struct {
    const struct command_table *table;
    struct command_stats *stats;
} reg;

#define BYTES(x) (0x0101010101010101u * (x))

/* Turns A-Z into a-z in eight bytes at once and leaves all others alone. */
static inline uint64_t fold(uint64_t word)
{
    uint64_t low7 = word & BYTES(0x7f);
    uint64_t from_a = low7 + BYTES(0x80 - 'A');
    uint64_t above_z = low7 + BYTES(0x7f - 'Z');
    uint64_t upper = (from_a ^ above_z) & ~word & BYTES(0x80);
    return word | upper >> 2;
}

static inline uint64_t load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* The bytes of a text of 1 to 7 bytes. */
static inline uint64_t load_short(const char *p, size_t len)
{
    if (len >= 4) {
        uint32_t head, tail;
        memcpy(&head, p, 4);
        memcpy(&tail, p + len - 4, 4);
        return head | (uint64_t)tail << (len - 4) * 8;
    }
    uint64_t v = (unsigned char)p[0] | (uint64_t)(unsigned char)p[len - 1] << (len - 1) * 8;
    return v | (uint64_t)(unsigned char)p[len / 2] << len / 2 * 8;
}

/* Reads a name into words, folded. False if no name of the table can be that long or short. */
static inline bool name_fold(const char *p, size_t len, struct command_name *out)
{
    if (unlikely(len - 1 >= COMMAND_NAME_MAX)) return false;
    if (len < 8) {
        *out = (struct command_name){{fold(load_short(p, len)), 0, 0, 0}};
        return true;
    }
    /* The last word is read so that it ends with the name, and shifted to its place. */
    uint64_t first = fold(load64(p)), last = load64(p + len - 8);
    if (len < 16) {
        last = len == 8 ? 0 : fold(last >> (16 - len) * 8);
        *out = (struct command_name){{first, last, 0, 0}};
    } else if (likely(len <= 24)) {
        last = len == 16 ? 0 : fold(last >> (24 - len) * 8);
        *out = (struct command_name){{first, fold(load64(p + 8)), last, 0}};
    } else {
        last = fold(last >> (32 - len) * 8);
        *out = (struct command_name){{first, fold(load64(p + 8)), fold(load64(p + 16)), last}};
    }
    return true;
}

/* As slot_of() in utils/gen-commands. The fourth word, of names above 24 bytes, isn't in it: there
 * are few, and they differ before. */
static inline size_t slot_of(const struct command_name *name, const struct command_table *t)
{
    uint64_t mixed = name->words[0] + name->words[1] * 0x9E3779B97F4A7C15u +
                     name->words[2] * 0xC2B2AE3D27D4EB4Fu;
    return mixed * t->multiplier >> (64 - t->index_bits);
}

static inline bool name_is(const struct command *cmd, const struct command_name *name, size_t len)
{
    const uint64_t *a = cmd->name_words.words, *b = name->words;
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) |
            (cmd->name_len ^ len)) == 0;
}

void command_setup(const struct command_table *table)
{
    command_teardown();
    reg.table = table;
    reg.stats = mem_zalloc(table->count * sizeof(*reg.stats));
}

void command_teardown(void)
{
    if (reg.stats) command_stats_reset(); /* frees the histograms */
    mem_free(reg.stats);
    reg.stats = NULL;
    reg.table = NULL;
}

const struct command *command_lookup(const char *name, size_t len)
{
    const struct command_table *t = reg.table;
    struct command_name folded;
    if (unlikely(!name_fold(name, len, &folded))) return NULL;
    size_t mask = ((size_t)1 << t->index_bits) - 1;
    for (size_t at = slot_of(&folded, t);; at = (at + 1) & mask) {
        unsigned slot = t->index[at];
        if (unlikely(slot == 0)) return NULL;
        const struct command *cmd = &t->rows[slot - 1];
        if (likely(name_is(cmd, &folded, len))) return cmd;
    }
}

const struct command *command_lookup_sub(const struct command *parent, const char *name, size_t len)
{
    struct command_name folded;
    if (!name_fold(name, len, &folded)) return NULL;
    for (unsigned i = 0; i < parent->sub_count; i++) {
        if (name_is(&parent->subs[i], &folded, len)) return &parent->subs[i];
    }
    return NULL;
}

const struct command *command_lookup_full(const char *name, size_t len)
{
    const char *bar = memchr(name, '|', len);
    if (!bar) return command_lookup(name, len);
    const struct command *parent = command_lookup(name, (size_t)(bar - name));
    if (!parent) return NULL;
    return command_lookup_sub(parent, bar + 1, len - (size_t)(bar - name) - 1);
}

enum status command_resolve(const struct arg *argv, int argc, const struct command **cmd_out)
{
    const struct command *cmd = command_lookup(argv[0].ptr, argv[0].len);
    *cmd_out = cmd;
    if (unlikely(!cmd)) return STATUS_NOT_FOUND;
    if (likely(cmd->sub_count == 0) || argc == 1) return STATUS_OK;
    const struct command *sub = command_lookup_sub(cmd, argv[1].ptr, argv[1].len);
    if (!sub) return STATUS_NOT_FOUND;
    *cmd_out = sub;
    return STATUS_OK;
}

/* Stock cuts what it repeats of a client's words at this many bytes, and at a NUL. */
#define UNKNOWN_TEXT_MAX 128

static size_t shown_len(const struct arg *a, size_t max)
{
    size_t len = MIN(a->len, max);
    const char *nul = len ? memchr(a->ptr, 0, len) : NULL;
    return nul ? (size_t)(nul - a->ptr) : len;
}

void command_unknown_text(const struct command *container, const struct arg *argv, int argc,
                          struct buf *out)
{
    if (container) {
        buf_append_cstr(out, "ERR unknown subcommand '");
        buf_append(out, argv[1].ptr, shown_len(&argv[1], UNKNOWN_TEXT_MAX));
        buf_append_cstr(out, "'. Try ");
        for (const char *p = container->name; *p; p++)
            buf_append_char(out, (char)toupper((unsigned char)*p));
        buf_append_cstr(out, " HELP.");
        return;
    }
    buf_append_cstr(out, "ERR unknown command '");
    buf_append(out, argv[0].ptr, shown_len(&argv[0], UNKNOWN_TEXT_MAX));
    buf_append_cstr(out, "', with args beginning with: ");
    size_t shown = 0;
    for (int i = 1; i < argc && shown < UNKNOWN_TEXT_MAX; i++) {
        size_t len = shown_len(&argv[i], UNKNOWN_TEXT_MAX - shown);
        buf_append_char(out, '\'');
        buf_append(out, argv[i].ptr, len);
        buf_append_cstr(out, "' ");
        shown += len + 3;
    }
}

unsigned command_count(void)
{
    return reg.table->count;
}

unsigned command_top_count(void)
{
    return reg.table->top_count;
}

const struct command *command_by_id(unsigned id)
{
    ASSERT(id < reg.table->count);
    return &reg.table->rows[id];
}

const char *command_flag_name(unsigned bit)
{
    static const char *const names[] = {"write",
                                        "readonly",
                                        "denyoom",
                                        "admin",
                                        "pubsub",
                                        "noscript",
                                        "blocking",
                                        "loading",
                                        "stale",
                                        "skip_monitor",
                                        "skip_slowlog",
                                        "asking",
                                        "fast",
                                        "no_auth",
                                        NULL, /* may_replicate: stock doesn't show it */
                                        "no_mandatory_keys",
                                        "no_async_loading",
                                        "no_multi",
                                        "movablekeys",
                                        "allow_busy"};
    return bit < ARRAY_COUNT(names) ? names[bit] : NULL;
}

const char *command_key_flag_name(unsigned bit)
{
    static const char *const names[] = {
        "RO",     "RW",     "OW",      "RM",         "access",        "update",
        "insert", "delete", "not_key", "incomplete", "variable_flags"};
    return bit < ARRAY_COUNT(names) ? names[bit] : NULL;
}

const char *command_acl_name(unsigned bit)
{
    static const char *const names[] = {
        "keyspace",   "read",        "write",     "set",         "sortedset", "list",
        "hash",       "string",      "bitmap",    "hyperloglog", "geo",       "stream",
        "pubsub",     "admin",       "fast",      "slow",        "blocking",  "dangerous",
        "connection", "transaction", "scripting", "gears"};
    return bit < ARRAY_COUNT(names) ? names[bit] : NULL;
}

uint32_t command_acl_by_name(struct view name)
{
    const char *known;
    for (unsigned bit = 0; (known = command_acl_name(bit)); bit++) {
        if (view_eq_nocase(name, known)) return 1u << bit;
    }
    return 0;
}

struct command_stats *command_stats_of(const struct command *cmd)
{
    return &reg.stats[cmd->id];
}

void command_stats_reset(void)
{
    for (size_t i = 0; i < reg.table->count; i++) loghist_clear(&reg.stats[i].times);
    memset(reg.stats, 0, reg.table->count * sizeof(*reg.stats));
}
