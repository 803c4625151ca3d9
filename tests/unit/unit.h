/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The harness of the C unit tests. A test file is a program: it includes this header, defines
 * tests with TEST(name), and is linked with unit.c, which has main(). There is nothing to
 * register and no fixture: a test makes what it needs and frees it, so that the leak checker
 * judges every test.
 *
 *     TEST(append_grows)
 *     {
 *         struct buf b = {0};
 *         buf_append(&b, "x", 1);
 *         CHECK_INT(b.len, 1);
 *         buf_release(&b);
 *     }
 *
 * A failed check prints file, line, both values and the seed, ends its test (not the program),
 * and makes the program exit with 1. Random tests draw from unit_rand() alone; a run is
 * repeated with --seed, one test with --filter:
 *
 *     build/release/tests/unit/base/test_str --seed 42 --filter 'append*'
 *
 * The alternative, a framework from a package, would be one more thing to install for forty
 * lines of use. One thread: checks are for the thread that runs the test; other threads hand
 * their findings over.
 */
#ifndef COG_TESTS_UNIT_H
#define COG_TESTS_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit_test {
    const char *name;
    void (*fn)(void);
    struct unit_test *next;
};

/* Called by TEST before main(). */
void unit_register(struct unit_test *test);

/* Prints a failure and ends the running test; doesn't return. */
__attribute__((noreturn, format(printf, 3, 4))) void unit_fail(const char *file, int line,
                                                               const char *format, ...);

/* Compare and fail with both values shown; NULL strings and any bytes are legal. */
void unit_check_int(const char *file, int line, const char *what, long long got, long long want);
void unit_check_str(const char *file, int line, const char *what, const char *got,
                    const char *want);
void unit_check_mem(const char *file, int line, const char *what, const void *got,
                    size_t got_len, const void *want, size_t want_len);

/* 64 random bits. The sequence depends on the seed and on the running test's name alone. */
uint64_t unit_rand(void);

/* Uniform in 0 .. limit-1; limit > 0. */
uint64_t unit_rand_below(uint64_t limit);

/* Fills buf with random bytes. */
void unit_rand_bytes(void *buf, size_t len);

/*
 * How many rounds a randomised test should run: `rounds` in a release build, a tenth under a
 * sanitizer, ten times as many with --long.
 */
long unit_rounds(long rounds);

#define TEST(name_)                                                                              \
    static void unit_fn_##name_(void);                                                           \
    static struct unit_test unit_test_##name_ = {#name_, unit_fn_##name_, NULL};                 \
    __attribute__((constructor)) static void unit_reg_##name_(void)                              \
    {                                                                                            \
        unit_register(&unit_test_##name_);                                                       \
    }                                                                                            \
    static void unit_fn_##name_(void)

#define CHECK(cond)                                                                              \
    do {                                                                                         \
        if (!(cond)) unit_fail(__FILE__, __LINE__, "%s", #cond);                                 \
    } while (0)

/* As CHECK, with a message of the caller's that says which case it was. */
#define CHECK_MSG(cond, ...)                                                                     \
    do {                                                                                         \
        if (!(cond)) unit_fail(__FILE__, __LINE__, __VA_ARGS__);                                 \
    } while (0)

#define CHECK_INT(got, want) unit_check_int(__FILE__, __LINE__, #got, (got), (want))
#define CHECK_STR(got, want) unit_check_str(__FILE__, __LINE__, #got, (got), (want))
#define CHECK_MEM(got, got_len, want, want_len)                                                  \
    unit_check_mem(__FILE__, __LINE__, #got, (got), (got_len), (want), (want_len))

#endif
