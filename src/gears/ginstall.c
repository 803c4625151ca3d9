/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The installer: one thread, made with the first requirement, which serves jobs in their order.
 * See greq.h. It has no Python of its own and takes no token; pip is another process.
 *
 *   script --> each requirement: known and installed? else fetched, compared with what is
 *              installed, installed --> a worker runs the script
 *
 * Versions are compared by the names of wheels, which pip has resolved: whatever a requirement
 * needs in turn is among them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "exec/client.h"
#include "gears/gpip.h"
#include "gears/gpy.h"
#include "gears/greq_impl.h"
#include "gears/grun.h"
#include "gears/gscript.h"

#define MARK ".gears-packages"
#define CHUNK_BYTES ((size_t)10 << 20)

static const char no_folder[] = "Could not satisfy requirements, look at the log file for more "
                                "information.";
static const char no_wheels[] = "Could not satisfy requirements (look at redis log file for more "
                                "information)";
static const char no_install[] = "Failed installing requirements on shard, please check shard "
                                 "logs for more details.";

struct job {
    struct job *next;
    enum { JOB_SCRIPT, JOB_EXPORT, JOB_IMPORT } kind;
    struct gscript *script;
    uint64_t client_id;
    struct buf bytes; /* the name, or the container */
};

/* A package in the environment. */
struct package {
    struct package *next;
    char name[GWHEEL_PART_SIZE];
    char version[GWHEEL_PART_SIZE];
};

static struct {
    pthread_mutex_t mutex; /* guards these */
    pthread_cond_t work;
    struct job *first, *last;
    bool made, look;

    /* The installer's. */
    int lock_fd;
    bool ready; /* the environment is there */
    char root[PATH_MAX];
    char python[PATH_MAX];
    struct package *packages;
} in = {.mutex = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .lock_fd = -1};

/* What is under way: what pip's program said, and where failures are written to. */
struct task {
    const atomic_bool *stop;
    int64_t deadline_us;
    bool force;
    struct buf *error;
    struct buf path, python, conflict, reason;
    bool full;
};

/* ---- running the program ---- */

static void on_line(void *ctx, struct view word, struct view value)
{
    struct task *t = ctx;
    if (view_eq_cstr(word, "path")) buf_append_view(&t->path, value);
    else if (view_eq_cstr(word, "python")) buf_append_view(&t->python, value);
    else if (view_eq_cstr(word, "module")) greq__forget_module(value);
    else if (view_eq_cstr(word, "conflict")) buf_append_view(&t->conflict, value);
    else if (view_eq_cstr(word, "error")) buf_append_view(&t->reason, value);
    else if (view_eq_cstr(word, "full")) t->full = true;
}

static void fail(struct task *t, const char *text)
{
    buf_clear(t->error);
    buf_append_cstr(t->error, text);
}

/* COMMAND and its words; `text`: the error where nothing better is known. */
static enum status run(struct task *t, const char *const *command, const char *text)
{
    const char *words[GWHEEL_COUNT_MAX + 8];
    char max_bytes[32];
    size_t count = 0;
    snprintf(max_bytes, sizeof(max_bytes), "%zu", greq_settings.max_bytes);
    words[count++] = in.root;
    words[count++] = max_bytes;
    for (; *command; command++) words[count++] = *command;
    words[count] = NULL;
    struct gpip_call call = {in.python, words, t->stop, t->deadline_us, on_line, t};
    enum status st = gpip_run(&call);
    if (st == STATUS_OK && !t->full) return STATUS_OK;
    fail(t, text);
    if (st == STATUS_ABORTED) {
        fail(t, "Could not satisfy requirements: it was stopped");
    } else if (st == STATUS_LIMIT) {
        fail(t, "Could not satisfy requirements: it took longer than gears-requirements-max-time");
    } else if (t->full) {
        fail(t, "Could not satisfy requirements: they are larger than gears-requirements-max-size");
    } else if (t->reason.len) {
        buf_clear(t->error);
        buf_printf(t->error, "Could not satisfy requirements: %s", buf_cstr(&t->reason));
    }
    return STATUS_ERR;
}

static struct task new_task(struct buf *error, const atomic_bool *stop)
{
    return (struct task){.error = error, .stop = stop,
                         .deadline_us = clock_mono_us() + greq_settings.max_time_s * 1000000};
}

static void task_release(struct task *t)
{
    buf_release(&t->path);
    buf_release(&t->python);
    buf_release(&t->conflict);
    buf_release(&t->reason);
}

