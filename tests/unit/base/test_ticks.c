/* SPDX-License-Identifier: BSD-3-Clause */
/* The cheap counter against the clock that it was measured by. */
#include "base/ticks.h"

#include "base/clock.h"
#include "unit.h"

TEST(agrees_with_the_monotonic_clock)
{
    ticks_setup();
    CHECK(ticks_ns_per_tick > 0);
    /* This thread may be stopped between any two readings: what the counter says lies between what
     * the clock says within its two readings and around them. */
    int64_t before_ns = clock_mono_ns();
    uint64_t start = ticks_now(), last = start;
    int64_t within_ns = clock_mono_ns(), inner_ns;
    do {
        inner_ns = clock_mono_ns() - within_ns;
        uint64_t now = ticks_now();
        CHECK(now >= last);
        last = now;
    } while (inner_ns < 20000000);
    int64_t outer_ns = clock_mono_ns() - before_ns, elapsed_ns = (int64_t)ticks_to_ns(last - start);
    CHECK_MSG(elapsed_ns > inner_ns / 4 * 3 && elapsed_ns < outer_ns / 4 * 5,
              "%lld ns against %lld to %lld", (long long)elapsed_ns, (long long)inner_ns,
              (long long)outer_ns);
}

TEST(the_fallback_moves_on)
{
    uint64_t start = ticks_clock_ns();
    while (ticks_clock_ns() == start) continue;
    CHECK(ticks_clock_ns() > start);
}
