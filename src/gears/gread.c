/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the keyspace in slices; see gread.h. A slice takes the token once, copies until its time
 * or its size is up, and gives it back; somebody who waits for the token shortens it.
 */
#include "gears/gread.h"

#include "base/clock.h"
#include "base/ticks.h"
#include "base/glob.h"
#include "exec/token.h"
#include "types/hash.h"
#include "types/list.h"

/* A slice ends at whichever comes first. Main waits for at most one. */
#define SLICE_US 40
#define SLICE_WANTED_US 10 /* when somebody waits for the token */
#define SLICE_RECORDS 256
#define SLICE_BYTES ((size_t)256 * 1024)
/* Entries between two looks at the clock. */
#define LOOK_ENTRIES 32
/* Counting touches no values, so more fit a slice. */
#define LOOK_ENTRIES_COUNTING 256

void gread_batch_clear(struct gread_batch *b)
{
    buf_clear(&b->bytes);
    b->count = b->part_count = 0;
}

void gread_batch_release(struct gread_batch *b)
{
    buf_release(&b->bytes);
    mem_free(b->records);
    mem_free(b->parts);
    *b = (struct gread_batch){0};
}

/* ---- copying ---- */

static struct gread_part copy_bytes(struct gread_batch *b, struct view v)
{
    struct gread_part p = {b->bytes.len, v.len};
    buf_append_view(&b->bytes, v);
    return p;
}

static void add_part(struct gread_batch *b, struct view v)
{
    if (b->part_count == b->part_cap) {
        b->part_cap = b->part_cap ? b->part_cap * 2 : SLICE_RECORDS;
        b->parts = mem_realloc(b->parts, sizeof(*b->parts) * b->part_cap);
    }
    b->parts[b->part_count++] = copy_bytes(b, v);
}

static void add_field(void *ctx, struct view field, struct view value)
{
    add_part(ctx, field);
    add_part(ctx, value);
}

static void add_elements(struct gread_batch *b, const struct quicklist *list)
{
    char buf[NUM_I64_LEN];
    struct quicklist_iter it;
    struct quicklist_entry e;
    quicklist_iter_init(&it, list, 0, QUICKLIST_FIRST);
    while (quicklist_next(&it, &e)) add_part(b, quicklist_entry_view(&e, buf));
    quicklist_iter_end(&it);
}

static struct gread_record *add_record(struct gread_batch *b, struct view key)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : SLICE_RECORDS;
        b->records = mem_realloc(b->records, sizeof(*b->records) * b->cap);
    }
    struct gread_record *r = &b->records[b->count++];
    *r = (struct gread_record){.key = copy_bytes(b, key), .first_part = b->part_count};
    return r;
}

static enum gread_type type_of(enum value_type type)
{
    switch (type) {
    case TYPE_STRING: return GREAD_STRING;
    case TYPE_LIST: return GREAD_LIST;
    case TYPE_HASH: return GREAD_HASH;
    case TYPE_SET: return GREAD_SET;
    case TYPE_ZSET: return GREAD_ZSET;
    case TYPE_MODULE: return GREAD_MODULE;
    default: return GREAD_UNKNOWN;
    }
}

static void copy_value(struct gread_batch *b, size_t record, const struct kv_entry *e)
{
    char scratch[KV_SCRATCH];
    enum gread_type type = type_of(kv_entry_type(e));
    b->records[record].type = type;
    if (type == GREAD_STRING)
        add_part(b, kv_entry_string(e, scratch));
    else if (type == GREAD_HASH)
        hash_each(kv_entry_value(e), add_field, b);
    else if (type == GREAD_LIST)
        add_elements(b, list_of(kv_entry_value(e)));
    b->records[record].part_count = b->part_count - b->records[record].first_part;
}

static void copy_entry(struct gread_batch *b, const struct kv_entry *e, bool values)
{
    add_record(b, kv_entry_key(e));
    if (values) copy_value(b, b->count - 1, e);
}

void gread_entry(struct gread_batch *b, const struct kv_entry *e)
{
    copy_entry(b, e, true);
}

/* What follows: records, parts, bytes. */
struct packed {
    size_t count, part_count, bytes_len;
};

void *gread_pack(const struct gread_batch *b)
{
    size_t records = b->count * sizeof(*b->records), parts = b->part_count * sizeof(*b->parts);
    struct packed *p = mem_alloc(sizeof(*p) + records + parts + b->bytes.len);
    char *at = (char *)(p + 1);
    *p = (struct packed){b->count, b->part_count, b->bytes.len};
    memcpy(at, b->records, records);
    if (parts) memcpy(at + records, b->parts, parts);
    if (b->bytes.len) memcpy(at + records + parts, b->bytes.ptr, b->bytes.len);
    return p;
}

