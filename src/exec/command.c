/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding commands: by name, with their subcommand, and the texts for what isn't found. The idea
 * of the index is told in the header; command_keys.c finds the keys of a call.
 *
 * Rows are constant, so a command that was renamed leaves the index, of which a copy is made then,
 * and is found in a sorted list of new names, which may be of any length and have any bytes. The
 * usual command pays nothing for that: only what the index doesn't know is looked up there.
 *
 * Names that come from the wire may be of any length and have any bytes. They are read with loads
 * that overlap rather than with a loop or a copy, and never beyond their end.
 */
#include "exec/command.h"

#include <ctype.h>
#include <stdatomic.h>

#include "base/mem.h"

struct renamed {
    struct view name; /* in lower case; owned */
    const struct command *cmd;
};

static struct {
    const struct command_table *table;
    const uint16_t *index;     /* the table's, or `own_index` */
    struct command_stats *stats;
    uint16_t *own_index;       /* NULL: nothing was renamed */
    bool *gone;                /* by row: it lost its name; NULL with own_index */
    struct renamed *renamed;   /* sorted by name */
    size_t renamed_count;
} reg;

/* By row: command_work. It isn't freed: workers may still run when the server has ended. */
static _Atomic uint64_t *work_ns;

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
    reg.index = table->index;
    reg.stats = mem_zalloc(table->count * sizeof(*reg.stats));
    if (!work_ns) work_ns = mem_zalloc(table->count * sizeof(*work_ns));
}

void command_teardown(void)
{
    if (reg.stats) command_stats_reset(); /* frees the histograms */
    mem_free(reg.stats);
    for (size_t i = 0; i < reg.renamed_count; i++) mem_free((void *)reg.renamed[i].name.ptr);
    mem_free(reg.renamed);
    mem_free(reg.own_index);
    mem_free(reg.gone);
    memset(&reg, 0, sizeof(reg));
}

/* The place of a name among the new ones, or where it would be. */
static size_t renamed_place(struct view name, bool *found_out)
{
    size_t low = 0, high = reg.renamed_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct view at = reg.renamed[mid].name;
        int order = memcmp(at.ptr, name.ptr, MIN(at.len, name.len));
        if (order == 0 && at.len == name.len) {
            *found_out = true;
            return mid;
        }
        if (order < 0 || (order == 0 && at.len < name.len))
            low = mid + 1;
        else
            high = mid;
    }
    *found_out = false;
    return low;
}

static char *lower_copy(const char *name, size_t len)
{
    char *copy = mem_dup(name, len);
    for (size_t i = 0; i < len; i++)
        if (copy[i] >= 'A' && copy[i] <= 'Z') copy[i] |= 0x20;
    return copy;
}

static NOINLINE const struct command *lookup_renamed(const char *name, size_t len)
{
    if (!reg.renamed_count) return NULL;
    char *lower = lower_copy(name, len);
    bool found;
    size_t at = renamed_place(view_of(lower, len), &found);
    mem_free(lower);
    return found ? reg.renamed[at].cmd : NULL;
}

/* Searches an index of the table: NULL if the name isn't in it. */
ALWAYS_INLINE const struct command *index_find(const uint16_t *index, const char *name, size_t len)
{
    const struct command_table *t = reg.table;
    struct command_name folded;
    if (unlikely(!name_fold(name, len, &folded))) return NULL;
    size_t mask = ((size_t)1 << t->index_bits) - 1;
    for (size_t at = slot_of(&folded, t);; at = (at + 1) & mask) {
        unsigned slot = index[at];
        if (unlikely(slot == 0)) return NULL;
        const struct command *cmd = &t->rows[slot - 1];
        if (likely(name_is(cmd, &folded, len))) return cmd;
    }
}

