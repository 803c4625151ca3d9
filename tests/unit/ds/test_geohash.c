/* SPDX-License-Identifier: BSD-3-Clause */
/* Positions against known ones, and searches against a look at every point. */
#include "ds/geohash.h"

#include <math.h>
#include <string.h>

#include "unit.h"

static double uniform(double limit)
{
    return ((double)(unit_rand() >> 11) / 0x1p53 * 2 - 1) * limit;
}

static struct geo_point random_point(void)
{
    return (struct geo_point){uniform(GEO_LON_MAX), uniform(GEO_LAT_MAX)};
}

TEST(known_places)
{
    struct geo_point palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};
    char text[GEO_TEXT_LEN];
    CHECK_INT(geo_encode(catania), INT64_C(3479447370796909));
    struct geo_point p = geo_decode_score((double)geo_encode(palermo));
    struct geo_point c = geo_decode_score((double)geo_encode(catania));
    CHECK(fabs(geo_distance_m(p, c) - 166274.1516) < 0.0001);
    geo_text(p, text);
    CHECK_MEM(text, sizeof(text), "sqc8b49rny0", 11);
}

TEST(decoding_is_near)
{
    for (long i = 0; i < unit_rounds(100000); i++) {
        struct geo_point p = random_point();
        uint64_t bits = geo_encode(p);
        CHECK(bits < UINT64_C(1) << 52);
        struct geo_point q = geo_decode_score((double)bits);
        CHECK(fabs(p.lon - q.lon) <= 360.0 / (1 << 26));
        CHECK(fabs(p.lat - q.lat) <= 171.0 / (1 << 26));
    }
}

TEST(any_score_is_a_point)
{
    static const double scores[] = {INFINITY, -INFINITY, 1e30, -1e30, -5, 1.5, 0x1p63, -0x1p63,
                                    0x1p64, 0x1.fffffffffffffp63, -1, 9007199254740993.0};
    for (size_t i = 0; i < ARRAY_COUNT(scores); i++)
        CHECK(geo_is_valid(geo_decode_score(scores[i])));
    CHECK(!geo_is_valid((struct geo_point){NAN, 0}));
    CHECK(!geo_is_valid((struct geo_point){0, NAN}));
}

TEST(the_ranges_hold_what_is_near)
{
    for (long i = 0; i < unit_rounds(30000); i++) {
        double radius_m = pow(10, 1 + fabs(uniform(4.5)));
        struct geo_shape s = {.center = {uniform(150), uniform(60)}, .radius_m = radius_m};
        s.is_box = unit_rand_below(2);
        s.width_m = s.height_m = radius_m * 2;
        struct geo_range ranges[GEO_RANGES_MAX];
        unsigned count = geo_shape_ranges(&s, ranges);
        CHECK(count >= 1 && count <= GEO_RANGES_MAX);
        for (int k = 0; k < 20; k++) {
            double degrees = radius_m / 111000;
            struct geo_point p = {s.center.lon + uniform(degrees * 2),
                                  s.center.lat + uniform(degrees * 2)};
            double distance_m;
            if (!geo_is_valid(p)) continue;
            uint64_t bits = geo_encode(p);
            p = geo_decode_score((double)bits);
            if (!geo_shape_has(&s, p, &distance_m)) continue;
            bool found = false;
            for (unsigned r = 0; r < count; r++)
                found |= bits >= ranges[r].first && bits < ranges[r].end;
            CHECK(found);
        }
    }
}

TEST(hostile_shapes)
{
    static const double sizes[] = {0, 1e308, INFINITY, 1e-300, 4e7};
    struct geo_range ranges[GEO_RANGES_MAX];
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        for (int box = 0; box < 2; box++) {
            struct geo_shape s = {.is_box = box, .radius_m = sizes[i], .width_m = sizes[i],
                                  .height_m = sizes[i], .center = {180, -85.05112878}};
            unsigned count = geo_shape_ranges(&s, ranges);
            CHECK(count >= 1 && count <= GEO_RANGES_MAX);
        }
    }
}