void gread_unpack(struct gread_batch *b, const void *packed)
{
    const struct packed *p = packed;
    const struct gread_record *records = (const struct gread_record *)(const void *)(p + 1);
    const struct gread_part *parts = (const struct gread_part *)(const void *)(records + p->count);
    const char *bytes = (const char *)(parts + p->part_count);
    for (size_t i = 0; i < p->count; i++) {
        const struct gread_record *from = &records[i];
        struct gread_record *r = add_record(b, view_of(bytes + from->key.offset, from->key.len));
        r->type = from->type;
        for (size_t k = 0; k < from->part_count; k++) {
            struct gread_part part = parts[from->first_part + k];
            add_part(b, view_of(bytes + part.offset, part.len));
        }
        b->records[b->count - 1].part_count = from->part_count;
    }
}

void gread_key(struct gread_batch *b, struct view key, int64_t now_ms, bool values)
{
    struct kv_unit unit = {.now_ms = now_ms};
    struct arg name = arg_of_view(key);
    struct kv_entry *e = kv_peek(&unit, kv_db(0), &name);
    if (e) {
        copy_entry(b, e, values);
        return;
    }
    add_record(b, key)->type = values ? GREAD_EMPTY : GREAD_NONE;
}

/* ---- scanning ---- */

struct scan {
    struct gread *reader;
    struct gread_batch *batch;
    uint64_t *count;
    int64_t now_ms;
    bool all; /* every key matches */
    const struct exec_user *user; /* who may not read every key, or NULL */
};

static bool wanted(const struct scan *s, const struct kv_entry *e)
{
    int64_t expire_ms = kv_entry_expire_ms(e);
    if (expire_ms >= 0 && expire_ms <= s->now_ms) return false;
    if (!s->all && !glob_match(s->reader->pattern, kv_entry_key(e), false)) return false;
    return !s->user || exec_user_reads(s->user, kv_entry_key(e));
}

static void scan_entry(void *ctx, struct kv_entry *e)
{
    struct scan *s = ctx;
    if (wanted(s, e)) copy_entry(s->batch, e, s->reader->values);
}

static void count_entry(void *ctx, struct kv_entry *e)
{
    struct scan *s = ctx;
    if (wanted(s, e)) ++*s->count;
}

/* Nothing expires and all match: the entries need not be looked at. */
static void count_blindly(void *ctx, struct kv_entry *e)
{
    struct scan *s = ctx;
    UNUSED(e);
    ++*s->count;
}

static void scan_slice(struct scan *s, void (*fn)(void *, struct kv_entry *), size_t look)
{
    struct gread *r = s->reader;
    int64_t start_us = clock_mono_us(), spent_us;
    do {
        r->cursor = kv_scan(kv_db(0), r->cursor, look, fn, s);
        r->done = r->cursor == 0;
        if (s->batch && (s->batch->count >= SLICE_RECORDS || s->batch->bytes.len >= SLICE_BYTES))
            return;
        spent_us = clock_mono_us() - start_us;
    } while (!r->done && spent_us < (token_wanted() ? SLICE_WANTED_US : SLICE_US));
}

/* A glob without special bytes names one key, as an exact read does. */
static void read_exact(const struct scan *s, struct gread_batch *b)
{
    struct gread *r = s->reader;
    int64_t now_ms = s->now_ms;
    struct kv_unit unit = {.now_ms = now_ms};
    struct arg name = arg_of_view(r->pattern);
    r->done = true;
    if (s->user && !exec_user_reads(s->user, r->pattern)) return;
    if (r->absent_too || kv_peek(&unit, kv_db(0), &name))
        gread_key(b, r->pattern, now_ms, r->values);
}

static _Thread_local uint64_t held_since, held_for; /* ticks */

uint64_t gread_held_ticks(void)
{
    return held_for;
}

static void end(bool held)
{
    held_for = held ? 0 : ticks_now() - held_since;
    if (!held) token_give();
}

/* Takes the token, and looks whose rights count: *asked_out is who may not read every key, or
 * NULL. */
static enum status begin(struct exec_user *user, const struct exec_user **asked_out,
                         const struct gstop *stop, bool held)
{
    enum status st = held ? STATUS_OK : token_take(stop ? &stop->wanted : NULL);
    *asked_out = NULL;
    held_since = ticks_now();
    held_for = 0;
    if (st || !user) return st;
    const struct exec_user *now = exec_user_now(user);
    if (now) {
        *asked_out = now->admit ? now : NULL;
        return STATUS_OK;
    }
    end(held);
    return STATUS_NOT_FOUND;
}

