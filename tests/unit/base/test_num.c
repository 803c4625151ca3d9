/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers: tables of what stock accepts and prints, and random values against the C library. */
#include "base/num.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>

#include "base/mem.h"
#include "unit.h"

struct int_case {
    const char *text;
    enum status status;
    int64_t value;
};

TEST(i64_table)
{
    static const struct int_case cases[] = {
        {"0", STATUS_OK, 0},
        {"7", STATUS_OK, 7},
        {"-1", STATUS_OK, -1},
        {"999999999999999999", STATUS_OK, 999999999999999999},
        {"-99999999999999999", STATUS_OK, -99999999999999999},
        {"-999999999999999999", STATUS_OK, -999999999999999999},
        {"1000000000000000000", STATUS_OK, 1000000000000000000},
        {"9223372036854775807", STATUS_OK, INT64_MAX},
        {"-9223372036854775808", STATUS_OK, INT64_MIN},
        {"9223372036854775808", STATUS_RANGE, 0},
        {"-9223372036854775809", STATUS_RANGE, 0},
        {"18446744073709551616", STATUS_RANGE, 0},
        {"99999999999999999999999999", STATUS_RANGE, 0},
        {"", STATUS_SYNTAX, 0},
        {"-", STATUS_SYNTAX, 0},
        {"-0", STATUS_SYNTAX, 0},
        {"00", STATUS_SYNTAX, 0},
        {"01", STATUS_SYNTAX, 0},
        {"-01", STATUS_SYNTAX, 0},
        {"+1", STATUS_SYNTAX, 0},
        {" 1", STATUS_SYNTAX, 0},
        {"1 ", STATUS_SYNTAX, 0},
        {"1e3", STATUS_SYNTAX, 0},
        {"0x10", STATUS_SYNTAX, 0},
        {"--1", STATUS_SYNTAX, 0},
        {"00000000000000000000000001", STATUS_SYNTAX, 0},
        {"9999999999999999999999999x", STATUS_SYNTAX, 0},
        {"-00000000000000000000", STATUS_SYNTAX, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int64_t got = 42;
        enum status status = num_parse_i64(view_cstr(cases[i].text), &got);
        CHECK_MSG(status == cases[i].status, "\"%s\": status %d", cases[i].text, status);
        CHECK_MSG(got == (status ? 42 : cases[i].value), "\"%s\"", cases[i].text);
    }
    int64_t got;
    CHECK_INT(num_parse_i64(view_of("1\0", 2), &got), STATUS_SYNTAX);
}

/* Random bits of a random width, so that every length of text comes up. */
static uint64_t rand_any_width(void)
{
    return unit_rand() >> unit_rand_below(64);
}

TEST(integers_there_and_back)
{
    for (long i = 0; i < unit_rounds(300000); i++) {
        uint64_t bits = rand_any_width();
        if (unit_rand_below(8) == 0) { /* beside a power of ten */
            bits = 1;
            for (uint64_t k = unit_rand_below(20); k > 0; k--) bits *= 10;
            bits += unit_rand_below(3) - 1;
        }
        int64_t value = unit_rand_below(2) ? (int64_t)bits : (int64_t)-bits;
        char want[32], got[NUM_I64_LEN];
        int len = snprintf(want, sizeof(want), "%" PRId64, value);
        CHECK_MEM(got, num_format_i64(got, value), want, (size_t)len);
        CHECK_INT(num_digits_i64(value), len);
        int64_t back;
        CHECK_INT(num_parse_i64(view_of(got, (size_t)len), &back), STATUS_OK);
        CHECK_INT(back, value);

        len = snprintf(want, sizeof(want), "%" PRIu64, bits);
        CHECK_MEM(got, num_format_u64(got, bits), want, (size_t)len);
        CHECK_INT(num_digits_u64(bits), len);
        uint64_t unsigned_back;
        CHECK_INT(num_parse_u64(view_of(got, (size_t)len), &unsigned_back), STATUS_OK);
        CHECK(unsigned_back == bits);
    }
}

/* Any text either fails or is what its value prints as. */
TEST(accepted_integers_are_canonical)
{
    static const char letters[] = "0123456789-+ 90129.";
    for (long i = 0; i < unit_rounds(300000); i++) {
        char text[24], again[NUM_I64_LEN];
        size_t len = unit_rand_below(sizeof(text));
        for (size_t k = 0; k < len; k++) text[k] = letters[unit_rand_below(sizeof(letters) - 1)];
        int64_t value;
        if (num_parse_i64(view_of(text, len), &value) == STATUS_OK)
            CHECK_MEM(again, num_format_i64(again, value), text, len);
        uint64_t unsigned_value;
        if (num_parse_u64(view_of(text, len), &unsigned_value) == STATUS_OK)
            CHECK_MEM(again, num_format_u64(again, unsigned_value), text, len);
    }
}

TEST(u64_edges)
{
    uint64_t value = 42;
    CHECK_INT(num_parse_u64(VIEW_LIT("18446744073709551615"), &value), STATUS_OK);
    CHECK(value == UINT64_MAX);
    CHECK_INT(num_parse_u64(VIEW_LIT("18446744073709551616"), &value), STATUS_RANGE);
    CHECK_INT(num_parse_u64(VIEW_LIT("-1"), &value), STATUS_SYNTAX);
    CHECK_INT(num_parse_u64(VIEW_LIT(""), &value), STATUS_SYNTAX);
    CHECK_INT(num_parse_u64(VIEW_LIT("00"), &value), STATUS_SYNTAX);
}

/* Texts that are refused as double and as long double alike. */
TEST(floats_refused)
{
    static const char *const texts[] = {"",    " 1", "1 ", "\t1", "\n1", "\v1", "1\n", "1e",   ".",
                                        "0x",  "-",  "+",  "nan", "-nan", "NAN(1)", "1_0", "1,5",
                                        "0b1", "1..2", "1.2.3", "--1", "e5", "infx"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        double d = 42;
        long double ld = 42;
        CHECK_MSG(num_parse_double(view_cstr(texts[i]), &d) == STATUS_SYNTAX, "\"%s\"", texts[i]);
        CHECK_MSG(num_parse_ld(view_cstr(texts[i]), &ld) == STATUS_SYNTAX, "\"%s\"", texts[i]);
        CHECK(d == 42 && ld == 42);
    }
    double d;
    long double ld;
    CHECK_INT(num_parse_double(view_of("1\0", 2), &d), STATUS_SYNTAX);
    CHECK_INT(num_parse_ld(view_of("1\0" "1", 3), &ld), STATUS_SYNTAX);
    CHECK_INT(num_parse_double(VIEW_LIT("1e309"), &d), STATUS_RANGE);
    CHECK_INT(num_parse_double(VIEW_LIT("-1e309"), &d), STATUS_RANGE);
    CHECK_INT(num_parse_double(VIEW_LIT("1e-400"), &d), STATUS_RANGE);
    CHECK_INT(num_parse_ld(VIEW_LIT("1e4933"), &ld), STATUS_RANGE);
    CHECK_INT(num_parse_ld(VIEW_LIT("1e-4951"), &ld), STATUS_RANGE);
}

TEST(floats_accepted)
{
    static const struct {
        const char *text;
        double value;
    } cases[] = {{"1", 1},     {"+1", 1},        {"01", 1},       {"0x10", 16},   {"0x1p3", 8},
                 {".5", .5},   {"5.", 5},        {"1e3", 1000},   {"1E+3", 1000}, {"-2.25", -2.25},
                 {"inf", INFINITY}, {"-INF", -INFINITY}, {"+Infinity", INFINITY}, {"0e-9999", 0},
                 {"0X1.8p1", 3}, {"000000000000000000000000000000000000000000000001", 1}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        double d;
        long double ld;
        CHECK_INT(num_parse_double(view_cstr(cases[i].text), &d), STATUS_OK);
        CHECK_INT(num_parse_ld(view_cstr(cases[i].text), &ld), STATUS_OK);
        CHECK_MSG(d == cases[i].value && ld == (long double)cases[i].value, "\"%s\"",
                  cases[i].text);
    }
    double d;
    CHECK_INT(num_parse_double(VIEW_LIT("-0"), &d), STATUS_OK);
    CHECK(d == 0 && signbit(d));
    CHECK_INT(num_parse_double(VIEW_LIT("5e-324"), &d), STATUS_OK);
    CHECK(d == 0x1p-1074);
}

TEST(long_texts_of_floats)
{
    static char text[6000];
    memset(text, '0', sizeof(text));
    long double ld;
    double d;
    text[5118] = '1';
    CHECK_INT(num_parse_ld(view_of(text, 5119), &ld), STATUS_OK);
    CHECK(ld == 1);
    text[5118] = '0';
    text[5119] = '1';
    CHECK_INT(num_parse_ld(view_of(text, 5120), &ld), STATUS_SYNTAX);
    CHECK_INT(num_parse_double(view_of(text, 5120), &d), STATUS_OK);
    CHECK(d == 1);
}

/* The short cut for plain decimals must round as the C library does. */
TEST(short_decimals_round_as_strtod)
{
    for (long i = 0; i < unit_rounds(200000); i++) {
        char text[64];
        uint64_t mantissa = rand_any_width() % 1000000000000000000u;
        int len = snprintf(text, sizeof(text), "%s%" PRIu64, unit_rand_below(2) ? "-" : "",
                           mantissa);
        if (unit_rand_below(4)) {
            int point = 1 + (int)unit_rand_below((uint64_t)len);
            memmove(text + point + 1, text + point, (size_t)(len - point) + 1);
            text[point] = '.';
            len++;
        }
        double d;
        long double ld;
        if (num_parse_double(view_of(text, (size_t)len), &d)) continue;
        CHECK_MSG(d == strtod(text, NULL), "%s", text);
        CHECK_INT(num_parse_ld(view_of(text, (size_t)len), &ld), STATUS_OK);
        CHECK_MSG(ld == strtold(text, NULL), "%s", text);
    }
}

static const char *human(long double value)
{
    static char buf[NUM_LD_LEN + 1];
    buf[num_format_ld_human(buf, value)] = '\0';
    return buf;
}

static const char *plain(double value)
{
    static char buf[NUM_DOUBLE_LEN + 1];
    buf[num_format_double(buf, value)] = '\0';
    return buf;
}

TEST(long_double_prints_as_stock)
{
    CHECK_STR(human(3.14L), "3.14");
    CHECK_STR(human(3), "3");
    CHECK_STR(human(-3), "-3");
    CHECK_STR(human(1e17L), "100000000000000000");
    CHECK_STR(human(-0.0L), "0");
    CHECK_STR(human(1e-17L), "0.00000000000000001");
    CHECK_STR(human(1e-18L), "0");
    CHECK_STR(human(-1e-18L), "0");
    CHECK_STR(human(1e30L), "1000000000000000000024696061952");
    CHECK_STR(human(123456.789L), "123456.78900000000000148");
    CHECK_STR(human(100.5L), "100.5");
    CHECK_STR(human(10), "10");
    CHECK_STR(human(0x1p63L), "9223372036854775808");
    CHECK_STR(human(-0x1p63L), "-9223372036854775808");
    CHECK_STR(human(INFINITY), "inf");
    CHECK_STR(human(-INFINITY), "-inf");
    CHECK_STR(human(NAN), "nan");
    CHECK_INT(strlen(human(1.18e4932L)), 4933);
}

TEST(double_prints_as_stock)
{
    CHECK_STR(plain(3.14), "3.1400000000000001");
    CHECK_STR(plain(3), "3");
    CHECK_STR(plain(1e17), "1e+17");
    CHECK_STR(plain(1e16), "10000000000000000");
    CHECK_STR(plain(99999999999999984.0), "99999999999999984");
    CHECK_STR(plain(123456789012345678.0), "1.2345678901234568e+17");
    CHECK_STR(plain(1e-5), "1.0000000000000001e-05");
    CHECK_STR(plain(0.0001), "0.0001");
    CHECK_STR(plain(17179869184.5), "17179869184.5");
    CHECK_STR(plain(5e-324), "4.9406564584124654e-324");
    CHECK_STR(plain(-1.7976931348623157e308), "-1.7976931348623157e+308");
    CHECK_STR(plain(0), "0");
    CHECK_STR(plain(-0.0), "-0");
    CHECK_STR(plain(INFINITY), "inf");
    CHECK_STR(plain(-INFINITY), "-inf");
    CHECK_STR(plain(NAN), "nan");
}

TEST(doubles_there_and_back)
{
    for (long i = 0; i < unit_rounds(50000); i++) {
        uint64_t bits = unit_rand();
        double value, back;
        memcpy(&value, &bits, sizeof(value));
        if (unit_rand_below(3) == 0) value = (double)(int64_t)rand_any_width();
        if (isnan(value)) continue;
        char want[40];
        snprintf(want, sizeof(want), "%.17g", value);
        CHECK_STR(plain(value), want);
        CHECK_INT(num_parse_double(view_cstr(want), &back), STATUS_OK);
        CHECK(back == value);
    }
}

/* A locale with a decimal comma, set for the whole process as a script might. */
TEST(locale_has_no_influence)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (!setlocale(LC_ALL, names[i])) continue;
        double d;
        long double ld;
        CHECK_INT(num_parse_double(VIEW_LIT("1.5e0"), &d), STATUS_OK);
        CHECK_INT(num_parse_ld(VIEW_LIT("1.5e0"), &ld), STATUS_OK);
        CHECK_INT(num_parse_double(VIEW_LIT("1,5"), &d), STATUS_SYNTAX);
        CHECK_STR(human(1.5L), "1.5");
        CHECK_STR(plain(1.5), "1.5");
        break;
    }
    setlocale(LC_ALL, "C");
}

