/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plans, and the table of ops. An op is added by a row here, a case in py/gpy_steps.c
 * and a test.
 *
 * Plans own Python references, and their last holder may be the main thread, which never waits for
 * the GIL. So their end goes through gpy_discard, which decides when.
 */
#include "gears/gplan.h"

#include "gears/gpy.h"

static const struct gstep_row rows[GOP_COUNT_OF] = {
    [GOP_TO_PY] = {"to_py", GSTEP_MAP, "RedisGearsPy_ToPyRecordMapper"},
    [GOP_MAP] = {"map", GSTEP_MAP, "RedisGearsPy_PyCallbackMapper"},
    [GOP_STR] = {"str", GSTEP_MAP, "RedisGearsPy_PyCallbackMapper"},
    [GOP_SORTED] = {"sorted", GSTEP_MAP, "RedisGearsPy_PyCallbackMapper"},
    [GOP_LIST_OF] = {"list_of", GSTEP_MAP, "RedisGearsPy_PyCallbackFlatMapper"},
    [GOP_FLATMAP_FN] = {"flatmap_fn", GSTEP_MAP, "RedisGearsPy_PyCallbackFlatMapper"},
    [GOP_FLATMAP] = {"flatmap", GSTEP_FLATMAP, "flatmap"},
    [GOP_FILTER] = {"filter", GSTEP_FILTER, "RedisGearsPy_PyCallbackFilter"},
    [GOP_FOREACH] = {"foreach", GSTEP_FOREACH, "RedisGearsPy_PyCallbackForEach"},
    [GOP_LIMIT] = {"limit", GSTEP_LIMIT, "limit"},
    [GOP_ACCUMULATE] = {"accumulate", GSTEP_ACCUMULATE, "RedisGearsPy_PyCallbackAccumulate"},
    [GOP_FOLD] = {"fold", GSTEP_ACCUMULATE, "RedisGearsPy_PyCallbackAccumulate"},
    [GOP_COUNT] = {"count", GSTEP_ACCUMULATE, "RedisGearsPy_PyCallbackAccumulate"},
    [GOP_SUM] = {"sum", GSTEP_ACCUMULATE, "RedisGearsPy_PyCallbackAccumulate"},
    [GOP_APPEND] = {"append", GSTEP_ACCUMULATE, "RedisGearsPy_PyCallbackAccumulate"},
    [GOP_EXTEND] = {"extend", GSTEP_ACCUMULATE, "RedisGearsPy_PyCallbackAccumulate"},
    [GOP_ADD] = {"add", GSTEP_ACCUMULATE, "RedisGearsPy_PyCallbackAccumulate"},
    [GOP_UNION] = {"union", GSTEP_ACCUMULATE, "RedisGearsPy_PyCallbackAccumulate"},
    [GOP_EXTRACT] = {"extract", GSTEP_EXTRACTKEY, "RedisGearsPy_PyCallbackExtractor"},
    [GOP_EXTRACT_SELF] = {"extract_self", GSTEP_EXTRACTKEY, "RedisGearsPy_PyCallbackExtractor"},
    [GOP_EXTRACT_KEY] = {"extract_key", GSTEP_EXTRACTKEY, "RedisGearsPy_PyCallbackExtractor"},
    [GOP_REPARTITION] = {"repartition", GSTEP_REPARTITION, "repartition"},
    [GOP_VALUE] = {"value", GSTEP_MAP, "GetValueMapper"},
    [GOP_GROUP] = {"group", GSTEP_GROUP, "group"},
    [GOP_REDUCE] = {"reduce", GSTEP_REDUCE, "RedisGearsPy_PyCallbackReducer"},
    [GOP_ACCUMULATE_BY_KEY] = {"accumulate_by_key", GSTEP_ACCUMULATEBYKEY,
                               "RedisGearsPy_PyCallbackAccumulateByKey"},
    [GOP_FOLD_BY_KEY] = {"fold_by_key", GSTEP_ACCUMULATEBYKEY,
                         "RedisGearsPy_PyCallbackAccumulateByKey"},
    [GOP_MERGE_BY_KEY] = {"merge_by_key", GSTEP_ACCUMULATEBYKEY,
                          "RedisGearsPy_PyCallbackAccumulateByKey"},
    [GOP_COUNT_BY_KEY] = {"count_by_key", GSTEP_ACCUMULATEBYKEY,
                          "RedisGearsPy_PyCallbackAccumulateByKey"},
    [GOP_SUM_BY_KEY] = {"sum_by_key", GSTEP_ACCUMULATEBYKEY,
                        "RedisGearsPy_PyCallbackAccumulateByKey"},
    [GOP_COLLECT] = {"collect", GSTEP_COLLECT, "collect"},
};