/* ---- the folder ---- */

static bool is_empty(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    bool empty = d != NULL;
    while (d && empty && (e = readdir(d)))
        empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
    if (d) closedir(d);
    return empty;
}

static bool folder_failed(const char *what)
{
    log_warning("Gears: packages can't be in the folder \"%s\" (gears-requirements-dir): %s",
                in.root, what);
    in.root[0] = 0;
    return false;
}

/* The option's folder, absolute from now on, is there, is ours, and nobody else's. */
static bool take_folder(void)
{
    char mark[PATH_MAX + 32], cwd[PATH_MAX];
    struct view dir = greq_settings.root;
    bool absolute = dir.len && dir.ptr[0] == '/';
    if (in.lock_fd >= 0) return true;
    if (!absolute && !getcwd(cwd, sizeof(cwd))) return folder_failed(strerror(errno));
    int len = snprintf(in.root, sizeof(in.root), "%s%s%.*s", absolute ? "" : cwd,
                       absolute ? "" : "/", (int)dir.len, dir.ptr);
    if (!dir.len || len >= (int)sizeof(in.root)) return folder_failed("no such name");
    if (mkdir(in.root, 0700) && errno != EEXIST) return folder_failed(strerror(errno));
    snprintf(mark, sizeof(mark), "%s/" MARK, in.root);
    if (access(mark, F_OK) && !is_empty(in.root))
        return folder_failed("it has other files, which would be deleted");
    int fd = open(mark, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return folder_failed(strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        close(fd);
        return folder_failed("another server uses it");
    }
    in.lock_fd = fd;
    return true;
}

static enum status make_environment(struct task *t)
{
    char wheels[PATH_MAX + 32];
    if (in.ready) return STATUS_OK;
    if (!gpy_program(in.python, sizeof(in.python))) {
        fail(t, "Could not satisfy requirements: no program is found that belongs to the server's "
                "Python");
        return STATUS_ERR;
    }
    fail(t, no_folder);
    if (!take_folder()) return STATUS_ERR;
    const char *const command[] = {"env", greq_settings.system_packages ? "system" : "plain", NULL};
    if (run(t, command, no_folder)) return STATUS_ERR;
    snprintf(wheels, sizeof(wheels), "%s/wheels", in.root);
    if (!t->path.len || !t->python.len || mkdir(wheels, 0700)) return STATUS_ERR;
    greq__set_path(buf_cstr(&t->path));
    snprintf(in.python, sizeof(in.python), "%s", buf_cstr(&t->python));
    buf_clear(t->error);
    in.ready = true;
    return STATUS_OK;
}

/* A folder of its own for the wheels of a requirement: "<root>/wheels/<name>-<10 digits>". */
static char *new_folder(const char *requirement)
{
    char id[RANDOM_ID_LEN + 1], name[GWHEEL_PART_SIZE];
    struct buf path = {0};
    random_hex_id(id);
    gwheel_normalize(view_cstr(requirement), name);
    buf_printf(&path, "%s/wheels/%s-%.10s", in.root, name[0] ? name : "package", id);
    char *folder = mkdir(buf_cstr(&path), 0700) ? NULL : mem_dup(path.ptr, path.len);
    if (!folder) log_warning("Gears: can't make %s: %s", buf_cstr(&path), strerror(errno));
    buf_release(&path);
    return folder;
}

static void empty_folder(const char *folder)
{
    char path[PATH_MAX + 256];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (unlink(path)) log_warning("Gears: can't remove %s: %s", path, strerror(errno));
    }
    if (d) closedir(d);
}

static void remove_folder(const char *folder)
{
    empty_folder(folder);
    if (rmdir(folder)) log_warning("Gears: can't remove %s: %s", folder, strerror(errno));
}

/* The wheels in a folder; false if there is none, or something else. */
static bool list_wheels(const char *folder, char ***out, size_t *count_out)
{
    DIR *d = opendir(folder);
    char name[GWHEEL_PART_SIZE], version[GWHEEL_PART_SIZE];
    char **list = mem_alloc(sizeof(*list) * GWHEEL_COUNT_MAX);
    size_t count = 0;
    bool good = d != NULL;
    for (struct dirent *e; good && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        good = count < GWHEEL_COUNT_MAX && gwheel_parse(view_cstr(e->d_name), name, version);
        if (good) list[count++] = mem_dup(e->d_name, strlen(e->d_name));
    }
    if (d) closedir(d);
    *out = list;
    *count_out = count;
    if (good && count > 0) return true;
    for (size_t i = 0; i < count; i++) mem_free(list[i]);
    mem_free(list);
    return false;
}

