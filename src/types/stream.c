/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams: ids, blocks of entries, walks, trimming, and the type's row. The format of a block is
 * in stream.h; groups are in stream_group.c.
 *
 * All arithmetic on ids within a block wraps around: the differences are kept as 64-bit numbers,
 * and master + difference gives the id back whatever their sizes.
 */
#include "types/stream.h"

#include "base/mem.h"
#include "ds/listpack.h"
#include "types/rdb.h"

/* What stock calls too large to be stored. */
#define BLOCK_MAX_BYTES LISTPACK_MAX_BYTES
#define BLOCK_ROOM_BYTES 4096

enum entry_flag { ENTRY_DELETED = 1, ENTRY_SAME_NAMES = 2 };

/* ---- ids ---- */

bool stream_id_next(struct stream_id *id)
{
    if (id->seq == UINT64_MAX && id->ms == UINT64_MAX) return false;
    if (++id->seq == 0) id->ms++;
    return true;
}

bool stream_id_prev(struct stream_id *id)
{
    if (stream_id_is_zero(*id)) return false;
    if (id->seq-- == 0) id->ms--;
    return true;
}

size_t stream_id_format(char buf[static STREAM_ID_LEN], struct stream_id id)
{
    size_t len = num_format_u64(buf, id.ms);
    buf[len++] = '-';
    return len + num_format_u64(buf + len, id.seq);
}

/* ---- numbers of a block ---- */

static int64_t number_at(const uint8_t *pos)
{
    int64_t n = 0;
    bool is_number = listpack_get_i64(pos, &n);
    ASSERT(is_number);
    return n;
}

static const uint8_t *skip(const uint8_t *lp, const uint8_t *pos, size_t count)
{
    for (; count && pos; count--) pos = listpack_next(lp, pos);
    return pos;
}

struct block_head {
    int64_t live, deleted;
    size_t fields;
    const uint8_t *names;   /* the first name */
    const uint8_t *entries; /* the first entry */
};

static void head_counts(const uint8_t *lp, struct block_head *head_out)
{
    const uint8_t *pos = listpack_first(lp);
    head_out->live = number_at(pos);
    pos = listpack_next(lp, pos);
    head_out->deleted = number_at(pos);
    pos = listpack_next(lp, pos);
    head_out->fields = (size_t)number_at(pos);
    head_out->names = listpack_next(lp, pos);
}

static void head_read(const uint8_t *lp, struct block_head *head_out)
{
    head_counts(lp, head_out);
    head_out->entries = skip(lp, head_out->names, head_out->fields + 1);
}

/* Changes the numbers of live and deleted entries. They don't grow the listpack beyond its limit:
 * a number takes 11 bytes at most, and blocks are left alone long before. */
static void head_write(uint8_t **lp, int64_t live, int64_t deleted, bool with_deleted)
{
    uint8_t *pos = listpack_first(*lp);
    enum status status = listpack_replace_i64(lp, &pos, live);
    ASSERT(!status);
    if (!with_deleted) return;
    pos = listpack_next(*lp, pos);
    status = listpack_replace_i64(lp, &pos, deleted);
    ASSERT(!status);
}

/* ---- adding ---- */

static size_t max_block_bytes(void)
{
    size_t limit = type_limits.stream_node_max_bytes;
    return limit == 0 || limit > BLOCK_MAX_BYTES ? BLOCK_MAX_BYTES : limit;
}

static struct listpack_value text_value(const struct arg *a)
{
    /* An empty text needs an address, since NULL stands for a number. */
    return (struct listpack_value){.ptr = a->len ? a->ptr : "", .len = a->len};
}

static struct listpack_value number_value(int64_t n)
{
    return (struct listpack_value){.num = n};
}

static bool same_names(const uint8_t *lp, const struct block_head *head, const struct arg *pairs,
                       size_t count)
{
    if (head->fields != count / 2) return false;
    const uint8_t *name = head->names;
    for (size_t i = 0; i < count; i += 2) {
        if (!listpack_equals(name, arg_view(&pairs[i]))) return false;
        name = listpack_next(lp, name);
    }
    return true;
}