const struct command *command_lookup(const char *name, size_t len)
{
    const struct command *cmd = index_find(reg.index, name, len);
    return likely(cmd != NULL) ? cmd : lookup_renamed(name, len);
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

typedef const struct command *find_fn(const char *name, size_t len);

static const struct command *find_full(find_fn *find, const char *name, size_t len)
{
    const char *bar = memchr(name, '|', len);
    if (!bar) return find(name, len);
    const struct command *parent = find(name, (size_t)(bar - name));
    if (!parent) return NULL;
    return command_lookup_sub(parent, bar + 1, len - (size_t)(bar - name) - 1);
}

const struct command *command_lookup_full(const char *name, size_t len)
{
    return find_full(command_lookup, name, len);
}

static const struct command *find_row(const char *name, size_t len)
{
    return index_find(reg.table->index, name, len);
}

const struct command *command_row_named(const char *name, size_t len)
{
    return find_full(find_row, name, len);
}

/* ---- other names ---- */

/* The table's index without the rows that are gone. Slots are filled anew in the order of the
 * rows: taking one out would tear chains of others. */
static void index_remake(void)
{
    const struct command_table *t = reg.table;
    size_t size = (size_t)1 << t->index_bits;
    if (!reg.own_index) reg.own_index = mem_alloc(size * sizeof(*reg.own_index));
    memset(reg.own_index, 0, size * sizeof(*reg.own_index));
    for (unsigned id = 0; id < t->top_count; id++) {
        if (reg.gone[id]) continue;
        size_t at = slot_of(&t->rows[id].name_words, t);
        while (reg.own_index[at]) at = (at + 1) & (size - 1);
        reg.own_index[at] = (uint16_t)(id + 1);
    }
    reg.index = reg.own_index;
}

static void name_take_away(const struct command *cmd)
{
    if (!reg.gone) reg.gone = mem_zalloc(reg.table->count * sizeof(*reg.gone));
    for (size_t i = 0; i < reg.renamed_count; i++) {
        if (reg.renamed[i].cmd != cmd) continue;
        mem_free((void *)reg.renamed[i].name.ptr);
        reg.renamed_count--;
        memmove(&reg.renamed[i], &reg.renamed[i + 1],
                (reg.renamed_count - i) * sizeof(*reg.renamed));
        return;
    }
    reg.gone[cmd->id] = true;
    index_remake();
}

enum status command_rename(struct view from, struct view to)
{
    const struct command *cmd = command_lookup(from.ptr, from.len);
    if (!cmd) return STATUS_NOT_FOUND;
    name_take_away(cmd);
    if (!to.len) return STATUS_OK;
    if (command_lookup(to.ptr, to.len)) return STATUS_EXISTS;
    if (find_row(to.ptr, to.len) == cmd) { /* its first name again */
        reg.gone[cmd->id] = false;
        index_remake();
        return STATUS_OK;
    }
    char *name = lower_copy(to.ptr, to.len);
    bool found;
    size_t at = renamed_place(view_of(name, to.len), &found);
    reg.renamed = mem_realloc(reg.renamed, (reg.renamed_count + 1) * sizeof(*reg.renamed));
    memmove(&reg.renamed[at + 1], &reg.renamed[at],
            (reg.renamed_count - at) * sizeof(*reg.renamed));
    reg.renamed[at] = (struct renamed){view_of(name, to.len), cmd};
    reg.renamed_count++;
    return STATUS_OK;
}

bool command_has_name(const struct command *cmd)
{
    const struct command *top = cmd->parent ? cmd->parent : cmd;
    if (!reg.gone || !reg.gone[top->id]) return true;
    for (size_t i = 0; i < reg.renamed_count; i++)
        if (reg.renamed[i].cmd == top) return true;
    return false;
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
        size_t len = shown_len(&argv[0], argv[0].len);
        for (size_t i = 0; i < len; i++)
            buf_append_char(out, (char)toupper((unsigned char)argv[0].ptr[i]));
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
    for (size_t i = 0; i < reg.table->count; i++)
        atomic_store_explicit(&work_ns[i], 0, memory_order_relaxed);
}

void command_work(const struct command *cmd, uint64_t ns)
{
    atomic_fetch_add_explicit(&work_ns[cmd->id], ns, memory_order_relaxed);
}

uint64_t command_time_ns(const struct command *cmd)
{
    return reg.stats[cmd->id].total_ns +
           atomic_load_explicit(&work_ns[cmd->id], memory_order_relaxed);
}
