/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gstuck.h.
 */
#include "gears/gstuck.h"

#include "base/log.h"
#include "exec/client.h"
#include "gears/gpause.h"

void gstuck_text(const struct gstop *stop, const struct glimits *limits, struct buf *out)
{
    int met = atomic_load(&stop->met);
    if (met) {
        buf_append_cstr(out, "Limit met: ");
        glimit_text((enum glimit)(met - 1), limits->v[met - 1], out);
    } else {
        buf_append_cstr(out, "the execution was aborted");
    }
    buf_append_cstr(out, ": it is in a call that can not be interrupted, and ends when that "
                         "returns");
}

/* Main, under the token. The registration may be gone. */
static void pause_registration(void *ctx)
{
    struct gexec *e = ctx;
    struct greg *g = greg__first();
    while (g && g->plan != e->plan) g = g->next;
    enum greader reader = e->plan->reader;
    bool in_turn = reader == GREADER_KEYS || (g && g->request->in_order);
    if (reader == GREADER_STREAM) in_turn = gstream_note_stuck(e);
    if (g && in_turn && g->plan->mode != GMODE_SYNC) gpause__begin_stuck(g, e);
    grun_exec_unref(e);
}

/* A command waits for it: until it is left behind the server is busy to clients. */
static void tell_operator(const struct gexec *e)
{
    char id[GEARS_ID_SIZE];
    grun_format_id(id, e->plan->number);
    log_warning("Gears: a sync callback of registration %s of session %.64s was stopped, but is in "
                "a call that can't be interrupted: it is left behind, and the server goes on.",
                id, e->plan->session ? e->plan->session->id : "unknown");
}

void gstuck_left_behind(struct greg *g, struct gexec *e)
{
    enum greader reader = g->plan->reader;
    if (reader == GREADER_COMMAND || (reader == GREADER_STREAM && !gstream_note_stuck(e))) return;
    gpause__begin_stuck(g, e);
}

void gstuck_exec(struct gexec *e)
{
    if (!grun_give_up(e)) return;
    gscript_give_up_exec(e);
    if (e->registered && e->plan->mode == GMODE_SYNC) tell_operator(e);
    if (e->registered) exec_post(pause_registration, grun_exec_ref(e));
}

void gstuck_script(struct gscript *s)
{
    gscript_give_up(s);
}
