/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SORT and SORT_RO. The elements are copied into one run of bytes before anything else is looked
 * at: BY and GET look keys up, a lookup may delete an expired key, and that ends the life of every
 * view into the database. What elements are compared by, a number or bytes of the same run, is
 * beside each of them. Sorting views where they lie would save the copy and need an owner of all
 * the values that BY finds.
 *
 * Elements of equal numbers are told apart by their own bytes; under ALPHA, those whose texts are
 * equal keep the order in which they lay, also under DESC, as stock's sort leaves them. Texts end
 * at a NUL there, unless the result is stored. Thread: whoever runs the command.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "acl/acl.h"
#include "commands_table.h"
#include "exec/reply.h"
#include "types/hash.h"
#include "types/list.h"
#include "types/set.h"
#include "types/zset.h"

/* A piece of the run of bytes. */
struct span {
    size_t at, len;
};

struct element {
    struct span self;
    struct span by; /* what ALPHA compares; at == SIZE_MAX: there is nothing */
    union {
        double score;
        size_t place; /* under ALPHA */
    };
};

struct sort {
    struct exec_ctx *ctx;
    const struct arg *by;    /* the pattern, or NULL */
    const struct arg *store; /* the key, or NULL */
    const struct arg **gets;
    size_t get_count;
    int64_t offset, limit;
    bool descending, alpha, unsorted, with_limit;
    struct buf bytes;
    struct element *elements;
    size_t count, cap;
};

static struct view span_view(const struct sort *s, struct span span)
{
    return view_of(s->bytes.ptr + span.at, span.len);
}

static struct span keep(struct sort *s, struct view v)
{
    struct span span = {s->bytes.len, v.len};
    buf_append(&s->bytes, v.ptr, v.len);
    return span;
}

/* ---- arguments ---- */

static enum status parse_limit(struct sort *s, int i)
{
    if (arg_i64(s->ctx, i, &s->offset) || arg_i64(s->ctx, i + 1, &s->limit)) return STATUS_ERR;
    s->with_limit = true;
    return STATUS_OK;
}

/* Which keys a pattern comes upon depends on the elements, so all of them must be allowed. */
static enum status refuse_pattern(struct exec_ctx *ctx, const char *option)
{
    return reply_errorf(ctx, "%s option of SORT denied due to insufficient ACL permissions.",
                        option);
}

static enum status parse(struct sort *s, bool read_only)
{
    struct exec_ctx *ctx = s->ctx;
    for (int i = 2; i < ctx->argc; i++) {
        const struct arg *word = &ctx->argv[i];
        int left = ctx->argc - i - 1;
        if (arg_is(word, "asc")) {
            s->descending = false;
        } else if (arg_is(word, "desc")) {
            s->descending = true;
        } else if (arg_is(word, "alpha")) {
            s->alpha = true;
        } else if (arg_is(word, "limit") && left >= 2) {
            if (parse_limit(s, i + 1)) return STATUS_ERR;
            i += 2;
        } else if (arg_is(word, "store") && left >= 1 && !read_only) {
            s->store = &ctx->argv[++i];
        } else if (arg_is(word, "by") && left >= 1) {
            s->by = &ctx->argv[++i];
            /* Once a pattern without a star has said so, the order is nobody's concern. */
            if (!s->by->len || !memchr(s->by->ptr, '*', s->by->len))
                s->unsorted = true;
            else if (!acl_reads_all_keys(ctx))
                return refuse_pattern(ctx, "BY");
        } else if (arg_is(word, "get") && left >= 1) {
            if (!acl_reads_all_keys(ctx)) return refuse_pattern(ctx, "GET");
            s->gets[s->get_count++] = &ctx->argv[++i];
        } else {
            return reply_syntax_error(ctx);
        }
    }
    return STATUS_OK;
}

/* ---- elements ---- */

static void add(struct sort *s, struct view text)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->elements = mem_realloc(s->elements, s->cap * sizeof(*s->elements));
    }
    s->elements[s->count++] = (struct element){.self = keep(s, text), .by = {SIZE_MAX, 0}};
}

static void add_member(void *ctx, struct view member)
{
    add(ctx, member);
}

static void add_scored(void *ctx, struct view member, double score)
{
    UNUSED(score);
    add(ctx, member);
}

static void add_list(struct sort *s, struct value v)
{
    char buf[NUM_I64_LEN];
    struct quicklist_iter it;
    struct quicklist_entry e;
    bool reverse = s->unsorted && s->descending;
    quicklist_iter_init(&it, list_of(v), reverse ? list_length(v) - 1 : 0,
                        reverse ? QUICKLIST_LAST : QUICKLIST_FIRST);
    while (quicklist_next(&it, &e)) add(s, quicklist_entry_view(&e, buf));
    quicklist_iter_end(&it);
}

