/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dictionary of requirements; see greq.h. Some tens: it is searched.
 */
#include "gears/greq.h"

#include <pthread.h>

#include "conf/option.h"
#include "gears/greq_impl.h"

struct greq_settings greq_settings;

static struct {
    pthread_mutex_t mutex; /* guards all below */
    struct greq *list;     /* oldest first */
    struct buf path;
    struct buf forgotten;  /* names of modules, one a line */
} dict = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void lock(void)
{
    pthread_mutex_lock(&dict.mutex);
}

static void unlock(void)
{
    pthread_mutex_unlock(&dict.mutex);
}

/* ---- options ---- */

static const struct opt_row rows[] = {
    {.name = "enable-gears-requirements", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE,
     .var.b = &greq_settings.enabled, .dflt = "no", .section = OPT_SECTION_GEARS,
     .doc = "Whether RG.PYEXECUTE may install packages that a script requires. pip fetches them "
            "from where its own configuration says, as the server's user."},
    {.name = "gears-requirements-dir", .kind = OPT_STRING, .flags = OPT_IMMUTABLE,
     .var.text = &greq_settings.root, .dflt = "gears-packages", .section = OPT_SECTION_GEARS,
     .doc = "The folder of these packages, below dir if it isn't absolute; made anew by each "
            "server that installs one. Servers can't share it."},
    {.name = "gears-requirements-sources", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE,
     .var.b = &greq_settings.sources, .dflt = "no", .section = OPT_SECTION_GEARS,
     .doc = "Whether requirements may also be built from their sources, which runs programs of "
            "theirs, and may name files and addresses; else they are wheels of an index."},
    {.name = "gears-requirements-max-time", .kind = OPT_I64, .flags = OPT_IMMUTABLE,
     .var.i64 = &greq_settings.max_time_s, .dflt = "300", .min = 1, .max = 86400,
     .section = OPT_SECTION_GEARS,
     .doc = "Seconds that fetching and installing the requirements of one script may take."},
    {.name = "gears-requirements-max-size", .kind = OPT_MEMORY, .flags = OPT_IMMUTABLE,
     .var.size = &greq_settings.max_bytes, .dflt = "1gb", .max = INT64_MAX,
     .section = OPT_SECTION_GEARS,
     .doc = "How large gears-requirements-dir may become. 0: no limit."},
    {.name = "gears-system-packages", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE,
     .var.b = &greq_settings.system_packages, .dflt = "no", .section = OPT_SECTION_GEARS,
     .doc = "Whether scripts may import what is installed for the system's Python, as Debian's "
            "python3-numpy. Its standard library they always can."},
};

void greq_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}

/* ---- wishes ---- */

void greq_wish_free(struct greq_wish *wish)
{
    for (size_t i = 0; i < wish->count; i++) mem_free(wish->names[i]);
    mem_free(wish->names);
    *wish = (struct greq_wish){0};
}

const char *greq_refusal(struct view name)
{
    if (!greq_settings.enabled)
        return "Could not satisfy requirements: enable-gears-requirements is off, the packages "
               "must be there for the server's Python already.";
    if (gwheel_is_requirement(name, greq_settings.sources)) return NULL;
    if (gwheel_is_requirement(name, true))
        return "Could not satisfy requirements: only names of packages are allowed, unless "
               "gears-requirements-sources is on.";
    return "Could not satisfy requirements: a requirement is a package's name of at most 1024 "
           "bytes, with versions perhaps.";
}

/* ---- life ---- */

void greq__each(void (*fn)(void *ctx, struct greq *r), void *ctx)
{
    lock();
    for (struct greq *r = dict.list; r; r = r->next) fn(ctx, r);
    unlock();
}

struct greq *greq__find(struct view name)
{
    lock();
    struct greq *r = dict.list;
    while (r && !view_eq_cstr(name, r->name)) r = r->next;
    if (r) r->refs++;
    unlock();
    return r;
}

struct greq *greq__add(const char *name, char *take_folder)
{
    struct greq *r = mem_zalloc(sizeof(*r));
    r->name = mem_dup(name, strlen(name));
    r->folder = take_folder;
    r->refs = 1;
    r->listed = true;
    lock();
    struct greq **at = &dict.list;
    while (*at) at = &(*at)->next;
    *at = r;
    unlock();
    return r;
}

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++) mem_free(list[i]);
    mem_free(list);
}

static void free_req(struct greq *r)
{
    free_list(r->wheels, r->wheel_count);
    mem_free(r->folder);
    mem_free(r->name);
    mem_free(r);
}

