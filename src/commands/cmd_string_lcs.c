/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LCS: the longest common subsequence of two strings, its length, or where its runs lie.
 *
 * The textbook's dynamic programme over all pairs of prefixes. Of the lengths two rows are kept;
 * what the way back needs of each pair is one bit, "the longer one is found by leaving out a's
 * last byte", so that the memory is a 32nd of a table of lengths. Of equally long ones stock
 * leaves out b's byte; the results show it, so the same is done here. The limits on sizes are
 * those of stock, which keeps four bytes a pair.
 *
 *   row i, column j: a's first i bytes, b's first j bytes
 *   bit i,j is set   length(i-1, j) > length(i, j-1)
 *
 * Thread: whoever holds the data token.
 */
#include "base/buf.h"
#include "commands_table.h"
#include "exec/reply.h"
#include "exec/settings.h"

struct lcs {
    struct view a, b;
    bool want_len, want_runs, with_run_len;
    int64_t min_run_len;
    size_t len;            /* of the subsequence */
    uint64_t *left_out_a;  /* the bits, (a.len + 1) rows of row_words; NULL with want_len */
    size_t row_words;
};

static enum status parse_options(struct exec_ctx *ctx, struct lcs *lcs)
{
    for (int i = 3; i < ctx->argc; i++) {
        const struct arg *word = &ctx->argv[i];
        if (arg_is(word, "idx")) {
            lcs->want_runs = true;
        } else if (arg_is(word, "len")) {
            lcs->want_len = true;
        } else if (arg_is(word, "withmatchlen")) {
            lcs->with_run_len = true;
        } else if (arg_is(word, "minmatchlen") && i + 1 < ctx->argc) {
            if (arg_i64(ctx, ++i, &lcs->min_run_len)) return STATUS_ERR;
        } else {
            return reply_syntax_error(ctx);
        }
    }
    if (lcs->want_runs && lcs->want_len) {
        return reply_error(ctx, "If you want both the length and indexes, please just use IDX.");
    }
    return STATUS_OK;
}

/* ---- there: lengths and bits ---- */

static enum status allocate(struct exec_ctx *ctx, struct lcs *lcs, uint32_t **row_out)
{
    if (lcs->a.len >= UINT32_MAX - 1 || lcs->b.len >= UINT32_MAX - 1) {
        return reply_error(ctx, "String too long for LCS");
    }
    uint64_t pairs = (uint64_t)(lcs->a.len + 1) * (lcs->b.len + 1), bytes;
    if (!num_mul_u64(pairs, sizeof(uint32_t), &bytes) ||
        bytes > exec_settings.proto_max_bulk_len) {
        return reply_error(ctx, "Insufficient memory, transient memory for LCS exceeds "
                                "proto-max-bulk-len");
    }
    lcs->row_words = (lcs->b.len + 64) / 64;
    *row_out = mem_try_alloc((lcs->b.len + 1) * sizeof(uint32_t));
    if (!lcs->want_len) {
        lcs->left_out_a = mem_try_alloc((lcs->a.len + 1) * lcs->row_words * sizeof(uint64_t));
    }
    if (*row_out && (lcs->want_len || lcs->left_out_a)) return STATUS_OK;
    mem_free(*row_out);
    mem_free(lcs->left_out_a);
    return reply_error(ctx, "Insufficient memory, failed allocating transient memory for LCS");
}

/* One row: `row` holds the lengths of the row above and receives this one's. */
static void fill_row(const struct lcs *lcs, char a, uint32_t *row, uint64_t *bits)
{
    uint32_t diagonal = 0, left = 0;
    for (size_t j = 1; j <= lcs->b.len; j++) {
        uint32_t up = row[j];
        bool shorter_a = up > left;
        uint32_t best = shorter_a ? up : left;
        if (a == lcs->b.ptr[j - 1]) best = diagonal + 1;
        if (bits && shorter_a) bits[j / 64] |= UINT64_C(1) << (j % 64);
        diagonal = up;
        left = row[j] = best;
    }
}

