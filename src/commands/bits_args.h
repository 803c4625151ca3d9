/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the commands on bits share: offsets as arguments, and a string that is read first and
 * written only if something changes. A write that changes nothing leaves no trace but the string's
 * encoding, as in stock. Thread: whoever runs the command.
 */
#ifndef COMMANDS_BITS_ARGS_H
#define COMMANDS_BITS_ARGS_H

#include "exec/exec.h"

/* Argument i as a bit's offset, below 8 * proto-max-bulk-len. width: 0, or that of fields, which
 * "#n" counts. */
enum status bits_arg_offset(struct exec_ctx *ctx, int i, unsigned width,
                            uint64_t *out) MUST_CHECK;

/* The string under argument 1 for reading; empty if there is none. */
enum status bits_read(struct exec_ctx *ctx, struct view *bytes_out, bool *found_out,
                      char scratch[KV_SCRATCH]) MUST_CHECK;

/* The string under argument 1 between open and close. */
struct bits_string {
    struct kv_entry *e;
    struct view bytes; /* what it is now */
    char *writable;    /* the same bytes, once bits_string_write has been called */
    bool grown, written;
    char scratch[KV_SCRATCH];
};

/* Opens the string and grows it with zeros so that byte `last` is in it. */
enum status bits_string_open(struct exec_ctx *ctx, uint64_t last,
                             struct bits_string *out) MUST_CHECK;

/* Makes the bytes writable: something changes. */
enum status bits_string_write(struct exec_ctx *ctx, struct bits_string *s) MUST_CHECK;

/* Ends the work: the encoding becomes raw, and changes, if any, are told. */
void bits_string_close(struct exec_ctx *ctx, struct bits_string *s, uint64_t changes);

#endif
