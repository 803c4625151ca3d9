/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What people see of registrations and sessions: RG.DUMPREGISTRATIONS, RG.PYDUMPSESSIONS. Names,
 * order and notation are those that RedisGears' clients index by. Under the token.
 */
#include "exec/reply.h"
#include "gears/gpause.h"
#include "gears/greq.h"

/* The names of register()'s keyTypes. */
static const struct {
    const char *name;
    uint32_t bit;
} key_types[] = {{"string", 1u << TYPE_STRING}, {"list", 1u << TYPE_LIST},
                 {"hash", 1u << TYPE_HASH},     {"set", 1u << TYPE_SET},
                 {"zset", 1u << TYPE_ZSET},     {"module", 1u << TYPE_MODULE},
                 {"stream", 1u << TYPE_STREAM}, {"empty", GREG_TYPE_EMPTY}};

uint32_t greg_key_type_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(key_types); i++)
        if (strcmp(key_types[i].name, name) == 0) return key_types[i].bit;
    return 0;
}

/* ---- RG.DUMPREGISTRATIONS ---- */

static void reply_names(struct exec_ctx *ctx, char *const *names, size_t count)
{
    if (count == 0) {
        reply_null(ctx);
        return;
    }
    reply_array(ctx, count);
    for (size_t i = 0; i < count; i++) reply_bulk_cstr(ctx, names[i]);
}

static void reply_key_types(struct exec_ctx *ctx, uint32_t bits)
{
    char *names[ARRAY_COUNT(key_types)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(key_types); i++)
        if (bits & key_types[i].bit) names[count++] = (char *)(uintptr_t)key_types[i].name;
    reply_names(ctx, names, count);
}

static void reply_pair(struct exec_ctx *ctx, const char *name, int64_t n)
{
    reply_bulk_cstr(ctx, name);
    reply_int(ctx, n);
}

/* How many elements it takes among the arguments. */
static size_t max_failures_len(const struct greg_request *r)
{
    return r->max_failures >= 0 ? 2 : 0;
}

static void reply_max_failures(struct exec_ctx *ctx, const struct greg_request *r)
{
    if (max_failures_len(r)) reply_pair(ctx, "maxFailures", r->max_failures);
}

static void reply_event_args(struct exec_ctx *ctx, const struct greg_request *r)
{
    reply_array(ctx, 8 + max_failures_len(r));
    reply_bulk_cstr(ctx, "regex");
    reply_bulk(ctx, r->prefix, r->prefix_len);
    reply_bulk_cstr(ctx, "eventTypes");
    reply_names(ctx, r->event_types, r->event_type_count);
    reply_bulk_cstr(ctx, "keyTypes");
    reply_key_types(ctx, r->key_types);
    reply_bulk_cstr(ctx, "hookCommands");
    reply_names(ctx, r->hook.held_names, r->hook.held_count);
    reply_max_failures(ctx, r);
}

static void reply_trigger_args(struct exec_ctx *ctx, const struct greg_request *r)
{
    reply_array(ctx, 4 + max_failures_len(r));
    reply_bulk_cstr(ctx, "trigger");
    if (r->trigger) reply_bulk(ctx, r->trigger, r->trigger_len);
    else reply_bulk(ctx, r->hook.name, r->hook.name_len);
    reply_pair(ctx, "inorder", r->in_order);
    reply_max_failures(ctx, r);
}

static void reply_time_args(struct exec_ctx *ctx, const struct greg *g)
{
    const struct gtime_spec *spec = g->request->time;
    int64_t next_ms;
    uint64_t skipped;
    gtime_state(g, &next_ms, &skipped);
    reply_array(ctx, 8 + max_failures_len(g->request));
    reply_bulk_cstr(ctx, "every");
    if (spec->every_ms) reply_int(ctx, spec->every_ms);
    else reply_null(ctx);
    reply_bulk_cstr(ctx, "cron");
    if (spec->every_ms) reply_null(ctx);
    else reply_bulk_cstr(ctx, spec->text);
    reply_pair(ctx, "next", next_ms);
    reply_pair(ctx, "skipped", (int64_t)skipped);
    reply_max_failures(ctx, g->request);
}