static const char *const kind_names[GSTEP_KIND_COUNT] = {
    "none",     "map",     "filter",  "reader",  "group", "extractkey", "repartition",
    "reduce",   "collect", "foreach", "flatmap", "limit", "accumulate", "accumulatebykey"};

static const char *const reader_names[GREADER_COUNT] = {
    "KeysReader",     "KeysOnlyReader", "PythonReader",
    "ShardsIDReader", "StreamReader",   "CommandReader", "TimeReader"};

static atomic_uint_fast64_t next_number;

const struct gstep_row *gstep_row(enum gstep_op op)
{
    ASSERT(op < GOP_COUNT_OF);
    return &rows[op];
}

enum gstep_op gstep_op_of(const char *word)
{
    for (int op = 0; op < GOP_COUNT_OF; op++)
        if (strcmp(rows[op].word, word) == 0) return (enum gstep_op)op;
    return GOP_COUNT_OF;
}

const char *gstep_kind_name(enum gstep_kind kind)
{
    return kind_names[kind];
}

const char *greader_name(enum greader reader)
{
    return reader_names[reader];
}

enum greader greader_of(const char *name)
{
    for (int r = 0; r < GREADER_COUNT; r++)
        if (strcmp(reader_names[r], name) == 0) return (enum greader)r;
    return GREADER_COUNT;
}

const char *gmode_name(enum gmode mode)
{
    static const char *const names[] = {"async", "async_local", "sync"};
    return names[mode];
}

uint64_t gplan_next_number(void)
{
    return atomic_fetch_add(&next_number, 1);
}

/* Sums of counts by key are such, for there is one count for each key. */
bool gplan_left_out(const struct gplan *plan, size_t i)
{
    enum gstep_op op = plan->steps[i].op;
    if (op == GOP_EXTRACT_KEY)
        return i + 2 < plan->step_count && plan->steps[i + 2].op == GOP_SUM_BY_KEY;
    return op == GOP_TO_PY || op == GOP_COLLECT || op == GOP_REPARTITION || op == GOP_SUM_BY_KEY;
}

struct gplan *gplan_new(enum greader reader, size_t steps, struct gsession *session)
{
    struct gplan *plan = mem_zalloc(sizeof(*plan));
    atomic_init(&plan->refs, 1);
    plan->reader = reader;
    plan->read_value = true;
    plan->session = session ? gsession_ref(session) : NULL;
    plan->step_count = steps;
    plan->steps = mem_zalloc(sizeof(struct gstep) * (steps ? steps : 1));
    return plan;
}

struct gplan *gplan_ref(struct gplan *plan)
{
    atomic_fetch_add_explicit(&plan->refs, 1, memory_order_relaxed);
    return plan;
}

void gplan_unref(struct gplan *plan)
{
    if (!plan || atomic_fetch_sub_explicit(&plan->refs, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < plan->step_count; i++) {
        struct gstep *s = &plan->steps[i];
        gpy_discard(s->callable);
        buf_release(&s->pickle);
        mem_free(s->arg_text);
    }
    gpy_discard(plan->source);
    buf_release(&plan->source_pickle);
    gsession_unref(plan->session);
    mem_free(plan->steps);
    mem_free(plan->limits);
    mem_free(plan->arg);
    mem_free(plan->desc);
    mem_free(plan);
}
