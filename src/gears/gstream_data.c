/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Delivering, acknowledging, trimming; see gstream_data.h. Commands aren't run for it: a batch of
 * one entry would spend most of its time on parsing and replying.
 */
#include "gears/gstream_data.h"

#include "exec/blocking.h"
#include "keyspace/effect.h"

#define CONSUMER VIEW_LIT(GSTREAM_CONSUMER)
/* A slice ends at this many bytes, too. */
#define SLICE_BYTES ((size_t)256 * 1024)

/* ---- finding ---- */

static struct stream *stream_at(const struct kv_unit *u, struct kv_db *db, struct view key)
{
    struct arg name = arg_of_view(key);
    const struct kv_entry *e = kv_peek(u, db, &name);
    return e && kv_entry_type(e) == TYPE_STREAM ? stream_of(kv_entry_value(e)) : NULL;
}

/* Whether the group has anything fresh, without a walk. */
static bool has_fresh(const struct stream *s, struct stream_id after)
{
    struct stream_entry last;
    return stream_id_compare(s->last_id, after) > 0 && stream_last(s, &last) &&
           stream_id_compare(last.id, after) > 0;
}

static uint64_t count_fresh(const struct stream *s, struct stream_id after, uint64_t most)
{
    struct stream_walk w;
    struct stream_entry e;
    uint64_t n = 0;
    if (!has_fresh(s, after)) return 0;
    if (most <= 1) return most;
    if (stream_id_is_zero(after)) return MIN(s->length, most);
    if (!stream_id_next(&after)) return 0;
    stream_walk_init(&w, s, after, STREAM_ID_MAX, false);
    while (n < most && stream_walk_next(&w, &e)) n++;
    return n;
}

struct gstream_look gstream_look(struct kv_unit *u, struct view key, struct view group,
                                 uint64_t most)
{
    struct gstream_look look = {.is_stream = false};
    const struct stream *s = stream_at(u, kv_db(0), key);
    if (!s) return look;
    const struct stream_group *g = stream_group_find(s, group);
    const struct stream_consumer *c = g ? stream_consumer_find(g, CONSUMER) : NULL;
    look.is_stream = true;
    look.pending = c ? c->pending.count : 0;
    look.fresh = count_fresh(s, g ? g->last_id : STREAM_ID_MIN, most);
    return look;
}

/* ---- effects ---- */

static void effect_id(struct kv_unit *u, struct stream_id id)
{
    char text[STREAM_ID_LEN];
    kv_effect_word(u, view_of(text, stream_id_format(text, id)));
}

static void effect_group(struct kv_unit *u, struct kv_db *db, const char *word, struct view key,
                         struct view group, size_t more)
{
    kv_effect_begin(u, db, KV_EFFECT_ALL, 4 + more);
    kv_effect_text(u, "XGROUP");
    kv_effect_text(u, word);
    kv_effect_word(u, key);
    kv_effect_word(u, group);
}

/* `after` NULL: what is fresh. */
static void effect_read(struct kv_unit *u, struct view key, const struct stream_group *g,
                        size_t count, const struct stream_id *after)
{
    kv_effect_begin(u, kv_db(0), KV_EFFECT_ALL, 9);
    kv_effect_text(u, "XREADGROUP");
    kv_effect_text(u, "GROUP");
    kv_effect_word(u, view_of(g->name, g->name_len));
    kv_effect_word(u, CONSUMER);
    kv_effect_text(u, "COUNT");
    kv_effect_int(u, (int64_t)count);
    kv_effect_text(u, "STREAMS");
    kv_effect_word(u, key);
    if (after) effect_id(u, *after);
    else kv_effect_text(u, ">");
}

static void effect_ack(struct kv_unit *u, struct kv_db *db, struct view key, struct view group,
                       const struct stream_id *ids, size_t count)
{
    kv_effect_begin(u, db, KV_EFFECT_ALL, 3 + count);
    kv_effect_text(u, "XACK");
    kv_effect_word(u, key);
    kv_effect_word(u, group);
    for (size_t i = 0; i < count; i++) effect_id(u, ids[i]);
}

static void group_event(struct kv_unit *u, struct kv_db *db, struct view key, const char *name)
{
    struct arg k = arg_of_view(key);
    kv_event(u, KV_EVENT_STREAM, name, db, &k);
    exec_dirty_add(1);
}

/* ---- delivering ---- */

void gstream_flight_release(struct gstream_flight *f)
{
    gread_batch_release(&f->raw);
    buf_release(&f->key);
    mem_free(f->ids);
    *f = (struct gstream_flight){.at = 0};
}

static void forget_copies(struct gstream_flight *f)
{
    gread_batch_clear(&f->raw);
    f->at = f->count = 0;
}

