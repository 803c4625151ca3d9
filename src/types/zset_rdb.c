/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving and loading sorted sets. A listpack is saved as it is, a tree as members with scores of
 * eight bytes. Loaded are also scores as texts and ziplists of pairs. A member that comes twice,
 * and a score that isn't a number, make the whole a forgery; an order of its own doesn't, since
 * the order follows from the rest.
 */
#include <math.h>

#include "base/mem.h"
#include "ds/listpack.h"
#include "ds/zip.h"
#include "types/rdb.h"
#include "types/zset.h"

/* What old files have in place of a score's length. */
#define SCORE_NAN 253
#define SCORE_INF 254
#define SCORE_MINUS_INF 255

uint8_t zset__rdb_type(struct value v)
{
    return v.enc == ENC_LISTPACK ? RDB_ZSET_LISTPACK : RDB_ZSET_2;
}

static void write_double(struct stream_out *out, double score)
{
    uint64_t bits;
    memcpy(&bits, &score, sizeof(bits));
    for (int i = 0; i < 8; i++) stream_write_u8(out, (uint8_t)(bits >> (8 * i)));
}

static void save_member(void *ctx, struct view member, double score)
{
    rdb_write_text(ctx, member);
    write_double(ctx, score);
}

void zset__save(struct value v, struct stream_out *out)
{
    if (v.enc == ENC_LISTPACK) {
        rdb_write_text(out, view_of(v.ptr, listpack_bytes(v.ptr)));
        return;
    }
    /* The greatest first: stock's loader inserts each before the others then, at once. */
    size_t count = zset_length(v);
    rdb_write_length(out, count);
    zset_walk(v, count - 1, count, true, save_member, out);
}

static enum status add_new(struct value *v, struct view member, double score)
{
    struct arg arg = arg_of_view(member);
    double now;
    if (isnan(score)) return STATUS_SYNTAX;
    return zset_add(v, &arg, score, 0, &now) == ZSET_NEW ? STATUS_OK : STATUS_SYNTAX;
}

static enum status read_double(struct stream_in *in, double *score_out)
{
    uint8_t b[8];
    uint64_t bits = 0;
    enum status status = stream_read(in, b, sizeof(b));
    if (status) return status;
    for (int i = 8; i--;) bits = bits << 8 | b[i];
    memcpy(score_out, &bits, sizeof(bits));
    return STATUS_OK;
}

static enum status parse_score(struct view text, double *score_out)
{
    return num_parse_double(text, score_out) ? STATUS_SYNTAX : STATUS_OK;
}

static enum status read_score_text(struct stream_in *in, double *score_out)
{
    char text[SCORE_NAN];
    uint8_t len;
    enum status status = stream_read_u8(in, &len);
    if (status) return status;
    if (len >= SCORE_NAN) {
        *score_out = len == SCORE_INF ? INFINITY : -INFINITY;
        return len == SCORE_NAN ? STATUS_SYNTAX : STATUS_OK;
    }
    status = stream_read(in, text, len);
    return status ? status : parse_score(view_of(text, len), score_out);
}

static enum status load_members(uint8_t rdb_type, struct stream_in *in, struct value *out)
{
    size_t count;
    bool binary = rdb_type == RDB_ZSET_2;
    enum status status = rdb_read_count(in, binary ? 9 : 2, &count);
    if (status) return status;
    struct rdb_text member = {0};
    *out = zset_new_tree();
    while (count-- && !status) {
        double score;
        status = rdb_read_text_kept(in, &member);
        if (!status) status = binary ? read_double(in, &score) : read_score_text(in, &score);
        if (!status) status = add_new(out, member.bytes, score);
    }
    rdb_text_release(&member);
    if (status) zset_type_ops.free(*out);
    else zset_compact(out);
    return status;
}

/* ---- compact forms: members and scores, alternately ---- */

struct pairs {
    struct value v;
    bool have_member;
    struct view member;
    char digits[NUM_I64_LEN]; /* of a member that is an integer: it lies in the reader's scratch */
};

static enum status pairs_visit(void *ctx, struct view text)
{
    struct pairs *pairs = ctx;
    pairs->have_member = !pairs->have_member;
    if (pairs->have_member) {
        if (text.len <= sizeof(pairs->digits)) {
            memcpy(pairs->digits, text.ptr, text.len);
            text.ptr = pairs->digits;
        }
        pairs->member = text;
        return STATUS_OK;
    }
    double score;
    enum status status = parse_score(text, &score);
    return status ? status : add_new(&pairs->v, pairs->member, score);
}

static enum status load_ziplist(struct view bytes, struct value *out)
{
    struct pairs pairs = {.v = zset_new_tree()};
    enum status status = zip_list_each(bytes, pairs_visit, &pairs);
    if (!status && pairs.have_member) status = STATUS_SYNTAX;
    if (!status && zset_length(pairs.v) == 0) status = STATUS_NOT_FOUND;
    if (status) {
        zset_type_ops.free(pairs.v);
    } else {
        zset_compact(&pairs.v);
        *out = pairs.v;
    }
    return status;
}

static enum status refill(const uint8_t *lp, struct value *v)
{
    enum status status = STATUS_OK;
    for (const uint8_t *pos = listpack_first(lp); pos && !status; pos = listpack_next(lp, pos)) {
        char member_buf[NUM_I64_LEN], score_buf[NUM_I64_LEN];
        struct view member = listpack_get_view(pos, member_buf);
        double score;
        pos = listpack_next(lp, pos);
        status = parse_score(listpack_get_view(pos, score_buf), &score);
        if (!status) status = add_new(v, member, score);
    }
    return status;
}

/* Takes the listpack. It is never kept: by what it is built anew from, order, members and the form
 * of the scores are ours. */
static enum status load_listpack(uint8_t *lp, size_t len, struct value *out)
{
    enum status status = listpack_validate(lp, len, 2) ? STATUS_OK : STATUS_SYNTAX;
    if (!status && listpack_is_empty(lp)) status = STATUS_NOT_FOUND;
    if (!status) {
        *out = zset_new_tree();
        status = refill(lp, out);
        if (status) zset_type_ops.free(*out);
        else zset_compact(out);
    }
    mem_free(lp);
    return status;
}

enum status zset__load(uint8_t rdb_type, struct stream_in *in, struct value *out)
{
    if (rdb_type == RDB_ZSET || rdb_type == RDB_ZSET_2) return load_members(rdb_type, in, out);
    uint8_t *block;
    size_t len;
    enum status status = rdb_read_block(in, &block, &len);
    if (status) return status;
    if (rdb_type == RDB_ZSET_LISTPACK) return load_listpack(block, len, out);
    status = load_ziplist(view_of((char *)block, len), out);
    mem_free(block);
    return status;
}