/* ---- what is installed ---- */

static struct package *find_package(const char *name)
{
    struct package *p = in.packages;
    while (p && strcmp(p->name, name) != 0) p = p->next;
    return p;
}

/* Looks for a requirement that has a package. */
struct search {
    const char *package;
    const struct greq *except;
    bool used_only; /* that sessions have */
    struct greq *found;
};

static void look(void *ctx, struct greq *r)
{
    struct search *s = ctx;
    char name[GWHEEL_PART_SIZE], version[GWHEEL_PART_SIZE];
    if (r == s->except || s->found || !r->installed || (s->used_only && r->refs == 0)) return;
    for (size_t i = 0; i < r->wheel_count; i++)
        if (gwheel_parse(view_cstr(r->wheels[i]), name, version) && !strcmp(name, s->package)) {
            r->refs++;
            s->found = r;
            return;
        }
}

/* With a reference, or NULL. */
static struct greq *user_of(const char *package, const struct greq *except, bool used_only)
{
    struct search s = {package, except, used_only, NULL};
    greq__each(look, &s);
    return s.found;
}

static void conflict_text(struct task *t, const char *wanted, const struct package *has,
                          const char *version, const struct greq *user)
{
    buf_clear(t->error);
    buf_printf(t->error, "Could not satisfy requirements: %s needs %s%s%s, but %s %s is installed "
               "for %s, and one interpreter can't hold two versions of a package",
               wanted, has->name, version ? " " : " in another version", version ? version : "",
               has->name, has->version, user->name);
}

/* Whether the wheels can be beside what sessions use. */
static enum status compare(struct task *t, const struct greq *r)
{
    for (size_t i = 0; i < r->wheel_count; i++) {
        char name[GWHEEL_PART_SIZE], version[GWHEEL_PART_SIZE];
        if (!gwheel_parse(view_cstr(r->wheels[i]), name, version)) continue;
        struct package *p = find_package(name);
        if (!p || !strcmp(p->version, version) || t->force) continue;
        struct greq *user = user_of(name, r, true);
        if (!user) continue;
        conflict_text(t, r->name, p, version, user);
        greq__unref(user);
        return STATUS_ERR;
    }
    return STATUS_OK;
}

static void forget_package(struct package *p)
{
    struct package **at = &in.packages;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    mem_free(p);
}

/* The package is about to be replaced: requirements that had it in another version are none any
 * more, and until it is installed nobody knows what is there. */
static void begin_package(const struct greq *r, const char *name, const char *version)
{
    struct package *p = find_package(name);
    if (!p) return;
    if (strcmp(p->version, version) != 0)
        for (struct greq *other; (other = user_of(name, r, false));) {
            greq__installed(other, false);
            greq__drop(other);
            remove_folder(other->folder);
            greq__unref(other);
        }
    forget_package(p);
}

static void end_package(const char *name, const char *version)
{
    struct package *p = mem_zalloc(sizeof(*p));
    snprintf(p->name, sizeof(p->name), "%s", name);
    snprintf(p->version, sizeof(p->version), "%s", version);
    p->next = in.packages;
    in.packages = p;
}

/* Which of the wheels have to be installed: their places. What is there in the same version stays,
 * since others may be using it. */
static size_t missing_wheels(const struct task *t, const struct greq *r, size_t *places)
{
    size_t count = 0;
    for (size_t i = 0; i < r->wheel_count; i++) {
        char name[GWHEEL_PART_SIZE], version[GWHEEL_PART_SIZE];
        if (!gwheel_parse(view_cstr(r->wheels[i]), name, version)) continue;
        const struct package *p = find_package(name);
        if (t->force || !p || strcmp(p->version, version) != 0) places[count++] = i;
    }
    return count;
}

/* Removes packages; command[0] is for the word. */
static void run_uninstall(const char **command)
{
    struct buf error = {0};
    struct task t = new_task(&error, NULL);
    command[0] = "uninstall";
    if (run(&t, command, no_install)) log_warning("Gears: packages may be left behind");
    buf_release(&error);
    task_release(&t);
}

