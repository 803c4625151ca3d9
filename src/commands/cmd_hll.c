/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HyperLogLogs: PFADD, PFCOUNT, PFMERGE, and PFDEBUG and PFSELFTEST for tests. The value is a
 * string in the format of ds/hll.h, which clients may read, copy and write. A dense one is changed
 * where it lies, a sparse one in a copy on the stack: it is short, and changes its length.
 *
 * Thread: whoever holds the data token.
 */
#include "base/buf.h"
#include "commands_table.h"
#include "ds/hll.h"
#include "exec/reply.h"
#include "types/value.h"

static enum status reply_corrupted(struct exec_ctx *ctx)
{
    return reply_error(ctx, "-INVALIDOBJ Corrupted HLL object detected");
}

/* The bytes of an entry that is to be a HyperLogLog. */
static enum status hll_bytes(struct exec_ctx *ctx, const struct kv_entry *e, struct view *out)
{
    char scratch[KV_SCRATCH];
    if (!kv_entry_is_string(e)) return reply_wrongtype(ctx);
    *out = kv_entry_string(e, scratch);
    /* An integer's digits never pass, so that nothing in scratch is handed out. */
    if (kv_entry_enc(e) != ENC_INT && hll_is_valid(*out)) return STATUS_OK;
    return reply_error(ctx, "-WRONGTYPE Key is not a valid HyperLogLog string value.");
}

/* Makes the encoding raw without a change to the bytes: even reading commands do so in stock. */
static struct kv_entry *make_raw(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e,
                                 struct view bytes)
{
    if (kv_entry_enc(e) == ENC_RAW) return e;
    return kv_set_string(ctx->unit, ctx->db, key, e, bytes, KV_RAW | KV_KEEP_TTL | KV_SAME);
}

/* The bytes of a value for a change that keeps their number. */
static enum status writable_bytes(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e,
                                  unsigned char **out)
{
    char *bytes;
    if (kv_string_resize(ctx->unit, ctx->db, key, &e, kv_entry_string_len(e), &bytes))
        return reply_error(ctx, "insufficient memory");
    *out = (unsigned char *)bytes;
    return STATUS_OK;
}

static void store_hll(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e,
                      const struct hll *h)
{
    kv_set_string(ctx->unit, ctx->db, key, e, hll_view(h), KV_RAW | KV_KEEP_TTL);
}

static void tell_change(struct exec_ctx *ctx, struct arg *key, uint64_t changes)
{
    kv_dirty(ctx->unit, changes);
    kv_event(ctx->unit, KV_EVENT_STRING, "pfadd", ctx->db, key);
}

/* ---- PFADD ---- */

static struct hll_hit hit_of_arg(struct exec_ctx *ctx, int i)
{
    return hll_hit_of(arg_view(&ctx->argv[i]));
}

/* Adds to a dense one in place, and counts the changes. */
static enum status add_dense(struct exec_ctx *ctx, struct kv_entry *e, struct view bytes,
                             uint64_t *changes)
{
    struct arg *key = &ctx->argv[1];
    int i = 2;
    for (; i < ctx->argc; i++) {
        struct hll_hit hit = hit_of_arg(ctx, i);
        if (hll_dense_get(bytes.ptr, hit.index) < hit.value) break;
    }
    if (i == ctx->argc) {
        make_raw(ctx, key, e, bytes);
        return STATUS_OK;
    }
    unsigned char *to;
    if (writable_bytes(ctx, key, e, &to)) return STATUS_ERR;
    for (; i < ctx->argc; i++) *changes += hll_dense_raise(to, hit_of_arg(ctx, i));
    hll_cache_drop(to);
    return STATUS_OK;
}

/* Adds to a sparse or a new one (e is NULL), and counts the changes. */
static enum status add_sparse(struct exec_ctx *ctx, struct kv_entry *e, struct view bytes,
                              uint64_t *changes)
{
    struct arg *key = &ctx->argv[1];
    struct hll h;
    if (!e) {
        hll_init(&h);
        *changes = 1;
    } else if (ctx->argc == 2) {
        make_raw(ctx, key, e, bytes);
        return STATUS_OK;
    } else if (hll_load(&h, bytes)) {
        return reply_corrupted(ctx);
    }
    for (int i = 2; i < ctx->argc; i++) {
        enum status status = hll_raise(&h, hit_of_arg(ctx, i), type_limits.hll_sparse_max_bytes);
        if (status == STATUS_SYNTAX) return reply_corrupted(ctx);
        *changes += status == STATUS_OK;
    }
    if (*changes) {
        hll_cache_drop(h.bytes);
        store_hll(ctx, key, e, &h);
    } else {
        make_raw(ctx, key, e, bytes);
    }
    return STATUS_OK;
}