void gstream_begin(struct gstream_flight *f, struct view key)
{
    f->at += f->count;
    f->count = 0;
    f->deliveries = 0;
    if (f->again || f->at == f->raw.count || !view_eq(buf_view(&f->key), key)) forget_copies(f);
    f->again = false;
    buf_clear(&f->key);
    buf_append_view(&f->key, key);
}

static void copy_entry(struct gstream_flight *f, struct stream_entry *e)
{
    if (f->raw.count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : GSTREAM_SLICE;
        f->ids = mem_realloc(f->ids, f->cap * sizeof(*f->ids));
    }
    f->ids[f->raw.count] = e->id;
    gread_add_entry(&f->raw, buf_view(&f->key), e);
}

static uint64_t removed_from(const struct stream *s)
{
    return s->entries_added - s->length;
}

/* What was copied and not delivered. */
static size_t copied(const struct gstream_flight *f)
{
    return f->raw.count - f->at - f->count;
}

/* Copies the entries behind the group's last, a slice of them. */
static void copy_ahead(struct gstream_flight *f, const struct stream *s,
                       const struct stream_group *g)
{
    struct stream_walk w;
    struct stream_entry e;
    struct stream_id from = g->last_id;
    size_t n = 0, bytes = f->raw.bytes.len;
    if (!stream_id_next(&from)) return;
    stream_walk_init(&w, s, from, STREAM_ID_MAX, false);
    while (n < GSTREAM_SLICE && f->raw.bytes.len - bytes < SLICE_BYTES &&
           stream_walk_next(&w, &e)) {
        copy_entry(f, &e);
        n++;
    }
}

static struct stream_consumer *consumer_of(struct kv_unit *u, struct view key,
                                           struct stream_group *g)
{
    struct stream_consumer *c = stream_consumer_find(g, CONSUMER);
    if (!c) {
        c = stream_consumer_new(g, CONSUMER, u->now_ms);
        group_event(u, kv_db(0), key, "xgroup-createconsumer");
    }
    c->seen_ms = u->now_ms;
    return c;
}

/* As XREADGROUP: an id that is pending already, since the group was set back, begins anew. */
static void note_delivery(struct stream_group *g, struct stream_consumer *c, struct stream_id id,
                          int64_t now_ms)
{
    struct stream_pending *p = NULL;
    const struct idmap_slot *last = idmap_at(&g->pending, idmap_last(&g->pending));
    if (last && stream_id_compare(id, stream_key_id(last->id)) <= 0)
        p = stream_pending_find(g, id);
    if (!p) {
        stream_pending_new(g, c, id, now_ms);
        return;
    }
    stream_pending_give(p, c, id);
    p->delivered_ms = now_ms;
    p->deliveries = 1;
}

/* Nothing but a batch of its own lies between the last look and this one, or the copies go. */
static void check_copies(struct gstream_flight *f, const struct stream *s,
                         const struct stream_group *g)
{
    if (!copied(f)) return;
    if (stream_id_compare(g->last_id, f->last) == 0 && removed_from(s) == f->removed) return;
    f->raw.count = f->at + f->count;
    if (f->count == 0) forget_copies(f);
}

static bool deliver_fresh(struct kv_unit *u, struct gstream_flight *f, struct stream *s,
                          struct stream_group *g, uint64_t most)
{
    struct view key = buf_view(&f->key);
    check_copies(f, s, g);
    if (!copied(f)) copy_ahead(f, s, g);
    size_t n = (size_t)MIN(MIN((uint64_t)copied(f), most - f->count), (uint64_t)GSTREAM_SLICE);
    if (n == 0) return false;
    struct stream_consumer *c = consumer_of(u, key, g);
    for (size_t i = 0; i < n; i++) {
        struct stream_id id = f->ids[f->at + f->count++];
        stream_group_advance(s, g, id);
        note_delivery(g, c, id, f->delivered_ms);
    }
    f->deliveries = 1;
    f->last = g->last_id;
    f->removed = removed_from(s);
    exec_dirty_add(1);
    if (kv_effect_mask) effect_read(u, key, g, n, NULL);
    return f->count < most && (copied(f) || has_fresh(s, g->last_id));
}

/* Ends deliveries of entries that are gone, among those behind `after` that a slice would have. */
static void drop_gone(struct kv_unit *u, const struct gstream_flight *f, const struct stream *s,
                      struct stream_group *g, struct stream_consumer *c, struct stream_id after)
{
    struct stream_id gone[GSTREAM_SLICE];
    size_t looked = 0, n = 0;
    struct stream_entry e;
    const struct idmap_slot *slot;
    if (!stream_id_next(&after)) return;
    for (struct idmap_pos pos = idmap_from(&c->pending, stream_id_key(after));
         looked < GSTREAM_SLICE && (slot = idmap_at(&c->pending, pos));
         pos = idmap_next(&c->pending, pos), looked++) {
        if (!stream_find(s, stream_key_id(slot->id), &e)) gone[n++] = stream_key_id(slot->id);
    }
    for (size_t i = 0; i < n; i++) stream_pending_drop(g, gone[i]);
    exec_dirty_add(n);
    if (n && kv_effect_mask)
        effect_ack(u, kv_db(0), buf_view(&f->key), view_of(g->name, g->name_len), gone, n);
}

