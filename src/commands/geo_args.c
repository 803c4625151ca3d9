/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Common parts of the commands on positions; see geo_args.h.
 */
#include "commands/geo_args.h"

#include <stdio.h>

#include "exec/reply.h"

enum status geo_arg_point(struct exec_ctx *ctx, int i, struct geo_point *out)
{
    if (num_parse_double(arg_view(&ctx->argv[i]), &out->lon) ||
        num_parse_double(arg_view(&ctx->argv[i + 1]), &out->lat)) {
        return reply_not_float(ctx);
    }
    if (geo_is_valid(*out)) return STATUS_OK;
    return reply_errorf(ctx, "invalid longitude,latitude pair %f,%f", out->lon, out->lat);
}

enum status geo_arg_unit(struct exec_ctx *ctx, int i, double *metres_out)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t u = 0; u < ARRAY_COUNT(units); u++) {
        if (!arg_is(&ctx->argv[i], units[u].name)) continue;
        *metres_out = units[u].metres;
        return STATUS_OK;
    }
    return reply_error(ctx, "unsupported unit provided. please use M, KM, FT, MI");
}

void geo_reply_distance(struct exec_ctx *ctx, double distance)
{
    char text[400]; /* the largest double has 309 digits */
    int len = snprintf(text, sizeof(text), "%.4f", distance);
    reply_bulk(ctx, text, (size_t)len);
}

void geo_reply_point(struct exec_ctx *ctx, struct geo_point p)
{
    reply_array(ctx, 2);
    reply_double_human(ctx, p.lon);
    reply_double_human(ctx, p.lat);
}
