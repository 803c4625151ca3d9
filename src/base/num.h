/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers from and to text, and arithmetic that notices overflow.
 *
 * What is accepted and how results are printed are stock's observed behaviour, to the byte.
 * Integers are strict: optional '-', no leading zero, nothing around the digits. Floating point
 * accepts what C's strtod accepts in the "C" locale, hexadecimal and "inf" included, minus
 * spaces and NaN. Nothing here obeys the process's locale: a script may call setlocale() at any
 * moment, so the usual strtod and printf are used under a private "C" locale only.
 *
 * Any thread.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "base/macros.h"
#include "base/status.h"
#include "base/view.h"

/* Room for any formatted int64 or uint64 (no NUL is written). */
#define NUM_I64_LEN 20
/* Room for any result of num_format_double. */
#define NUM_DOUBLE_LEN 32
/* Room for any result of num_format_ld_human: 4,933 digits, point, 17 digits, sign. */
#define NUM_LD_LEN 5120

/* The general case behind num_parse_i64: any length. */
enum status num__parse_i64_slow(struct view text, int64_t *out) MUST_CHECK;

/*
 * Reads a whole view as a signed integer, strictly: "0", or '-'? [1-9] [0-9]*. "-0", "+1", "01",
 * " 1", "" are STATUS_SYNTAX; a value outside int64 is STATUS_RANGE. *out is written on
 * STATUS_OK only. Text that passes is exactly what num_format_i64 prints.
 */
static inline enum status MUST_CHECK num_parse_i64(struct view text, int64_t *out)
{
    if (unlikely(text.len - 1 >= 18)) return num__parse_i64_slow(text, out);
    const char *p = text.ptr, *end = p + text.len;
    bool negative = *p == '-';
    p += negative;
    uint64_t digit = p < end ? (unsigned char)(*p - '0') : 10;
    if (digit == 0) {
        if (text.len != 1) return STATUS_SYNTAX;
        *out = 0;
        return STATUS_OK;
    }
    if (digit > 9) return STATUS_SYNTAX;
    uint64_t value = digit;
    while (++p < end) {
        digit = (unsigned char)(*p - '0');
        if (digit > 9) return STATUS_SYNTAX;
        value = value * 10 + digit;
    }
    *out = negative ? -(int64_t)value : (int64_t)value;
    return STATUS_OK;
}

/* As num_parse_i64 for 0 … 2^64-1; a '-' is STATUS_SYNTAX. */
enum status num_parse_u64(struct view text, uint64_t *out) MUST_CHECK;

/* Writes `value` in decimal, no NUL, and returns its length: 1 … NUM_I64_LEN. */
size_t num_format_i64(char buf[static NUM_I64_LEN], int64_t value);
size_t num_format_u64(char buf[static NUM_I64_LEN], uint64_t value);

/* Length that num_format_i64 (num_format_u64) would return. */
size_t num_digits_i64(int64_t value);
size_t num_digits_u64(uint64_t value);

/*
 * Reads a whole view as a double, as stock reads a float argument (scores, INCRBYFLOAT's kin).
 * "inf" and "infinity" with a sign and in any case are values; NaN, blanks before or after,
 * an empty text and a NUL byte are STATUS_SYNTAX; overflow, and underflow to zero, are
 * STATUS_RANGE (stock's error text is the same for both). STATUS_NOMEM: text is huge.
 */
enum status num_parse_double(struct view text, double *out) MUST_CHECK;

/*
 * Reads a text as C's strtod would, and as stock reads the ends of a range: blanks before are
 * skipped, nothing at all is 0, a NUL ends the text, overflow is infinite and underflow 0. NaN and
 * anything behind the number are STATUS_SYNTAX. STATUS_NOMEM: text is huge.
 */
enum status num_parse_double_lenient(struct view text, double *out) MUST_CHECK;

/* As num_parse_double with the range of long double; 5,120 bytes or more are STATUS_SYNTAX. */
enum status num_parse_ld(struct view text, long double *out) MUST_CHECK;

/*
 * Prints as stock prints the results of INCRBYFLOAT and HINCRBYFLOAT: 17 digits behind the
 * point, trailing zeros and a bare point dropped, never an exponent, "-0" as "0"; "inf", "-inf",
 * "nan". No NUL; returns the length.
 */
size_t num_format_ld_human(char buf[static NUM_LD_LEN], long double value);

/*
 * Prints as stock prints scores and RESP3 doubles: 17 significant digits in the shorter of
 * positional and exponent form ("3.1400000000000001", "1e+17"), "inf", "-inf", "nan", and "-0"
 * for negative zero. No NUL; returns the length.
 */
size_t num_format_double(char buf[static NUM_DOUBLE_LEN], double value);

/*
 * Reads an amount of memory as in redis.conf: decimal digits and one of the units b, k (1,000),
 * kb (1,024), m, mb, g, gb in any case, or no unit. As in stock, no digits at all mean 0.
 * STATUS_SYNTAX for another unit, a sign, blanks, more than 127 digits; STATUS_RANGE when the
 * product exceeds 2^64-1 (stock wraps around; a silent "no limit" is worse than an error).
 */
enum status num_parse_memory(struct view text, uint64_t *out) MUST_CHECK;

/* Checked arithmetic: false, with *out unspecified, when the result doesn't fit. */
static inline bool MUST_CHECK num_add_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool MUST_CHECK num_sub_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_sub_overflow(a, b, out);
}

static inline bool MUST_CHECK num_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool MUST_CHECK num_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool MUST_CHECK num_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool MUST_CHECK num_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool MUST_CHECK num_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

#endif
