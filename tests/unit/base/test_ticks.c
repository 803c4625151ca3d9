/* SPDX-License-Identifier: BSD-3-Clause */
/* The cheap counter against the clock that it was measured by. */
#include "base/ticks.h"

#include "base/clock.h"
#include "unit.h"

TEST(agrees_with_the_monotonic_clock)
{
    ticks_setup();
    CHECK(ticks_ns_per_tick > 0);
    int64_t clock_start_ns = clock_mono_ns();
    uint64_t start = ticks_now(), last = start;
    while (clock_mono_ns() - clock_start_ns < 20000000) {
        uint64_t now = ticks_now();
        CHECK(now >= last);
        last = now;
    }
    uint64_t elapsed_ns = ticks_to_ns(ticks_now() - start);
    int64_t clock_ns = clock_mono_ns() - clock_start_ns;
    /* A busy machine may stop this thread between two readings, but not for long each time. */
    CHECK_MSG(elapsed_ns > 15000000 && elapsed_ns < (uint64_t)clock_ns + 5000000,
              "%llu ns against %lld", (unsigned long long)elapsed_ns, (long long)clock_ns);
}

TEST(the_fallback_moves_on)
{
    uint64_t start = ticks_clock_ns();
    while (ticks_clock_ns() == start) continue;
    CHECK(ticks_clock_ns() > start);
}