static bool deliver_again(struct kv_unit *u, struct gstream_flight *f, struct stream *s,
                          struct stream_group *g, struct stream_consumer *c, uint64_t most)
{
    struct stream_id after = f->count ? f->ids[f->at + f->count - 1] : STREAM_ID_MIN, from = after;
    const struct idmap_slot *slot = NULL;
    struct stream_entry e;
    size_t n = 0, bytes = f->raw.bytes.len;
    drop_gone(u, f, s, g, c, after);
    if (!stream_id_next(&from)) return false;
    uint64_t room = MIN(most - f->count, (uint64_t)GSTREAM_SLICE);
    for (struct idmap_pos pos = idmap_from(&c->pending, stream_id_key(from));
         n < room && f->raw.bytes.len - bytes < SLICE_BYTES && (slot = idmap_at(&c->pending, pos));
         pos = idmap_next(&c->pending, pos), n++) {
        struct stream_pending *p = slot->ptr;
        if (!stream_find(s, stream_key_id(slot->id), &e)) break;
        copy_entry(f, &e);
        p->delivered_ms = f->delivered_ms;
        p->deliveries++;
        if (f->count++ == 0) f->deliveries = p->deliveries;
    }
    if (n == 0) return false;
    c->seen_ms = u->now_ms;
    exec_dirty_add(1);
    if (kv_effect_mask) effect_read(u, buf_view(&f->key), g, n, &after);
    return f->count < most && slot;
}

static struct stream_group *group_made(struct kv_unit *u, struct stream *s, struct view key,
                                       struct view group)
{
    struct stream_group *g = stream_group_new(s, group, STREAM_ID_MIN, STREAM_READ_UNKNOWN);
    group_event(u, kv_db(0), key, "xgroup-create");
    if (!kv_effect_mask) return g;
    effect_group(u, kv_db(0), "CREATE", key, group, 1);
    kv_effect_text(u, "0");
    return g;
}

bool gstream_deliver(struct kv_unit *u, struct gstream_flight *f, struct view group, uint64_t most,
                     uint64_t most_again)
{
    struct stream *s = stream_at(u, kv_db(0), buf_view(&f->key));
    if (!s) return false;
    struct stream_group *g = stream_group_find(s, group);
    if (!g) g = group_made(u, s, buf_view(&f->key), group);
    struct stream_consumer *c = stream_consumer_find(g, CONSUMER);
    if (f->count && f->again) return c && deliver_again(u, f, s, g, c, most_again);
    if (f->count) return deliver_fresh(u, f, s, g, most);
    f->delivered_ms = u->now_ms;
    while (c && c->pending.count) {
        size_t pending = c->pending.count;
        forget_copies(f);
        f->again = true;
        bool more = deliver_again(u, f, s, g, c, most_again);
        if (f->count) return more;
        if (c->pending.count == pending) break;
    }
    f->again = false; /* all of them were gone */
    return deliver_fresh(u, f, s, g, most);
}

/* ---- acknowledging ---- */

static struct gstream_place place_at(struct kv_unit *u, struct kv_db *db, struct view key,
                                     const struct gstream_flight *f, struct view group,
                                     size_t first)
{
    struct gstream_place p = {.db = db, .stream = stream_at(u, db, key)};
    if (p.stream) p.group = stream_group_find(p.stream, group);
    /* Any entry of the batch will do: some may have been acknowledged by a client. */
    for (size_t i = first; p.group && i < f->count; i++) {
        const struct stream_pending *pending = stream_pending_find(p.group, f->ids[f->at + i]);
        if (pending && pending->delivered_ms == f->delivered_ms) return p;
    }
    return (struct gstream_place){.db = NULL};
}

bool gstream_is_at(struct kv_unit *u, struct kv_db *db, struct view key,
                   const struct gstream_flight *f, struct view group)
{
    return place_at(u, db, key, f, group, 0).stream;
}

/* In another database only after SWAPDB and MOVE. */
struct gstream_place gstream_place_of(struct kv_unit *u, const struct gstream_flight *f,
                                      struct view group, size_t first)
{
    struct gstream_place p = {.db = NULL};
    for (int i = 0; !p.stream && i < kv_db_count(); i++)
        p = place_at(u, kv_db(i), buf_view(&f->key), f, group, first);
    return p;
}