static void reply_stream_args(struct exec_ctx *ctx, const struct greg_request *r)
{
    const struct gstream_args *a = r->stream;
    reply_array(ctx, 12 + (a->max_deliveries ? 2 : 0) + (a->dead_letter ? 2 : 0) +
                         max_failures_len(r));
    reply_pair(ctx, "batchSize", a->batch);
    reply_pair(ctx, "durationMS", a->duration_ms);
    reply_bulk_cstr(ctx, "stream");
    reply_bulk(ctx, r->prefix, r->prefix_len);
    reply_pair(ctx, "trimStream", a->trim);
    reply_bulk_cstr(ctx, "onFailedPolicy");
    reply_bulk_cstr(ctx, gstream_policy_name(a->policy));
    reply_pair(ctx, "retryInterval", a->retry_s);
    if (a->max_deliveries) reply_pair(ctx, "maxDeliveries", a->max_deliveries);
    if (a->dead_letter) {
        reply_bulk_cstr(ctx, "deadLetter");
        reply_bulk(ctx, a->dead_letter, a->dead_letter_len);
    }
    reply_max_failures(ctx, r);
}

/* Only streams have a lag. */
static void reply_lag(struct exec_ctx *ctx, const struct gstream *s)
{
    struct gstream_report lag = gstream_report(s);
    reply_pair(ctx, "lastEstimatedLagMS", lag.last_lag_ms);
    reply_bulk_cstr(ctx, "avgEstimatedLagMS");
    reply_double(ctx, lag.mean_lag_ms);
}

/* Only streams always have a status, and where clients look for it; of others it is said when there
 * is something to say. */
static const char *status_of(const struct greg *g)
{
    if (g->stream) return gstream_report(g->stream).status;
    return gpause__is_paused(g) ? "PAUSED" : NULL;
}

static void reply_data(struct exec_ctx *ctx, struct greg *g)
{
    const struct greg_request *r = g->request;
    const char *status = status_of(g);
    pthread_mutex_lock(&g->mutex);
    uint64_t runs = g->succeeded + g->failed;
    reply_array(ctx, (g->stream ? 24 : 20) + (status ? 2 : 0));
    reply_bulk_cstr(ctx, "mode");
    reply_bulk_cstr(ctx, gmode_name(g->plan->mode));
    reply_pair(ctx, "numTriggered", (int64_t)atomic_load(&g->triggered));
    reply_pair(ctx, "numSuccess", (int64_t)g->succeeded);
    reply_pair(ctx, "numFailures", (int64_t)g->failed);
    reply_pair(ctx, "numAborted", (int64_t)g->aborted);
    reply_pair(ctx, "lastRunDurationMS", g->last_us / 1000);
    reply_pair(ctx, "totalRunDurationMS", g->total_us / 1000);
    reply_bulk_cstr(ctx, "avgRunDurationMS");
    reply_double(ctx, runs ? (double)(g->total_us / 1000) / (double)runs : 0);
    if (g->stream) reply_lag(ctx, g->stream);
    reply_bulk_cstr(ctx, "lastError");
    if (g->last_error) reply_bulk(ctx, g->last_error, g->last_error_len);
    else reply_null(ctx);
    pthread_mutex_unlock(&g->mutex);
    reply_bulk_cstr(ctx, "args");
    if (g->plan->reader == GREADER_COMMAND) {
        reply_trigger_args(ctx, r);
    } else if (g->plan->reader == GREADER_TIME) {
        reply_time_args(ctx, g);
    } else if (g->stream) {
        reply_stream_args(ctx, r);
    } else {
        reply_event_args(ctx, r);
    }
    if (!status) return;
    reply_bulk_cstr(ctx, "status");
    reply_bulk_cstr(ctx, status);
}

static const char *linked_word(const struct gsession *s)
{
    return s->reg_count ? "primary" : "None";
}

static const char *dead_word(const struct gsession *s)
{
    return s->reg_count ? "false" : "true";
}

/* What the plugin knows of the session, in the notation that its users parse. */
static void reply_session(struct exec_ctx *ctx, const struct gsession *s)
{
    struct buf text = {0};
    buf_printf(&text,
               "{'sessionName':'%s', 'sessionDescription':'%s', 'refCount': %u, "
               "'linkedTo': %s, 'dead': %s, 'isInstallationNeeded':0, 'registrationsList':[",
               s->id, s->desc ? s->desc : "null", atomic_load(&s->refs), linked_word(s),
               dead_word(s));
    for (size_t i = 0; i < s->reg_count; i++) {
        char id[GEARS_ID_SIZE];
        grun_format_id(id, s->regs[i]->plan->number);
        buf_printf(&text, "%s'%s'", i ? "," : "", id);
    }
    buf_append_cstr(&text, "], 'depsList':[");
    for (size_t i = 0; i < s->req_count; i++) {
        if (i) buf_append_cstr(&text, ",");
        greq_describe(s->reqs[i], &text);
    }
    buf_append_cstr(&text, "]}");
    reply_bulk(ctx, text.ptr, text.len);
    buf_release(&text);
}

