/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SCAN, HSCAN, SSCAN and ZSCAN share: cursor and options, the collected elements,
 * the reply. The cursor comes first in the reply but is known last, so elements are copied aside
 * until the step is done; that also makes them independent of what the walk does afterwards.
 * Thread: whoever runs the command.
 */
#ifndef COMMANDS_SCAN_ARGS_H
#define COMMANDS_SCAN_ARGS_H

#include "base/buf.h"
#include "exec/exec.h"

struct scan_args {
    uint64_t cursor;
    size_t count; /* how many elements are wanted, a hint; at least 1 */
    bool has_pattern, has_type;
    struct view pattern;
    struct view type; /* any case */
};

/* The elements of a step. Zero it; scan_reply ends it. */
struct scan_out {
    struct buf bytes; /* for each element its length (8 bytes), then its bytes */
    size_t count;
};

/* Parses argument i as a cursor: "ERR invalid cursor". What strtoul accepts is legal: signs,
 * leading zeros, nothing at all. */
enum status scan_cursor(struct exec_ctx *ctx, int i, struct scan_args *out) MUST_CHECK;

/* Parses COUNT, MATCH and, for the keyspace, TYPE from argument `first` on. */
enum status scan_options(struct exec_ctx *ctx, int first, bool with_type,
                         struct scan_args *out) MUST_CHECK;

/* Whether an element's name passes MATCH. */
bool scan_matches(const struct scan_args *args, struct view name);

/* Adds an element, copying it. A pair is two of them. */
void scan_out_add(struct scan_out *out, struct view element);

/* Replies [cursor, elements] and releases `out`. */
void scan_reply(struct exec_ctx *ctx, uint64_t cursor, struct scan_out *out);

/* One step over a collection: adds what it finds from args->cursor on and scan_matches, about
 * args->count elements (all of them, when the encoding is a small one), and returns the next
 * cursor, 0 at the end. Must not change the value. */
typedef uint64_t scan_step_fn(struct value v, const struct scan_args *args, struct scan_out *out);

/* The whole of HSCAN, SSCAN, ZSCAN: key cursor [MATCH p] [COUNT n]; absent keys are empty. */
enum status cmd_scan_generic(struct exec_ctx *ctx, enum value_type type, scan_step_fn *step);

#endif