void gstream_ack(struct kv_unit *u, struct gstream_flight *f, const struct gstream_place *p,
                 size_t first, size_t n)
{
    struct stream_id ids[GSTREAM_SLICE];
    size_t done = 0;
    ASSERT(n <= GSTREAM_SLICE);
    for (size_t i = 0; i < n; i++) {
        struct stream_id id = f->ids[f->at + first + i];
        const struct stream_pending *pending = stream_pending_find(p->group, id);
        /* Somebody else's by now, or a delivery of another stream's life. */
        if (!pending || pending->delivered_ms != f->delivered_ms) continue;
        stream_pending_drop(p->group, id);
        ids[done++] = id;
    }
    exec_dirty_add(done);
    if (done && kv_effect_mask) {
        effect_ack(u, p->db, buf_view(&f->key), view_of(p->group->name, p->group->name_len), ids,
                   done);
    }
}

bool gstream_needs_from(const struct stream *s, struct view group, struct stream_id *from_out)
{
    const struct stream_group *g = stream_group_find(s, group);
    if (!g) return false;
    const struct idmap_slot *first = idmap_at(&g->pending, idmap_first(&g->pending));
    *from_out = g->last_id;
    if (!stream_id_next(from_out)) *from_out = g->last_id;
    if (first && stream_id_compare(stream_key_id(first->id), *from_out) < 0)
        *from_out = stream_key_id(first->id);
    return true;
}

void gstream_trim(struct kv_unit *u, struct gstream_flight *f, const struct gstream_place *p,
                  struct view key_view, struct stream_id min)
{
    struct stream *s = p->stream;
    bool good = f && removed_from(s) == f->removed;
    if (s->length == 0 || stream_id_compare(s->first_id, min) >= 0) return;
    uint64_t removed = stream_trim(s, &(struct stream_trim){.by_id = true, .min_id = min});
    if (!removed) return;
    struct arg key = arg_of_view(key_view);
    kv_touch(u, p->db, &key);
    kv_event(u, KV_EVENT_STREAM, "xtrim", p->db, &key);
    exec_dirty_add(removed);
    if (good) f->removed += removed;
    if (!kv_effect_mask) return;
    kv_effect_begin(u, p->db, KV_EFFECT_ALL, 5);
    kv_effect_text(u, "XTRIM");
    kv_effect_word(u, arg_view(&key));
    kv_effect_text(u, "MINID");
    kv_effect_text(u, "=");
    effect_id(u, min);
}

/* ---- entries that nobody can do ---- */

#define BURY_WORDS 11 /* before the entry's own */

enum status gstream_bury(struct kv_unit *u, const struct gstream_flight *f, size_t i,
                         struct view to, struct view why, struct exec_user *user,
                         struct buf *error)
{
    const struct gread_batch *b = &f->raw;
    const struct gread_record *r = &b->records[f->at + i];
    char times[NUM_I64_LEN];
    const struct view head[BURY_WORDS] = {
        VIEW_LIT("XADD"), to, VIEW_LIT("*"),
        VIEW_LIT("stream"), buf_view(&f->key),
        VIEW_LIT("id"), gread_view(b, b->parts[r->first_part]),
        VIEW_LIT("error"), why,
        VIEW_LIT("deliveries"), view_of(times, num_format_u64(times, f->deliveries))};
    size_t more = r->part_count - 1;
    struct arg *argv = mem_alloc((BURY_WORDS + more) * sizeof(*argv));
    for (size_t k = 0; k < BURY_WORDS; k++) argv[k] = arg_of_view(head[k]);
    for (size_t k = 0; k < more; k++)
        argv[BURY_WORDS + k] = arg_of_view(gread_view(b, b->parts[r->first_part + 1 + k]));
    struct exec_call call = {.flags = EXEC_FROM_GEARS, .unit = u, .resp = 2, .user = user};
    struct tape tape = {0};
    enum status st = exec_run(&call, argv, (int)(BURY_WORDS + more), &tape);
    struct tape_node node;
    size_t pos = 0;
    if (st && tape_next(&tape, &pos, &node)) buf_append_view(error, node.u.bytes);
    tape_release(&tape);
    mem_free(argv);
    return st;
}

struct stream *gstream_destroy(struct kv_unit *u, struct view key, struct view group)
{
    struct stream *s = stream_at(u, kv_db(0), key);
    struct stream_group *g = s ? stream_group_find(s, group) : NULL;
    if (!g) return s;
    struct arg name = arg_of_view(key);
    stream_group_drop(s, g);
    group_event(u, kv_db(0), key, "xgroup-destroy");
    block_wake(kv_db(0), &name);
    if (kv_effect_mask) effect_group(u, kv_db(0), "DESTROY", key, group, 0);
    return s;
}