void greq__fetched(struct greq *r, char **take_wheels, size_t count)
{
    lock();
    char **before = r->wheels;
    size_t before_count = r->wheel_count;
    r->wheels = take_wheels;
    r->wheel_count = count;
    r->downloaded = true;
    unlock();
    free_list(before, before_count);
}

void greq__installed(struct greq *r, bool yes)
{
    lock();
    r->installed = yes;
    unlock();
}

/* Under the mutex. */
static void unlist(struct greq *r)
{
    struct greq **at = &dict.list;
    if (!r->listed) return;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
    r->listed = false;
}

void greq__drop(struct greq *r)
{
    lock();
    unlist(r);
    unlock();
}

/* Under the mutex; true: it is the caller's to free. */
static bool give_back(struct greq *r)
{
    return --r->refs == 0 && !r->listed;
}

void greq__unref(struct greq *r)
{
    if (!r) return;
    lock();
    bool last = give_back(r);
    unlock();
    if (last) free_req(r);
}

void greq_release(struct greq **list, size_t count, bool replaced)
{
    bool wake = false;
    for (size_t i = 0; i < count; i++) {
        struct greq *r = list[i];
        lock();
        r->unwanted |= replaced;
        wake |= r->unwanted && r->refs == 1 && r->listed;
        bool last = give_back(r);
        unlock();
        if (last) free_req(r);
    }
    mem_free(list);
    if (wake) ginstall_wake();
}

struct greq *greq__take_unwanted(void)
{
    lock();
    struct greq *r = dict.list;
    while (r && !(r->unwanted && r->refs == 0)) r = r->next;
    if (r) {
        unlist(r);
        r->refs = 1;
    }
    unlock();
    return r;
}

/* ---- what is told of them ---- */

static void put(struct tape *out, const char *text)
{
    tape_bytes(out, TAPE_BULK, text, strlen(text));
}

static void put_pair(struct tape *out, const char *name, const char *text)
{
    put(out, name);
    put(out, text);
}

/* Under the mutex. */
static void dump(const struct greq *r, struct tape *out)
{
    struct buf system = {0};
    gwheel_system(&system);
    tape_aggregate(out, TAPE_ARRAY, 18);
    put(out, "GearReqVersion");
    tape_int(out, 2);
    put_pair(out, "Name", r->name);
    put_pair(out, "IsDownloaded", r->downloaded ? "yes" : "no");
    put_pair(out, "IsInstalled", r->installed ? "yes" : "no");
    put_pair(out, "CompiledOs", buf_cstr(&system));
    put(out, "Wheels");
    if (r->downloaded) {
        tape_aggregate(out, TAPE_ARRAY, r->wheel_count);
        for (size_t i = 0; i < r->wheel_count; i++) put(out, r->wheels[i]);
    } else {
        put(out, "Requirement was not yet downloaded so wheels are not available");
    }
    put_pair(out, "Path", r->folder);
    put(out, "RefCount");
    tape_int(out, r->refs);
    put_pair(out, "IsInReqDictionary", r->listed ? "yes" : "no");
    buf_release(&system);
}

size_t greq_dump(struct tape *out)
{
    size_t count = 0;
    lock();
    for (const struct greq *r = dict.list; r; r = r->next, count++) dump(r, out);
    unlock();
    return count;
}

void greq_dump_one(const struct greq *r, bool verbose, struct tape *out)
{
    lock();
    if (verbose) dump(r, out);
    else put(out, r->name);
    unlock();
}

void greq_describe(const struct greq *r, struct buf *out)
{
    lock();
    buf_printf(out, "{'name':'%s', 'basePath':'%s', 'wheels':[", r->name, r->folder);
    for (size_t i = 0; i < r->wheel_count; i++)
        buf_printf(out, "%s'%s'", i ? "," : "", r->wheels[i]);
    buf_append_cstr(out, "]}");
    unlock();
}

/* ---- what scripts need ---- */

void greq__set_path(const char *path)
{
    lock();
    buf_clear(&dict.path);
    buf_append_cstr(&dict.path, path);
    unlock();
}

bool greq_path(struct buf *out)
{
    lock();
    buf_append(out, dict.path.ptr, dict.path.len);
    unlock();
    return out->len > 0;
}

void greq__forget_module(struct view name)
{
    lock();
    buf_append_view(&dict.forgotten, name);
    buf_append(&dict.forgotten, "\n", 1);
    unlock();
}

void greq_take_forgotten(struct buf *out)
{
    lock();
    buf_append(out, dict.forgotten.ptr, dict.forgotten.len);
    buf_clear(&dict.forgotten);
    unlock();
}