static void fill(struct lcs *lcs, uint32_t *row)
{
    memset(row, 0, (lcs->b.len + 1) * sizeof(*row));
    for (size_t i = 1; i <= lcs->a.len; i++) {
        uint64_t *bits = NULL;
        if (lcs->left_out_a) {
            bits = lcs->left_out_a + i * lcs->row_words;
            memset(bits, 0, lcs->row_words * sizeof(*bits));
        }
        fill_row(lcs, lcs->a.ptr[i - 1], row, bits);
    }
    lcs->len = row[lcs->b.len];
}

/* ---- and back: from the ends to the beginnings ---- */

/* Moves (i, j) to the next pair of equal bytes that belongs to the subsequence; false at the
 * beginning. The pair is (i - 1, j - 1) of the two texts. */
static bool next_match(const struct lcs *lcs, size_t *i, size_t *j)
{
    while (*i > 0 && *j > 0) {
        if (lcs->a.ptr[*i - 1] == lcs->b.ptr[*j - 1]) return true;
        const uint64_t *bits = lcs->left_out_a + *i * lcs->row_words;
        if (bits[*j / 64] >> (*j % 64) & 1) {
            (*i)--;
        } else {
            (*j)--;
        }
    }
    return false;
}

static void reply_run(struct exec_ctx *ctx, const struct lcs *lcs, size_t i, size_t j, size_t len)
{
    reply_array(ctx, lcs->with_run_len ? 3 : 2);
    reply_array(ctx, 2);
    reply_int(ctx, (int64_t)i);
    reply_int(ctx, (int64_t)(i + len - 1));
    reply_array(ctx, 2);
    reply_int(ctx, (int64_t)j);
    reply_int(ctx, (int64_t)(j + len - 1));
    if (lcs->with_run_len) reply_int(ctx, (int64_t)len);
}

static void reply_runs(struct exec_ctx *ctx, const struct lcs *lcs)
{
    reply_map(ctx, 2);
    reply_bulk_cstr(ctx, "matches");
    struct reply_deferred runs = reply_defer(ctx);
    size_t count = 0;
    for (size_t i = lcs->a.len, j = lcs->b.len; next_match(lcs, &i, &j);) {
        size_t len = 0;
        while (i > 0 && j > 0 && lcs->a.ptr[i - 1] == lcs->b.ptr[j - 1]) i--, j--, len++;
        if ((int64_t)len < lcs->min_run_len) continue;
        reply_run(ctx, lcs, i, j, len);
        count++;
    }
    reply_defer_array(ctx, runs, count);
    reply_bulk_cstr(ctx, "len");
    reply_int(ctx, (int64_t)lcs->len);
}

static void reply_text(struct exec_ctx *ctx, const struct lcs *lcs)
{
    char *text = mem_alloc(lcs->len + 1);
    size_t at = lcs->len;
    for (size_t i = lcs->a.len, j = lcs->b.len; next_match(lcs, &i, &j); i--, j--) {
        text[--at] = lcs->a.ptr[i - 1];
    }
    ASSERT(at == 0);
    reply_bulk(ctx, text, lcs->len);
    mem_free(text);
}

enum status cmd_lcs(struct exec_ctx *ctx)
{
    char scratch_a[KV_SCRATCH], scratch_b[KV_SCRATCH];
    struct lcs lcs = {0};
    struct kv_entry *a = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    /* The second lookup may delete an expired key, which moves no other entry. */
    struct kv_entry *b = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[2]);
    if ((a && !kv_entry_is_string(a)) || (b && !kv_entry_is_string(b))) {
        return reply_error(ctx, "The specified keys must contain string values");
    }
    if (a) lcs.a = kv_entry_string(a, scratch_a);
    if (b) lcs.b = kv_entry_string(b, scratch_b);
    if (parse_options(ctx, &lcs)) return STATUS_ERR;

    uint32_t *row = NULL;
    if (allocate(ctx, &lcs, &row)) return STATUS_ERR;
    fill(&lcs, row);
    mem_free(row);
    if (lcs.want_runs) {
        reply_runs(ctx, &lcs);
    } else if (lcs.want_len) {
        reply_int(ctx, (int64_t)lcs.len);
    } else {
        reply_text(ctx, &lcs);
    }
    mem_free(lcs.left_out_a);
    return STATUS_OK;
}