static enum status run_install(struct task *t, struct greq *r, const size_t *places, size_t count)
{
    const char **command = mem_alloc(sizeof(*command) * (count + 2));
    char name[GWHEEL_PART_SIZE], version[GWHEEL_PART_SIZE];
    command[0] = "install";
    for (size_t i = 0; i < count; i++) {
        struct buf path = {0};
        const char *wheel = r->wheels[places[i]];
        buf_printf(&path, "%s/%s", r->folder, wheel);
        command[1 + i] = mem_dup(path.ptr, path.len);
        buf_release(&path);
        if (gwheel_parse(view_cstr(wheel), name, version)) begin_package(r, name, version);
    }
    command[1 + count] = NULL;
    enum status st = run(t, command, no_install);
    for (size_t i = 0; i < count; i++) {
        mem_free((char *)(uintptr_t)command[1 + i]);
        ASSERT(gwheel_parse(view_cstr(r->wheels[places[i]]), name, version));
        if (st == STATUS_OK) end_package(name, version);
        command[1 + i] = mem_dup(name, strlen(name));
    }
    if (st) run_uninstall(command);
    for (size_t i = 0; i < count; i++) mem_free((char *)(uintptr_t)command[1 + i]);
    mem_free(command);
    return st;
}

static enum status install(struct task *t, struct greq *r)
{
    if (compare(t, r)) return STATUS_ERR;
    size_t *places = mem_alloc(sizeof(*places) * (r->wheel_count + 1));
    size_t count = missing_wheels(t, r, places);
    enum status st = count ? run_install(t, r, places, count) : STATUS_OK;
    mem_free(places);
    greq__installed(r, st == STATUS_OK);
    return st;
}

/* ---- fetching ---- */

/* "six==1.16 redis==4": what sessions use stays as it is. */
static void fixed_packages(const struct task *t, const struct greq *r, struct buf *out)
{
    for (const struct package *p = in.packages; p && !t->force; p = p->next) {
        struct greq *user = user_of(p->name, r, true);
        if (user) buf_printf(out, "%s%s==%s", out->len ? " " : "", p->name, p->version);
        greq__unref(user);
    }
}

static enum status fetch(struct task *t, struct greq *r)
{
    struct buf fixed = {0};
    fixed_packages(t, r, &fixed);
    const char *const command[] = {"fetch", greq_settings.sources ? "sources" : "wheels",
                                   r->folder, fixed.len ? buf_cstr(&fixed) : "", r->name, NULL};
    enum status st = run(t, command, no_wheels);
    const struct package *p = t->conflict.len ? find_package(buf_cstr(&t->conflict)) : NULL;
    struct greq *user = p ? user_of(p->name, r, true) : NULL;
    if (user) conflict_text(t, r->name, p, NULL, user);
    greq__unref(user);
    buf_release(&fixed);
    char **wheels;
    size_t count;
    if (st) return st;
    if (!list_wheels(r->folder, &wheels, &count)) {
        fail(t, no_wheels);
        return STATUS_ERR;
    }
    greq__fetched(r, wheels, count);
    return STATUS_OK;
}

/* It was never of use: it goes. */
static void give_up(struct greq *r)
{
    greq__drop(r);
    remove_folder(r->folder);
    greq__unref(r);
}

/* The requirement, installed, with a reference; NULL with t->error. */
static struct greq *satisfy_one(struct task *t, const char *name)
{
    struct greq *r = greq__find(view_cstr(name));
    if (r && r->installed && !t->force) return r;
    bool is_new = !r;
    if (is_new) {
        char *folder = new_folder(name);
        fail(t, no_folder);
        if (!folder) return NULL;
        r = greq__add(name, folder);
    } else {
        empty_folder(r->folder);
    }
    if (fetch(t, r) == STATUS_OK && install(t, r) == STATUS_OK) {
        buf_clear(t->error);
        return r;
    }
    if (is_new) give_up(r);
    else greq__unref(r);
    return NULL;
}

static void satisfy(struct task *t, struct gscript *s)
{
    struct gsession *session = s->session;
    if (make_environment(t)) return;
    session->reqs = mem_zalloc(sizeof(*session->reqs) * s->wish.count);
    for (size_t i = 0; i < s->wish.count; i++) {
        struct greq *r = satisfy_one(t, s->wish.names[i]);
        if (!r) return;
        session->reqs[session->req_count++] = r;
    }
}

static void run_script_job(struct gscript *s)
{
    struct task t = new_task(&s->unsatisfied, &s->stop.wanted);
    t.force = s->wish.force;
    satisfy(&t, s);
    task_release(&t);
    grun_submit(&s->job);
}