TEST(memory_sizes)
{
    static const struct {
        const char *text;
        enum status status;
        uint64_t value;
    } cases[] = {{"100", STATUS_OK, 100},
                 {"100b", STATUS_OK, 100},
                 {"1k", STATUS_OK, 1000},
                 {"1Kb", STATUS_OK, 1024},
                 {"1m", STATUS_OK, 1000000},
                 {"1MB", STATUS_OK, 1048576},
                 {"2G", STATUS_OK, 2000000000},
                 {"2gb", STATUS_OK, 2147483648},
                 {"", STATUS_OK, 0},
                 {"kb", STATUS_OK, 0},
                 {"01", STATUS_OK, 1},
                 {"18446744073709551615", STATUS_OK, UINT64_MAX},
                 {"18446744073709551616", STATUS_RANGE, 0},
                 {"18014398509481984kb", STATUS_RANGE, 0},
                 {"1t", STATUS_SYNTAX, 0},
                 {"-1", STATUS_SYNTAX, 0},
                 {"+1", STATUS_SYNTAX, 0},
                 {"1.5gb", STATUS_SYNTAX, 0},
                 {" 1", STATUS_SYNTAX, 0},
                 {"1 kb", STATUS_SYNTAX, 0},
                 {"1kb ", STATUS_SYNTAX, 0}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t got = 42;
        enum status status = num_parse_memory(view_cstr(cases[i].text), &got);
        CHECK_MSG(status == cases[i].status, "\"%s\": status %d", cases[i].text, status);
        CHECK_MSG(got == (status ? 42 : cases[i].value), "\"%s\"", cases[i].text);
    }
    char digits[129];
    uint64_t got;
    memset(digits, '0', sizeof(digits));
    CHECK_INT(num_parse_memory(view_of(digits, 127), &got), STATUS_OK);
    CHECK_INT(num_parse_memory(view_of(digits, 128), &got), STATUS_SYNTAX);
}

TEST(checked_arithmetic)
{
    int64_t i;
    uint64_t u;
    size_t z;
    CHECK(num_add_i64(INT64_MAX, 0, &i) && i == INT64_MAX);
    CHECK(!num_add_i64(INT64_MAX, 1, &i));
    CHECK(!num_sub_i64(INT64_MIN, 1, &i));
    CHECK(num_sub_i64(-1, INT64_MIN, &i) && i == INT64_MAX);
    CHECK(!num_mul_i64(INT64_MIN, -1, &i));
    CHECK(num_mul_i64(-3, 4, &i) && i == -12);
    CHECK(!num_add_u64(UINT64_MAX, 1, &u));
    CHECK(!num_mul_u64(UINT64_MAX, 2, &u));
    CHECK(!num_add_size(SIZE_MAX, 1, &z));
    CHECK(num_mul_size(6, 7, &z) && z == 42);
}
