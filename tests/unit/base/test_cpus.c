/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of processors against sets of bits, and what is no list. */
#include "base/cpus.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

TEST(lists_agree_with_their_numbers)
{
    for (long round = 0; round < unit_rounds(5000); round++) {
        char text[256];
        size_t len = 0;
        cpu_set_t want, got;
        CPU_ZERO(&want);
        for (uint64_t part = unit_rand_below(5); part > 0; part--) {
            unsigned first = (unsigned)unit_rand_below(CPU_SETSIZE);
            unsigned last = first + (unsigned)unit_rand_below(CPU_SETSIZE - first);
            unsigned step = 1 + (unsigned)unit_rand_below(9);
            switch (unit_rand_below(3)) {
            case 0: last = first; step = 1; len += (size_t)sprintf(text + len, "%u", first); break;
            case 1: step = 1; len += (size_t)sprintf(text + len, "%u-%u", first, last); break;
            default: len += (size_t)sprintf(text + len, "%u-%u:%u", first, last, step);
            }
            if (part > 1) text[len++] = ',';
            for (unsigned cpu = first; cpu <= last; cpu += step) CPU_SET(cpu, &want);
        }
        CHECK_INT(cpus_parse(view_of(text, len), &got), STATUS_OK);
        CHECK(CPU_EQUAL(&want, &got));
    }
}

TEST(what_is_no_list)
{
    static const char *const bad[] = {",",    "1,",  ",1",   "a",   "1-",      "3-1",       "1:2",
                                      "1-4:", "1-4:0", "1 2", "-1", "1024",    "0-1024",    "1--2",
                                      "1-2-3", "1,,2", "99999999999999999999", "1-4:99999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(cpus_parse(view_of(bad[i], strlen(bad[i])), NULL), STATUS_SYNTAX);
    CHECK_INT(cpus_parse(view_of("", 0), NULL), STATUS_OK);
}
