/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Settings of gears. The variables are main's; after each change a copy is published under a
 * mutex, which is what workers read.
 */
#include "gears/gconf.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#include "base/num.h"
#include "conf/metric.h"
#include "conf/option.h"
#include "exec/reply.h"
#include "exec/stall.h"
#include "gears/gbacklog.h"
#include "gears/glimit.h"
#include "gears/gpy.h"
#include "gears/greg.h"
#include "gears/grun.h"
#include "gears/gscript.h"
#include "gears/gsync.h"

struct gconf gconf;

/* A name that nobody knows but scripts. */
struct extra {
    struct extra *next;
    char *name;
    char *value;
    size_t value_len;
};

static struct {
    pthread_mutex_t mutex; /* guards all below */
    struct gconf copy;
    struct extra *extras;
    size_t extra_count;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

#define EXTRAS_MAX 1024

static void publish(void)
{
    pthread_mutex_lock(&shared.mutex);
    shared.copy = gconf;
    pthread_mutex_unlock(&shared.mutex);
    gpy_memory_limit(gconf.max_memory);
    gbacklog_limits((uint64_t)gconf.event_backlog, gconf.event_backlog_memory);
}

static enum status apply(struct opt_error *err)
{
    UNUSED(err);
    publish();
    return STATUS_OK;
}

/* ---- read by other threads ---- */

static struct gconf current(void)
{
    pthread_mutex_lock(&shared.mutex);
    struct gconf copy = shared.copy;
    pthread_mutex_unlock(&shared.mutex);
    return copy;
}

static void limits_of(const struct gconf *c, struct gexec_limits *out)
{
    *out = (struct gexec_limits){.own.v = {[GLIMIT_TIME] = c->max_time_ms,
                                           [GLIMIT_PYTHON_TIME] = c->max_python_ms,
                                           [GLIMIT_MEMORY] = (int64_t)c->max_exec_memory,
                                           [GLIMIT_RECORDS] = c->max_records,
                                           [GLIMIT_RESULT_BYTES] = (int64_t)c->max_result_bytes,
                                           [GLIMIT_ATOMIC_TIME] = c->atomic_time_ms,
                                           [GLIMIT_SYNC_TIME] = c->sync_time_ms},
                                 .max_generated = (uint64_t)c->max_generated,
                                 .max_bytes = c->max_memory,
                                 .bytes_of = GLIMIT_COUNT,
                                 .traceback = c->traceback,
                                 .profile = c->profile};
}

void gconf_limits(struct gexec_limits *out)
{
    struct gconf c = current();
    limits_of(&c, out);
}

void gconf_limits_held(struct gexec_limits *out)
{
    limits_of(&gconf, out);
}

size_t gconf_max_executions(void)
{
    return (size_t)current().max_executions;
}

size_t gconf_max_per_registration(void)
{
    return (size_t)current().max_per_registration;
}

int64_t gconf_sync_time_us(void)
{
    return current().sync_time_ms * 1000;
}

int64_t gconf_max_program_threads(void)
{
    return current().max_program_threads;
}

int64_t gconf_max_failures(void)
{
    return current().max_failures;
}

size_t gconf_threads(void)
{
    return (size_t)current().threads;
}

/* ---- the options of the server ---- */

static const struct opt_name enable_names[] = {
    {"no", GCONF_NO}, {"yes", GCONF_YES}, {"local", GCONF_LOCAL}, {NULL, 0}};

static const struct opt_row rows[] = {
    {.name = "enable-gears", .kind = OPT_ENUM, .flags = OPT_IMMUTABLE, .var.i = &gconf.enable,
     .names = enable_names, .dflt = "local", .section = OPT_SECTION_GEARS,
     .doc = "Who may use the RG commands, with which a client runs Python programs with all rights "
            "of the server: no (nobody), yes, or local (connections from this machine)."},
    {.name = "gears-threads", .kind = OPT_I64, .flags = OPT_IMMUTABLE,
     .var.i64 = &gconf.threads, .dflt = "3", .min = 1, .max = 64, .section = OPT_SECTION_GEARS,
     .doc = "How many threads run executions."},
    {.name = "gears-max-executions", .kind = OPT_I64, .var.i64 = &gconf.max_executions,
     .dflt = "1000", .max = 10000000, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "How many executions are kept for RG.GETRESULTS; beyond it the oldest that have ended "
            "are dropped."},
    {.name = "gears-max-executions-per-registration", .kind = OPT_I64,
     .var.i64 = &gconf.max_per_registration, .dflt = "100", .max = 10000000, .apply = apply,
     .section = OPT_SECTION_GEARS,
     .doc = "How many ended executions of one registration are kept."},
    {.name = "gears-profile-executions", .kind = OPT_BOOL, .var.b = &gconf.profile, .dflt = "no",
     .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "Measure how long each step of an execution takes, for RG.GETEXECUTION."},
    {.name = "gears-traceback", .kind = OPT_BOOL, .var.b = &gconf.traceback, .dflt = "yes",
     .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "Show Python tracebacks in errors."},
    {.name = "gears-max-idle-time", .kind = OPT_I64, .var.i64 = &gconf.max_idle_ms,
     .dflt = "5000", .min = 1, .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "Milliseconds after which an execution that waits for other shards gives up."},
    {.name = "gears-send-retries", .kind = OPT_I64, .flags = OPT_HIDDEN,
     .var.i64 = &gconf.send_retries, .dflt = "3", .max = INT_MAX, .apply = apply,
     .section = OPT_SECTION_GEARS, .doc = "How often a message to another shard is sent again."},
    {.name = "gears-install-max-idle-time", .kind = OPT_I64, .flags = OPT_HIDDEN,
     .var.i64 = &gconf.install_idle_ms, .dflt = "30000", .min = 1, .max = INT64_MAX,
     .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "As gears-max-idle-time, while requirements are installed."},
    {.name = "gears-event-backlog", .kind = OPT_I64, .var.i64 = &gconf.event_backlog,
     .dflt = "100000", .min = 1, .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "How many events may wait for one async registration. Beyond it, a client whose "
            "command causes one is not served until they are fewer; nothing is dropped."},
    {.name = "gears-event-backlog-memory", .kind = OPT_MEMORY,
     .var.size = &gconf.event_backlog_memory, .dflt = "64mb", .min = 1, .max = INT64_MAX,
     .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "As gears-event-backlog, for the memory that these events take."},
    {.name = "gears-max-time", .kind = OPT_I64, .var.i64 = &gconf.max_time_ms, .dflt = "0",
     .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "Milliseconds that the text of a program, and each execution, may run; then it is "
            "stopped. 0: no limit. A program may say otherwise for itself, as of the other limits: "
            "RG.PYEXECUTE ... LIMITS time 100."},
    {.name = "gears-max-python-time", .kind = OPT_I64, .var.i64 = &gconf.max_python_ms,
     .dflt = "0", .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "Milliseconds of a processor that their Python may take. 0: no limit."},
    {.name = "gears-max-execution-memory", .kind = OPT_MEMORY, .var.size = &gconf.max_exec_memory,
     .dflt = "0", .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "How much memory their Python may take; beyond it they get MemoryError. 0: no limit "
            "but gears-max-memory."},
    {.name = "gears-max-records", .kind = OPT_I64, .var.i64 = &gconf.max_records, .dflt = "0",
     .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "How many records a reader may give to one execution, which then ends with an error. "
            "0: no limit."},
    {.name = "gears-max-generated-records", .kind = OPT_I64, .var.i64 = &gconf.max_generated,
     .dflt = "100000000", .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "The same for a PythonReader alone, which might never end. 0: no limit."},
    {.name = "gears-max-result-bytes", .kind = OPT_MEMORY, .var.size = &gconf.max_result_bytes,
     .dflt = "0", .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "How much memory the results of an execution, and its errors, may each take. 0: no "
            "limit but gears-max-memory."},
    {.name = "gears-atomic-max-time", .kind = OPT_I64, .var.i64 = &gconf.atomic_time_ms,
     .dflt = "0", .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "Milliseconds that an atomic block may last, in which nobody else's command runs; then "
            "its program is stopped. 0: no limit."},
    {.name = "gears-max-memory", .kind = OPT_MEMORY, .var.size = &gconf.max_memory,
     .dflt = "1gb", .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "How much memory Python may have, all scripts together: beyond it scripts get "
            "MemoryError. Also how large the results of one execution may be. 0: no limit."},
    {.name = "gears-cancel-on-disconnect", .kind = OPT_BOOL, .var.b = &gconf.cancel_on_disconnect,
     .dflt = "yes", .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "Stop a script when the client that waits for it goes away."},
    {.name = "gears-sync-wait", .kind = OPT_I64, .var.i64 = &gconf.sync_wait_ms, .dflt = "500",
     .min = 1, .max = 3600000, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "Milliseconds that a command waits for a sync registration's callback to begin. If "
            "Python is busy for longer (one long call of a C library), the callback fails and the "
            "command goes on."},
    {.name = "gears-sync-max-time", .kind = OPT_I64, .var.i64 = &gconf.sync_time_ms,
     .dflt = "5000", .min = 1, .max = 3600000, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "Milliseconds that a sync registration's callback may run; then it is stopped. Clients "
            "wait that long."},
    {.name = "gears-max-program-threads", .kind = OPT_I64,
     .var.i64 = &gconf.max_program_threads, .dflt = "256", .max = 1000000, .apply = apply,
     .section = OPT_SECTION_GEARS,
     .doc = "How many threads of their own all programs together may have at a time; beyond it, "
            "starting one raises RuntimeError. No other limit concerns what they do. 0: no limit."},
    {.name = "gears-max-failures", .kind = OPT_I64, .var.i64 = &gconf.max_failures, .dflt = "0",
     .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_GEARS,
     .doc = "After so many failed executions in a row a registration is paused, until "
            "RG.UNPAUSEREGISTRATIONS: one of a StreamReader, a KeysReader or a TimeReader. 0: "
            "never. register(maxFailures=) says otherwise for one, and concerns a CommandReader, "
            "too."},
};

/* ---- INFO ---- */

static int64_t metric_executions(void)
{
    return (int64_t)(grun_count() + gbacklog_stats().events);
}

static int64_t metric_queued(void)
{
    return (int64_t)grun_queued();
}

static int64_t metric_scripts(void)
{
    return (int64_t)gscript_count();
}

static int64_t metric_registrations(void)
{
    return (int64_t)greg_count();
}

static int64_t metric_time_events(void)
{
    return (int64_t)gtime_event_count();
}

static int64_t metric_wedged(void)
{
    return (int64_t)gpool_wedged_count();
}

static int64_t metric_program_threads(void)
{
    return (int64_t)gpy_program_threads();
}

static int64_t metric_memory(void)
{
    return (int64_t)gpy_memory_used();
}

static int64_t metric_memory_peak(void)
{
    return (int64_t)gpy_memory_peak();
}

static void metric_python(struct buf *out)
{
    static const char *const states[] = {"failed", "not started", "running"};
    buf_append_cstr(out, states[grun_python_state() + 1]);
}

static void metric_version(struct buf *out)
{
    buf_append_cstr(out, gpy_version());
}

/* What waits for workers, who is held for that, and what isn't told. */
static void metric_events(struct buf *out)
{
    struct gbacklog_stats b = gbacklog_stats();
    struct client_stall_stats c = client_stall_stats();
    struct greg_event_stats e = greg_event_stats();
    buf_printf(out,
               "gears_event_backlog:%llu\r\ngears_event_backlog_bytes:%llu\r\n"
               "gears_held_clients:%zu\r\ngears_held_total:%llu\r\n"
               "gears_held_ms:%lld\r\ngears_events_own:%llu\r\n"
               "gears_events_too_deep:%llu\r\ngears_event_depth_peak:%u\r\n",
               (unsigned long long)b.events, (unsigned long long)b.bytes, c.now,
               (unsigned long long)c.total, (long long)(c.total_us / 1000),
               (unsigned long long)e.own, (unsigned long long)e.too_deep, e.depth_peak);
}

static void metric_counters(struct buf *out)
{
    struct grun_stats s = grun_stats();
    struct gsync_stats y = gsync_stats();
    buf_printf(out,
               "gears_executions_started:%llu\r\ngears_executions_succeeded:%llu\r\n"
               "gears_executions_failed:%llu\r\ngears_executions_aborted:%llu\r\n"
               "gears_executions_dropped:%llu\r\ngears_busy_ms:%lld\r\n"
               "gears_sync_calls:%llu\r\ngears_sync_timeouts:%llu\r\n"
               "gears_sync_stopped:%llu\r\ngears_sync_lost:%llu\r\n"
               "gears_sync_waves:%llu\r\n"
               "gears_sync_waves_refused:%llu\r\n",
               (unsigned long long)s.started, (unsigned long long)s.finished,
               (unsigned long long)s.failed, (unsigned long long)s.aborted,
               (unsigned long long)s.dropped, (long long)(s.busy_us / 1000),
               (unsigned long long)y.calls, (unsigned long long)y.timeouts,
               (unsigned long long)y.stopped, (unsigned long long)y.lost,
               (unsigned long long)y.carried, (unsigned long long)y.uncarried);
}

static const struct metric_row metrics[] = {
    {METRIC_GEARS, "gears_python", METRIC_TEXT_FN, .text_fn = metric_python},
    {METRIC_GEARS, "gears_python_version", METRIC_TEXT_FN, .text_fn = metric_version},
    {METRIC_GEARS, "gears_python_memory", METRIC_INT_FN, .int_fn = metric_memory},
    {METRIC_GEARS, "gears_python_memory_peak", METRIC_INT_FN, .int_fn = metric_memory_peak},
    {METRIC_GEARS, "gears_executions", METRIC_INT_FN, .int_fn = metric_executions},
    {METRIC_GEARS, "gears_registrations", METRIC_INT_FN, .int_fn = metric_registrations},
    {METRIC_GEARS, "gears_time_events", METRIC_INT_FN, .int_fn = metric_time_events},
    {METRIC_GEARS, "gears_scripts", METRIC_INT_FN, .int_fn = metric_scripts},
    {METRIC_GEARS, "gears_queued", METRIC_INT_FN, .int_fn = metric_queued},
    {METRIC_GEARS, "gears_threads_wedged", METRIC_INT_FN, .int_fn = metric_wedged},
    {METRIC_GEARS, "gears_program_threads", METRIC_INT_FN, .int_fn = metric_program_threads},
    {METRIC_GEARS, "gears_events", METRIC_LINES_FN, .text_fn = metric_events},
    {METRIC_GEARS, "gears_counters", METRIC_LINES_FN, .text_fn = metric_counters},
};

void gconf_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
    metric_register(metrics, ARRAY_COUNT(metrics));
}

