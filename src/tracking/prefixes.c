/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CLIENT TRACKING's broadcast mode: prefixes, who wants to be told of keys that begin with them,
 * and which of those have changed since the last message. A turn's changes make one message for
 * each prefix, with its keys in order, at the end of the turn.
 *
 * Which prefixes a key has is found with one search for each length that a prefix has: few lengths
 * are in use, however many prefixes there are. (A radix tree would find them in one descent, and
 * be slower for one or two lengths.)
 *
 * Guard of everything here: the data token; clients are told by main.
 */
#include "base/mem.h"
#include "tracking/private.h"

struct prefix {
    struct list_node pending; /* in prefixes.pending while keys of it have changed */
    struct table changed;     /* struct changed */
    struct tracker **who;
    size_t count, cap;
    struct view name;
    char bytes[];
};

struct changed {
    uint64_t author; /* the client that changed it first; 0: nobody */
    size_t len;
    char key[];
};

struct length {
    size_t len, count;
};

static struct {
    struct table by_name;
    struct length *lengths; /* of all prefixes, shortest first */
    size_t length_count, length_cap;
    struct list_node pending;
    bool posted;
} prefixes;

static struct view prefix_name(const void *entry)
{
    return ((const struct prefix *)entry)->name;
}

static struct view changed_key(const void *entry)
{
    const struct changed *e = entry;
    return view_of(e->key, e->len);
}

static const struct table_type prefix_table = {.key = prefix_name};
static const struct table_type changed_table = {.key = changed_key};

void prefixes__setup(void)
{
    list_init(&prefixes.pending);
}

size_t prefixes__count(void)
{
    return table_count(&prefixes.by_name);
}

const struct view *prefixes__view(const struct prefix *p)
{
    return &p->name;
}

static struct prefix *find(struct view name)
{
    return table_find(&prefixes.by_name, &prefix_table, name, hash_bytes(name.ptr, name.len));
}

/* ---- lengths ---- */

static void length_add(size_t len)
{
    size_t at = 0;
    while (at < prefixes.length_count && prefixes.lengths[at].len < len) at++;
    if (at < prefixes.length_count && prefixes.lengths[at].len == len) {
        prefixes.lengths[at].count++;
        return;
    }
    if (prefixes.length_count == prefixes.length_cap) {
        prefixes.length_cap = MAX(prefixes.length_cap * 2, (size_t)4);
        prefixes.lengths =
            mem_realloc(prefixes.lengths, prefixes.length_cap * sizeof(*prefixes.lengths));
    }
    memmove(prefixes.lengths + at + 1, prefixes.lengths + at,
            (prefixes.length_count - at) * sizeof(*prefixes.lengths));
    prefixes.lengths[at] = (struct length){len, 1};
    prefixes.length_count++;
}

static void length_drop(size_t len)
{
    size_t at = 0;
    while (prefixes.lengths[at].len != len) at++;
    if (--prefixes.lengths[at].count) return;
    prefixes.length_count--;
    memmove(prefixes.lengths + at, prefixes.lengths + at + 1,
            (prefixes.length_count - at) * sizeof(*prefixes.lengths));
    if (prefixes.length_count) return;
    mem_free(prefixes.lengths);
    prefixes.lengths = NULL;
    prefixes.length_cap = 0;
}

/* ---- who ---- */

static struct prefix *prefix_new(struct view name)
{
    struct prefix *p = mem_zalloc(sizeof(*p) + name.len);
    if (name.len) memcpy(p->bytes, name.ptr, name.len);
    p->name = view_of(p->bytes, name.len);
    list_init(&p->pending);
    table_insert(&prefixes.by_name, &prefix_table, p, hash_bytes(name.ptr, name.len));
    length_add(name.len);
    return p;
}

static void changed_free(void *entry, void *unused)
{
    UNUSED(unused);
    mem_free(entry);
}

static void prefix_free(struct prefix *p)
{
    list_unlink(&p->pending);
    length_drop(p->name.len);
    table_remove_entry(&prefixes.by_name, p, hash_bytes(p->name.ptr, p->name.len));
    table_clear(&p->changed, changed_free, NULL);
    mem_free(p->who);
    mem_free(p);
}

