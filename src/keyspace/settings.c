/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of the keyspace, as rows. Thread: main.
 */
#include "keyspace/settings.h"

#include <limits.h>

#include "conf/option.h"

struct kv_settings kv_settings;

#define LAZY_ROW(what, field, text)                                                                \
    {.name = "lazyfree-lazy-" what, .kind = OPT_BOOL, .var.b = &kv_settings.field, .dflt = "no",   \
     .section = OPT_SECTION_LAZYFREE, .doc = text}

static const struct opt_row rows[] = {
    {.name = "databases", .kind = OPT_INT, .flags = OPT_IMMUTABLE,
     .var.i = &kv_settings.databases, .dflt = "16", .min = 1, .max = INT_MAX,
     .section = OPT_SECTION_GENERAL,
     .doc = "How many databases there are; SELECT takes 0 up to this number less one."},
    {.name = "active-expire-effort", .kind = OPT_INT, .var.i = &kv_settings.expire_effort,
     .dflt = "1", .min = 1, .max = 10, .section = OPT_SECTION_MEMORY,
     .doc = "How much time goes into deleting expired keys that nobody asks for, while there are "
            "many: a quarter of the main thread's with 1, 43 percent with 10."},
    {.name = "activerehashing", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kv_settings.rehash, .dflt = "yes"},
    LAZY_ROW("eviction", lazy_eviction, "Keys that are evicted for want of memory."),
    LAZY_ROW("expire", lazy_expire, "Keys whose time has come."),
    LAZY_ROW("server-del", lazy_server_del,
             "Values that go because a command overwrites them, as RENAME does."),
    LAZY_ROW("user-del", lazy_user_del, "DEL, which then does what UNLINK does."),
    LAZY_ROW("user-flush", lazy_user_flush,
             "FLUSHALL and FLUSHDB when they say neither SYNC nor ASYNC."),
};

void kv_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}
