/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Searches for members within a circle or a box: GEOSEARCH, GEOSEARCHSTORE, and the older
 * GEORADIUS and its kin. All are the same search with other words; what each may say is in the
 * flags of its handler. The area's cells (ds/geohash.h) are walked in the sorted set and each
 * member is measured.
 *
 * Thread: whoever holds the data token.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "commands/geo_args.h"
#include "commands/zset_args.h"
#include "commands_table.h"
#include "exec/reply.h"

enum search_flag {
    FROM_POINT = 1 << 0,  /* GEORADIUS: the place stands at fixed arguments */
    FROM_MEMBER = 1 << 1, /* GEORADIUSBYMEMBER */
    MAY_STORE = 1 << 2,   /* the words STORE and STOREDIST */
    SEARCH = 1 << 3,      /* GEOSEARCH: the place and the shape are options */
    STORES = 1 << 4       /* GEOSEARCHSTORE */
};

enum search_sort { SORT_NOT, SORT_ASC, SORT_DESC };

struct hit {
    struct view member; /* in the set; if that is a listpack, ptr is unused … */
    size_t copy_at;     /* … and its bytes are in search.copies */
    struct geo_point point;
    double distance_m, score;
    size_t order; /* of arrival */
};

struct search {
    unsigned flags;
    struct value set;
    bool found;
    struct geo_shape shape;
    double unit_m;
    bool with_distance, with_hash, with_point;
    bool has_member, has_point, has_radius, has_box;
    int64_t count; /* 0: all */
    bool any;
    enum search_sort sort;
    struct arg *store; /* NULL: reply */
    bool store_distance;
    struct hit *hits;
    size_t hit_count, hit_cap;
    struct buf copies; /* of members, whose bytes a listpack lends during a visit only */
};

/* ---- arguments ---- */

static enum status member_arg(struct exec_ctx *ctx, int i, struct search *s)
{
    double score;
    if (!zset_score(s->set, &ctx->argv[i], &score))
        return reply_error(ctx, "could not decode requested zset member");
    s->shape.center = geo_decode_score(score);
    return STATUS_OK;
}

/* Radius and unit, the arguments i and i + 1. */
static enum status radius_args(struct exec_ctx *ctx, int i, struct search *s)
{
    double radius;
    if (num_parse_double(arg_view(&ctx->argv[i]), &radius))
        return reply_error(ctx, "need numeric radius");
    if (radius < 0) return reply_error(ctx, "radius cannot be negative");
    if (geo_arg_unit(ctx, i + 1, &s->unit_m)) return STATUS_ERR;
    s->shape.is_box = false;
    s->shape.radius_m = radius * s->unit_m;
    return STATUS_OK;
}

/* Width, height and unit, the arguments from i on. */
static enum status box_args(struct exec_ctx *ctx, int i, struct search *s)
{
    double width, height;
    if (num_parse_double(arg_view(&ctx->argv[i]), &width))
        return reply_error(ctx, "need numeric width");
    if (num_parse_double(arg_view(&ctx->argv[i + 1]), &height))
        return reply_error(ctx, "need numeric height");
    if (width < 0 || height < 0) return reply_error(ctx, "height or width cannot be negative");
    if (geo_arg_unit(ctx, i + 2, &s->unit_m)) return STATUS_ERR;
    s->shape.is_box = true;
    s->shape.width_m = width * s->unit_m;
    s->shape.height_m = height * s->unit_m;
    return STATUS_OK;
}

/* The place and the radius of GEORADIUS or GEORADIUSBYMEMBER; *i_out is where options begin. */
static enum status fixed_args(struct exec_ctx *ctx, struct search *s, int *i_out)
{
    *i_out = 2;
    if (s->flags & FROM_POINT) {
        if (geo_arg_point(ctx, 2, &s->shape.center) || radius_args(ctx, 4, s)) return STATUS_ERR;
        *i_out = 6;
    } else if (s->flags & FROM_MEMBER) {
        /* As in stock, without a set nobody looks at the radius. */
        if (s->found && (member_arg(ctx, 2, s) || radius_args(ctx, 3, s))) return STATUS_ERR;
        *i_out = 5;
    } else if (s->flags & STORES) {
        *i_out = 3;
    }
    return STATUS_OK;
}

/* Words without arguments. */
static bool plain_option(const struct arg *a, struct search *s)
{
    if (arg_is(a, "withdist"))
        s->with_distance = true;
    else if (arg_is(a, "withhash"))
        s->with_hash = true;
    else if (arg_is(a, "withcoord"))
        s->with_point = true;
    else if (arg_is(a, "any"))
        s->any = true;
    else if (arg_is(a, "asc"))
        s->sort = SORT_ASC;
    else if (arg_is(a, "desc"))
        s->sort = SORT_DESC;
    else if (arg_is(a, "storedist") && s->flags & STORES)
        s->store_distance = true;
    else
        return false;
    return true;
}

