/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consumer groups of streams: names, pending deliveries, and how far behind a group is; see
 * stream.h.
 *
 * Groups and consumers are sorted arrays of pointers: there are few, they are listed in order,
 * and a search is a handful of comparisons. A pending delivery is one allocation that the maps of
 * group and consumer both point to; the group's owns it.
 */
#include "types/stream.h"

#include "base/mem.h"

/* ---- names ---- */

static int compare_names(struct view a, struct view b)
{
    size_t common = MIN(a.len, b.len);
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    return order ? order : a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static struct view group_name(const void *g)
{
    const struct stream_group *group = g;
    return view_of(group->name, group->name_len);
}

static struct view consumer_name(const void *c)
{
    const struct stream_consumer *consumer = c;
    return view_of(consumer->name, consumer->name_len);
}

/* Index of the first pointer whose name isn't below `name`. */
static size_t name_index(void *const *sorted, size_t count, struct view name,
                         struct view (*name_of)(const void *), bool *found_out)
{
    size_t low = 0, high = count;
    *found_out = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_names(name_of(sorted[middle]), name);
        if (order == 0) *found_out = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The array with a pointer put in at `at`. Memory grows in powers of two. */
static void *name_insert(void *sorted, size_t count, size_t at, void *fresh)
{
    void **array = sorted;
    if ((count & (count - 1)) == 0) {
        array = mem_realloc(array, MAX(count * 2, (size_t)1) * sizeof(*array));
    }
    memmove(array + at + 1, array + at, (count - at) * sizeof(*array));
    array[at] = fresh;
    return array;
}

static void name_remove(void *sorted, size_t count, size_t at)
{
    void **array = sorted;
    memmove(array + at, array + at + 1, (count - at - 1) * sizeof(*array));
}

/* ---- groups ---- */

static size_t group_index(const struct stream *s, struct view name, bool *found_out)
{
    return name_index((void *const *)s->groups, s->group_count, name, group_name, found_out);
}

struct stream_group *stream_group_find(const struct stream *s, struct view name)
{
    bool found;
    size_t at = group_index(s, name, &found);
    return found ? s->groups[at] : NULL;
}

struct stream_group *stream_group_new(struct stream *s, struct view name, struct stream_id last,
                                      int64_t entries_read)
{
    bool found;
    size_t at = group_index(s, name, &found);
    if (found) return NULL;
    struct stream_group *g = mem_zalloc(sizeof(*g) + name.len);
    g->last_id = last;
    g->entries_read = entries_read;
    g->name_len = name.len;
    if (name.len) memcpy(g->name, name.ptr, name.len);
    s->groups = name_insert(s->groups, s->group_count, at, g);
    s->group_count++;
    return g;
}

static void consumer_free(struct stream_consumer *c)
{
    idmap_clear(&c->pending);
    mem_free(c);
}

static void pending_free_all(struct idmap *pending)
{
    const struct idmap_slot *slot;
    for (struct idmap_pos pos = idmap_first(pending); (slot = idmap_at(pending, pos));
         pos = idmap_next(pending, pos)) {
        mem_free(slot->ptr);
    }
    idmap_clear(pending);
}

static void group_free(struct stream_group *g)
{
    pending_free_all(&g->pending);
    for (size_t i = 0; i < g->consumer_count; i++) consumer_free(g->consumers[i]);
    mem_free(g->consumers);
    mem_free(g);
}

void stream_group_drop(struct stream *s, struct stream_group *g)
{
    bool found;
    size_t at = group_index(s, group_name(g), &found);
    ASSERT(found);
    name_remove(s->groups, s->group_count, at);
    if (--s->group_count == 0) {
        mem_free(s->groups);
        s->groups = NULL;
    }
    group_free(g);
}

/* ---- how far a group is behind ---- */

/* Whether entries from `id` on may have been removed one by one. What was removed before the first
 * entry doesn't count, for it is gone as a trim's would be. */
static bool has_holes_from(const struct stream *s, struct stream_id id)
{
    if (s->length == 0 || stream_id_is_zero(s->max_deleted_id)) return false;
    if (stream_id_compare(s->max_deleted_id, s->first_id) < 0) return false;
    return stream_id_compare(id, s->max_deleted_id) <= 0;
}

/* How many entries were ever added up to and with `id`; STREAM_READ_UNKNOWN if that can't be told,
 * since entries behind it have been removed. */
static int64_t count_upto(const struct stream *s, struct stream_id id)
{
    if (s->entries_added == 0) return 0;
    int to_last = stream_id_compare(id, s->last_id);
    if (s->length == 0 && to_last <= 0) return (int64_t)s->entries_added;
    if (to_last == 0) return (int64_t)s->entries_added;
    if (to_last > 0) return STREAM_READ_UNKNOWN;
    /* Without holes behind the first entry, everything before it was added before. */
    bool whole = stream_id_is_zero(s->max_deleted_id) ||
                 stream_id_compare(s->max_deleted_id, s->first_id) < 0;
    int to_first = stream_id_compare(id, s->first_id);
    if (!whole || to_first > 0) return STREAM_READ_UNKNOWN;
    return (int64_t)(s->entries_added - s->length) + (to_first == 0);
}

bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag_out)
{
    int64_t read = 0;
    if (s->entries_added) {
        read = g->entries_read;
        if (read == STREAM_READ_UNKNOWN || has_holes_from(s, g->last_id)) {
            read = count_upto(s, g->last_id);
        }
        if (read == STREAM_READ_UNKNOWN) return false;
    }
    *lag_out = (int64_t)(s->entries_added - (uint64_t)read);
    return true;
}

void stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id)
{
    if (g->entries_read != STREAM_READ_UNKNOWN && !has_holes_from(s, id)) {
        g->entries_read = (int64_t)((uint64_t)g->entries_read + 1); /* any number may be set */
    } else if (s->entries_added) {
        g->entries_read = count_upto(s, id);
    }
    g->last_id = id;
}

