/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cron expressions: "minute hour day month weekday", as POSIX's crontab describes them, in the
 * server's local time.
 *
 *   field      values          names
 *   minute     0-59
 *   hour       0-23
 *   day        1-31
 *   month      1-12            jan … dec
 *   weekday    0-7, 0 and 7    sun … sat
 *              are Sunday
 *
 * A field is a list of `*`, `a`, `a-b`, each of the ranges perhaps with a step, `/n`. When both day
 * and weekday are restricted (don't begin with `*`), either of them is enough. `@hourly`, `@daily`,
 * `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually` stand for a whole expression.
 *
 * A minute of local time that clocks show twice in autumn matches twice; one that they skip in
 * spring doesn't come. Any thread.
 */
#ifndef GEARS_GCRON_H
#define GEARS_GCRON_H

#include "base/macros.h"
#include "base/status.h"
#include "base/view.h"

/* Bit n: value n matches. */
struct gcron {
    uint64_t minutes;
    uint32_t hours, days, months;
    uint32_t weekdays; /* 0: Sunday */
    bool any_day, any_weekday; /* the field begins with `*` */
};

/* Reads an expression. STATUS_SYNTAX, with why_out a static text: "bad minute" and so on. */
enum status gcron_parse(struct view text, struct gcron *out, const char **why_out) MUST_CHECK;

/* The first minute after `after_s` that matches, both in seconds since 1970; -1 if none does within
 * the nine years that contain any date there is. Costs microseconds; a rare date, a millisecond. */
int64_t gcron_next(const struct gcron *c, int64_t after_s);

#endif