enum status cmd_pfadd(struct exec_ctx *ctx)
{
    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[1]);
    struct view bytes = {0};
    uint64_t changes = 0;
    if (e && hll_bytes(ctx, e, &bytes)) return STATUS_ERR;
    bool dense = e && hll_is_dense(bytes.ptr);
    if (dense ? add_dense(ctx, e, bytes, &changes) : add_sparse(ctx, e, bytes, &changes))
        return STATUS_ERR;
    if (changes) tell_change(ctx, &ctx->argv[1], changes);
    reply_int(ctx, changes > 0);
    return STATUS_OK;
}

/* ---- PFCOUNT, PFMERGE ---- */

/* Merges the values of the keys from argument `first` on; *dense_out, if any is dense. */
static enum status merge_keys(struct exec_ctx *ctx, int first, uint8_t *max, bool *dense_out)
{
    *dense_out = false;
    for (int i = first; i < ctx->argc; i++) {
        const struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[i]);
        struct view bytes;
        if (!e) continue;
        if (hll_bytes(ctx, e, &bytes)) return STATUS_ERR;
        *dense_out |= hll_is_dense(bytes.ptr);
        if (hll_merge(bytes, max)) return reply_corrupted(ctx);
    }
    return STATUS_OK;
}

/* The estimate of one, which is kept in the value. */
static enum status count_one(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, key);
    struct view bytes;
    uint64_t estimate = 0;
    if (!e) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    if (hll_bytes(ctx, e, &bytes)) return STATUS_ERR;
    if (hll_cached(bytes.ptr, &estimate)) {
        make_raw(ctx, key, e, bytes);
    } else {
        unsigned char *to;
        if (hll_count(bytes, &estimate)) return reply_corrupted(ctx);
        if (writable_bytes(ctx, key, e, &to)) return STATUS_ERR;
        hll_cache_set(to, estimate);
        kv_dirty(ctx->unit, 1);
    }
    reply_int(ctx, (int64_t)estimate);
    return STATUS_OK;
}

enum status cmd_pfcount(struct exec_ctx *ctx)
{
    uint8_t max[HLL_REGISTERS] = {0};
    bool dense;
    if (ctx->argc == 2) return count_one(ctx);
    if (merge_keys(ctx, 1, max, &dense)) return STATUS_ERR;
    reply_int(ctx, (int64_t)hll_estimate(max));
    return STATUS_OK;
}

/* Raises all registers to at least those of max. */
static enum status raise_all(struct hll *h, const uint8_t *max, bool dense)
{
    if (dense && hll_to_dense(h)) return STATUS_SYNTAX;
    for (unsigned i = 0; i < HLL_REGISTERS; i++) {
        struct hll_hit hit = {(uint16_t)i, max[i]};
        if (!hit.value) continue;
        if (hll_raise(h, hit, type_limits.hll_sparse_max_bytes) == STATUS_SYNTAX)
            return STATUS_SYNTAX;
    }
    return STATUS_OK;
}

enum status cmd_pfmerge(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    uint8_t max[HLL_REGISTERS] = {0};
    struct hll h;
    bool dense;
    if (merge_keys(ctx, 1, max, &dense)) return STATUS_ERR;
    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, key);
    struct view bytes;
    if (!e)
        hll_init(&h);
    else if (hll_bytes(ctx, e, &bytes))
        return STATUS_ERR;
    else if (hll_load(&h, bytes))
        return reply_corrupted(ctx);
    if (raise_all(&h, max, dense)) return reply_corrupted(ctx);
    hll_cache_drop(h.bytes);
    store_hll(ctx, key, e, &h);
    tell_change(ctx, key, 1);
    reply_ok(ctx);
    return STATUS_OK;
}

/* ---- PFDEBUG, PFSELFTEST ---- */

