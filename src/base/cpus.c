/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See cpus.h. A list is read in one pass; a set has CPU_SETSIZE bits, so a range is bounded by
 * that. Any thread.
 */
#include "base/cpus.h"

#include <errno.h>

/* A number at *at, which moves behind it. */
static bool take_number(struct view list, size_t *at, unsigned *out)
{
    size_t start = *at;
    unsigned n = 0;
    while (*at < list.len && list.ptr[*at] >= '0' && list.ptr[*at] <= '9') {
        n = n * 10 + (unsigned)(list.ptr[(*at)++] - '0');
        if (n >= CPU_SETSIZE) return false;
    }
    *out = n;
    return *at > start;
}

static bool take_char(struct view list, size_t *at, char c)
{
    if (*at == list.len || list.ptr[*at] != c) return false;
    ++*at;
    return true;
}

enum status cpus_parse(struct view list, cpu_set_t *out)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    size_t at = 0;
    while (at < list.len) {
        unsigned first, last, step = 1;
        if (!take_number(list, &at, &first)) return STATUS_SYNTAX;
        last = first;
        if (take_char(list, &at, '-')) {
            if (!take_number(list, &at, &last) || last < first) return STATUS_SYNTAX;
            if (take_char(list, &at, ':') && (!take_number(list, &at, &step) || step == 0))
                return STATUS_SYNTAX;
        }
        for (unsigned cpu = first; cpu <= last; cpu += step) CPU_SET(cpu, &set);
        if (at < list.len && (!take_char(list, &at, ',') || at == list.len)) return STATUS_SYNTAX;
    }
    if (out) *out = set;
    return STATUS_OK;
}

enum status cpus_pin(struct view list)
{
    cpu_set_t set;
    if (cpus_parse(list, &set)) {
        errno = EINVAL;
        return STATUS_SYNTAX;
    }
    return sched_setaffinity(0, sizeof(set), &set) ? STATUS_ERR : STATUS_OK;
}
