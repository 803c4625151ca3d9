/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gpause.h. Whoever notes the last failure sets a flag, and that is all: a worker that comes to
 * what waited passes over it, and whoever holds the token when an event comes doesn't queue it.
 */
#include "gears/gpause.h"

#include <stdio.h>

#include "base/log.h"
#include "gears/gbacklog.h"
#include "gears/gconf.h"
#include "gears/gstuck.h"

int64_t gpause__limit(const struct greg *g)
{
    if (g->request->max_failures >= 0) return g->request->max_failures;
    return g->plan->reader == GREADER_COMMAND ? 0 : gconf_max_failures();
}

static void begin(struct greg *g, const char *why)
{
    char id[GEARS_ID_SIZE];
    if (g->stream) gstream_pause(g->stream);
    else atomic_store(&g->paused, true);
    grun_format_id(id, g->plan->number);
    log_warning("Gears: registration %s of session %.64s is paused: %s", id,
                g->plan->session ? g->plan->session->id : "unknown", why);
}

void gpause__note(struct greg *g, bool failed)
{
    if (likely(!failed)) {
        g->failed_in_row = 0;
        return;
    }
    int64_t limit = gpause__limit(g);
    g->failed_in_row++;
    if (!limit || g->failed_in_row < limit || atomic_load(&g->paused)) return;
    char why[64];
    snprintf(why, sizeof(why), "it failed %lld times in a row", (long long)g->failed_in_row);
    begin(g, why);
}

/* Events that wait, and calls, keep their places: should it return after all, a worker passes over
 * them, unless it has been let go on by then. */
void gpause__begin_stuck(struct greg *g, const struct gexec *e)
{
    struct buf text = {0};
    if (gpause__is_paused(g)) return;
    gstuck_text(&e->stop, &e->limits.own, &text);
    greg__set_error(g, buf_view(&text));
    begin(g, "one of its executions doesn't end");
    gbacklog_let_go(g);
    buf_release(&text);
}

void gpause__end(struct greg *g)
{
    pthread_mutex_lock(&g->mutex);
    g->failed_in_row = 0;
    atomic_store(&g->paused, false);
    pthread_mutex_unlock(&g->mutex);
}
