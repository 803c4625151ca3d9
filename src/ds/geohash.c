/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Positions as integers, and searches as ranges of them; see geohash.h. A shape is covered by the
 * cell of its center and the eight around it, cells so large that they must do; those that the
 * shape's bounds don't reach are left out.
 */
#include "ds/geohash.h"

#include <math.h>

/* Stock's constants, on which the last digits of distances depend. */
#define EARTH_RADIUS_M 6372797.560856
#define MERCATOR_MAX_M 20037726.37
#define FULL_LAT_MAX 90.0

static double radians(double degrees)
{
    return degrees * (M_PI / 180.0);
}

static double degrees(double radians)
{
    return radians / (M_PI / 180.0);
}

/* ---- interleaving ---- */

/* Spreads 32 bits to the even places of 64. */
static uint64_t spread(uint32_t bits)
{
    uint64_t x = bits;
    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x = (x | x << 2) & UINT64_C(0x3333333333333333);
    return (x | x << 1) & UINT64_C(0x5555555555555555);
}

/* Gathers the bits at even places. */
static uint32_t gather(uint64_t x)
{
    x &= UINT64_C(0x5555555555555555);
    x = (x | x >> 1) & UINT64_C(0x3333333333333333);
    x = (x | x >> 2) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(x | x >> 16);
}

static uint64_t encode(struct geo_point p, double lat_max, unsigned steps)
{
    double cells = (double)(UINT64_C(1) << steps);
    double lat = (p.lat + lat_max) / (lat_max + lat_max) * cells;
    double lon = (p.lon + GEO_LON_MAX) / (GEO_LON_MAX + GEO_LON_MAX) * cells;
    return spread((uint32_t)lat) | spread((uint32_t)lon) << 1;
}

/* A cell's borders. */
struct cell_area {
    struct geo_point min, max;
};

static struct cell_area area_of(uint64_t bits, unsigned steps)
{
    double cells = (double)(UINT64_C(1) << steps);
    uint32_t lat = gather(bits), lon = gather(bits >> 1);
    double lat_range = GEO_LAT_MAX + GEO_LAT_MAX, lon_range = GEO_LON_MAX + GEO_LON_MAX;
    struct cell_area a;
    a.min.lat = -GEO_LAT_MAX + (lat / cells) * lat_range;
    a.max.lat = -GEO_LAT_MAX + ((uint32_t)(lat + 1) / cells) * lat_range;
    a.min.lon = -GEO_LON_MAX + (lon / cells) * lon_range;
    a.max.lon = -GEO_LON_MAX + ((uint32_t)(lon + 1) / cells) * lon_range;
    return a;
}

/* ---- points ---- */

uint64_t geo_encode(struct geo_point p)
{
    return encode(p, GEO_LAT_MAX, GEO_STEPS_MAX);
}

/* A score as an integer, as this machine's conversion to 64 unsigned bits would do it. */
static uint64_t score_bits(double score)
{
    const double half = 0x1p63;
    if (score >= half) {
        return score < 2 * half ? (uint64_t)(int64_t)(score - half) ^ UINT64_C(1) << 63 : 0;
    }
    return score >= -half ? (uint64_t)(int64_t)score : UINT64_C(1) << 63;
}

static double clip(double x, double limit)
{
    return x > limit ? limit : x < -limit ? -limit : x;
}

struct geo_point geo_decode_score(double score)
{
    struct cell_area a = area_of(score_bits(score), GEO_STEPS_MAX);
    return (struct geo_point){clip((a.min.lon + a.max.lon) / 2, GEO_LON_MAX),
                              clip((a.min.lat + a.max.lat) / 2, GEO_LAT_MAX)};
}

void geo_text(struct geo_point p, char out[static GEO_TEXT_LEN])
{
    static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t bits = encode(p, FULL_LAT_MAX, GEO_STEPS_MAX);
    for (unsigned i = 0; i < GEO_TEXT_LEN - 1; i++) out[i] = letters[bits >> (47 - i * 5) & 31];
    out[GEO_TEXT_LEN - 1] = '0'; /* two bits are left, which stock doesn't show */
}

/* ---- distances ---- */

double geo_distance_m(struct geo_point a, struct geo_point b)
{
    double lon_a = radians(a.lon), lon_b = radians(b.lon);
    double v = sin((lon_b - lon_a) / 2);
    double lat_a = radians(a.lat), lat_b = radians(b.lat);
    double u = sin((lat_b - lat_a) / 2);
    double haversine = u * u + cos(lat_a) * cos(lat_b) * v * v;
    return 2.0 * EARTH_RADIUS_M * asin(sqrt(haversine));
}

static bool box_has(const struct geo_shape *s, struct geo_point p)
{
    struct geo_point same_lat = {s->center.lon, p.lat};
    return geo_distance_m(p, same_lat) <= s->width_m / 2 &&
           geo_distance_m(p, (struct geo_point){p.lon, s->center.lat}) <= s->height_m / 2;
}

