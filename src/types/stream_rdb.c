/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving and loading streams. Blocks are saved as they are, under their ids; then come the numbers
 * that the stream keeps, and its groups:
 *
 *   blocks n, each: id as text of 16 bytes, listpack as text
 *   length | last id | [first id | highest deleted id | entries added]      pairs of lengths
 *   groups n, each: name | last id | [entries read]
 *     pending n, each: id (16 bytes) | delivery time u64 | deliveries
 *     consumers n, each: name | seen time u64 | [active time u64] | pending n, each: id (16 bytes)
 *
 * Ids are big-endian, times little-endian. What is in brackets came with later versions. Readers
 * of blocks trust them, so here every entry is walked: its shape, its place in the order, and the
 * counts that the block and the stream claim.
 */
#include "base/mem.h"
#include "ds/listpack.h"
#include "types/rdb.h"
#include "types/stream.h"

#define ID_BYTES 16
#define ENTRY_DELETED 1
#define ENTRY_SAME_FIELDS 2
/* Elements of an entry beside its values, and beside its pairs. */
#define ENTRY_SAME_MORE 3
#define ENTRY_OTHER_MORE 4

/* ---- saving ---- */

static void put_id(uint8_t bytes[static ID_BYTES], struct stream_id id)
{
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(id.ms >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(id.seq >> (56 - 8 * i));
    }
}

static void write_raw_id(struct stream_out *out, struct stream_id id)
{
    uint8_t bytes[ID_BYTES];
    put_id(bytes, id);
    stream_write(out, bytes, sizeof(bytes));
}

static void write_time(struct stream_out *out, int64_t ms)
{
    for (int i = 0; i < 8; i++) stream_write_u8(out, (uint8_t)((uint64_t)ms >> (8 * i)));
}

static void write_id(struct stream_out *out, struct stream_id id)
{
    rdb_write_length(out, id.ms);
    rdb_write_length(out, id.seq);
}

static void save_blocks(const struct stream *s, struct stream_out *out)
{
    const struct idmap_slot *slot;
    rdb_write_length(out, s->blocks.count);
    for (struct idmap_pos pos = idmap_first(&s->blocks); (slot = idmap_at(&s->blocks, pos));
         pos = idmap_next(&s->blocks, pos)) {
        uint8_t id[ID_BYTES];
        put_id(id, stream_key_id(slot->id));
        rdb_write_text(out, view_of((const char *)id, sizeof(id)));
        rdb_write_text(out, view_of(slot->ptr, listpack_bytes(slot->ptr)));
    }
}

static void save_consumer(const struct stream_consumer *c, struct stream_out *out)
{
    const struct idmap_slot *slot;
    rdb_write_text(out, view_of(c->name, c->name_len));
    write_time(out, c->seen_ms);
    rdb_write_length(out, c->pending.count);
    for (struct idmap_pos pos = idmap_first(&c->pending); (slot = idmap_at(&c->pending, pos));
         pos = idmap_next(&c->pending, pos))
        write_raw_id(out, stream_key_id(slot->id));
}

static void save_group(const struct stream_group *g, struct stream_out *out)
{
    const struct idmap_slot *slot;
    rdb_write_text(out, view_of(g->name, g->name_len));
    write_id(out, g->last_id);
    rdb_write_length(out, (uint64_t)g->entries_read);
    rdb_write_length(out, g->pending.count);
    for (struct idmap_pos pos = idmap_first(&g->pending); (slot = idmap_at(&g->pending, pos));
         pos = idmap_next(&g->pending, pos)) {
        const struct stream_pending *p = slot->ptr;
        write_raw_id(out, stream_key_id(slot->id));
        write_time(out, p->delivered_ms);
        rdb_write_length(out, p->deliveries);
    }
    rdb_write_length(out, g->consumer_count);
    for (size_t i = 0; i < g->consumer_count; i++) save_consumer(g->consumers[i], out);
}

uint8_t stream__rdb_type(struct value v)
{
    UNUSED(v);
    return RDB_STREAM_LISTPACKS_2;
}

void stream__save(struct value v, struct stream_out *out)
{
    const struct stream *s = stream_of(v);
    save_blocks(s, out);
    rdb_write_length(out, s->length);
    write_id(out, s->last_id);
    write_id(out, s->first_id);
    write_id(out, s->max_deleted_id);
    rdb_write_length(out, s->entries_added);
    rdb_write_length(out, s->group_count);
    for (size_t i = 0; i < s->group_count; i++) save_group(s->groups[i], out);
}

/* ---- blocks ---- */

/* Reads element after element of a listpack whose end isn't known to be where it should be. */
struct cursor {
    const uint8_t *lp, *pos;
    bool bad;
};