/* Trims a full block to its size. Returns the memory that it had grown into as an empty listpack,
 * for the next block: so that needn't grow, and the allocator keeps nothing of what it grew out
 * of. NULL if that is too much to begin with. */
static uint8_t *block_close(struct idmap_slot *slot)
{
    uint8_t *lp = slot->ptr;
    if (mem_usable(lp) > BLOCK_ROOM_BYTES) {
        listpack_shrink(&lp);
        slot->ptr = lp;
        return NULL;
    }
    slot->ptr = listpack_copy(lp);
    listpack_clear(lp);
    return lp;
}

/* A block for entries with these names, none in it yet; NULL if the names are too large. Takes an
 * empty listpack to make it of, or NULL. */
static uint8_t *block_new(uint8_t *lp, const struct arg *pairs, size_t count)
{
    size_t n = 0, values_count = count / 2 + 4;
    struct listpack_value *values = mem_alloc(values_count * sizeof(*values));
    values[n++] = number_value(0);
    values[n++] = number_value(0);
    values[n++] = number_value((int64_t)(count / 2));
    for (size_t i = 0; i < count; i += 2) values[n++] = text_value(&pairs[i]);
    values[n++] = number_value(0);
    if (!lp) lp = listpack_new(0);
    enum status status = listpack_append_all(&lp, values, n, 0);
    mem_free(values);
    if (status) {
        mem_free(lp);
        return NULL;
    }
    return lp;
}

#define FEW_VALUES 24

/* Adds an entry at the end of a block. */
static enum status block_append(uint8_t **lp, struct stream_id master, struct stream_id id,
                                const struct arg *pairs, size_t count)
{
    struct listpack_value few[FEW_VALUES], *values = few;
    struct block_head head;
    size_t n = 0;
    head_counts(*lp, &head);
    bool same = same_names(*lp, &head, pairs, count);
    if (count + 5 > FEW_VALUES) values = mem_alloc((count + 5) * sizeof(*values));
    values[n++] = number_value(same ? ENTRY_SAME_NAMES : 0);
    values[n++] = number_value((int64_t)(id.ms - master.ms));
    values[n++] = number_value((int64_t)(id.seq - master.seq));
    if (!same) values[n++] = number_value((int64_t)(count / 2));
    for (size_t i = 0; i < count; i++) {
        if (!same || i % 2 == 1) values[n++] = text_value(&pairs[i]);
    }
    values[n] = number_value((int64_t)n);
    enum status status = listpack_append_all(lp, values, n + 1, BLOCK_ROOM_BYTES);
    if (values != few) mem_free(values);
    if (!status) head_write(lp, head.live + 1, head.deleted, false);
    return status;
}

/* Whether a block takes no more entries, the next of which has texts of so many bytes. */
static bool block_is_full(const uint8_t *lp, size_t text_bytes)
{
    size_t limit = max_block_bytes(), bytes = listpack_bytes(lp);
    if (bytes >= limit || text_bytes >= limit - bytes) return true;
    if (type_limits.stream_node_max_entries == 0) return false;
    struct block_head head;
    head_counts(lp, &head);
    return (uint64_t)(head.live + head.deleted) >= type_limits.stream_node_max_entries;
}

enum status stream_append(struct stream *s, struct stream_id id, const struct arg *pairs,
                          size_t count)
{
    size_t text_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!num_add_size(text_bytes, pairs[i].len, &text_bytes)) return STATUS_LIMIT;
    }
    if (text_bytes > BLOCK_MAX_BYTES) return STATUS_LIMIT;
    struct idmap_slot *last = idmap_at(&s->blocks, idmap_last(&s->blocks));
    uint8_t *lp = last ? last->ptr : NULL;
    bool fresh = !lp || block_is_full(lp, text_bytes);
    if (fresh && !(lp = block_new(lp ? block_close(last) : NULL, pairs, count)))
        return STATUS_LIMIT;
    struct stream_id master = fresh ? id : stream_key_id(last->id);
    enum status status = block_append(&lp, master, id, pairs, count);
    if (fresh && status) {
        mem_free(lp);
        return status;
    }
    if (fresh)
        idmap_add(&s->blocks, stream_id_key(id), lp);
    else
        last->ptr = lp;
    if (status) return status;
    s->entries_added++;
    s->last_id = id;
    if (s->length++ == 0) s->first_id = id;
    return STATUS_OK;
}

