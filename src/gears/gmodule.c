/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gmodule.h. Settings that are options of the server as well are written by CONFIG REWRITE
 * under those names, and the line keeps the rest.
 */
#include "gears/gmodule.h"

#include "base/mem.h"
#include "base/quote.h"
#include "conf/config_file.h"
#include "conf/config_rewrite.h"
#include "conf/metric.h"
#include "exec/reply.h"
#include "gears/gconf.h"

#define NAME    "rg"
#define VERSION 10213

static struct {
    char *path;  /* NULL: the line isn't there */
    char **words; /* behind the path */
    size_t count;
} line;

static bool ends_with(struct view v, const char *tail)
{
    size_t len = strlen(tail);
    return v.len >= len && !memcmp(v.ptr + v.len - len, tail, len);
}

/* redisgears.so, and what packages make of it: redisgears_1.2.so. */
static bool is_redisgears(struct view path)
{
    const char *slash = memrchr(path.ptr, '/', path.len);
    size_t skip = slash ? (size_t)(slash - path.ptr) + 1 : 0;
    struct view name = view_of(path.ptr + skip, path.len - skip);
    return name.len >= 10 && !memcmp(name.ptr, "redisgears", 10) && ends_with(name, ".so");
}

static enum status set_pairs(const struct view *argv, size_t argc, struct opt_error *err)
{
    if (argc % 2)
        return opt_fail(err, "'%.*s' has no value", reply_text_len(argv[argc - 1].len),
                        argv[argc - 1].ptr);
    for (size_t i = 0; i < argc; i += 2) {
        if (view_eq_nocase(argv[i], "Plugin")) continue; /* Python is there */
        if (gconf_set_at_start(argv[i], argv[i + 1]))
            return opt_fail(err, "'%.*s' can't be %.*s", reply_text_len(argv[i].len), argv[i].ptr,
                            reply_text_len(argv[i + 1].len), argv[i + 1].ptr);
    }
    return STATUS_OK;
}

static enum status set_line(const struct view *argv, size_t argc, struct opt_error *err)
{
    if (argc == 0) return opt_fail(err, "wrong number of arguments");
    if (!is_redisgears(argv[0]))
        return opt_fail(err, "the only module is RedisGears', which is built in: redisgears.so");
    if (set_pairs(argv + 1, argc - 1, err)) return STATUS_ERR;
    gmodule_teardown(); /* a later line wins */
    line.path = mem_dup(argv[0].ptr, argv[0].len);
    line.count = argc - 1;
    line.words = mem_alloc(sizeof(*line.words) * argc);
    for (size_t i = 1; i < argc; i++) line.words[i - 1] = mem_dup(argv[i].ptr, argv[i].len);
    return STATUS_OK;
}

static void put_word(struct buf *out, const char *word)
{
    buf_append_char(out, ' ');
    if (quote_is_needed(view_cstr(word))) quote_repr(out, view_cstr(word));
    else buf_append_cstr(out, word);
}

static void rewrite(struct buf *out)
{
    if (!line.path) return;
    buf_append_cstr(out, "loadmodule");
    put_word(out, line.path);
    for (size_t i = 0; i + 1 < line.count; i += 2) {
        if (gconf_is_option(view_cstr(line.words[i]))) continue;
        put_word(out, line.words[i]);
        put_word(out, line.words[i + 1]);
    }
    buf_append_char(out, '\n');
}

static void metric_module(struct buf *out)
{
    if (!line.path) return;
    buf_printf(out, "module:name=" NAME ",ver=%d,api=1,filters=0,usedby=[],using=[],options=[]\r\n",
               VERSION);
}

static const struct metric_row metrics[] = {
    {METRIC_MODULES, "module_rg", METRIC_LINES_FN, .text_fn = metric_module},
};

void gmodule_register(void)
{
    conf_directive_add("loadmodule", set_line);
    conf_on_rewrite("loadmodule", rewrite);
    metric_register(metrics, ARRAY_COUNT(metrics));
}

void gmodule_reply_list(struct exec_ctx *ctx)
{
    reply_array(ctx, line.path ? 1 : 0);
    if (!line.path) return;
    reply_map(ctx, 4);
    reply_bulk_cstr(ctx, "name");
    reply_bulk_cstr(ctx, NAME);
    reply_bulk_cstr(ctx, "ver");
    reply_int(ctx, VERSION);
    reply_bulk_cstr(ctx, "path");
    reply_bulk_cstr(ctx, line.path);
    reply_bulk_cstr(ctx, "args");
    reply_array(ctx, line.count);
    for (size_t i = 0; i < line.count; i++) reply_bulk_cstr(ctx, line.words[i]);
}

void gmodule_teardown(void)
{
    for (size_t i = 0; i < line.count; i++) mem_free(line.words[i]);
    mem_free(line.words);
    mem_free(line.path);
    line.words = NULL;
    line.path = NULL;
    line.count = 0;
}
