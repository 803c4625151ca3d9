/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers from and to text; see num.h.
 *
 * Floating point goes two ways. Plain decimals whose digits fit the mantissa and whose scale is a
 * power of ten that is exact take one division, which IEEE rounds correctly: that is most of
 * what clients send, and costs a tenth of strtod. Everything else is left to the C library,
 * under a "C" locale of our own, since correct rounding of long decimals and of hexadecimal is
 * its business and stock's results are its results.
 */
#include "base/num.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* Stock's limit on the text of a long double, its terminating NUL included. */
#define LD_TEXT_MAX 5120
/* Digits that a memory size may have. */
#define MEMORY_DIGITS_MAX 127

static const char digit_pairs[] = "00010203040506070809"
                                  "10111213141516171819"
                                  "20212223242526272829"
                                  "30313233343536373839"
                                  "40414243444546474849"
                                  "50515253545556575859"
                                  "60616263646566676869"
                                  "70717273747576777879"
                                  "80818283848586878889"
                                  "90919293949596979899";

/* ---- integers ---- */

enum status num_parse_u64(struct view text, uint64_t *out)
{
    const char *p = text.ptr, *end = p + text.len;
    if (text.len == 0) return STATUS_SYNTAX;
    uint64_t value = (unsigned char)(*p - '0');
    if (value > 9 || (value == 0 && text.len > 1)) return STATUS_SYNTAX;
    bool fits = true;
    while (++p < end) {
        uint64_t digit = (unsigned char)(*p - '0');
        if (digit > 9) return STATUS_SYNTAX;
        fits = fits && num_mul_u64(value, 10, &value) && num_add_u64(value, digit, &value);
    }
    if (!fits) return STATUS_RANGE;
    *out = value;
    return STATUS_OK;
}

enum status num__parse_i64_slow(struct view text, int64_t *out)
{
    if (text.len == 0) return STATUS_SYNTAX;
    bool negative = text.ptr[0] == '-';
    struct view digits = view_of(text.ptr + negative, text.len - negative);
    uint64_t magnitude;
    enum status status = num_parse_u64(digits, &magnitude);
    if (status) return status;
    if (negative && magnitude == 0) return STATUS_SYNTAX;
    if (magnitude > (uint64_t)INT64_MAX + negative) return STATUS_RANGE;
    *out = (int64_t)(negative ? -magnitude : magnitude);
    return STATUS_OK;
}

size_t num_digits_u64(uint64_t value)
{
    size_t digits = 1;
    while (value >= 10000) {
        value /= 10000;
        digits += 4;
    }
    return digits + (value >= 10) + (value >= 100) + (value >= 1000);
}

