/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cursor, options and reply of the SCAN family. Errors come in stock's order: a bad cursor before
 * a wrong type, and an absent key before bad options.
 */
#include "commands/scan_args.h"

#include "base/glob.h"
#include "exec/reply.h"

#define SCAN_COUNT_DEFAULT 10

/* As C's strtoul reads decimal digits, except for blanks; a NUL ends the text. */
static bool parse_cursor(struct view text, uint64_t *out)
{
    const char *p = text.ptr, *end = p + text.len;
    bool negative = false;
    uint64_t value = 0;
    if (p < end && (*p == '-' || *p == '+')) {
        negative = *p++ == '-';
        if (p == end || *p == '\0') return false;
    }
    for (; p < end && *p != '\0'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (digit > 9) return false;
        if (!num_mul_u64(value, 10, &value) || !num_add_u64(value, digit, &value)) return false;
    }
    *out = negative ? 0 - value : value;
    return true;
}

enum status scan_cursor(struct exec_ctx *ctx, int i, struct scan_args *out)
{
    *out = (struct scan_args){.count = SCAN_COUNT_DEFAULT};
    if (parse_cursor(arg_view(&ctx->argv[i]), &out->cursor)) return STATUS_OK;
    return reply_error(ctx, "invalid cursor");
}

enum status scan_options(struct exec_ctx *ctx, int first, bool with_type, struct scan_args *out)
{
    for (int i = first; i < ctx->argc; i += 2) {
        const struct arg *name = &ctx->argv[i];
        if (i + 1 == ctx->argc) return reply_syntax_error(ctx);
        struct view value = arg_view(&ctx->argv[i + 1]);
        if (arg_is(name, "count")) {
            int64_t count;
            if (arg_i64(ctx, i + 1, &count)) return STATUS_ERR;
            if (count < 1) return reply_syntax_error(ctx);
            out->count = (size_t)count;
        } else if (arg_is(name, "match")) {
            out->has_pattern = !glob_is_all(value);
            out->pattern = value;
        } else if (with_type && arg_is(name, "type")) {
            out->has_type = true;
            out->type = value;
        } else {
            return reply_syntax_error(ctx);
        }
    }
    return STATUS_OK;
}

bool scan_matches(const struct scan_args *args, struct view name)
{
    return !args->has_pattern || glob_match(args->pattern, name, false);
}

void scan_out_add(struct scan_out *out, struct view element)
{
    uint64_t len = element.len;
    buf_append(&out->bytes, &len, sizeof(len));
    buf_append_view(&out->bytes, element);
    out->count++;
}

void scan_reply(struct exec_ctx *ctx, uint64_t cursor, struct scan_out *out)
{
    char digits[NUM_I64_LEN];
    reply_array(ctx, 2);
    reply_bulk(ctx, digits, num_format_u64(digits, cursor));
    reply_array(ctx, out->count);
    const char *p = out->bytes.ptr;
    for (size_t i = 0; i < out->count; i++) {
        uint64_t len;
        memcpy(&len, p, sizeof(len));
        reply_bulk(ctx, p + sizeof(len), len);
        p += sizeof(len) + len;
    }
    buf_release(&out->bytes);
}

enum status cmd_scan_generic(struct exec_ctx *ctx, enum value_type type, scan_step_fn *step)
{
    struct scan_args args;
    struct scan_out out = {0};
    uint64_t cursor = 0;
    if (scan_cursor(ctx, 2, &args)) return STATUS_ERR;
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    if (e) {
        if (kv_entry_type(e) != type) return reply_wrongtype(ctx);
        if (scan_options(ctx, 3, false, &args)) return STATUS_ERR;
        cursor = step(kv_entry_value(e), &args, &out);
    }
    scan_reply(ctx, cursor, &out);
    return STATUS_OK;
}