/* ---- consumers ---- */

static size_t consumer_index(const struct stream_group *g, struct view name, bool *found_out)
{
    return name_index((void *const *)g->consumers, g->consumer_count, name, consumer_name,
                      found_out);
}

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct view name)
{
    bool found;
    size_t at = consumer_index(g, name, &found);
    return found ? g->consumers[at] : NULL;
}

struct stream_consumer *stream_consumer_new(struct stream_group *g, struct view name,
                                            int64_t now_ms)
{
    bool found;
    size_t at = consumer_index(g, name, &found);
    ASSERT(!found);
    struct stream_consumer *c = mem_zalloc(sizeof(*c) + name.len);
    c->seen_ms = now_ms;
    c->name_len = name.len;
    if (name.len) memcpy(c->name, name.ptr, name.len);
    g->consumers = name_insert(g->consumers, g->consumer_count, at, c);
    g->consumer_count++;
    return c;
}

void stream_consumer_drop(struct stream_group *g, struct stream_consumer *c)
{
    const struct idmap_slot *slot;
    for (struct idmap_pos pos = idmap_first(&c->pending); (slot = idmap_at(&c->pending, pos));
         pos = idmap_next(&c->pending, pos)) {
        mem_free(idmap_remove(&g->pending, slot->id));
    }
    bool found;
    size_t at = consumer_index(g, consumer_name(c), &found);
    ASSERT(found);
    name_remove(g->consumers, g->consumer_count, at);
    if (--g->consumer_count == 0) {
        mem_free(g->consumers);
        g->consumers = NULL;
    }
    consumer_free(c);
}

/* ---- pending deliveries ---- */

struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id)
{
    const struct idmap_slot *slot = idmap_find(&g->pending, stream_id_key(id));
    return slot ? slot->ptr : NULL;
}

