/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * BITFIELD and BITFIELD_RO: integers of any width at any bit of a string. All operations are
 * parsed before the first is done, so that an error leaves nothing behind; then the string grows
 * once, to the end of the last field that is written, even if that write fails for overflow.
 *
 * Thread: whoever holds the data token.
 */
#include "base/mem.h"
#include "commands/bits_args.h"
#include "commands_table.h"
#include "ds/bits.h"
#include "exec/reply.h"

/* Operations that need no allocation. */
#define OPS_INLINE 8

enum field_verb { FIELD_GET, FIELD_SET, FIELD_INCRBY };

struct field_op {
    enum field_verb verb;
    enum bits_overflow overflow;
    struct bits_field field;
    uint64_t at;
    int64_t value; /* of SET and INCRBY */
};

struct field_call {
    struct field_op *ops;
    size_t count;
    bool writes;
    uint64_t last_byte; /* of all fields that are written */
};

/* "i5", "u8". */
static enum status field_arg(struct exec_ctx *ctx, int i, struct bits_field *out)
{
    struct view text = arg_view(&ctx->argv[i]);
    char kind = text.len ? text.ptr[0] : '\0';
    int64_t width = 0;
    bool valid = (kind == 'i' || kind == 'u') &&
                 num_parse_i64(view_of(text.ptr + 1, text.len - 1), &width) == STATUS_OK;
    if (!valid || width < 1 || width > (kind == 'i' ? 64 : 63)) {
        return reply_error(ctx, "Invalid bitfield type. Use something like i16 u8. Note that u64 "
                                "is not supported but i64 is.");
    }
    out->is_signed = kind == 'i';
    out->width = (uint8_t)width;
    return STATUS_OK;
}

static enum status overflow_arg(struct exec_ctx *ctx, int i, enum bits_overflow *out)
{
    const struct arg *a = &ctx->argv[i];
    if (arg_is(a, "wrap"))
        *out = BITS_WRAP;
    else if (arg_is(a, "sat"))
        *out = BITS_SATURATE;
    else if (arg_is(a, "fail"))
        *out = BITS_FAIL;
    else
        return reply_error(ctx, "Invalid OVERFLOW type specified");
    return STATUS_OK;
}

/* The operation whose word is argument *i, which then moves behind it. */
static enum status parse_op(struct exec_ctx *ctx, int *i, enum bits_overflow overflow,
                            struct field_call *call)
{
    int at = *i, more = ctx->argc - at - 1;
    struct field_op *op = &call->ops[call->count];
    *op = (struct field_op){.overflow = overflow};
    if (arg_is(&ctx->argv[at], "get") && more >= 2)
        op->verb = FIELD_GET;
    else if (arg_is(&ctx->argv[at], "set") && more >= 3)
        op->verb = FIELD_SET;
    else if (arg_is(&ctx->argv[at], "incrby") && more >= 3)
        op->verb = FIELD_INCRBY;
    else
        return reply_syntax_error(ctx);
    if (field_arg(ctx, at + 1, &op->field)) return STATUS_ERR;
    if (bits_arg_offset(ctx, at + 2, op->field.width, &op->at)) return STATUS_ERR;
    if (op->verb != FIELD_GET) {
        if (arg_i64(ctx, at + 3, &op->value)) return STATUS_ERR;
        call->writes = true;
        call->last_byte = MAX(call->last_byte, (op->at + op->field.width - 1) >> 3);
    }
    call->count++;
    *i = at + (op->verb == FIELD_GET ? 3 : 4);
    return STATUS_OK;
}

static enum status parse_call(struct exec_ctx *ctx, struct field_call *call)
{
    enum bits_overflow overflow = BITS_WRAP;
    for (int i = 2; i < ctx->argc;) {
        if (arg_is(&ctx->argv[i], "overflow") && i + 1 < ctx->argc) {
            if (overflow_arg(ctx, i + 1, &overflow)) return STATUS_ERR;
            i += 2;
        } else if (parse_op(ctx, &i, overflow, call)) {
            return STATUS_ERR;
        }
    }
    return STATUS_OK;
}

static enum status read_fields(struct exec_ctx *ctx, const struct field_call *call)
{
    struct view bytes;
    bool found;
    char scratch[KV_SCRATCH];
    if (bits_read(ctx, &bytes, &found, scratch)) return STATUS_ERR;
    reply_array(ctx, call->count);
    for (size_t i = 0; i < call->count; i++) {
        const struct field_op *op = &call->ops[i];
        reply_int(ctx, bits_field_get(op->field, bytes.ptr, bytes.len, op->at));
    }
    return STATUS_OK;
}

/* One operation and its reply; whether it counts as a change. A string that has grown counts every
 * write that succeeded. */
static bool run_op(struct exec_ctx *ctx, const struct field_op *op, struct bits_string *s)
{
    int64_t old = bits_field_get(op->field, s->bytes.ptr, s->bytes.len, op->at), value;
    if (op->verb == FIELD_GET) {
        reply_int(ctx, old);
        return false;
    }
    int64_t base = op->verb == FIELD_SET ? op->value : old;
    int64_t by = op->verb == FIELD_SET ? 0 : op->value;
    if (!bits_field_add(op->field, base, by, op->overflow, &value)) {
        reply_null(ctx);
        return false;
    }
    reply_int(ctx, op->verb == FIELD_SET ? old : value);
    if (value == old) return s->grown;
    bits_field_put(op->field, s->writable, op->at, value);
    return true;
}

/* Whether an operation would change a byte, were it the next one. */
static bool op_changes(const struct field_op *op, const struct bits_string *s)
{
    int64_t old = bits_field_get(op->field, s->bytes.ptr, s->bytes.len, op->at), value;
    if (op->verb == FIELD_GET) return false;
    int64_t base = op->verb == FIELD_SET ? op->value : old;
    int64_t by = op->verb == FIELD_SET ? 0 : op->value;
    return bits_field_add(op->field, base, by, op->overflow, &value) && value != old;
}

static enum status write_fields(struct exec_ctx *ctx, const struct field_call *call)
{
    struct bits_string s;
    uint64_t changes = 0;
    if (bits_string_open(ctx, call->last_byte, &s)) return STATUS_ERR;
    /* The first operation that changes something decides whether the bytes are asked for; until
     * then all see the same string. Memory that isn't there is so noticed before a reply. */
    bool any = false;
    for (size_t i = 0; i < call->count && !any; i++) any = op_changes(&call->ops[i], &s);
    if (any && bits_string_write(ctx, &s)) return STATUS_ERR;
    reply_array(ctx, call->count);
    for (size_t i = 0; i < call->count; i++) changes += run_op(ctx, &call->ops[i], &s);
    bits_string_close(ctx, &s, changes);
    return STATUS_OK;
}

static enum status run_call(struct exec_ctx *ctx, bool read_only)
{
    struct field_op space[OPS_INLINE];
    struct field_call call = {.ops = space};
    size_t most = (size_t)ctx->argc / 3;
    if (most > OPS_INLINE) call.ops = mem_alloc(most * sizeof(*call.ops));
    enum status status = parse_call(ctx, &call);
    if (!status && call.writes && read_only)
        status = reply_error(ctx, "BITFIELD_RO only supports the GET subcommand");
    if (!status) status = call.writes ? write_fields(ctx, &call) : read_fields(ctx, &call);
    if (call.ops != space) mem_free(call.ops);
    return status;
}

enum status cmd_bitfield(struct exec_ctx *ctx)
{
    return run_call(ctx, false);
}

enum status cmd_bitfield_ro(struct exec_ctx *ctx)
{
    return run_call(ctx, true);
}