static enum status begin_scan(struct scan *s, const struct gstop *stop, bool held)
{
    enum status st = begin(s->reader->user, &s->user, stop, held);
    s->now_ms = clock_wall_ms();
    s->all = glob_is_all(s->reader->pattern);
    return st;
}

enum status gread_next(struct gread *r, struct gread_batch *b, const struct gstop *stop, bool held)
{
    gread_batch_clear(b);
    struct scan s = {.reader = r, .batch = b};
    enum status st = begin_scan(&s, stop, held);
    if (st) return st;
    if (r->exact || glob_is_literal(r->pattern))
        read_exact(&s, b);
    else
        scan_slice(&s, scan_entry, LOOK_ENTRIES);
    end(held);
    return STATUS_OK;
}

/* ---- streams ---- */

bool gread_parse_id(struct view text, struct stream_id *out)
{
    const char *dash = text.len ? memchr(text.ptr, '-', text.len) : NULL;
    size_t ms_len = dash ? (size_t)(dash - text.ptr) : text.len;
    *out = STREAM_ID_MIN;
    if (num_parse_u64(view_of(text.ptr, ms_len), &out->ms)) return false;
    return !dash ||
           num_parse_u64(view_of(dash + 1, text.len - ms_len - 1), &out->seq) == STATUS_OK;
}

void gread_add_entry(struct gread_batch *b, struct view key, struct stream_entry *e)
{
    char id[STREAM_ID_LEN];
    size_t record = b->count;
    add_record(b, key)->type = GREAD_ENTRY;
    add_part(b, view_of(id, stream_id_format(id, e->id)));
    for (size_t i = 0; i < e->pair_count; i++) {
        struct stream_pair pair;
        stream_entry_pair(e, &pair);
        add_part(b, pair.name);
        add_part(b, pair.value);
    }
    b->records[record].part_count = b->part_count - b->records[record].first_part;
}

static void copy_entries(struct gread_entries *r, const struct stream *s, struct gread_batch *b)
{
    struct stream_walk w;
    struct stream_entry e;
    struct stream_id from = r->after;
    int64_t start_us = clock_mono_us();
    if (!r->begun) r->last = s->last_id;
    r->begun = true;
    r->done = true;
    if (!stream_id_next(&from)) return;
    stream_walk_init(&w, s, from, r->last, false);
    while (stream_walk_next(&w, &e)) {
        r->after = e.id;
        gread_add_entry(b, r->key, &e);
        if (b->count % LOOK_ENTRIES && b->bytes.len < SLICE_BYTES) continue;
        int64_t spent_us = clock_mono_us() - start_us;
        if (b->count >= SLICE_RECORDS || b->bytes.len >= SLICE_BYTES ||
            spent_us >= (token_wanted() ? SLICE_WANTED_US : SLICE_US)) {
            r->done = false;
            return;
        }
    }
}

enum status gread_entries_next(struct gread_entries *r, struct gread_batch *b,
                               const struct gstop *stop, bool held)
{
    const struct exec_user *asked;
    gread_batch_clear(b);
    enum status st = begin(r->user, &asked, stop, held);
    if (st) return st;
    struct kv_unit unit = {.now_ms = clock_wall_ms()};
    struct arg name = arg_of_view(r->key);
    const struct kv_entry *e = kv_peek(&unit, kv_db(0), &name);
    if (!e || (asked && !exec_user_reads(asked, r->key)))
        r->done = true;
    else if (kv_entry_type(e) != TYPE_STREAM)
        st = STATUS_TYPE;
    else
        copy_entries(r, stream_of(kv_entry_value(e)), b);
    end(held);
    return st;
}

/* ---- counting ---- */

enum status gread_count_next(struct gread *r, uint64_t *count, const struct gstop *stop, bool held)
{
    struct scan s = {.reader = r, .count = count};
    enum status st = begin_scan(&s, stop, held);
    if (st) return st;
    if (r->exact || glob_is_literal(r->pattern)) {
        struct gread_batch b = {0};
        read_exact(&s, &b);
        *count += b.count;
        gread_batch_release(&b);
    } else {
        bool blind = s.all && !s.user && kv_db(0)->volatile_count == 0;
        scan_slice(&s, blind ? count_blindly : count_entry, LOOK_ENTRIES_COUNTING);
    }
    end(held);
    return STATUS_OK;
}