/* ---- one entry of a block ---- */

/* An entry with what only this file needs. */
struct raw_entry {
    struct stream_entry shown;
    const uint8_t *flags_at;
    int64_t flags;
};

static const uint8_t *raw_read(const uint8_t *lp, const uint8_t *pos, struct stream_id master,
                               struct raw_entry *raw)
{
    raw->flags_at = pos;
    raw->flags = number_at(pos);
    pos = listpack_next(lp, pos);
    raw->shown.id.ms = master.ms + (uint64_t)number_at(pos);
    pos = listpack_next(lp, pos);
    raw->shown.id.seq = master.seq + (uint64_t)number_at(pos);
    raw->shown.lp = lp;
    return listpack_next(lp, pos);
}

/* Completes an entry whose content begins at `pos`; returns where the next one begins. */
static const uint8_t *raw_content(const uint8_t *lp, const uint8_t *pos, size_t master_fields,
                                  struct raw_entry *raw)
{
    struct stream_entry *e = &raw->shown;
    e->same_names = raw->flags & ENTRY_SAME_NAMES;
    size_t elements = master_fields;
    if (e->same_names) {
        e->pair_count = master_fields;
        e->name_at = NULL;
    } else {
        e->pair_count = (size_t)number_at(pos);
        pos = e->name_at = listpack_next(lp, pos);
        elements = e->pair_count * 2;
    }
    e->value_at = pos;
    return skip(lp, pos, elements + 1);
}

void stream_entry_pair(struct stream_entry *e, struct stream_pair *pair_out)
{
    if (e->same_names) {
        if (!e->name_at) e->name_at = skip(e->lp, listpack_first(e->lp), 3);
        pair_out->name = listpack_get_view(e->name_at, pair_out->name_buf);
        pair_out->value = listpack_get_view(e->value_at, pair_out->value_buf);
        e->name_at = listpack_next(e->lp, e->name_at);
        e->value_at = listpack_next(e->lp, e->value_at);
        return;
    }
    const uint8_t *value = listpack_next(e->lp, e->name_at);
    pair_out->name = listpack_get_view(e->name_at, pair_out->name_buf);
    pair_out->value = listpack_get_view(value, pair_out->value_buf);
    e->name_at = listpack_next(e->lp, value);
}

/* ---- walks ---- */

void stream_walk_init(struct stream_walk *w, const struct stream *s, struct stream_id from,
                      struct stream_id to, bool reverse)
{
    *w = (struct stream_walk){.stream = s, .from = from, .to = to, .reverse = reverse};
    w->block = idmap_upto(&s->blocks, stream_id_key(reverse ? to : from));
    if (!reverse && !idmap_at(&s->blocks, w->block)) w->block = idmap_first(&s->blocks);
}

/* Enters the walk's block; false if there is none. A stream that is consumed from its front would
 * be walked over what is removed there again and again. */
static bool walk_enter(struct stream_walk *w)
{
    const struct idmap_slot *slot = idmap_at(&w->stream->blocks, w->block);
    if (!slot) return false;
    struct block_head head;
    w->lp = slot->ptr;
    w->master = stream_key_id(slot->id);
    head_read(w->lp, &head);
    w->master_fields = head.fields;
    w->entries = head.entries;
    w->at = head.entries;
    if (w->reverse)
        w->at = w->lp + listpack_bytes(w->lp) - 1;
    else if (slot == idmap_at(&w->stream->blocks, idmap_first(&w->stream->blocks)))
        w->at += w->stream->front;
    return true;
}

