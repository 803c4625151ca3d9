/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the commands on positions share: points, units and distances as arguments and in replies.
 * Thread: whoever runs the command.
 */
#ifndef COMMANDS_GEO_ARGS_H
#define COMMANDS_GEO_ARGS_H

#include "ds/geohash.h"
#include "exec/exec.h"

/* A longitude and a latitude, the arguments i and i + 1. */
enum status geo_arg_point(struct exec_ctx *ctx, int i, struct geo_point *out) MUST_CHECK;

/* "m", "km", "ft", "mi": how many metres that is. */
enum status geo_arg_unit(struct exec_ctx *ctx, int i, double *metres_out) MUST_CHECK;

/* A distance in some unit, with four decimals. */
void geo_reply_distance(struct exec_ctx *ctx, double distance);

/* An array of longitude and latitude. */
void geo_reply_point(struct exec_ctx *ctx, struct geo_point p);

#endif