void gconf_publish(void)
{
    publish();
}

void gconf_teardown(void)
{
    pthread_mutex_lock(&shared.mutex);
    for (struct extra *e = shared.extras, *next; e; e = next) {
        next = e->next;
        mem_free(e->name);
        mem_free(e->value);
        mem_free(e);
    }
    shared.extras = NULL;
    shared.extra_count = 0;
    pthread_mutex_unlock(&shared.mutex);
}

/* ---- the names of RG.CONFIGGET ---- */

enum change { CHANGE_OK, CHANGE_NEVER, CHANGE_NOT_PYTHON };

struct name_row {
    const char *name;
    enum change change;
    size_t at;   /* offset in struct gconf; SIZE_MAX: nothing here depends on it */
    bool is_bool;
    int64_t min; /* and, if nothing depends on it, the value, unless it has a text */
    const char *text;
    const char *option; /* of the server, on the same variable */
};

#define AT(field) offsetof(struct gconf, field)

/* The last ones mean something only to a server that downloads its Python: they have the value that
 * a loadmodule line gave them, or their default. */
static const struct name_row names[] = {
    {"MaxExecutions", CHANGE_OK, AT(max_executions), false, 0, NULL,
     "gears-max-executions"},
    {"MaxExecutionsPerRegistration", CHANGE_OK, AT(max_per_registration), false, 0, NULL,
     "gears-max-executions-per-registration"},
    {"ProfileExecutions", CHANGE_OK, AT(profile), true, 0, NULL,
     "gears-profile-executions"},
    {"ExecutionThreads", CHANGE_NEVER, AT(threads), false, 1, NULL,
     "gears-threads"},
    {"ExecutionMaxIdleTime", CHANGE_OK, AT(max_idle_ms), false, 1, NULL,
     "gears-max-idle-time"},
    {"SendMsgRetries", CHANGE_OK, AT(send_retries), false, 0, NULL,
     "gears-send-retries"},
    {"PythonAttemptTraceback", CHANGE_OK, AT(traceback), true, 0, NULL,
     "gears-traceback"},
    {"PythonInstallReqMaxIdleTime", CHANGE_OK, AT(install_idle_ms), false, 1, NULL,
     "gears-install-max-idle-time"},
    {"CreateVenv", CHANGE_NOT_PYTHON, SIZE_MAX, false, 0, NULL, NULL},
    {"DownloadDeps", CHANGE_NOT_PYTHON, SIZE_MAX, false, 0, NULL, NULL},
    {"ForeceDownloadDepsOnEnterprise", CHANGE_NOT_PYTHON, SIZE_MAX, false, 0, NULL, NULL},
    {"OverridePythonAllocators", CHANGE_NOT_PYTHON, SIZE_MAX, false, 1, NULL, NULL},
    {"DependenciesUrl", CHANGE_NEVER, SIZE_MAX, false, 0, "", NULL},
    {"Plugin", CHANGE_NEVER, SIZE_MAX, false, 0, "", NULL},
    {"DependenciesSha256", CHANGE_NEVER, SIZE_MAX, false, 0, "", NULL},
    {"PythonInstallationDir", CHANGE_NOT_PYTHON, SIZE_MAX, false, 0,
     "/var/opt/redislabs/modules/rg", NULL},
};