/* ---- export and import ---- */

static void answer_error(uint64_t client_id, const char *text)
{
    struct tape reply = {0};
    tape_bytes(&reply, TAPE_ERROR, text, strlen(text));
    client_unblock_post(client_id, &reply);
}

static bool append_file(struct buf *out, const char *folder, const char *name)
{
    char path[PATH_MAX + 256];
    struct stat st;
    struct buf content = {0};
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool good = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode);
    while (good && content.len < (size_t)st.st_size) {
        char bytes[65536];
        ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n > 0) buf_append(&content, bytes, (size_t)n);
        good = n > 0 || (n < 0 && errno == EINTR);
    }
    if (fd >= 0) close(fd);
    if (good) gwheel_pack_wheel(out, view_cstr(name), buf_view(&content));
    else log_warning("Gears: can't read %s", path);
    buf_release(&content);
    return good;
}

static void run_export(struct job *j)
{
    struct buf box = {0};
    struct tape reply = {0};
    struct greq *r = greq__find(buf_view(&j->bytes));
    bool good = r && r->downloaded;
    if (good) gwheel_pack_begin(&box, view_cstr(r->name), r->wheel_count);
    for (size_t i = 0; good && i < r->wheel_count; i++)
        good = append_file(&box, r->folder, r->wheels[i]);
    if (good) {
        gwheel_pack_end(&box);
        size_t chunks = (box.len + CHUNK_BYTES - 1) / CHUNK_BYTES;
        tape_aggregate(&reply, TAPE_ARRAY, 2);
        greq__unref(r); /* the reference count that is shown isn't ours */
        greq_dump_one(r, true, &reply);
        tape_aggregate(&reply, TAPE_ARRAY, chunks);
        for (size_t at = 0; at < box.len; at += CHUNK_BYTES)
            tape_bytes(&reply, TAPE_BULK, box.ptr + at, MIN(CHUNK_BYTES, box.len - at));
        client_unblock_post(j->client_id, &reply);
    } else {
        answer_error(j->client_id, r ? no_wheels : "requirement does not exists");
        greq__unref(r);
    }
    buf_release(&box);
}

static bool write_wheels(const struct gwheel_box *box, const char *folder)
{
    for (size_t i = 0; i < box->count; i++) {
        char path[PATH_MAX + 256];
        const struct gwheel *w = &box->wheels[i];
        snprintf(path, sizeof(path), "%s/%.*s", folder, (int)w->file.len, w->file.ptr);
        if (file_replace(path, w->content, 0600) == STATUS_OK) continue;
        log_warning("Gears: can't write %s: %s", path, strerror(errno));
        return false;
    }
    return true;
}

static enum status import_box(struct task *t, const struct gwheel_box *box)
{
    char **wheels, *folder;
    size_t count;
    char *name = mem_dup(box->requirement.ptr, box->requirement.len);
    enum status st = STATUS_ERR;
    struct greq *r = greq__find(box->requirement);
    if (r && r->installed) {
        st = STATUS_OK; /* it is the same by definition: its name is its identity */
    } else if (make_environment(t) == STATUS_OK &&
               (fail(t, no_folder), folder = new_folder(name))) {
        struct greq *added = greq__add(name, folder);
        if (write_wheels(box, folder) && list_wheels(folder, &wheels, &count)) {
            greq__fetched(added, wheels, count);
            st = install(t, added);
        }
        if (st) give_up(added);
        else greq__unref(added);
    }
    greq__unref(r);
    mem_free(name);
    return st;
}

static enum status check_box(const struct gwheel_box *box, struct buf *error)
{
    struct buf system = {0};
    size_t bytes = 0;
    gwheel_system(&system);
    for (size_t i = 0; i < box->count; i++) bytes += box->wheels[i].content.len;
    if (!view_eq(box->system, buf_view(&system)))
        buf_printf(error, "Requirement was compiled for %.*s, this server needs %s",
                   (int)MIN(box->system.len, 100u), box->system.ptr, buf_cstr(&system));
    else if (greq_settings.max_bytes && bytes > greq_settings.max_bytes)
        buf_append_cstr(error, "Could not satisfy requirements: they are larger than "
                               "gears-requirements-max-size");
    buf_release(&system);
    return error->len ? STATUS_ERR : STATUS_OK;
}

