/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Positions on the earth as integers of 52 bits whose order keeps neighbours together: longitude
 * and latitude as fractions of their ranges, 26 bits each, interleaved (the public geohash, with
 * the latitude's range cut to that of the Mercator projection). A cell is a prefix of `steps` pairs
 * of bits, so a search is a few ranges of integers.
 *
 * Degrees and metres. Pure functions; any thread.
 */
#ifndef DS_GEOHASH_H
#define DS_GEOHASH_H

#include "base/macros.h"

#define GEO_LON_MAX 180.0
#define GEO_LAT_MAX 85.05112878
#define GEO_STEPS_MAX 26
/* Length of a position's text. */
#define GEO_TEXT_LEN 11

struct geo_point {
    double lon, lat;
};

/* Whether a point can be encoded. */
static inline bool geo_is_valid(struct geo_point p)
{
    return p.lon >= -GEO_LON_MAX && p.lon <= GEO_LON_MAX && p.lat >= -GEO_LAT_MAX &&
           p.lat <= GEO_LAT_MAX;
}

/* The integer of a valid point, and the middle of what an integer stands for. A sorted set's score
 * needn't come from here: any double has a point. */
uint64_t geo_encode(struct geo_point p);
struct geo_point geo_decode_score(double score);

/* The usual base 32 text, of the whole range of latitudes. */
void geo_text(struct geo_point p, char out[static GEO_TEXT_LEN]);

/* Along a great circle. */
double geo_distance_m(struct geo_point a, struct geo_point b);

/* What is searched: a circle (radius_m), or a box with sides along the meridians and parallels. */
struct geo_shape {
    struct geo_point center;
    bool is_box;
    double radius_m, width_m, height_m; /* of the box: whole sides */
};

/* Whether a point lies within; its distance from the center. */
bool geo_shape_has(const struct geo_shape *s, struct geo_point p, double *distance_out_m);

/* Integers from first up to, not including, end. */
struct geo_range {
    uint64_t first, end;
};
#define GEO_RANGES_MAX 9

/* The ranges that hold all points of a shape, in the order of stock's replies: the center's cell,
 * north, south, east, west, and the corners. Returns how many. */
unsigned geo_shape_ranges(const struct geo_shape *s, struct geo_range out[static GEO_RANGES_MAX]);

#endif
