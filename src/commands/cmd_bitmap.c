/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strings as bitmaps: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. BITFIELD is in cmd_bitfield.c. What
 * only reads looks at the string where it lies; what writes asks for its bytes (bits_args.h).
 *
 * Thread: whoever holds the data token.
 */
#include "base/mem.h"
#include "commands/bits_args.h"
#include "commands_table.h"
#include "ds/bits.h"
#include "exec/reply.h"

/* Sources of BITOP that need no allocation. */
#define SOURCES_INLINE 8

enum status cmd_setbit(struct exec_ctx *ctx)
{
    uint64_t at;
    int64_t on;
    struct bits_string s;
    if (bits_arg_offset(ctx, 2, 0, &at)) return STATUS_ERR;
    if (num_parse_i64(arg_view(&ctx->argv[3]), &on) || on < 0 || on > 1) {
        return reply_error(ctx, "bit is not an integer or out of range");
    }
    if (bits_string_open(ctx, at >> 3, &s)) return STATUS_ERR;
    bool old = bits_get(s.bytes.ptr, at);
    if (old != (on == 1)) {
        if (bits_string_write(ctx, &s)) return STATUS_ERR;
        bits_set(s.writable, at, on == 1);
    }
    bits_string_close(ctx, &s, s.grown || s.written ? 1 : 0);
    reply_int(ctx, old);
    return STATUS_OK;
}

enum status cmd_getbit(struct exec_ctx *ctx)
{
    uint64_t at;
    struct view bytes;
    bool found;
    char scratch[KV_SCRATCH];
    if (bits_arg_offset(ctx, 2, 0, &at)) return STATUS_ERR;
    if (bits_read(ctx, &bytes, &found, scratch)) return STATUS_ERR;
    reply_int(ctx, at >> 3 < bytes.len && bits_get(bytes.ptr, at));
    return STATUS_OK;
}

/* ---- ranges ---- */

/* A range of bits, from its arguments. */
struct bit_range {
    uint64_t first, end; /* half-open; empty: equal */
};

/* "BYTE" or "BIT", the argument i. */
static enum status unit_arg(struct exec_ctx *ctx, int i, bool *in_bits_out)
{
    *in_bits_out = arg_is(&ctx->argv[i], "bit");
    if (!*in_bits_out && !arg_is(&ctx->argv[i], "byte")) return reply_syntax_error(ctx);
    return STATUS_OK;
}

/* Turns indexes of bytes or bits, from the end when negative, into a range of bits. */
static struct bit_range range_of(size_t len, int64_t start, int64_t end, bool in_bits)
{
    int64_t total = (int64_t)(in_bits ? len * 8 : len);
    struct bit_range range = {0, 0};
    if (start < 0) start = MAX(start + total, 0);
    if (end < 0) end = MAX(end + total, 0);
    end = MIN(end, total - 1);
    if (start > end) return range;
    uint64_t unit = in_bits ? 1 : 8;
    range.first = (uint64_t)start * unit;
    range.end = ((uint64_t)end + 1) * unit;
    return range;
}