static int64_t next_int(struct cursor *c)
{
    int64_t n = 0;
    if (!c->pos || !listpack_get_i64(c->pos, &n)) {
        c->bad = true;
        return 0;
    }
    c->pos = listpack_next(c->lp, c->pos);
    return n;
}

static void skip(struct cursor *c, int64_t count)
{
    if (count < 0) c->bad = true;
    for (; count > 0 && !c->bad; count--) {
        if (!c->pos) c->bad = true;
        else c->pos = listpack_next(c->lp, c->pos);
    }
}

/* One entry. Unless it is removed, *last is the id before it, then its own: ids of removed entries
 * may be out of order, since XSETID may go back behind them. Returns its flags, which must be of
 * one byte, since they are changed in place. */
static int64_t check_entry(struct cursor *c, struct stream_id master, int64_t master_fields,
                           struct stream_id *last, bool first)
{
    if (*c->pos > 3) c->bad = true;
    int64_t flags = next_int(c);
    struct stream_id id = {.ms = master.ms + (uint64_t)next_int(c)};
    id.seq = master.seq + (uint64_t)next_int(c);
    bool same = flags & ENTRY_SAME_FIELDS;
    int64_t fields = same ? master_fields : next_int(c);
    if (fields < 1 || fields > INT32_MAX) c->bad = true;
    if (c->bad) return 0;
    skip(c, same ? fields : 2 * fields);
    int64_t elements = same ? fields + ENTRY_SAME_MORE : 2 * fields + ENTRY_OTHER_MORE;
    if (next_int(c) != elements || (flags & ~(int64_t)3)) c->bad = true;
    if (flags & ENTRY_DELETED) return flags;
    int order = stream_id_compare(id, *last);
    if (order < 0 || (order == 0 && !first)) c->bad = true;
    *last = id;
    return flags;
}

/* A whole block; *last is the highest id before it, then in it. Adds its live entries to *live. */
static bool check_block(const uint8_t *lp, struct stream_id master, struct stream_id *last,
                        uint64_t *live)
{
    struct cursor c = {.lp = lp, .pos = listpack_first(lp)};
    int64_t valid = next_int(&c), deleted = next_int(&c), fields = next_int(&c);
    if (c.bad || valid < 1 || deleted < 0 || fields < 1) return false;
    skip(&c, fields);
    if (next_int(&c) != 0 || c.bad) return false;
    *last = master;
    for (bool first = true; c.pos && !c.bad;) {
        if (check_entry(&c, master, fields, last, first) & ENTRY_DELETED) {
            deleted--;
        } else if (!c.bad) {
            valid--;
            ++*live;
            first = false;
        }
    }
    return !c.bad && valid == 0 && deleted == 0;
}

static struct stream_id get_id(const uint8_t *bytes)
{
    struct stream_id id = {0, 0};
    for (int i = 0; i < 8; i++) {
        id.ms = id.ms << 8 | bytes[i];
        id.seq = id.seq << 8 | bytes[8 + i];
    }
    return id;
}

/* Takes the block. */
static enum status add_block(struct stream *s, struct stream_id master, uint8_t *lp, size_t len,
                             struct stream_id *last, uint64_t *live)
{
    bool follows = s->blocks.count == 0 || stream_id_compare(master, *last) > 0;
    if (!follows || !listpack_validate(lp, len, 1) || !check_block(lp, master, last, live) ||
        !idmap_add(&s->blocks, stream_id_key(master), lp)) {
        mem_free(lp);
        return STATUS_SYNTAX;
    }
    return STATUS_OK;
}

static enum status load_blocks(struct stream *s, struct stream_in *in, struct stream_id *last,
                               uint64_t *live)
{
    uint64_t count;
    struct rdb_text key = {0};
    enum status status = rdb_read_length(in, &count);
    while (!status && count--) {
        uint8_t *lp;
        size_t len;
        status = rdb_read_text_kept(in, &key);
        if (!status && key.bytes.len != ID_BYTES) status = STATUS_SYNTAX;
        if (status) break;
        struct stream_id master = get_id((const uint8_t *)key.bytes.ptr);
        status = rdb_read_block(in, &lp, &len);
        if (!status) status = add_block(s, master, lp, len, last, live);
    }
    rdb_text_release(&key);
    return status;
}

/* ---- numbers and groups ---- */

static enum status read_id(struct stream_in *in, struct stream_id *id)
{
    enum status status = rdb_read_length(in, &id->ms);
    return status ? status : rdb_read_length(in, &id->seq);
}

static enum status read_raw_id(struct stream_in *in, struct stream_id *id)
{
    uint8_t bytes[ID_BYTES];
    enum status status = stream_read(in, bytes, sizeof(bytes));
    if (!status) *id = get_id(bytes);
    return status;
}

static enum status read_time(struct stream_in *in, int64_t *ms)
{
    uint8_t b[8];
    uint64_t n = 0;
    enum status status = stream_read(in, b, sizeof(b));
    for (int i = 8; i-- && !status;) n = n << 8 | b[i];
    *ms = (int64_t)n;
    return status;
}

