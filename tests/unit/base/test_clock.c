/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock and its seam. */
#include "base/clock.h"

#include <time.h>

#include "unit.h"

TEST(system_clocks)
{
    int64_t before = clock_mono_ns();
    CHECK(before > 0);
    CHECK(clock_mono_ns() >= before);
    CHECK(clock_mono_us() >= before / 1000 && clock_mono_ms() >= before / 1000000);
    int64_t now_s = (int64_t)time(NULL);
    int64_t wall_s = clock_wall_ms() / 1000;
    CHECK(wall_s >= now_s - 1 && wall_s <= now_s + 5);
}

TEST(cpu_of_a_thread)
{
    int64_t before = clock_thread_cpu_us();
    while (clock_thread_cpu_us() < before + 2000) continue;
    CHECK(clock_thread_cpu_us() >= before + 2000);
    CHECK(clock_cpu_ns(clock_cpu_of_thread()) >= (before + 2000) * 1000);
}

TEST(virtual_clock)
{
    struct clock_virtual v;
    struct clock c;
    clock_virtual_install(&v, 1700000000123456);
    int64_t mono_us = clock_mono_us();
    CHECK_INT(clock_wall_us(), 1700000000123456);
    CHECK_INT(clock_wall_ms(), 1700000000123);
    clock_refresh(&c);
    CHECK_INT(c.wall_us, 1700000000123456);
    CHECK_INT(c.wall_ms, 1700000000123);
    CHECK_INT(c.mono_us, mono_us);
    clock_virtual_advance(&v, 5000000);
    CHECK_INT(clock_wall_ms(), 1700000005123);
    CHECK_INT(clock_mono_us() - mono_us, 5000000);
    CHECK_INT(c.wall_ms, 1700000000123); /* a reading stays what it is */
    clock_set_source(NULL);
    CHECK(clock_wall_us() != 1700000005123456);
}