/* Words of GEOSEARCH that say where; *used_out is how many arguments they take. */
static enum status place_option(struct exec_ctx *ctx, int i, struct search *s, int *used_out)
{
    const struct arg *a = &ctx->argv[i];
    int more = ctx->argc - i - 1;
    *used_out = 0;
    if (arg_is(a, "frommember") && more >= 1 && !s->has_point) {
        if (s->found && member_arg(ctx, i + 1, s)) return STATUS_ERR;
        s->has_member = true;
        *used_out = 1;
    } else if (arg_is(a, "fromlonlat") && more >= 2 && !s->has_member) {
        if (geo_arg_point(ctx, i + 1, &s->shape.center)) return STATUS_ERR;
        s->has_point = true;
        *used_out = 2;
    } else if (arg_is(a, "byradius") && more >= 2 && !s->has_box) {
        if (radius_args(ctx, i + 1, s)) return STATUS_ERR;
        s->has_radius = true;
        *used_out = 2;
    } else if (arg_is(a, "bybox") && more >= 3 && !s->has_radius) {
        if (box_args(ctx, i + 1, s)) return STATUS_ERR;
        s->has_box = true;
        *used_out = 3;
    }
    return STATUS_OK;
}

static enum status options(struct exec_ctx *ctx, int i, struct search *s)
{
    for (; i < ctx->argc; i++) {
        const struct arg *a = &ctx->argv[i];
        bool more = i + 1 < ctx->argc;
        int used = 0;
        if (plain_option(a, s)) continue;
        if (arg_is(a, "count") && more) {
            if (arg_i64(ctx, i + 1, &s->count)) return STATUS_ERR;
            if (s->count <= 0) return reply_error(ctx, "COUNT must be > 0");
            used = 1;
        } else if (s->flags & MAY_STORE && more &&
                   (arg_is(a, "store") || arg_is(a, "storedist"))) {
            s->store = &ctx->argv[i + 1];
            s->store_distance = arg_is(a, "storedist");
            used = 1;
        } else if (s->flags & SEARCH && place_option(ctx, i, s, &used)) {
            return STATUS_ERR;
        }
        if (!used) return reply_syntax_error(ctx);
        i += used;
    }
    return STATUS_OK;
}

