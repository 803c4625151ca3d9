/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where an event comes from: the registrations whose callbacks led to it, one by the other's
 * command, the first first. Commands of a callback bring it along (exec_call.origin), the events
 * that they cause have it (exec_event.origin), and what is set off by one of these adds itself. So
 * a registration can tell its own doing, however many others are in between; the set has as many
 * members as the chain has links, which GREG_DEPTH_MAX bounds.
 *
 * That of an execution on a worker lives as long as it runs. That of a sync callback must live
 * until the events of the unit that it joined are delivered, after it has returned:
 * gorigin_in_unit.
 */
#ifndef GEARS_GORIGIN_H
#define GEARS_GORIGIN_H

#include "gears/greg.h"

struct kv_unit;

struct gorigin {
    size_t count;
    uint64_t numbers[GREG_DEPTH_MAX + 1]; /* of registrations */
};

static inline bool gorigin_has(const struct gorigin *o, uint64_t number)
{
    for (size_t i = 0; o && i < o->count; i++)
        if (o->numbers[i] == number) return true;
    return false;
}

/* `from` (NULL: a client's doing), and one more. */
static inline void gorigin_extend(struct gorigin *out, const uint64_t *from, size_t count,
                                  uint64_t number)
{
    out->count = MIN(count, (size_t)GREG_DEPTH_MAX);
    if (out->count) memcpy(out->numbers, from, out->count * sizeof(*from));
    out->numbers[out->count++] = number;
}

/* As gorigin_extend, for a callback that joins this unit: lives as long as the unit has events.
 * `generation`: of the event that it is called for. Under the token. */
const struct gorigin *gorigin_in_unit(const struct kv_unit *unit, unsigned generation,
                                      const struct gorigin *from, uint64_t number);

/* A callback within a command begins, or has ended. Under the token. */
void gorigin_enter(void);
void gorigin_leave(void);

/* Frees what is kept for the next one. Main, at the end. */
void gorigin_teardown(void);

#endif