/* Copies what is under the key; nothing if that isn't there. */
static enum status collect(struct sort *s)
{
    struct exec_ctx *ctx = s->ctx;
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    if (!e) return STATUS_OK;
    struct value v = kv_entry_value(e);
    switch (v.type) {
    case TYPE_LIST: add_list(s, v); break;
    case TYPE_SET:
        /* A set has no order that could be kept, so what is stored is sorted anyhow. */
        if (s->unsorted && (s->store || ctx->flags & EXEC_FROM_GEARS)) {
            s->unsorted = false;
            s->alpha = true;
            s->by = NULL;
        }
        set_each(v, add_member, s);
        break;
    case TYPE_ZSET: {
        size_t length = zset_length(v);
        bool reverse = s->unsorted && s->descending;
        zset_unpack(&v);
        kv_value_update(e, v);
        if (length) zset_walk(v, reverse ? length - 1 : 0, length, reverse, add_scored, s);
        break;
    }
    default: return reply_wrongtype(ctx);
    }
    return STATUS_OK;
}

/* ---- patterns ---- */

/* The value that a pattern means for an element, kept: `#` is the element; the first star stands
 * for the element; `key->field` is a field of a hash. False: there is none. */
static bool resolve(struct sort *s, const struct arg *pattern, struct span self, struct span *out)
{
    struct exec_ctx *ctx = s->ctx;
    struct view p = arg_view(pattern);
    char scratch[KV_SCRATCH], number[NUM_I64_LEN];
    if (p.len == 1 && p.ptr[0] == '#') {
        *out = self;
        return true;
    }
    const char *star = p.len ? memchr(p.ptr, '*', p.len) : NULL;
    if (!star) return false;
    size_t before = (size_t)(star - p.ptr), rest = p.len - before - 1;
    const char *arrow = rest > 2 ? memmem(star + 1, rest - 1, "->", 2) : NULL;
    size_t after = arrow ? (size_t)(arrow - star) - 1 : rest;
    struct buf name = {0};
    buf_append(&name, p.ptr, before);
    struct view self_view = span_view(s, self);
    buf_append(&name, self_view.ptr, self_view.len);
    buf_append(&name, star + 1, after);
    struct arg key = arg_of(name.ptr, name.len);
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &key);
    buf_release(&name);
    if (!e) return false;
    if (!arrow) {
        if (!kv_entry_is_string(e)) return false;
        *out = keep(s, kv_entry_string(e, scratch));
        return true;
    }
    struct arg field = arg_of(arrow + 2, (size_t)(p.ptr + p.len - arrow) - 2);
    struct view value;
    if (kv_entry_type(e) != TYPE_HASH) return false;
    if (!hash_get(kv_entry_value(e), &field, number, &value)) return false;
    *out = keep(s, value);
    return true;
}

/* As stock: what strtod takes up to the end or a NUL, with blanks before and nothing for 0. */
static bool parse_score(struct sort *s, struct span text, double *out)
{
    char *end;
    buf_reserve(&s->bytes, text.len + 1); /* first: the text lies in the same buffer */
    struct span z = keep(s, span_view(s, text));
    buf_append(&s->bytes, "", 1);
    errno = 0;
    *out = strtod(s->bytes.ptr + z.at, &end);
    bool ok = *end == '\0' && errno != ERANGE && !isnan(*out);
    s->bytes.len = z.at;
    return ok;
}

/* Finds what each element is compared by. False if that is to be a number and isn't. */
static bool weigh(struct sort *s)
{
    bool all = true;
    for (size_t i = 0; i < s->count; i++) {
        struct element *e = &s->elements[i];
        struct span by = e->self;
        if (s->alpha) e->place = i;
        if (s->by && !resolve(s, s->by, e->self, &by)) continue;
        if (s->alpha) {
            e->by = by;
        } else if (!parse_score(s, by, &e->score)) {
            all = false;
        }
    }
    return all;
}

/* ---- order ---- */

static int compare_bytes(struct view a, struct view b)
{
    size_t shorter = MIN(a.len, b.len);
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    if (order) return order;
    return (a.len > b.len) - (a.len < b.len);
}

/* What ALPHA compares of an element. */
static struct view text_of(const struct sort *s, const struct element *e)
{
    struct view text = span_view(s, e->by);
    if (!s->store) text.len = strnlen(text.ptr, text.len);
    return text;
}