static const struct name_row *find_name(struct view name, bool nocase)
{
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (nocase ? view_eq_nocase(name, names[i].name) : view_eq_cstr(name, names[i].name))
            return &names[i];
    return NULL;
}

static int64_t number_of(const struct gconf *c, const struct name_row *row)
{
    if (row->at == SIZE_MAX) return row->min;
    const char *p = (const char *)c + row->at;
    return row->is_bool ? *(const bool *)p : *(const int64_t *)(const void *)p;
}

static struct extra *find_extra(struct view name)
{
    struct extra *e = shared.extras;
    while (e && !view_eq_cstr(name, e->name)) e = e->next;
    return e;
}

enum status gconf_text(struct view name, struct buf *out)
{
    enum status st = STATUS_OK;
    const struct name_row *row = find_name(name, false);
    pthread_mutex_lock(&shared.mutex);
    struct extra *e = find_extra(name);
    if (e)
        buf_append(out, e->value, e->value_len);
    else if (row && row->text)
        buf_append_cstr(out, row->text);
    else if (row)
        buf_printf(out, "%lld", (long long)number_of(&shared.copy, row));
    else
        st = STATUS_NOT_FOUND;
    pthread_mutex_unlock(&shared.mutex);
    return st;
}

static void reply_config_error(struct exec_ctx *ctx, const char *before, struct view name,
                               const char *after)
{
    struct buf text = {0};
    buf_printf(&text, "(error) %s", before);
    buf_append_view(&text, name);
    buf_append_cstr(&text, after);
    reply_error_raw(ctx, text.ptr, text.len);
    buf_release(&text);
}