/* What a dump of sessions has of a registration; that of registrations adds its session. */
static void reply_registration(struct exec_ctx *ctx, struct greg *g, bool with_session)
{
    char id[GEARS_ID_SIZE];
    grun_format_id(id, g->plan->number);
    reply_array(ctx, with_session ? 12 : 10);
    reply_bulk_cstr(ctx, "id");
    reply_bulk_cstr(ctx, id);
    reply_bulk_cstr(ctx, "reader");
    reply_bulk_cstr(ctx, greader_name(g->plan->reader));
    reply_bulk_cstr(ctx, "desc");
    if (g->plan->desc) reply_bulk_cstr(ctx, g->plan->desc);
    else reply_null(ctx);
    reply_bulk_cstr(ctx, "RegistrationData");
    reply_data(ctx, g);
    if (with_session) {
        reply_bulk_cstr(ctx, "PD");
        reply_session(ctx, g->plan->session);
    }
    reply_bulk_cstr(ctx, "ExecutionThreadPool");
    reply_bulk_cstr(ctx, "DefaultPool");
}

void greg_reply_all(struct exec_ctx *ctx)
{
    reply_array(ctx, greg_count());
    for (struct greg *g = greg__first(); g; g = g->next) reply_registration(ctx, g, true);
}

/* ---- RG.PYDUMPSESSIONS ---- */

static void reply_text_pair(struct exec_ctx *ctx, const char *name, const char *text)
{
    reply_bulk_cstr(ctx, name);
    if (text) reply_bulk_cstr(ctx, text);
    else reply_null(ctx);
}

static void reply_requirements(struct exec_ctx *ctx, const struct gsession *s, bool verbose)
{
    struct tape list = {0};
    for (size_t i = 0; i < s->req_count; i++) greq_dump_one(s->reqs[i], verbose, &list);
    reply_array(ctx, s->req_count);
    tape_reply(&list, ctx);
    tape_release(&list);
}

/* One of the references is the dump's own. */
static void reply_session_of(struct exec_ctx *ctx, const struct gsession *s, bool verbose)
{
    reply_array(ctx, 16);
    reply_text_pair(ctx, "ID", s->id);
    reply_text_pair(ctx, "sessionDescription", s->desc);
    reply_pair(ctx, "refCount", (int64_t)atomic_load(&s->refs) - 1);
    reply_text_pair(ctx, "linked", linked_word(s));
    reply_text_pair(ctx, "dead", dead_word(s));
    reply_pair(ctx, "requirementInstallationNeeded", 0);
    reply_bulk_cstr(ctx, "requirements");
    reply_requirements(ctx, s, verbose);
    reply_bulk_cstr(ctx, "registrations");
    reply_array(ctx, s->reg_count);
    for (size_t i = 0; i < s->reg_count; i++) {
        char id[GEARS_ID_SIZE];
        if (verbose) {
            reply_registration(ctx, s->regs[i], false);
            continue;
        }
        grun_format_id(id, s->regs[i]->plan->number);
        reply_bulk_cstr(ctx, id);
    }
}

static void reply_missing(struct exec_ctx *ctx, const struct arg *id)
{
    struct buf text = {0};
    buf_append_cstr(&text, "Session ");
    buf_append(&text, id->ptr, MIN(id->len, 1024u));
    buf_append_cstr(&text, " does not exists");
    reply_bulk(ctx, text.ptr, text.len);
    buf_release(&text);
}

/* Several dead ones may have had the same id: the newest. */
static void reply_named(struct exec_ctx *ctx, const struct greg_sessions *what,
                        struct gsession *const *list, size_t count)
{
    reply_array(ctx, (size_t)what->id_count);
    for (int i = 0; i < what->id_count; i++) {
        const struct arg *id = &what->ids[i];
        size_t at = count;
        while (at > 0 && !view_eq_cstr(arg_view(id), list[at - 1]->id)) at--;
        if (at > 0) reply_session_of(ctx, list[at - 1], what->verbose);
        else reply_missing(ctx, id);
    }
}

void greg_reply_sessions(struct exec_ctx *ctx, const struct greg_sessions *what)
{
    struct gsession **list;
    size_t count = gsession_list(what->dead, &list);
    if (what->ids) {
        reply_named(ctx, what, list, count);
    } else {
        reply_array(ctx, count);
        for (size_t i = 0; i < count; i++) reply_session_of(ctx, list[i], what->verbose);
    }
    for (size_t i = 0; i < count; i++) gsession_unref(list[i]);
    mem_free(list);
}