bool geo_shape_has(const struct geo_shape *s, struct geo_point p, double *distance_out_m)
{
    if (s->is_box && !box_has(s, p)) return false;
    *distance_out_m = geo_distance_m(s->center, p);
    return s->is_box || *distance_out_m <= s->radius_m;
}

/* ---- covering a shape ---- */

/* The box around a shape. Away from the equator the side that is nearer to the pole spans more
 * degrees, and stock takes the one of the hemisphere. */
static struct cell_area bounds_of(const struct geo_shape *s)
{
    double half_width = s->is_box ? s->width_m / 2 : s->radius_m;
    double half_height = s->is_box ? s->height_m / 2 : s->radius_m;
    double lat_delta = degrees(half_height / EARTH_RADIUS_M);
    bool south = s->center.lat < 0;
    double lat = south ? s->center.lat - lat_delta : s->center.lat + lat_delta;
    double lon_delta = degrees(half_width / EARTH_RADIUS_M / cos(radians(lat)));
    return (struct cell_area){{s->center.lon - lon_delta, s->center.lat - lat_delta},
                              {s->center.lon + lon_delta, s->center.lat + lat_delta}};
}

/* How many steps make cells of at least the radius. */
static unsigned steps_for(double radius_m, double lat)
{
    if (radius_m == 0) return GEO_STEPS_MAX;
    int steps = 1;
    for (; radius_m < MERCATOR_MAX_M; radius_m *= 2) steps++;
    steps -= 2;
    /* Cells shrink towards the poles. */
    if (lat > 66 || lat < -66) steps--;
    if (lat > 80 || lat < -80) steps--;
    return (unsigned)(steps < 1 ? 1 : MIN(steps, GEO_STEPS_MAX));
}

/* Offsets of the cells in the order of the ranges. */
static const struct {
    int lon, lat;
} offsets[GEO_RANGES_MAX] = {{0, 0},  {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                             {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};

/* A step along one axis; at the edge of the map it leads to the other edge. The greatest longitude
 * and latitude lie one cell outside of it, and without a step they stay there, since that is how
 * their members are stored. */
static uint32_t moved(uint32_t place, int offset, unsigned steps)
{
    uint32_t mask = (uint32_t)((UINT64_C(1) << steps) - 1);
    return offset ? (place + (uint32_t)offset) & mask : place;
}

static uint64_t neighbor(uint64_t bits, unsigned steps, unsigned which)
{
    uint32_t lat = moved(gather(bits), offsets[which].lat, steps);
    uint32_t lon = moved(gather(bits >> 1), offsets[which].lon, steps);
    return spread(lat) | spread(lon) << 1;
}

/* The cells around the center's don't reach the bounds. */
static bool too_small(uint64_t center, unsigned steps, const struct cell_area *bounds)
{
    return area_of(neighbor(center, steps, 1), steps).max.lat < bounds->max.lat ||
           area_of(neighbor(center, steps, 2), steps).min.lat > bounds->min.lat ||
           area_of(neighbor(center, steps, 3), steps).max.lon < bounds->max.lon ||
           area_of(neighbor(center, steps, 4), steps).min.lon > bounds->min.lon;
}

/* The bounds end within the center's cell on the side where a cell lies. */
static bool is_out_of_reach(unsigned which, const struct cell_area *area,
                            const struct cell_area *bounds)
{
    int lon = offsets[which].lon, lat = offsets[which].lat;
    return (lat < 0 && area->min.lat < bounds->min.lat) ||
           (lat > 0 && area->max.lat > bounds->max.lat) ||
           (lon < 0 && area->min.lon < bounds->min.lon) ||
           (lon > 0 && area->max.lon > bounds->max.lon);
}

unsigned geo_shape_ranges(const struct geo_shape *s, struct geo_range out[static GEO_RANGES_MAX])
{
    struct cell_area bounds = bounds_of(s);
    double radius_m = s->radius_m;
    if (s->is_box) {
        double width = s->width_m / 2, height = s->height_m / 2;
        radius_m = sqrt(width * width + height * height);
    }
    unsigned steps = steps_for(radius_m, s->center.lat);
    uint64_t center = encode(s->center, GEO_LAT_MAX, steps);
    if (steps > 1 && too_small(center, steps, &bounds)) {
        steps--;
        center = encode(s->center, GEO_LAT_MAX, steps);
    }
    struct cell_area area = area_of(center, steps);
    unsigned shift = 2 * (GEO_STEPS_MAX - steps), count = 0, last = 0;
    uint64_t last_bits = 0;
    for (unsigned which = 0; which < GEO_RANGES_MAX; which++) {
        uint64_t bits = neighbor(center, steps, which);
        if (steps >= 2 && is_out_of_reach(which, &area, &bounds)) continue;
        /* On a map of few cells two neighbours may be the same one. Stock doesn't compare with the
         * center's. */
        if (last && bits == last_bits) continue;
        out[count++] = (struct geo_range){bits << shift, (bits + 1) << shift};
        last = which;
        last_bits = bits;
    }
    return count;
}
