/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gpause.h. Whoever notes the last failure sets a flag, and that is all: a worker that comes to
 * what waited passes over it, and whoever holds the token when an event comes doesn't queue it.
 */
#include "gears/gpause.h"

#include "base/log.h"
#include "gears/gconf.h"

int64_t gpause__limit(const struct greg *g)
{
    if (g->request->max_failures >= 0) return g->request->max_failures;
    return g->plan->reader == GREADER_COMMAND ? 0 : gconf_max_failures();
}

static void begin(struct greg *g)
{
    char id[GEARS_ID_SIZE];
    atomic_store(&g->paused, true);
    grun_format_id(id, g->plan->number);
    log_warning("Gears: registration %s of session %.64s is paused: it failed %lld times in a row",
                id, g->plan->session ? g->plan->session->id : "unknown",
                (long long)g->failed_in_row);
}

void gpause__note(struct greg *g, bool failed)
{
    if (likely(!failed)) {
        g->failed_in_row = 0;
        return;
    }
    int64_t limit = gpause__limit(g);
    g->failed_in_row++;
    if (limit && g->failed_in_row >= limit && !atomic_load(&g->paused)) begin(g);
}

void gpause__end(struct greg *g)
{
    pthread_mutex_lock(&g->mutex);
    g->failed_in_row = 0;
    atomic_store(&g->paused, false);
    pthread_mutex_unlock(&g->mutex);
}