struct stream_pending *stream_pending_new(struct stream_group *g, struct stream_consumer *c,
                                          struct stream_id id, int64_t now_ms)
{
    struct stream_pending *p = mem_alloc(sizeof(*p));
    *p = (struct stream_pending){.delivered_ms = now_ms, .deliveries = 1, .consumer = c};
    bool added = idmap_add(&g->pending, stream_id_key(id), p);
    ASSERT(added);
    if (c) idmap_add(&c->pending, stream_id_key(id), p);
    return p;
}

void stream_pending_give(struct stream_pending *p, struct stream_consumer *c,
                         struct stream_id id)
{
    if (p->consumer == c) return;
    if (p->consumer) idmap_remove(&p->consumer->pending, stream_id_key(id));
    p->consumer = c;
    idmap_add(&c->pending, stream_id_key(id), p);
}

bool stream_pending_drop(struct stream_group *g, struct stream_id id)
{
    struct stream_pending *p = idmap_remove(&g->pending, stream_id_key(id));
    if (!p) return false;
    if (p->consumer) idmap_remove(&p->consumer->pending, stream_id_key(id));
    mem_free(p);
    return true;
}

/* ---- for stream.c ---- */

void stream__groups_free(struct stream *s)
{
    for (size_t i = 0; i < s->group_count; i++) group_free(s->groups[i]);
    mem_free(s->groups);
    s->groups = NULL;
    s->group_count = 0;
}

static void group_copy(struct stream *to, const struct stream_group *g)
{
    struct stream_group *copy = stream_group_new(to, group_name(g), g->last_id, g->entries_read);
    for (size_t i = 0; i < g->consumer_count; i++) {
        const struct stream_consumer *c = g->consumers[i];
        stream_consumer_new(copy, consumer_name(c), c->seen_ms);
    }
    const struct idmap_slot *slot;
    for (struct idmap_pos pos = idmap_first(&g->pending); (slot = idmap_at(&g->pending, pos));
         pos = idmap_next(&g->pending, pos)) {
        const struct stream_pending *p = slot->ptr;
        struct stream_consumer *c = stream_consumer_find(copy, consumer_name(p->consumer));
        struct stream_pending *fresh =
            stream_pending_new(copy, c, stream_key_id(slot->id), p->delivered_ms);
        fresh->deliveries = p->deliveries;
    }
}

void stream__groups_copy(struct stream *to, const struct stream *from)
{
    for (size_t i = 0; i < from->group_count; i++) group_copy(to, from->groups[i]);
}

/* What `count` have, when the first `looked` of them have `bytes`. */
static size_t scaled(size_t bytes, size_t looked, size_t count)
{
    return looked ? (size_t)((double)bytes / (double)looked * (double)count) : 0;
}

static size_t group_memory(const struct stream_group *g, size_t samples)
{
    size_t consumers = 0, looked = MIN(g->consumer_count, samples);
    for (size_t i = 0; i < looked; i++) {
        const struct stream_consumer *c = g->consumers[i];
        consumers += mem_usable(c) + idmap_memory(&c->pending, samples);
    }
    return mem_usable(g) + (g->consumers ? mem_usable(g->consumers) : 0) +
           idmap_memory(&g->pending, samples) +
           g->pending.count * mem_good_size(sizeof(struct stream_pending)) +
           scaled(consumers, looked, g->consumer_count);
}

size_t stream__groups_memory(const struct stream *s, size_t samples)
{
    size_t groups = 0, looked = MIN(s->group_count, samples);
    for (size_t i = 0; i < looked; i++) groups += group_memory(s->groups[i], samples);
    return (s->groups ? mem_usable(s->groups) : 0) + scaled(groups, looked, s->group_count);
}

size_t stream__groups_effort(const struct stream *s)
{
    size_t effort = 0;
    for (size_t i = 0; i < s->group_count; i++) {
        effort += 1 + s->groups[i]->pending.count + s->groups[i]->consumer_count;
    }
    return effort;
}