static void run_import(struct job *j)
{
    struct gwheel_box box;
    struct buf error = {0};
    struct task t = new_task(&error, NULL);
    enum status st = gwheel_unpack(buf_view(&j->bytes), &box);
    if (st == STATUS_RANGE)
        fail(&t, "Requirement version is not compatible, upgrade to newer RedisGears.");
    else if (st)
        fail(&t, "The requirement's data is damaged");
    else if ((st = check_box(&box, &error)) == STATUS_OK)
        st = import_box(&t, &box);
    mem_free(box.wheels);
    task_release(&t);
    if (st) {
        answer_error(j->client_id, buf_cstr(&error));
    } else {
        struct tape reply = {0};
        tape_bytes(&reply, TAPE_BULK, "OK", 2);
        client_unblock_post(j->client_id, &reply);
    }
    buf_release(&error);
}

/* ---- what nobody wants ---- */

static void uninstall(struct greq *r)
{
    const char **command = mem_alloc(sizeof(*command) * (r->wheel_count + 2));
    struct package **gone = mem_alloc(sizeof(*gone) * (r->wheel_count + 1));
    size_t count = 0;
    for (size_t i = 0; i < r->wheel_count; i++) {
        char name[GWHEEL_PART_SIZE], version[GWHEEL_PART_SIZE];
        if (!gwheel_parse(view_cstr(r->wheels[i]), name, version)) continue;
        struct greq *other = user_of(name, r, false);
        struct package *p = find_package(name);
        greq__unref(other);
        if (other || !p) continue;
        command[1 + count] = p->name;
        gone[count++] = p;
    }
    command[1 + count] = NULL;
    if (count) run_uninstall(command);
    for (size_t i = 0; i < count; i++) forget_package(gone[i]);
    mem_free(command);
    mem_free(gone);
}

static void remove_unwanted(void)
{
    for (struct greq *r; (r = greq__take_unwanted());) {
        if (r->installed) uninstall(r);
        remove_folder(r->folder);
        greq__unref(r);
    }
}

/* ---- the thread ---- */

/* NULL: something is unwanted. */
static struct job *take_job(void)
{
    pthread_mutex_lock(&in.mutex);
    while (!in.first && !in.look) pthread_cond_wait(&in.work, &in.mutex);
    struct job *j = in.look ? NULL : in.first;
    if (j) in.first = j->next;
    in.look = false;
    pthread_mutex_unlock(&in.mutex);
    return j;
}

static void *installer_main(void *unused)
{
    UNUSED(unused);
    for (;;) {
        struct job *j = take_job();
        if (!j) {
            remove_unwanted();
            continue;
        }
        if (j->kind == JOB_SCRIPT) run_script_job(j->script);
        else if (j->kind == JOB_EXPORT) run_export(j);
        else run_import(j);
        buf_release(&j->bytes);
        mem_free(j);
    }
    return NULL;
}

static void submit(struct job *j)
{
    pthread_mutex_lock(&in.mutex);
    if (!in.made) in.made = gpool_thread("gears-install", installer_main, NULL) == STATUS_OK;
    bool made = in.made;
    if (made) {
        *(in.first ? &in.last->next : &in.first) = j;
        in.last = j;
        pthread_cond_signal(&in.work);
    }
    pthread_mutex_unlock(&in.mutex);
    if (made) return;
    if (j->kind == JOB_SCRIPT) {
        buf_append_cstr(&j->script->unsatisfied, no_folder);
        grun_submit(&j->script->job);
    } else {
        answer_error(j->client_id, no_folder);
    }
    buf_release(&j->bytes);
    mem_free(j);
}

void ginstall_wake(void)
{
    pthread_mutex_lock(&in.mutex);
    in.look = true;
    pthread_cond_signal(&in.work);
    pthread_mutex_unlock(&in.mutex);
}

void greq_submit(struct gscript *script)
{
    struct job *j = mem_zalloc(sizeof(*j));
    j->kind = JOB_SCRIPT;
    j->script = script;
    submit(j);
}

void greq_export(uint64_t client_id, struct view name)
{
    struct job *j = mem_zalloc(sizeof(*j));
    j->kind = JOB_EXPORT;
    j->client_id = client_id;
    buf_append_view(&j->bytes, name);
    submit(j);
}

void greq_import(uint64_t client_id, struct buf *take_container)
{
    struct job *j = mem_zalloc(sizeof(*j));
    j->kind = JOB_IMPORT;
    j->client_id = client_id;
    j->bytes = *take_container;
    submit(j);
}