static int compare(struct view a, struct view b)
{
    size_t len = MIN(a.len, b.len);
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name(const void *a, const void *b)
{
    return compare((*(struct prefix *const *)a)->name, (*(struct prefix *const *)b)->name);
}

static ptrdiff_t kept_for(const struct prefix *p)
{
    return (ptrdiff_t)(sizeof(*p) + p->name.len + 2 * sizeof(void *));
}

static void add_one(struct tracker *t, struct view name)
{
    struct prefix *p = find(name);
    if (!p) p = prefix_new(name);
    if (p->count == p->cap) {
        p->cap = MAX(p->cap * 2, (size_t)2);
        p->who = mem_realloc(p->who, p->cap * sizeof(struct tracker *));
    }
    p->who[p->count++] = t;
    if (t->prefix_count == t->prefix_cap) {
        t->prefix_cap = MAX(t->prefix_cap * 2, (size_t)2);
        t->prefixes = mem_realloc(t->prefixes, t->prefix_cap * sizeof(struct prefix *));
    }
    t->prefixes[t->prefix_count++] = p;
    client_keeps(t->client, kept_for(p));
}

/* Only the empty one can be there already: it may be asked for again, by asking for none. */
void prefixes__add(struct tracker *t, const struct view *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool again = !names[i].len && t->prefix_count && !t->prefixes[0]->name.len;
        if (!again) add_one(t, names[i]);
    }
    qsort(t->prefixes, t->prefix_count, sizeof(struct prefix *), by_name);
}

static void drop(struct tracker *t, struct prefix *p)
{
    size_t at = 0;
    client_keeps(t->client, -kept_for(p));
    while (p->who[at] != t) at++;
    p->who[at] = p->who[--p->count];
    if (!p->count) prefix_free(p);
}

void prefixes__drop_all(struct tracker *t)
{
    while (t->prefix_count) drop(t, t->prefixes[--t->prefix_count]);
}

/* ---- telling ---- */

static int by_key(const void *a, const void *b)
{
    return compare(changed_key(*(void *const *)a), changed_key(*(void *const *)b));
}

/* All the keys that changed, in order; out of the prefix's table, and the caller's to free. */
static struct changed **take_changed(struct prefix *p, size_t *count_out)
{
    struct table_iter it;
    struct changed *e;
    size_t count = 0;
    struct changed **all = mem_alloc(table_count(&p->changed) * sizeof(*all));
    table_iter_init(&it, &p->changed);
    while ((e = table_iter_next(&it))) {
        table_iter_remove(&it);
        all[count++] = e;
    }
    table_iter_end(&it);
    qsort(all, count, sizeof(*all), by_key);
    *count_out = count;
    return all;
}

/* All of them, but those that `author` has changed himself (0: none such). */
static size_t compose(struct message *m, struct changed *const *all, size_t count, uint64_t author)
{
    size_t others = 0;
    for (size_t i = 0; i < count; i++) others += !author || all[i]->author != author;
    message__begin(m, others);
    for (size_t i = 0; i < count; i++)
        if (!author || all[i]->author != author) message__add(m, changed_key(all[i]));
    return others;
}

static void tell_prefix(struct prefix *p)
{
    size_t count;
    struct changed **all = take_changed(p, &count);
    struct message common, own;
    message__init(&common);
    message__init(&own);
    compose(&common, all, count, 0);
    for (size_t i = 0; i < p->count; i++) {
        struct tracker *t = p->who[i];
        if (!(t->options & TRACKING_NOLOOP))
            message__send(&common, t);
        else if (compose(&own, all, count, t->id))
            message__send(&own, t);
    }
    message__release(&common);
    message__release(&own);
    for (size_t i = 0; i < count; i++) mem_free(all[i]);
    mem_free(all);
}

static void tell_all(void *unused)
{
    UNUSED(unused);
    struct list_node *n;
    size_t count = 0, cap = prefixes__count();
    struct prefix **all = mem_alloc(MAX(cap, (size_t)1) * sizeof(*all));
    prefixes.posted = false;
    while ((n = list_pop(&prefixes.pending)))
        all[count++] = CONTAINER_OF(n, struct prefix, pending);
    qsort(all, count, sizeof(*all), by_name);
    for (size_t i = 0; i < count; i++) tell_prefix(all[i]);
    mem_free(all);
}

/* ---- changes ---- */

static uint64_t author_now(void)
{
    const struct client *c = kv_touch_is_unasked() ? NULL : client_running();
    return c ? client_id(c) : 0;
}

static void note(struct prefix *p, struct arg *key)
{
    struct table_ref ref;
    if (table_find_ref(&p->changed, &changed_table, arg_view(key), arg_hash(key), &ref)) return;
    struct changed *e = mem_alloc(sizeof(*e) + key->len);
    e->author = author_now();
    e->len = key->len;
    if (key->len) memcpy(e->key, key->ptr, key->len);
    table_ref_insert(&p->changed, &changed_table, &ref, e);
    if (list_is_linked(&p->pending)) return;
    list_push(&prefixes.pending, &p->pending);
    if (prefixes.posted) return;
    prefixes.posted = true;
    exec_post(tell_all, NULL);
}

void prefixes__changed(struct arg *key)
{
    for (size_t i = 0; i < prefixes.length_count && prefixes.lengths[i].len <= key->len; i++) {
        struct prefix *p = find(view_of(key->ptr, prefixes.lengths[i].len));
        if (p) note(p, key);
    }
}
