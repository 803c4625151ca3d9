/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the targets of the RESTORE payloads share. The input is a payload without its footer: the
 * type's byte and the value. (The checksum is left out on purpose: a fuzzer can't guess it, and a
 * client can compute it.)
 */
#ifndef TESTS_FUZZ_RESTORE_H
#define TESTS_FUZZ_RESTORE_H

#include "fuzz.h"
#include "types/value.h"

/* Changes a value until nothing is left of it; frees it. */
typedef void restore_use_fn(struct value v);

/*
 * Loads the payload if its type's byte is one of `ops`. A value that is taken must have elements,
 * unless it is a stream, come back with the same digest when it is copied, and when it is saved
 * and loaded again, plain and compressed; then it is handed to `use`.
 */
void restore_one(const struct type_ops *ops, const uint8_t *data, size_t len,
                 restore_use_fn *use);

#endif