void gconf_reply_get(struct exec_ctx *ctx, struct view name)
{
    const struct name_row *row = find_name(name, false);
    struct buf text = {0};
    int64_t n;
    if (row && row->at != SIZE_MAX)
        reply_int(ctx, number_of(&gconf, row));
    else if (gconf_text(name, &text))
        reply_config_error(ctx, "Unsupported config parameter: ", name, "");
    else if (row && !row->text && num_parse_i64(buf_view(&text), &n) == STATUS_OK)
        reply_int(ctx, n);
    else
        reply_bulk(ctx, text.ptr, text.len);
    buf_release(&text);
}

static enum status save_extra(struct view name, struct view value)
{
    enum status st = STATUS_OK;
    pthread_mutex_lock(&shared.mutex);
    struct extra *e = find_extra(name);
    if (!e && shared.extra_count >= EXTRAS_MAX) {
        st = STATUS_LIMIT;
    } else {
        if (!e) {
            e = mem_zalloc(sizeof(*e));
            e->name = mem_dup(name.ptr, name.len);
            e->next = shared.extras;
            shared.extras = e;
            shared.extra_count++;
        }
        mem_free(e->value);
        e->value = mem_dup(value.ptr, value.len);
        e->value_len = value.len;
    }
    pthread_mutex_unlock(&shared.mutex);
    return st;
}