/* The next entry of the block, deleted or not; false at its end. */
static bool walk_step(struct stream_walk *w, struct raw_entry *raw)
{
    if (w->reverse) {
        if (w->at == w->entries) return false;
        const uint8_t *pos = listpack_prev(w->lp, w->at);
        for (int64_t back = number_at(pos); back > 0; back--) pos = listpack_prev(w->lp, pos);
        w->at = pos;
    } else if (!w->at) {
        return false;
    }
    const uint8_t *content = raw_read(w->lp, w->at, w->master, raw);
    const uint8_t *next = raw_content(w->lp, content, w->master_fields, raw);
    if (!w->reverse) w->at = next;
    return true;
}

static void walk_end(struct stream_walk *w)
{
    w->lp = NULL;
    w->block.chunk = w->stream->blocks.end;
}

bool stream_walk_next(struct stream_walk *w, struct stream_entry *e_out)
{
    struct raw_entry raw;
    for (;;) {
        if (!w->lp && !walk_enter(w)) return false;
        while (walk_step(w, &raw)) {
            if (raw.flags & ENTRY_DELETED) continue; /* its id may be out of order: XSETID */
            struct stream_id id = raw.shown.id;
            bool past = w->reverse ? stream_id_compare(id, w->from) < 0
                                   : stream_id_compare(id, w->to) > 0;
            if (past) {
                walk_end(w);
                return false;
            }
            if (w->reverse ? stream_id_compare(id, w->to) > 0
                           : stream_id_compare(id, w->from) < 0) continue;
            *e_out = raw.shown;
            return true;
        }
        w->lp = NULL;
        w->block = w->reverse ? idmap_prev(&w->stream->blocks, w->block)
                              : idmap_next(&w->stream->blocks, w->block);
    }
}

bool stream_find(const struct stream *s, struct stream_id id, struct stream_entry *e_out)
{
    struct stream_walk w;
    stream_walk_init(&w, s, id, id, false);
    return stream_walk_next(&w, e_out);
}

bool stream_last(const struct stream *s, struct stream_entry *e_out)
{
    struct stream_walk w;
    stream_walk_init(&w, s, STREAM_ID_MIN, STREAM_ID_MAX, true);
    return stream_walk_next(&w, e_out);
}

/* ---- removing ---- */

