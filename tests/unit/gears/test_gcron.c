/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cron expressions, against a model that looks at every minute and reads fields its own way.
 */
#include "gears/gcron.h"

#include <time.h>

#include "unit.h"

static void zone(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
}

static int64_t next_of(const char *text, int64_t after_s)
{
    struct gcron c;
    const char *why;
    CHECK_INT(gcron_parse(view_cstr(text), &c, &why), STATUS_OK);
    return gcron_next(&c, after_s);
}

static void check_wrong(const char *text, const char *want)
{
    struct gcron c;
    const char *why = "";
    CHECK_INT(gcron_parse(view_cstr(text), &c, &why), STATUS_SYNTAX);
    CHECK_STR(why, want);
}

static int64_t at(const char *text)
{
    struct tm t = {.tm_isdst = -1};
    CHECK(strptime(text, "%Y-%m-%d %H:%M", &t) != NULL);
    return (int64_t)mktime(&t);
}

TEST(known_dates)
{
    zone("UTC");
    int64_t start = at("2024-01-31 23:58"); /* a Wednesday */
    CHECK_INT(next_of("* * * * *", start), at("2024-01-31 23:59"));
    CHECK_INT(next_of("* * * * *", start + 59), at("2024-01-31 23:59"));
    CHECK_INT(next_of("*/5 * * * *", start), at("2024-02-01 00:00"));
    CHECK_INT(next_of("58 23 * * *", start), at("2024-02-01 23:58"));
    CHECK_INT(next_of("0 12 29 2 *", start), at("2024-02-29 12:00"));
    CHECK_INT(next_of("0 12 29 2 *", at("2024-02-29 12:00")), at("2028-02-29 12:00"));
    CHECK_INT(next_of("0 0 29 2 *", at("2096-02-29 00:00")), at("2104-02-29 00:00"));
    CHECK_INT(next_of("0 0 * * 7", start), at("2024-02-04 00:00"));
    CHECK_INT(next_of("0 0 * * Sun", start), at("2024-02-04 00:00"));
    CHECK_INT(next_of("0 0 13 * fri", start), at("2024-02-02 00:00"));
    CHECK_INT(next_of("0 0 */13 * fri", start), at("2024-03-01 00:00"));
    CHECK_INT(next_of("30-40/5,1 9 1 JAN,dec *", start), at("2024-12-01 09:01"));
    CHECK_INT(next_of("@hourly", start), at("2024-02-01 00:00"));
    CHECK_INT(next_of("@weekly", start), at("2024-02-04 00:00"));
    CHECK_INT(next_of("@yearly", start), at("2025-01-01 00:00"));
    CHECK_INT(next_of(" \t5  4 * * * ", start), at("2024-02-01 04:05"));
    CHECK_INT(next_of("0 0 31 2 *", start), -1);
    CHECK_INT(next_of("0 0 31 4,6,9,11 *", start), -1);
}

TEST(wrong_expressions)
{
    static const char five[] = "a cron expression has five fields";
    check_wrong("", five);
    check_wrong("* * * *", five);
    check_wrong("* * * * * *", five);
    check_wrong("@never", "bad minute");
    check_wrong("60 * * * *", "bad minute");
    check_wrong("-1 * * * *", "bad minute");
    check_wrong("5/2 * * * *", "bad minute");
    check_wrong("*/0 * * * *", "bad minute");
    check_wrong("1,,2 * * * *", "bad minute");
    check_wrong("1, * * * *", "bad minute");
    check_wrong("9-5 * * * *", "bad minute");
    check_wrong("99999999999 * * * *", "bad minute");
    check_wrong("* 24 * * *", "bad hour");
    check_wrong("* * 0 * *", "bad day of the month");
    check_wrong("* * 32 * *", "bad day of the month");
    check_wrong("* * * 13 *", "bad month");
    check_wrong("* * * janx *", "bad month");
    check_wrong("* * * * 8", "bad day of the week");
    check_wrong("* * * * mo", "bad day of the week");
    char long_text[2000];
    memset(long_text, '*', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = 0;
    check_wrong(long_text, five);
}

TEST(any_bytes)
{
    for (int round = 0; round < 20000; round++) {
        static const char letters[] = "0123456789*/-, \t@janmonfri\0\xff";
        char text[40];
        size_t len = unit_rand_below(sizeof(text));
        for (size_t i = 0; i < len; i++) text[i] = letters[unit_rand_below(sizeof(letters))];
        struct gcron c;
        const char *why;
        if (gcron_parse(view_of(text, len), &c, &why) == STATUS_OK) {
            CHECK(c.minutes && c.hours && c.days && c.months && c.weekdays);
            CHECK((c.days & 1) == 0 && (c.months & 1) == 0 && c.weekdays < 128);
        }
    }
}

/* ---- the model ---- */

struct rule {
    int kind; /* 0: any; 1: one value; 2: from a to b; 3: any, every nth */
    int a, b;
};

static bool rule_matches(const struct rule *r, int value, int min)
{
    switch (r->kind) {
    case 0: return true;
    case 1: return value == r->a;
    case 2: return value >= r->a && value <= r->b;
    default: return (value - min) % r->a == 0;
    }
}

static void rule_make(struct rule *r, int min, int max, char *out)
{
    r->kind = (int)unit_rand_below(4);
    r->a = min + (int)unit_rand_below((uint64_t)(max - min + 1));
    r->b = r->a + (int)unit_rand_below((uint64_t)(max - r->a + 1));
    if (r->kind == 3) r->a = 1 + (int)unit_rand_below((uint64_t)(max - min));
    static const char *const shapes[] = {"*", "%d", "%d-%d", "*/%d"};
    snprintf(out, 16, shapes[r->kind], r->a, r->b);
}

static bool model_matches(const struct rule *r, int64_t minute)
{
    time_t when = (time_t)minute;
    struct tm t;
    localtime_r(&when, &t);
    bool day = rule_matches(&r[2], t.tm_mday, 1), weekday = rule_matches(&r[4], t.tm_wday, 0);
    bool starred = r[2].kind == 0 || r[2].kind == 3 || r[4].kind == 0 || r[4].kind == 3;
    return rule_matches(&r[0], t.tm_min, 0) && rule_matches(&r[1], t.tm_hour, 0) &&
           rule_matches(&r[3], t.tm_mon + 1, 1) && (starred ? day && weekday : day || weekday);
}

/* Clocks there change by an hour at night, at midnight, by half an hour, or lose a whole day. */
TEST(against_the_model)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/Havana",
                                        "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"};
    for (int round = 0; round < 400; round++) {
        struct rule r[5];
        char f[5][16], text[100];
        zone(zones[round % 6]);
        rule_make(&r[0], 0, 59, f[0]);
        rule_make(&r[1], 0, 23, f[1]);
        rule_make(&r[2], 1, 31, f[2]);
        rule_make(&r[3], 1, 12, f[3]);
        rule_make(&r[4], 0, 6, f[4]);
        snprintf(text, sizeof(text), "%s %s %s %s %s", f[0], f[1], f[2], f[3], f[4]);
        int64_t start = 1300000000 + (int64_t)unit_rand_below(40000000);
        int64_t got = next_of(text, start), minute = start / 60 * 60 + 60;
        int64_t end = start + 60 * 86400;
        while (minute < end && !model_matches(r, minute)) minute += 60;
        if (minute < end) CHECK_INT(got, minute);
        else CHECK(got == -1 || got >= end);
    }
    zone("UTC");
}