/* Makes a sparse value dense, for PFDEBUG; *converted_out says whether it was sparse. */
static enum status convert(struct exec_ctx *ctx, struct kv_entry *e, struct hll *h,
                           bool *converted_out)
{
    *converted_out = !hll_is_dense(h->bytes);
    if (!*converted_out) return STATUS_OK;
    if (hll_to_dense(h)) return reply_corrupted(ctx);
    store_hll(ctx, &ctx->argv[2], e, h);
    kv_dirty(ctx->unit, 1);
    return STATUS_OK;
}

static enum status debug_registers(struct exec_ctx *ctx, struct kv_entry *e, struct hll *h)
{
    bool converted;
    if (convert(ctx, e, h, &converted)) return STATUS_ERR;
    reply_array(ctx, HLL_REGISTERS);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) reply_int(ctx, hll_dense_get(h->bytes, i));
    return STATUS_OK;
}

static enum status debug_to_dense(struct exec_ctx *ctx, struct kv_entry *e, struct hll *h)
{
    bool converted;
    if (convert(ctx, e, h, &converted)) return STATUS_ERR;
    reply_int(ctx, converted);
    return STATUS_OK;
}

static enum status debug_decode(struct exec_ctx *ctx, struct view bytes)
{
    struct buf text = {0};
    struct hll_run run;
    size_t at = HLL_HEAD;
    if (hll_is_dense(bytes.ptr)) return reply_error(ctx, "HLL encoding is not sparse");
    while (hll_next_run(bytes, &at, &run)) {
        if (run.value)
            buf_printf(&text, "v:%u,%u ", run.value, run.length);
        else
            buf_printf(&text, "%c:%u ", run.is_wide ? 'Z' : 'z', run.length);
    }
    reply_bulk(ctx, text.ptr, text.len ? text.len - 1 : 0);
    buf_release(&text);
    return STATUS_OK;
}

enum status cmd_pfdebug(struct exec_ctx *ctx)
{
    struct arg *word = &ctx->argv[1], *key = &ctx->argv[2];
    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, key);
    struct view bytes;
    struct hll h;
    if (!e) return reply_error(ctx, "The specified key does not exist");
    if (hll_bytes(ctx, e, &bytes)) return STATUS_ERR;
    e = make_raw(ctx, key, e, bytes);
    if (hll_bytes(ctx, e, &bytes)) return STATUS_ERR;
    if (arg_is(word, "decode")) return debug_decode(ctx, bytes);
    if (arg_is(word, "encoding")) {
        reply_status(ctx, hll_is_dense(bytes.ptr) ? "dense" : "sparse");
        return STATUS_OK;
    }
    bool registers = arg_is(word, "getreg");
    if (!registers && !arg_is(word, "todense")) {
        return reply_errorf(ctx, "Unknown PFDEBUG subcommand '%.*s'", reply_text_len(word->len),
                            word->ptr);
    }
    if (hll_load(&h, bytes)) return reply_corrupted(ctx);
    return registers ? debug_registers(ctx, e, &h) : debug_to_dense(ctx, e, &h);
}

#define SELFTEST_ELEMENTS 100000

/* Adds distinct elements to a dense one and to one that begins sparse; both must hold the same
 * registers and estimate within 5 standard errors of 0.81 %. */
enum status cmd_pfselftest(struct exec_ctx *ctx)
{
    struct hll growing, dense;
    uint64_t sparse_count, dense_count, next_check = 10;
    hll_init(&growing);
    hll_init(&dense);
    if (hll_to_dense(&dense)) return reply_error(ctx, "TESTFAILED an empty one is damaged");
    for (uint64_t n = 1; n <= SELFTEST_ELEMENTS; n++) {
        struct hll_hit hit = hll_hit_of(view_of((const char *)&n, sizeof(n)));
        bool a = hll_raise(&growing, hit, type_limits.hll_sparse_max_bytes) == STATUS_OK;
        bool b = hll_dense_raise(dense.bytes, hit);
        if (a != b) return reply_error(ctx, "TESTFAILED the encodings differ");
        if (n < next_check) continue;
        next_check *= 10;
        if (hll_count(hll_view(&growing), &sparse_count) ||
            hll_count(hll_view(&dense), &dense_count) || sparse_count != dense_count) {
            return reply_error(ctx, "TESTFAILED the encodings count differently");
        }
        uint64_t off = sparse_count > n ? sparse_count - n : n - sparse_count;
        if (off > 1 + n / 24) return reply_error(ctx, "TESTFAILED the estimate is too far off");
    }
    reply_ok(ctx);
    return STATUS_OK;
}