static void update_first(struct stream *s)
{
    struct stream_walk w = {.stream = s, .block = idmap_first(&s->blocks)};
    struct raw_entry raw = {.flags = ENTRY_DELETED};
    struct stream_entry e;
    if (walk_enter(&w))
        while (raw.flags & ENTRY_DELETED && walk_step(&w, &raw)) continue;
    if (!(raw.flags & ENTRY_DELETED)) {
        s->first_id = raw.shown.id;
        s->front = (size_t)(raw.flags_at - w.entries);
        return;
    }
    /* Nothing is left, or a file brought a block of which nothing is. */
    stream_walk_init(&w, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    s->first_id = stream_walk_next(&w, &e) ? e.id : STREAM_ID_MIN;
}

static void block_drop(struct stream *s, struct idmap_pos block)
{
    const struct idmap_slot *slot = idmap_at(&s->blocks, block);
    if (slot == idmap_at(&s->blocks, idmap_first(&s->blocks))) s->front = 0;
    mem_free(idmap_remove(&s->blocks, slot->id));
}

/* Marks an entry; no byte moves, since both numbers are of the shortest kind. */
static void mark_deleted(uint8_t **lp, const struct raw_entry *raw)
{
    uint8_t *pos = *lp + (raw->flags_at - *lp);
    enum status status = listpack_replace_i64(lp, &pos, raw->flags | ENTRY_DELETED);
    ASSERT(!status);
}

bool stream_remove(struct stream *s, struct stream_id id)
{
    struct stream_walk w;
    struct raw_entry raw;
    stream_walk_init(&w, s, id, id, false);
    if (!walk_enter(&w)) return false;
    do {
        if (!walk_step(&w, &raw)) return false;
    } while (raw.flags & ENTRY_DELETED || stream_id_compare(raw.shown.id, id) < 0);
    if (stream_id_compare(raw.shown.id, id) != 0) return false;

    struct block_head head;
    head_counts(w.lp, &head);
    if (head.live == 1) {
        block_drop(s, w.block);
    } else {
        struct idmap_slot *slot = idmap_at(&s->blocks, w.block);
        uint8_t *lp = slot->ptr;
        mark_deleted(&lp, &raw);
        head_write(&lp, head.live - 1, head.deleted + 1, true);
        slot->ptr = lp;
    }
    s->length--;
    if (stream_id_compare(id, s->max_deleted_id) > 0) s->max_deleted_id = id;
    if (stream_id_compare(id, s->first_id) == 0) update_first(s);
    return true;
}

/* The id of a block's last entry, removed or not. */
static struct stream_id block_last(const struct stream *s, struct idmap_pos pos)
{
    struct stream_walk w = {.stream = s, .reverse = true, .block = pos};
    struct raw_entry raw = {.flags = 0};
    walk_enter(&w);
    walk_step(&w, &raw);
    return raw.shown.id;
}

/* Removes entries from the front of the first block as far as the trim goes. */
static uint64_t trim_within(struct stream *s, const struct stream_trim *t)
{
    struct stream_walk w = {.stream = s, .block = idmap_first(&s->blocks)};
    struct raw_entry raw;
    uint64_t removed = 0;
    struct idmap_slot *slot = idmap_at(&s->blocks, w.block);
    uint8_t *lp = slot->ptr;
    walk_enter(&w);
    while (walk_step(&w, &raw)) {
        if (t->by_id ? stream_id_compare(raw.shown.id, t->min_id) >= 0
                     : s->length - removed <= t->max_length) break;
        if (raw.flags & ENTRY_DELETED) continue;
        mark_deleted(&lp, &raw);
        DEBUG_ASSERT(lp == w.lp);
        removed++;
    }
    struct block_head head;
    head_counts(lp, &head);
    head_write(&lp, head.live - (int64_t)removed, head.deleted + (int64_t)removed, true);
    slot->ptr = lp;
    s->length -= removed;
    return removed;
}

uint64_t stream_trim(struct stream *s, const struct stream_trim *t)
{
    uint64_t removed = 0;
    const struct idmap_slot *slot;
    while ((slot = idmap_at(&s->blocks, idmap_first(&s->blocks)))) {
        struct block_head head;
        head_counts(slot->ptr, &head);
        uint64_t live = (uint64_t)head.live;
        if (!t->by_id && s->length <= t->max_length) break;
        if (t->limit && removed + live > t->limit) break;
        bool whole = t->by_id ? stream_id_compare(block_last(s, idmap_first(&s->blocks)),
                                                  t->min_id) < 0
                              : s->length - live >= t->max_length;
        if (!whole) {
            if (!t->approximate) removed += trim_within(s, t);
            break;
        }
        block_drop(s, idmap_first(&s->blocks));
        s->length -= live;
        removed += live;
    }
    if (removed) update_first(s);
    return removed;
}

/* ---- the shape of stock's tree ---- */

static unsigned common_bytes(struct idmap_id a, struct idmap_id b)
{
    if (a.high != b.high) return (unsigned)__builtin_clzll(a.high ^ b.high) / 8;
    return 8 + (unsigned)__builtin_clzll(a.low ^ b.low) / 8;
}

#define KEY_BYTES 16

/* Branches that are open, by depth: those that later keys may still hang on. */
struct branches {
    unsigned depth[KEY_BYTES + 1];
    size_t count, nodes;
};

/* Closes the branches deeper than `depth`, where the next one will be. */
static void branches_close(struct branches *b, unsigned depth)
{
    while (b->count && b->depth[b->count - 1] > depth) {
        unsigned at = b->depth[--b->count];
        unsigned above = b->count ? MAX(b->depth[b->count - 1], depth) : depth;
        b->nodes += 1 + (at - above > 1);
    }
}

/*
 * A node for each branch, for each run of bytes between two of them (but for the byte that the
 * branch itself holds), and for each key: the keys are in order, so their common beginnings give
 * the tree's shape.
 */
size_t stream_radix_nodes(const struct stream *s)
{
    const struct idmap *m = &s->blocks;
    if (m->count < 2) return m->count + 1;
    struct branches b = {.count = 0};
    unsigned before = 0;
    struct idmap_pos pos = idmap_first(m);
    struct idmap_id key = idmap_at(m, pos)->id;
    const struct idmap_slot *slot;
    while ((slot = idmap_at(m, pos = idmap_next(m, pos)))) {
        unsigned common = common_bytes(key, slot->id), parent = MAX(before, common);
        b.nodes += 1 + (KEY_BYTES - parent > 1);
        branches_close(&b, common);
        if (!b.count || b.depth[b.count - 1] < common) b.depth[b.count++] = common;
        before = common;
        key = slot->id;
    }
    b.nodes += 1 + (KEY_BYTES - before > 1);
    unsigned root = b.depth[0];
    branches_close(&b, root);
    return b.nodes + 1 + (root > 0);
}

/* ---- the row ---- */

struct value stream_new(void)
{
    return (struct value){
        .type = TYPE_STREAM, .enc = ENC_STREAM, .ptr = mem_zalloc(sizeof(struct stream))};
}

static void ops_free(struct value v)
{
    struct stream *s = v.ptr;
    const struct idmap_slot *slot;
    for (struct idmap_pos pos = idmap_first(&s->blocks); (slot = idmap_at(&s->blocks, pos));
         pos = idmap_next(&s->blocks, pos)) {
        mem_free(slot->ptr);
    }
    idmap_clear(&s->blocks);
    stream__groups_free(s);
    mem_free(s);
}

static size_t ops_length(struct value v)
{
    return stream_of(v)->length;
}

static size_t ops_free_effort(struct value v)
{
    const struct stream *s = v.ptr;
    return s->blocks.count + stream__groups_effort(s);
}

static size_t ops_memory(struct value v, size_t samples)
{
    const struct stream *s = v.ptr;
    const struct idmap_slot *slot;
    size_t looked = 0, sum = 0;
    for (struct idmap_pos pos = idmap_first(&s->blocks);
         looked < samples && (slot = idmap_at(&s->blocks, pos));
         pos = idmap_next(&s->blocks, pos), looked++) {
        sum += mem_usable(slot->ptr);
    }
    if (looked) sum = (size_t)((double)sum / (double)looked * (double)s->blocks.count);
    return mem_usable(s) + idmap_memory(&s->blocks, samples) + sum +
           stream__groups_memory(s, samples);
}

static void ops_digest(struct value v, struct digest *d)
{
    struct stream_walk w;
    struct stream_entry e;
    stream_walk_init(&w, v.ptr, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_walk_next(&w, &e)) {
        char id[STREAM_ID_LEN];
        size_t len = stream_id_format(id, e.id);
        *(char *)memchr(id, '-', len) = '.';
        digest_mix(d, id, len);
        for (size_t i = 0; i < e.pair_count; i++) {
            struct stream_pair pair;
            stream_entry_pair(&e, &pair);
            digest_mix(d, pair.name.ptr, pair.name.len);
            digest_mix(d, pair.value.ptr, pair.value.len);
        }
    }
}

static struct value ops_copy(struct value v)
{
    const struct stream *s = v.ptr;
    struct value copy = stream_new();
    struct stream *to = copy.ptr;
    *to = *s;
    to->blocks = (struct idmap){0};
    to->groups = NULL;
    to->group_count = 0;
    const struct idmap_slot *slot;
    for (struct idmap_pos pos = idmap_first(&s->blocks); (slot = idmap_at(&s->blocks, pos));
         pos = idmap_next(&s->blocks, pos)) {
        idmap_add(&to->blocks, slot->id, listpack_copy(slot->ptr));
    }
    stream__groups_copy(to, s);
    return copy;
}

const struct type_ops stream_type_ops = {
    .name = "stream",
    .free = ops_free,
    .length = ops_length,
    .free_effort = ops_free_effort,
    .memory = ops_memory,
    .digest = ops_digest,
    .copy = ops_copy,
    .rdb_type = stream__rdb_type,
    .save = stream__save,
    .load = stream__load,
};