static inline uint64_t magnitude_of(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

size_t num_digits_i64(int64_t value)
{
    return num_digits_u64(magnitude_of(value)) + (value < 0);
}

size_t num_format_u64(char buf[static NUM_I64_LEN], uint64_t value)
{
    size_t len = num_digits_u64(value);
    char *p = buf + len;
    while (value >= 100) {
        p -= 2;
        memcpy(p, digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(buf, digit_pairs + 2 * value, 2);
    else
        buf[0] = (char)('0' + value);
    return len;
}

size_t num_format_i64(char buf[static NUM_I64_LEN], int64_t value)
{
    if (value >= 0) return num_format_u64(buf, (uint64_t)value);
    /* Nineteen digits at most, so the sign still fits. */
    char digits[NUM_I64_LEN];
    size_t len = num_format_u64(digits, magnitude_of(value));
    buf[0] = '-';
    memcpy(buf + 1, digits, len);
    return len + 1;
}

/* ---- floating point ---- */

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    ASSERT(c_locale != (locale_t)0);
}

static locale_t get_c_locale(void)
{
    pthread_once(&c_locale_once, make_c_locale);
    return c_locale;
}

/* A decimal without exponent: (negative ? -1 : 1) * mantissa / 10^scale. */
struct decimal {
    uint64_t mantissa;
    unsigned scale;
    bool negative;
};

/* Reads [+-] digits [. digits] of at most 18 digits; false: not of this form. */
static bool read_decimal(struct view text, struct decimal *d)
{
    const char *p = text.ptr, *end = p + text.len;
    if (text.len == 0 || text.len > 20) return false;
    *d = (struct decimal){.negative = *p == '-'};
    if (*p == '-' || *p == '+') p++;
    unsigned digits = 0;
    const char *point = NULL;
    for (; p < end; p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (digit <= 9) {
            d->mantissa = d->mantissa * 10 + digit;
            digits++;
        } else if (*p == '.' && !point) {
            point = p;
        } else {
            return false;
        }
    }
    if (point) d->scale = (unsigned)(end - point - 1);
    return digits > 0 && digits <= 18;
}

static const double pow10_double[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
                                      1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

static const long double pow10_ld[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                       1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                       1e14L, 1e15L, 1e16L, 1e17L, 1e18L};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A NUL-terminated copy in `space` or, if longer, on the heap; NULL: no memory. */
static char *terminated(struct view text, char *space, size_t space_len)
{
    char *copy = text.len < space_len ? space : mem_try_alloc(text.len + 1);
    if (!copy) return NULL;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

enum status num_parse_double(struct view text, double *out)
{
    struct decimal d;
    if (read_decimal(text, &d) && d.mantissa <= (uint64_t)1 << 53) {
        double value = (double)d.mantissa / pow10_double[d.scale];
        *out = d.negative ? -value : value;
        return STATUS_OK;
    }
    if (text.len == 0 || is_blank(text.ptr[0])) return STATUS_SYNTAX;
    char space[256], *end;
    char *copy = terminated(text, space, sizeof(space));
    if (!copy) return STATUS_NOMEM;
    errno = 0;
    double value = strtod_l(copy, &end, get_c_locale());
    enum status status = STATUS_OK;
    if (end != copy + text.len || isnan(value))
        status = STATUS_SYNTAX;
    else if (errno == ERANGE && (value == 0 || isinf(value)))
        status = STATUS_RANGE;
    else
        *out = value;
    if (copy != space) mem_free(copy);
    return status;
}

enum status num_parse_double_lenient(struct view text, double *out)
{
    if (!num_parse_double(text, out)) return STATUS_OK;
    char space[256], *end;
    char *copy = terminated(text, space, sizeof(space));
    if (!copy) return STATUS_NOMEM;
    double value = strtod_l(copy, &end, get_c_locale());
    enum status status = *end != '\0' || isnan(value) ? STATUS_SYNTAX : STATUS_OK;
    if (!status) *out = value;
    if (copy != space) mem_free(copy);
    return status;
}

enum status num_parse_ld(struct view text, long double *out)
{
    struct decimal d;
    if (LDBL_MANT_DIG >= 64 && read_decimal(text, &d)) {
        long double value = (long double)d.mantissa / pow10_ld[d.scale];
        *out = d.negative ? -value : value;
        return STATUS_OK;
    }
    if (text.len == 0 || text.len >= LD_TEXT_MAX || is_blank(text.ptr[0])) return STATUS_SYNTAX;
    char space[LD_TEXT_MAX], *end;
    char *copy = terminated(text, space, sizeof(space));
    errno = 0;
    long double value = strtold_l(copy, &end, get_c_locale());
    if (end != copy + text.len || isnan(value)) return STATUS_SYNTAX;
    if (errno == ERANGE && (value == 0 || isinf(value))) return STATUS_RANGE;
    *out = value;
    return STATUS_OK;
}

static size_t put(char *buf, const char *text)
{
    size_t len = strlen(text);
    memcpy(buf, text, len);
    return len;
}

size_t num_format_ld_human(char buf[static NUM_LD_LEN], long double value)
{
    if (isnan(value)) return put(buf, "nan");
    if (isinf(value)) return put(buf, value > 0 ? "inf" : "-inf");
    if (fabsl(value) < 0x1p63L && value == (long double)(int64_t)value)
        return num_format_i64(buf, (int64_t)value);

    locale_t previous = uselocale(get_c_locale());
    int wrote = snprintf(buf, NUM_LD_LEN, "%.17Lf", value);
    uselocale(previous);
    ASSERT(wrote > 0 && wrote < NUM_LD_LEN);
    size_t len = (size_t)wrote;
    while (buf[len - 1] == '0') len--; /* stops at the point, which is always there */
    if (buf[len - 1] == '.') len--;
    if (len == 2 && buf[0] == '-' && buf[1] == '0') return put(buf, "0");
    return len;
}

size_t num_format_double(char buf[static NUM_DOUBLE_LEN], double value)
{
    if (isnan(value)) return put(buf, "nan");
    if (isinf(value)) return put(buf, value > 0 ? "inf" : "-inf");
    if (value == 0) return put(buf, signbit(value) ? "-0" : "0");
    if (fabs(value) < 1e17 && value == (double)(int64_t)value)
        return num_format_i64(buf, (int64_t)value);

    locale_t previous = uselocale(get_c_locale());
    int wrote = snprintf(buf, NUM_DOUBLE_LEN, "%.17g", value);
    uselocale(previous);
    ASSERT(wrote > 0 && wrote < NUM_DOUBLE_LEN);
    return (size_t)wrote;
}

/* ---- sizes ---- */

enum status num_parse_memory(struct view text, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {{"", 1},
                 {"b", 1},
                 {"k", 1000},
                 {"kb", 1024},
                 {"m", 1000 * 1000},
                 {"mb", 1024 * 1024},
                 {"g", 1000 * 1000 * 1000},
                 {"gb", 1024 * 1024 * 1024}};
    uint64_t value = 0;
    size_t digits = 0;
    bool fits = true;
    for (; digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9'; digits++) {
        uint64_t digit = (uint64_t)(text.ptr[digits] - '0');
        fits = fits && num_mul_u64(value, 10, &value) && num_add_u64(value, digit, &value);
    }
    if (digits > MEMORY_DIGITS_MAX) return STATUS_SYNTAX;
    struct view unit = view_of(text.ptr + digits, text.len - digits);
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (!view_eq_nocase(unit, units[i].name)) continue;
        if (!fits || !num_mul_u64(value, units[i].factor, &value)) return STATUS_RANGE;
        *out = value;
        return STATUS_OK;
    }
    return STATUS_SYNTAX;
}
