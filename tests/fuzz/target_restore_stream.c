/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payloads of streams, in all their forms. No digest covers what groups know, so the saved bytes
 * are held against each other too: a stream and its groups have one form only. Input: as in
 * restore.h.
 */
#include "restore.h"

#include "types/stream.h"

static void save(struct value v, struct buf *bytes)
{
    struct stream_out out;
    buf_init(bytes);
    stream_out_buf(&out, bytes, true);
    stream_type_ops.save(v, &out);
    FUZZ_CHECK(stream_out_end(&out) == STATUS_OK);
}

/* The copy, and what is loaded from the saved bytes, are saved as the same bytes. */
static void check_bytes(struct value v)
{
    struct buf first, second, third;
    struct stream_in in;
    struct value again = {0}, copy = stream_type_ops.copy(v);
    save(v, &first);
    save(copy, &second);
    stream_in_memory(&in, buf_view(&first), false);
    FUZZ_CHECK(stream_type_ops.load(stream_type_ops.rdb_type(v), &in, &again) == STATUS_OK);
    save(again, &third);
    FUZZ_CHECK(view_eq(buf_view(&first), buf_view(&second)));
    FUZZ_CHECK(view_eq(buf_view(&first), buf_view(&third)));
    stream_type_ops.free(copy);
    stream_type_ops.free(again);
    buf_release(&first);
    buf_release(&second);
    buf_release(&third);
}

/* Every entry is found by its id, and the ids are in order. */
static void walk(const struct stream *s, bool reverse)
{
    struct stream_walk w;
    struct stream_entry e, found;
    struct stream_id before = STREAM_ID_MIN;
    uint64_t seen = 0;
    size_t bytes = 0;
    stream_walk_init(&w, s, STREAM_ID_MIN, STREAM_ID_MAX, reverse);
    while (stream_walk_next(&w, &e)) {
        int order = stream_id_compare(e.id, before);
        FUZZ_CHECK(seen == 0 || (reverse ? order < 0 : order > 0));
        FUZZ_CHECK(seen || stream_id_compare(e.id, reverse ? s->last_id : s->first_id) <= 0);
        FUZZ_CHECK(stream_find(s, e.id, &found) && found.pair_count == e.pair_count);
        for (size_t i = 0; i < e.pair_count; i++) {
            struct stream_pair pair;
            stream_entry_pair(&e, &pair);
            for (size_t at = 0; at < pair.name.len; at++) bytes += pair.name.ptr[at] == 'x';
            for (size_t at = 0; at < pair.value.len; at++) bytes += pair.value.ptr[at] == 'x';
        }
        before = found.id;
        seen++;
    }
    FUZZ_CHECK(seen == s->length && stream_last(s, &e) == (seen > 0) && bytes < SIZE_MAX);
}

/* Deliveries pass from one consumer to another, end, and vanish with their consumer. */
static void use_group(struct stream *s, struct stream_group *g)
{
    int64_t lag;
    size_t owned = 0, pending = g->pending.count;
    const struct idmap_slot *slot;
    stream_group_lag(s, g, &lag);
    for (size_t i = 0; i < g->consumer_count; i++) owned += g->consumers[i]->pending.count;
    FUZZ_CHECK(owned == pending);
    struct stream_consumer *heir = stream_consumer_find(g, VIEW_LIT("the heir"));
    if (!heir) heir = stream_consumer_new(g, VIEW_LIT("the heir"), 1);
    if ((slot = idmap_at(&g->pending, idmap_last(&g->pending)))) {
        stream_pending_give(slot->ptr, heir, stream_key_id(slot->id));
    }
    if ((slot = idmap_at(&g->pending, idmap_first(&g->pending)))) {
        FUZZ_CHECK(stream_pending_drop(g, stream_key_id(slot->id)));
        FUZZ_CHECK(g->pending.count == pending - 1);
    }
    while (g->consumer_count > 1) stream_consumer_drop(g, g->consumers[g->consumer_count / 2]);
    owned = g->consumer_count ? g->consumers[0]->pending.count : 0;
    FUZZ_CHECK(owned == g->pending.count);
}

static void append(struct stream *s)
{
    struct stream_id id = s->last_id;
    struct arg pair[2] = {arg_of("name", 4), arg_of("12345", 5)};
    if (!stream_id_next(&id)) return;
    uint64_t before = s->length;
    FUZZ_CHECK(stream_append(s, id, pair, 2) == STATUS_OK && s->length == before + 1);
    for (size_t i = 0; i < s->group_count; i++) stream_group_advance(s, s->groups[i], id);
}

static void use(struct value v)
{
    struct stream *s = stream_of(v);
    struct stream_entry e;
    check_bytes(v);
    walk(s, false);
    walk(s, true);
    stream_radix_nodes(s);
    for (int i = 0; i < 6; i++) append(s);
    for (size_t i = 0; i < s->group_count; i++) use_group(s, s->groups[i]);
    struct stream_trim some = {.approximate = true, .limit = 5, .max_length = s->length / 2};
    uint64_t before = s->length;
    FUZZ_CHECK(stream_trim(s, &some) == before - s->length);
    check_bytes(v);
    for (int done = 0; done < 100 && s->length; done++) {
        before = s->length;
        bool there = done & 1 ? stream_last(s, &e) : stream_find(s, s->first_id, &e);
        FUZZ_CHECK(there && stream_remove(s, e.id) && s->length == before - 1);
        FUZZ_CHECK(!stream_remove(s, e.id));
    }
    check_bytes(v);
    walk(s, true);
    struct stream_trim all = {.by_id = true, .min_id = STREAM_ID_MAX};
    stream_trim(s, &all);
    FUZZ_CHECK(s->length <= 1); /* an entry may have the highest id of all */
    while (s->group_count) stream_group_drop(s, s->groups[s->group_count / 2]);
    stream_type_ops.free(v);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    restore_one(&stream_type_ops, data, len, use);
}
