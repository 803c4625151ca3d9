/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits and their watch; see glimit.h. A limit is added by a row here, an option in gconf.c, and
 * whoever looks at it.
 */
#include "gears/glimit.h"

#include <limits.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/num.h"
#include "gears/gpy.h"
#include "gears/grun.h"

/* How soon after another Python time is looked at: it can't grow faster than the clock goes. */
#define PYTHON_LOOK_NS ((int64_t)1000000)

static const struct row {
    const char *word, *keyword;
    bool bytes;
    const char *before, *behind; /* the value */
} rows[GLIMIT_COUNT] = {
    [GLIMIT_TIME] = {"time", "maxTime", false, "it ran for longer than ", " ms (gears-max-time)"},
    [GLIMIT_PYTHON_TIME] = {"python-time", "maxPythonTime", false, "its Python took longer than ",
                            " ms (gears-max-python-time)"},
    [GLIMIT_MEMORY] = {"memory", "maxMemory", true, "its Python took more than ",
                       " bytes of memory (gears-max-execution-memory)"},
    [GLIMIT_RECORDS] = {"records", "maxRecords", false, "the reader gave more than ",
                        " records (gears-max-records)"},
    [GLIMIT_RESULT_BYTES] = {"result-bytes", "maxResultBytes", true,
                             "its results and errors take more than ",
                             " bytes (gears-max-result-bytes)"},
    [GLIMIT_ATOMIC_TIME] = {"atomic-time", "maxAtomicTime", false,
                            "its atomic block took longer than ", " ms (gears-atomic-max-time)"},
    [GLIMIT_SYNC_TIME] = {NULL, NULL, false, "it held its command up for longer than ",
                          " ms (gears-sync-max-time)"},
};

void glimits_clear(struct glimits *l)
{
    for (int i = 0; i < GLIMIT_COUNT; i++) l->v[i] = GLIMIT_UNSET;
}

void glimits_override(struct glimits *l, const struct glimits *over)
{
    for (int i = 0; over && i < GLIMIT_COUNT; i++)
        if (over->v[i] != GLIMIT_UNSET) l->v[i] = over->v[i];
}

enum glimit glimit_of_word(struct view word)
{
    for (int i = 0; i < GLIMIT_COUNT; i++)
        if (rows[i].word && view_eq_nocase(word, rows[i].word)) return (enum glimit)i;
    return GLIMIT_COUNT;
}

const char *glimit_word(enum glimit limit)
{
    return rows[limit].word;
}

const char *glimit_keyword(enum glimit limit)
{
    return rows[limit].keyword;
}

enum status glimit_parse(enum glimit limit, struct view text, int64_t *out)
{
    uint64_t n;
    if (text.len == 0 || text.ptr[0] < '0' || text.ptr[0] > '9') return STATUS_SYNTAX;
    enum status st = rows[limit].bytes ? num_parse_memory(text, &n) : num_parse_u64(text, &n);
    if (st || n > INT64_MAX) return STATUS_SYNTAX;
    *out = (int64_t)n;
    return STATUS_OK;
}

void glimit_text(enum glimit limit, int64_t value, struct buf *out)
{
    buf_printf(out, "%s%lld%s", rows[limit].before, (long long)value, rows[limit].behind);
}

/* ---- the watch ---- */

struct gwatch {
    struct gwatch *prev, *next; /* guard: the mutex, as for all below */
    struct gstop *stop;
    struct gexec *exec;         /* NULL: a body or an atomic block */
    enum glimit wall;           /* what is met at the deadline */
    int64_t deadline_us;        /* INT64_MAX: none */
    struct gmeter *meter;
    int64_t python_ns;          /* INT64_MAX: none */
    bool fired;
};

static struct {
    pthread_mutex_t mutex;
    struct gwatch *list;
} watch = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Executions that one look aborts; the next look takes the others. */
#define ABORTS_MAX 32

static int64_t deadline(int64_t ms)
{
    int64_t now_us = clock_mono_us();
    return ms > 0 && ms < (INT64_MAX - now_us) / 1000 ? now_us + ms * 1000 : INT64_MAX;
}

static struct gwatch *add(const struct gwatch *model)
{
    struct gwatch *w = mem_alloc(sizeof(*w));
    *w = *model;
    pthread_mutex_lock(&watch.mutex);
    w->prev = NULL;
    w->next = watch.list;
    if (w->next) w->next->prev = w;
    watch.list = w;
    pthread_mutex_unlock(&watch.mutex);
    gpy_wake();
    return w;
}

struct gwatch *gwatch_begin(struct gstop *stop, const struct glimits *l, struct gmeter *meter,
                            struct gexec *exec)
{
    int64_t python_ms = l->v[GLIMIT_PYTHON_TIME], python_ns = INT64_MAX;
    if (likely(!l->v[GLIMIT_TIME] && !python_ms)) return NULL;
    if (python_ms && python_ms < INT64_MAX / 1000000) python_ns = python_ms * 1000000;
    return add(&(struct gwatch){.stop = stop,
                                .exec = exec,
                                .wall = GLIMIT_TIME,
                                .deadline_us = deadline(l->v[GLIMIT_TIME]),
                                .meter = meter,
                                .python_ns = python_ns});
}

struct gwatch *gwatch_begin_one(struct gstop *stop, enum glimit limit, int64_t ms)
{
    return add(&(struct gwatch){.stop = stop,
                                .wall = limit,
                                .deadline_us = deadline(ms),
                                .python_ns = INT64_MAX});
}

void gwatch_end(struct gwatch *w)
{
    if (likely(!w)) return;
    pthread_mutex_lock(&watch.mutex);
    if (w->prev) w->prev->next = w->next;
    else watch.list = w->next;
    if (w->next) w->next->prev = w->prev;
    pthread_mutex_unlock(&watch.mutex);
    mem_free(w);
}

/* Stops w if it is over its time, and says in how many ns it may be otherwise. */
static int64_t look_at(struct gwatch *w, int64_t now_us)
{
    int64_t left_us = MIN(w->deadline_us - now_us, (int64_t)60000000), left_ns = INT64_MAX;
    if (w->python_ns != INT64_MAX) left_ns = w->python_ns - gmeter_python_ns(w->meter);
    if (w->python_ns != INT64_MAX && w->exec) left_ns -= gmeter_python_ns(&w->exec->loop_meter);
    if (left_us > 0 && left_ns > 0) return MIN(left_us * 1000, MAX(left_ns, PYTHON_LOOK_NS));
    w->fired = true;
    gpy_stop_for(w->stop, left_us <= 0 ? w->wall : GLIMIT_PYTHON_TIME);
    return INT64_MAX;
}

int64_t gwatch_look(void)
{
    struct gexec *late[ABORTS_MAX];
    size_t count = 0;
    int64_t next_ns = INT64_MAX, now_us = clock_mono_us();
    pthread_mutex_lock(&watch.mutex);
    for (struct gwatch *w = watch.list; w; w = w->next) {
        if (w->fired) continue;
        if (count == ABORTS_MAX) {
            next_ns = 0;
            break;
        }
        next_ns = MIN(next_ns, look_at(w, now_us));
        /* Its list is left before its last reference can go. */
        if (w->fired && w->exec) late[count++] = grun_exec_ref(w->exec);
    }
    pthread_mutex_unlock(&watch.mutex);
    for (size_t i = 0; i < count; i++) {
        grun_abort(late[i]);
        grun_exec_unref(late[i]);
    }
    return next_ns == INT64_MAX ? -1 : next_ns;
}
