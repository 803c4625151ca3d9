/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Origins of sync callbacks; see gorigin.h. They are kept in a row of blocks until nothing can
 * refer to them: no callback runs, and of the unit's events only those of its own commands are
 * being told (generation 0, whose origins are nobody's or a worker's). Other units that are open
 * then have none of them: a unit within a callback is closed before that returns.
 */
#include "gears/gorigin.h"

#include "keyspace/keyspace.h"

#define KEPT_MAX 64

static struct {
    struct gorigin **list; /* guard: the token */
    size_t used, made, cap;
    unsigned running;
} origins;

static void begin_anew(void)
{
    origins.used = 0;
    while (origins.made > KEPT_MAX) mem_free(origins.list[--origins.made]);
}

static struct gorigin *next_block(void)
{
    if (origins.used < origins.made) return origins.list[origins.used++];
    if (origins.made == origins.cap) {
        origins.cap = origins.cap ? origins.cap * 2 : 16;
        origins.list = mem_realloc(origins.list, origins.cap * sizeof(*origins.list));
    }
    struct gorigin *o = mem_alloc(sizeof(*o));
    origins.list[origins.made++] = o;
    origins.used = origins.made;
    return o;
}

const struct gorigin *gorigin_in_unit(const struct kv_unit *unit, unsigned generation,
                                      const struct gorigin *from, uint64_t number)
{
    if (generation == 0 && !origins.running && unit->event_count == 0) begin_anew();
    struct gorigin *o = next_block();
    gorigin_extend(o, from ? from->numbers : NULL, from ? from->count : 0, number);
    return o;
}

void gorigin_enter(void)
{
    origins.running++;
}

void gorigin_leave(void)
{
    origins.running--;
}

void gorigin_teardown(void)
{
    while (origins.made) mem_free(origins.list[--origins.made]);
    mem_free(origins.list);
    memset(&origins, 0, sizeof(origins));
}