enum status cmd_bitcount(struct exec_ctx *ctx)
{
    struct view bytes;
    bool found, in_bits = false;
    char scratch[KV_SCRATCH];
    int64_t start = 0, end = -1;
    if (bits_read(ctx, &bytes, &found, scratch)) return STATUS_ERR;
    /* As in stock, without a string nobody looks at the other arguments. */
    if (!found) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    if (ctx->argc == 3 || ctx->argc > 5) return reply_syntax_error(ctx);
    if (ctx->argc > 3 && (arg_i64(ctx, 2, &start) || arg_i64(ctx, 3, &end))) return STATUS_ERR;
    if (start < 0 && end < 0 && start > end) {
        /* Before the unit is looked at, and even if both would be clipped to the same place. */
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    if (ctx->argc == 5 && unit_arg(ctx, 4, &in_bits)) return STATUS_ERR;
    struct bit_range range = range_of(bytes.len, start, end, in_bits);
    reply_int(ctx, (int64_t)bits_count(bytes.ptr, range.first, range.end));
    return STATUS_OK;
}

enum status cmd_bitpos(struct exec_ctx *ctx)
{
    struct view bytes;
    bool found, in_bits = false;
    char scratch[KV_SCRATCH];
    int64_t bit, start = 0, end = -1;
    if (arg_i64(ctx, 2, &bit)) return STATUS_ERR;
    if (bit != 0 && bit != 1) return reply_error(ctx, "The bit argument must be 1 or 0.");
    if (bits_read(ctx, &bytes, &found, scratch)) return STATUS_ERR;
    if (!found) {
        reply_int(ctx, bit ? -1 : 0);
        return STATUS_OK;
    }
    if (ctx->argc > 6) return reply_syntax_error(ctx);
    if (ctx->argc > 3 && arg_i64(ctx, 3, &start)) return STATUS_ERR;
    if (ctx->argc == 6 && unit_arg(ctx, 5, &in_bits)) return STATUS_ERR;
    if (ctx->argc > 4 && arg_i64(ctx, 4, &end)) return STATUS_ERR;
    struct bit_range range = range_of(bytes.len, start, end, in_bits);
    uint64_t at = bits_find(bytes.ptr, range.first, range.end, bit == 1);
    /* A string goes on with zeros, unless the client has said where to stop. */
    bool none = at == range.end && (bit == 1 || ctx->argc > 4 || range.first == range.end);
    reply_int(ctx, none ? -1 : (int64_t)at);
    return STATUS_OK;
}

/* ---- BITOP ---- */

static enum status op_arg(struct exec_ctx *ctx, enum bits_op *out)
{
    static const char *const names[] = {
        [BITS_AND] = "and", [BITS_OR] = "or", [BITS_XOR] = "xor", [BITS_NOT] = "not"};
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        if (!arg_is(&ctx->argv[1], names[i])) continue;
        *out = (enum bits_op)i;
        if (*out == BITS_NOT && ctx->argc != 4) {
            return reply_error(ctx, "BITOP NOT must be called with a single source key.");
        }
        return STATUS_OK;
    }
    return reply_syntax_error(ctx);
}

/* A source's bytes, and room for the digits of an integer. */
struct op_source {
    char scratch[KV_SCRATCH];
};

/* The bytes of all source keys; the longest one's length. What an expired key may set in motion
 * comes first, so that the bytes then stay where they are. */
static enum status open_sources(struct exec_ctx *ctx, struct view *views,
                                struct op_source *sources, size_t *longest_out)
{
    size_t longest = 0;
    for (int i = 3; i < ctx->argc; i++) {
        const struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[i]);
        if (e && !kv_entry_is_string(e)) return reply_wrongtype(ctx);
    }
    for (int i = 3; i < ctx->argc; i++) {
        const struct kv_entry *e = kv_peek(ctx->unit, ctx->db, &ctx->argv[i]);
        views[i - 3] = e ? kv_entry_string(e, sources[i - 3].scratch) : view_of(NULL, 0);
        longest = MAX(longest, views[i - 3].len);
    }
    *longest_out = longest;
    return STATUS_OK;
}

/* Stores the sources combined, or deletes the target if nothing comes of them. */
static enum status store_combined(struct exec_ctx *ctx, enum bits_op op,
                                  const struct view *views, size_t len)
{
    struct arg *to = &ctx->argv[2];
    if (len == 0) {
        if (kv_delete(ctx->unit, ctx->db, to, true)) {
            kv_dirty(ctx->unit, 1);
            kv_event(ctx->unit, KV_EVENT_GENERIC, "del", ctx->db, to);
        }
    } else {
        char *result = mem_try_alloc(len);
        if (!result) return reply_error(ctx, "insufficient memory");
        bits_combine(op, result, len, views, (size_t)ctx->argc - 3);
        struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, to);
        kv_set_string(ctx->unit, ctx->db, to, e, view_of(result, len), KV_RAW);
        mem_free(result);
        kv_dirty(ctx->unit, 1);
        kv_event(ctx->unit, KV_EVENT_STRING, "set", ctx->db, to);
    }
    reply_int(ctx, (int64_t)len);
    return STATUS_OK;
}

enum status cmd_bitop(struct exec_ctx *ctx)
{
    enum bits_op op;
    size_t len = 0, count = (size_t)ctx->argc - 3;
    struct view view_space[SOURCES_INLINE], *views = view_space;
    struct op_source source_space[SOURCES_INLINE], *sources = source_space;
    if (op_arg(ctx, &op)) return STATUS_ERR;
    if (count > SOURCES_INLINE) {
        views = mem_alloc(count * sizeof(*views));
        sources = mem_alloc(count * sizeof(*sources));
    }
    enum status status = open_sources(ctx, views, sources, &len);
    if (!status) status = store_combined(ctx, op, views, len);
    if (count > SOURCES_INLINE) {
        mem_free(views);
        mem_free(sources);
    }
    return status;
}