static bool set_number(const struct name_row *row, struct view value)
{
    int64_t n;
    if (num_parse_i64(value, &n) || n < row->min) return false;
    char *p = (char *)&gconf + row->at;
    if (row->is_bool)
        *(bool *)p = n != 0;
    else
        *(int64_t *)(void *)p = n;
    publish();
    return true;
}

void gconf_reply_set(struct exec_ctx *ctx, struct view name, struct view value)
{
    const struct name_row *row = find_name(name, true);
    if (!row && (memchr(name.ptr, 0, name.len) || save_extra(name, value)))
        reply_config_error(ctx, "Failed setting config value ", name, "");
    else if (!row)
        reply_status(ctx, "OK - value was saved in extra config dictionary");
    else if (row->change == CHANGE_NEVER)
        reply_config_error(ctx, "Config value ", name, " not modifiable at runtime");
    else if (row->change == CHANGE_NOT_PYTHON)
        reply_config_error(ctx, "", name, " is not configurable at runtime");
    else if (set_number(row, value))
        reply_ok(ctx);
    else
        reply_config_error(ctx, "Failed setting config value ", name, "");
}

/* ---- a loadmodule line ---- */

bool gconf_is_option(struct view name)
{
    const struct name_row *row = find_name(name, true);
    return row && row->option;
}

enum status gconf_set_at_start(struct view name, struct view value)
{
    const struct name_row *row = find_name(name, true);
    struct opt_error ignored;
    int64_t n;
    if (memchr(name.ptr, 0, name.len)) return STATUS_SYNTAX;
    if (!row) return save_extra(name, value);
    if (row->text) return save_extra(view_cstr(row->name), value);
    if (num_parse_i64(value, &n)) return STATUS_SYNTAX;
    if (!row->option) return save_extra(view_cstr(row->name), value);
    if (row->is_bool) value = n ? VIEW_LIT("yes") : VIEW_LIT("no");
    return opt_set_words(opt_find(view_cstr(row->option)), &value, 1, &ignored);
}
