/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cron expressions; see gcron.h.
 *
 * The search walks forward from minute to minute, and where the month, the day or the hour doesn't
 * match, in longer steps. Local time is asked for at each step instead of being calculated, and a
 * long step ends before the place where the clocks may have been changed, so that whatever a time
 * zone does, no minute that matches is stepped over.
 */
#include "gears/gcron.h"

#include <time.h>

#include "base/num.h"

#define TEXT_MAX 1024
#define SEARCH_S ((int64_t)9 * 366 * 86400)

struct field {
    const char *wrong;
    unsigned min, max;
    const char *names; /* three letters each, or NULL */
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
    [MINUTE] = {"bad minute", 0, 59, NULL},
    [HOUR] = {"bad hour", 0, 23, NULL},
    [DAY] = {"bad day of the month", 1, 31, NULL},
    [MONTH] = {"bad month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    [WEEKDAY] = {"bad day of the week", 0, 7, "sunmontuewedthufrisat"},
};

/* ---- parsing ---- */

static bool take_char(struct view *v, char c)
{
    if (v->len == 0 || v->ptr[0] != c) return false;
    v->ptr++;
    v->len--;
    return true;
}

static bool take_digits(struct view *v, unsigned *out)
{
    unsigned n = 0;
    size_t i = 0;
    for (; i < v->len && i < 4 && v->ptr[i] >= '0' && v->ptr[i] <= '9'; i++)
        n = n * 10 + (unsigned)(v->ptr[i] - '0');
    *v = view_of(v->ptr + i, v->len - i);
    *out = n;
    return i > 0;
}

static bool take_name(struct view *v, const struct field *f, unsigned *out)
{
    if (!f->names || v->len < 3) return false;
    for (unsigned i = 0; f->names[i * 3]; i++) {
        char name[4] = {f->names[i * 3], f->names[i * 3 + 1], f->names[i * 3 + 2], 0};
        if (!view_eq_nocase(view_of(v->ptr, 3), name)) continue;
        *v = view_of(v->ptr + 3, v->len - 3);
        *out = f->min + i;
        return true;
    }
    return false;
}

static bool take_value(struct view *v, const struct field *f, unsigned *out)
{
    if (!take_name(v, f, out) && !take_digits(v, out)) return false;
    return *out >= f->min && *out <= f->max;
}

/* One element of a list. */
static bool take_range(struct view *v, const struct field *f, uint64_t *bits)
{
    unsigned from = f->min, to = f->max, step = 1;
    bool range = take_char(v, '*');
    if (!range) {
        if (!take_value(v, f, &from)) return false;
        to = from;
        range = take_char(v, '-');
        if (range && (!take_value(v, f, &to) || to < from)) return false;
    }
    if (take_char(v, '/') && (!range || !take_digits(v, &step) || step == 0)) return false;
    for (unsigned i = from; i <= to; i += step) *bits |= UINT64_C(1) << i;
    return true;
}

static bool parse_field(struct view v, const struct field *f, uint64_t *bits)
{
    *bits = 0;
    do {
        if (!take_range(&v, f, bits)) return false;
    } while (take_char(&v, ','));
    return v.len == 0;
}

/* The next word of the expression; empty at its end. */
static struct view take_word(struct view *v)
{
    size_t start = 0, end;
    while (start < v->len && (v->ptr[start] == ' ' || v->ptr[start] == '\t')) start++;
    for (end = start; end < v->len && v->ptr[end] != ' ' && v->ptr[end] != '\t';) end++;
    struct view word = view_of(v->ptr + start, end - start);
    *v = view_of(v->ptr + end, v->len - end);
    return word;
}

static struct view unfold(struct view text)
{
    static const struct {
        const char *word, *meaning;
    } words[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                 {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
                 {"@annually", "0 0 1 1 *"}};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (view_eq_nocase(text, words[i].word)) return view_cstr(words[i].meaning);
    return text;
}

enum status gcron_parse(struct view text, struct gcron *out, const char **why)
{
    uint64_t bits[FIELDS];
    *why = "a cron expression has five fields";
    if (text.len > TEXT_MAX) return STATUS_SYNTAX;
    text = unfold(text);
    *out = (struct gcron){0};
    for (int i = 0; i < FIELDS; i++) {
        struct view word = take_word(&text);
        if (word.len == 0) return STATUS_SYNTAX;
        if (i == DAY) out->any_day = word.ptr[0] == '*';
        if (i == WEEKDAY) out->any_weekday = word.ptr[0] == '*';
        if (parse_field(word, &fields[i], &bits[i])) continue;
        *why = fields[i].wrong;
        return STATUS_SYNTAX;
    }
    if (take_word(&text).len) return STATUS_SYNTAX;
    out->minutes = bits[MINUTE];
    out->hours = (uint32_t)bits[HOUR];
    out->days = (uint32_t)bits[DAY];
    out->months = (uint32_t)bits[MONTH];
    out->weekdays = (uint32_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f);
    return STATUS_OK;
}

/* ---- searching ---- */

static bool day_matches(const struct gcron *c, const struct tm *t)
{
    bool day = c->days >> t->tm_mday & 1, weekday = c->weekdays >> t->tm_wday & 1;
    if (c->any_day || c->any_weekday) return day && weekday;
    return day || weekday;
}

/* Seconds to the next moment worth a look; 0: this minute matches. */
static int64_t step_from(const struct gcron *c, const struct tm *t)
{
    int64_t to_hour = (60 - t->tm_min) * 60;
    /* Two hours before midnight the long steps end: clocks may be changed by then. */
    int64_t to_evening = (22 - t->tm_hour) * 3600 - t->tm_min * 60;
    if (!(c->months >> (t->tm_mon + 1) & 1)) {
        int64_t days = t->tm_mday < 27 ? 27 - t->tm_mday : 0;
        return to_evening > 0 ? to_evening + days * 86400 : to_hour;
    }
    if (!day_matches(c, t)) return to_evening > 0 ? to_evening : to_hour;
    if (!(c->hours >> t->tm_hour & 1)) return to_hour;
    return c->minutes >> t->tm_min & 1 ? 0 : 60;
}

int64_t gcron_next(const struct gcron *c, int64_t after_s)
{
    int64_t end_s = after_s + SEARCH_S;
    int64_t now_s = after_s - after_s % 60 + 60;
    while (now_s <= end_s) {
        struct tm t;
        time_t when = (time_t)now_s;
        if (!localtime_r(&when, &t)) return -1;
        /* Zones whose offset isn't whole minutes are of another century. */
        int64_t step_s = step_from(c, &t);
        if (step_s == 0) return now_s;
        now_s += step_s;
    }
    return -1;
}