static int compare(const void *left, const void *right, void *ctx)
{
    const struct sort *s = ctx;
    const struct element *a = left, *b = right;
    int order = 0;
    if (!s->alpha) {
        order = (a->score > b->score) - (a->score < b->score);
        if (!order) order = compare_bytes(span_view(s, a->self), span_view(s, b->self));
    } else if (a->by.at == SIZE_MAX || b->by.at == SIZE_MAX) {
        order = (b->by.at == SIZE_MAX) - (a->by.at == SIZE_MAX);
    } else {
        order = compare_bytes(text_of(s, a), text_of(s, b));
    }
    if (!order && s->alpha) return (a->place > b->place) - (a->place < b->place);
    return s->descending ? -order : order;
}

/* ---- results ---- */

/* The elements that LIMIT leaves: *first up to but not including *end. */
static void window(const struct sort *s, size_t *first, size_t *end)
{
    *first = s->offset > 0 ? (size_t)MIN((uint64_t)s->offset, (uint64_t)s->count) : 0;
    *end = s->count;
    if (s->with_limit && s->limit >= 0) {
        *end = *first + (size_t)MIN((uint64_t)s->limit, (uint64_t)(s->count - *first));
    }
}

/* Hands each value of the result to fn; absent ones as NULL. */
static void each_value(struct sort *s, size_t first, size_t end,
                       void (*fn)(void *ctx, const struct view *v), void *ctx)
{
    for (size_t i = first; i < end; i++) {
        struct span self = s->elements[i].self, found;
        struct view v = span_view(s, self);
        if (!s->get_count) fn(ctx, &v);
        for (size_t g = 0; g < s->get_count; g++) {
            size_t mark = s->bytes.len;
            bool there = resolve(s, s->gets[g], self, &found);
            if (there) v = span_view(s, found);
            fn(ctx, there ? &v : NULL);
            s->bytes.len = mark;
        }
    }
}

static void reply_value(void *ctx, const struct view *v)
{
    if (v) {
        reply_bulk_view(ctx, *v);
    } else {
        reply_null(ctx);
    }
}

static void push_value(void *ctx, const struct view *v)
{
    quicklist_push(ctx, QUICKLIST_LAST, v ? *v : view_of("", 0));
}

static void store_values(struct sort *s, size_t first, size_t end)
{
    struct exec_ctx *ctx = s->ctx;
    struct arg key = *s->store;
    struct value list = list_new();
    each_value(s, first, end, push_value, list_of(list));
    size_t length = list_length(list);
    if (length) {
        struct kv_entry *old = kv_lookup_write(ctx->unit, ctx->db, &key);
        kv_set_value(ctx->unit, ctx->db, &key, old, list, 0);
        kv_event(ctx->unit, KV_EVENT_LIST, "sortstore", ctx->db, &key);
        kv_dirty(ctx->unit, length);
    } else {
        list_type_ops.free(list);
        if (kv_delete(ctx->unit, ctx->db, &key, true)) {
            kv_event(ctx->unit, KV_EVENT_GENERIC, "del", ctx->db, &key);
            kv_dirty(ctx->unit, 1);
        }
    }
    reply_int(ctx, (int64_t)length);
}

static enum status sort_elements(struct sort *s)
{
    size_t first, end;
    if (collect(s)) return STATUS_ERR;
    if (!s->unsorted) {
        if (!weigh(s))
            return reply_error(s->ctx, "One or more scores can't be converted into double");
        if (s->count > 1)
            qsort_r(s->elements, s->count, sizeof(*s->elements), compare, s);
    }
    window(s, &first, &end);
    if (s->store) {
        store_values(s, first, end);
    } else {
        reply_array(s->ctx, (end - first) * MAX(s->get_count, (size_t)1));
        each_value(s, first, end, reply_value, s->ctx);
    }
    return STATUS_OK;
}

static enum status sort(struct exec_ctx *ctx, bool read_only)
{
    struct sort s = {.ctx = ctx, .gets = mem_alloc((size_t)ctx->argc * sizeof(*s.gets))};
    enum status st = parse(&s, read_only);
    if (!st) st = sort_elements(&s);
    mem_free(s.gets);
    mem_free(s.elements);
    buf_release(&s.bytes);
    return st;
}

enum status cmd_sort(struct exec_ctx *ctx)
{
    return sort(ctx, false);
}

enum status cmd_sort_ro(struct exec_ctx *ctx)
{
    return sort(ctx, true);
}