static enum status check_options(struct exec_ctx *ctx, const struct search *s)
{
    const struct arg *name = &ctx->argv[0];
    if (s->store && (s->with_distance || s->with_hash || s->with_point)) {
        return reply_errorf(ctx,
                            "%s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                            s->flags & STORES ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    }
    if (s->flags & SEARCH && !s->has_member && !s->has_point) {
        return reply_errorf(ctx,
                            "exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                            (int)name->len, name->ptr);
    }
    if (s->flags & SEARCH && !s->has_radius && !s->has_box) {
        return reply_errorf(ctx, "exactly one of BYRADIUS and BYBOX can be specified for %.*s",
                            (int)name->len, name->ptr);
    }
    if (s->any && !s->count)
        return reply_error(ctx, "the ANY argument requires COUNT argument");
    return STATUS_OK;
}

/* ---- searching ---- */

/* A member of one of the ranges. */
static void visit(void *search, struct view member, double score)
{
    struct search *s = search;
    struct hit hit = {.member = member, .score = score, .order = s->hit_count};
    if (s->any && s->hit_count >= (size_t)s->count) return;
    hit.point = geo_decode_score(score);
    if (!geo_shape_has(&s->shape, hit.point, &hit.distance_m)) return;
    if (s->hit_count == s->hit_cap) {
        s->hit_cap = s->hit_cap ? s->hit_cap * 2 : 16;
        s->hits = mem_realloc(s->hits, s->hit_cap * sizeof(*s->hits));
    }
    if (s->set.enc == ENC_LISTPACK) {
        hit.copy_at = s->copies.len;
        buf_append(&s->copies, member.ptr, member.len);
    }
    s->hits[s->hit_count++] = hit;
}

static struct view member_of(const struct search *s, const struct hit *hit)
{
    if (s->set.enc != ENC_LISTPACK) return hit->member;
    return view_of(s->copies.ptr + hit->copy_at, hit->member.len);
}

static void find_hits(struct search *s)
{
    struct geo_range ranges[GEO_RANGES_MAX];
    unsigned count = geo_shape_ranges(&s->shape, ranges);
    for (unsigned i = 0; i < count; i++) {
        struct zset_range range = {.by = ZSET_BY_SCORE,
                                   .min = {.score = (double)ranges[i].first},
                                   .max = {.score = (double)ranges[i].end, .open = true}};
        struct zset_span span = zset_span(s->set, &range);
        if (s->any && s->hit_count >= (size_t)s->count) return;
        zset_walk(s->set, span.first, span.count, false, visit, s);
    }
}

static int nearer(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->distance_m != y->distance_m) return x->distance_m < y->distance_m ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int farther(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->distance_m != y->distance_m) return x->distance_m > y->distance_m ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Sorts the hits and cuts them to the wanted number. */
static void order_hits(struct search *s)
{
    if (s->count && !s->any && s->sort == SORT_NOT) s->sort = SORT_ASC;
    if (s->sort != SORT_NOT && s->hit_count > 1)
        qsort(s->hits, s->hit_count, sizeof(*s->hits), s->sort == SORT_ASC ? nearer : farther);
    if (s->count) s->hit_count = MIN(s->hit_count, (size_t)s->count);
}

static void reply_hits(struct exec_ctx *ctx, const struct search *s)
{
    size_t parts = 1 + (size_t)s->with_distance + s->with_hash + s->with_point;
    reply_array(ctx, s->hit_count);
    for (size_t i = 0; i < s->hit_count; i++) {
        const struct hit *hit = &s->hits[i];
        if (parts > 1) reply_array(ctx, parts);
        reply_bulk_view(ctx, member_of(s, hit));
        if (s->with_distance) geo_reply_distance(ctx, hit->distance_m / s->unit_m);
        if (s->with_hash) reply_int(ctx, (int64_t)hit->score);
        if (s->with_point) geo_reply_point(ctx, hit->point);
    }
}

static void store_hits(struct exec_ctx *ctx, const struct search *s)
{
    struct value result = zset_new_tree();
    for (size_t i = 0; i < s->hit_count; i++) {
        const struct hit *hit = &s->hits[i];
        struct arg member = arg_of_view(member_of(s, hit));
        double score = s->store_distance ? hit->distance_m / s->unit_m : hit->score, now;
        zset_add(&result, &member, score, 0, &now);
    }
    zset_compact(&result);
    struct kv_entry *old = kv_lookup_write(ctx->unit, ctx->db, s->store);
    kv_set_value(ctx->unit, ctx->db, s->store, old, result, 0);
    kv_dirty(ctx->unit, s->hit_count);
    kv_event(ctx->unit, KV_EVENT_ZSET,
             s->flags & STORES ? "geosearchstore" : "georadiusstore", ctx->db, s->store);
    reply_int(ctx, (int64_t)s->hit_count);
}

/* Nothing was found: an empty reply, or the target is deleted. */
static void reply_nothing(struct exec_ctx *ctx, const struct search *s)
{
    if (!s->store) {
        reply_array(ctx, 0);
        return;
    }
    if (kv_delete(ctx->unit, ctx->db, s->store, true)) {
        kv_dirty(ctx->unit, 1);
        kv_event(ctx->unit, KV_EVENT_GENERIC, "del", ctx->db, s->store);
    }
    reply_int(ctx, 0);
}

static enum status search(struct exec_ctx *ctx, unsigned flags)
{
    struct search s = {.flags = flags, .unit_m = 1};
    int i;
    if (zset_open_read(ctx, flags & STORES ? 2 : 1, &s.set, &s.found)) return STATUS_ERR;
    if (flags & STORES) s.store = &ctx->argv[1];
    if (fixed_args(ctx, &s, &i) || options(ctx, i, &s) || check_options(ctx, &s))
        return STATUS_ERR;
    if (s.found) {
        find_hits(&s);
        order_hits(&s);
    }
    if (s.hit_count == 0)
        reply_nothing(ctx, &s);
    else if (s.store)
        store_hits(ctx, &s);
    else
        reply_hits(ctx, &s);
    mem_free(s.hits);
    buf_release(&s.copies);
    return STATUS_OK;
}

enum status cmd_georadius(struct exec_ctx *ctx)
{
    return search(ctx, FROM_POINT | MAY_STORE);
}

enum status cmd_georadius_ro(struct exec_ctx *ctx)
{
    return search(ctx, FROM_POINT);
}

enum status cmd_georadiusbymember(struct exec_ctx *ctx)
{
    return search(ctx, FROM_MEMBER | MAY_STORE);
}

enum status cmd_georadiusbymember_ro(struct exec_ctx *ctx)
{
    return search(ctx, FROM_MEMBER);
}

enum status cmd_geosearch(struct exec_ctx *ctx)
{
    return search(ctx, SEARCH);
}

enum status cmd_geosearchstore(struct exec_ctx *ctx)
{
    return search(ctx, SEARCH | STORES);
}
