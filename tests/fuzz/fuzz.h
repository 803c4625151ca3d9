/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a fuzz target is: one function that is handed hostile bytes and must neither crash, nor
 * leak, nor break a promise (FUZZ_CHECK). A target links everything up to `persist`; fuzz.c
 * makes a libFuzzer program of it, replay.c one that runs the files it is given, for machines
 * without clang. Two mains rather than one with a mode: libFuzzer brings its own.
 *
 * One thread; nothing here depends on time or chance, so that a file always does the same.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/macros.h"
#include "base/view.h"

/* A promise that the input broke: ends the process as a crash does. */
#define FUZZ_CHECK(expr) ASSERT(expr)

/* The target. `data` is borrowed and lies in a block of exactly `len` bytes. */
void fuzz_one(const uint8_t *data, size_t len);

/* Called once, before the first input: hash seed, limits. */
void fuzz_setup(void);

/* Bytes of an input that steer what is done with the rest of it. */
struct fuzz_steer {
    const uint8_t *pos, *end;
};

/* The next steering byte; 0 when there are none left. */
static inline uint8_t fuzz_byte(struct fuzz_steer *s)
{
    return s->pos < s->end ? *s->pos++ : 0;
}

#endif
