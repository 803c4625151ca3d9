/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading extensions, and the tables of what they have added; see gext.h.
 *
 * The directive is met while the configuration is read, which is too early to load anything (the
 * log isn't open yet), so it is kept until gears is set up. There are a handful of names: tables
 * are searched.
 */
#include "gears/gext.h"

#include <dlfcn.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/mem.h"
#include "conf/config_file.h"
#include "gears/gpy.h"

#define EXTENSIONS_MAX 64
#define NAMES_MAX 256

struct named {
    struct view name;
    const void *row;
};

struct names {
    struct named list[NAMES_MAX];
    size_t count;
};

static struct {
    struct {
        char **words; /* the path and its arguments; owned, as are the words */
        size_t count;
    } wanted[EXTENSIONS_MAX];
    size_t wanted_count;
    bool loading;
    struct names readers, functions, languages;
} ext;

/* ---- the tables ---- */

static const void *find(const struct names *names, struct view name)
{
    for (size_t i = 0; i < names->count; i++)
        if (view_eq(names->list[i].name, name)) return names->list[i].row;
    return NULL;
}

static bool add(struct names *names, const char *name, const void *row, bool complete)
{
    if (!ext.loading || !complete || !name || !*name) return false;
    if (names->count == NAMES_MAX || find(names, view_cstr(name))) return false;
    names->list[names->count++] = (struct named){view_cstr(name), row};
    return true;
}

/* A reader of this name would hide one of ours. */
static bool add_reader(const struct gears_reader *reader)
{
    if (reader->name && greader_of(reader->name) != GREADER_COUNT) return false;
    return add(&ext.readers, reader->name, reader, reader->open && reader->next && reader->close);
}

static bool add_function(const struct gears_function *function)
{
    return add(&ext.functions, function->name, function, function->call != NULL);
}

static bool add_language(const struct gears_language *language)
{
    return add(&ext.languages, language->name, language, language->run != NULL);
}

static void log_line(enum gears_level level, const char *text)
{
    static const enum log_level levels[] = {LOG_LEVEL_DEBUG, LOG_LEVEL_VERBOSE, LOG_LEVEL_NOTICE,
                                            LOG_LEVEL_WARNING};
    enum log_level ours = levels[(unsigned)level < ARRAY_COUNT(levels) ? level : GEARS_NOTICE];
    if (log_enabled(ours)) log_write(ours, "GEARS: %s", text);
}

struct gears_api gext_api = {.version = GEARS_API_VERSION,
                             .add_reader = add_reader,
                             .add_function = add_function,
                             .add_language = add_language,
                             .log = log_line};

const struct gears_reader *gext_reader(struct view name)
{
    return find(&ext.readers, name);
}

const struct gears_function *gext_function(struct view name)
{
    return find(&ext.functions, name);
}

const struct gears_language *gext_language(struct view name)
{
    return find(&ext.languages, name);
}

/* ---- loading ---- */

/* gears-extension <path> [word...] */
static enum status want_extension(const struct view *argv, size_t argc, struct opt_error *err)
{
    if (argc < 1 || !argv[0].len) return opt_fail(err, "wrong number of arguments");
    if (ext.wanted_count == EXTENSIONS_MAX)
        return opt_fail(err, "more than %d extensions", EXTENSIONS_MAX);
    char **words = mem_alloc(sizeof(*words) * argc);
    for (size_t i = 0; i < argc; i++) words[i] = mem_dup(argv[i].ptr, argv[i].len);
    ext.wanted[ext.wanted_count].words = words;
    ext.wanted[ext.wanted_count++].count = argc;
    return STATUS_OK;
}

void gext_register(void)
{
    conf_directive_add("gears-extension", want_extension);
}

/* It stays for good: the tables point into it. */
static enum status load_one(char *const *words, size_t count)
{
    int (*init)(const struct gears_api *api, int argc, const char *const *argv);
    void *handle = dlopen(words[0], RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        log_warning("Gears: can't load the extension %s: %s", words[0], dlerror());
        return STATUS_IO;
    }
    *(void **)&init = dlsym(handle, "gears_extension_init");
    if (!init) {
        log_warning("Gears: %s has no gears_extension_init: it is no extension", words[0]);
        return STATUS_TYPE;
    }
    ext.loading = true;
    int failed = init(&gext_api, (int)count - 1, (const char *const *)words + 1);
    ext.loading = false;
    if (failed) {
        log_warning("Gears: the extension %s could not be set up: %d", words[0], failed);
        return STATUS_ERR;
    }
    log_notice("Gears: the extension %s is loaded", words[0]);
    return STATUS_OK;
}

enum status gext_load(void)
{
    if (ext.wanted_count && !gpy_fill_api(&gext_api)) {
        log_warning("Gears: extensions need Python, and this server was built without it");
        return STATUS_ERR;
    }
    for (size_t i = 0; i < ext.wanted_count; i++) {
        enum status st = load_one(ext.wanted[i].words, ext.wanted[i].count);
        if (st) return st;
    }
    return STATUS_OK;
}