static enum status load_pending(struct stream_group *g, struct stream_in *in)
{
    uint64_t count;
    enum status status = rdb_read_length(in, &count);
    while (!status && count--) {
        struct stream_id id;
        int64_t delivered_ms;
        uint64_t deliveries;
        status = read_raw_id(in, &id);
        if (!status) status = read_time(in, &delivered_ms);
        if (!status) status = rdb_read_length(in, &deliveries);
        if (status) break;
        if (stream_pending_find(g, id)) return STATUS_SYNTAX;
        stream_pending_new(g, NULL, id, delivered_ms)->deliveries = deliveries;
    }
    return status;
}

/* Each pending delivery is exactly one consumer's. */
static enum status load_owned(struct stream_group *g, struct stream_consumer *c,
                              struct stream_in *in, uint64_t *owned)
{
    uint64_t count;
    enum status status = rdb_read_length(in, &count);
    while (!status && count--) {
        struct stream_id id;
        status = read_raw_id(in, &id);
        if (status) break;
        struct stream_pending *p = stream_pending_find(g, id);
        if (!p || p->consumer) return STATUS_SYNTAX;
        stream_pending_give(p, c, id);
        ++*owned;
    }
    return status;
}

static enum status load_consumers(uint8_t rdb_type, struct stream_group *g, struct stream_in *in,
                                  struct rdb_text *name)
{
    uint64_t count, owned = 0;
    enum status status = rdb_read_length(in, &count);
    while (!status && count--) {
        int64_t seen_ms, active_ms;
        status = rdb_read_text_kept(in, name);
        if (!status) status = read_time(in, &seen_ms);
        if (!status && rdb_type == RDB_STREAM_LISTPACKS_3) status = read_time(in, &active_ms);
        if (status) break;
        if (stream_consumer_find(g, name->bytes)) return STATUS_SYNTAX;
        status = load_owned(g, stream_consumer_new(g, name->bytes, seen_ms), in, &owned);
    }
    if (!status && owned != g->pending.count) status = STATUS_SYNTAX;
    return status;
}

static enum status load_group(uint8_t rdb_type, struct stream *s, struct stream_in *in,
                              struct rdb_text *name)
{
    struct stream_id last;
    uint64_t read = (uint64_t)STREAM_READ_UNKNOWN;
    enum status status = rdb_read_text_kept(in, name);
    if (!status) status = read_id(in, &last);
    if (!status && rdb_type != RDB_STREAM_LISTPACKS) status = rdb_read_length(in, &read);
    if (status) return status;
    struct stream_group *g = stream_group_new(s, name->bytes, last, (int64_t)read);
    if (!g) return STATUS_SYNTAX;
    status = load_pending(g, in);
    return status ? status : load_consumers(rdb_type, g, in, name);
}

static enum status load_groups(uint8_t rdb_type, struct stream *s, struct stream_in *in)
{
    uint64_t count;
    struct rdb_text name = {0};
    enum status status = rdb_read_length(in, &count);
    while (!status && count--) status = load_group(rdb_type, s, in, &name);
    rdb_text_release(&name);
    return status;
}

static enum status load_numbers(uint8_t rdb_type, struct stream *s, struct stream_in *in)
{
    struct stream_id first;
    enum status status = rdb_read_length(in, &s->length);
    if (!status) status = read_id(in, &s->last_id);
    s->entries_added = s->length;
    if (status || rdb_type == RDB_STREAM_LISTPACKS) return status;
    status = read_id(in, &first);
    if (!status) status = read_id(in, &s->max_deleted_id);
    return status ? status : rdb_read_length(in, &s->entries_added);
}

/* What the file says of the first id isn't needed: the entries tell. */
static void find_first(struct stream *s)
{
    struct stream_walk walk;
    struct stream_entry e;
    stream_walk_init(&walk, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    if (stream_walk_next(&walk, &e)) s->first_id = e.id;
}

static enum status load_all(uint8_t rdb_type, struct stream *s, struct stream_in *in)
{
    struct stream_id last = STREAM_ID_MIN;
    uint64_t live = 0;
    enum status status = load_blocks(s, in, &last, &live);
    if (!status) status = load_numbers(rdb_type, s, in);
    if (!status && (live != s->length || stream_id_compare(last, s->last_id) > 0))
        status = STATUS_SYNTAX;
    if (status) return status;
    find_first(s);
    return load_groups(rdb_type, s, in);
}

enum status stream__load(uint8_t rdb_type, struct stream_in *in, struct value *out)
{
    *out = stream_new();
    enum status status = load_all(rdb_type, stream_of(*out), in);
    if (status) stream_type_ops.free(*out);
    return status;
}
