/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When to save, and who does it; see persist.h. A background save is a fork: the child has the
 * data of one moment, takes no lock, runs no Python, writes the file and leaves. While it lives no
 * table splits or merges, so that pages stay shared. Main looks after it from a timer, by its pid
 * and no other, since Python's children are Python's.
 *
 * A thread that copies what is about to change would save the fork's page tables and the doubled
 * memory; it comes with the iteration that replication will need as well.
 */
#include "persist/persist.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pages.h"
#include "conf/metric.h"
#include "exec/admit.h"
#include "exec/command.h"
#include "exec/exec.h"
#include "exec/loading.h"
#include "exec/latency.h"
#include "keyspace/keyspace.h"
#include "net/loop.h"
#include "persist/migrate.h"
#include "persist/rdb_load.h"
#include "persist/rdb_save.h"
#include "persist/settings.h"

#define TIMER_MS 100
/* After a failed save the next try waits. */
#define RETRY_MS 5000
/* How often a child asks the system for its own memory: that walks its page tables. */
#define COW_EVERY_MS 1000

static struct {
    pid_t child; /* 0: none */
    struct rdb_progress *progress; /* shared with the child */
    uint64_t dirty_saved, dirty_at_fork; /* of exec_dirty_total */
    int64_t last_save_s;
    int64_t last_try_ms, child_start_ms; /* monotonic; 0: never */
    int64_t last_duration_s; /* -1: never */
    bool failed;             /* the last background save */
    bool soon;
    uint64_t saves, forks, last_fork_us;
    uint64_t last_cow_bytes;
    struct rdb_load_result loaded;
    int64_t load_start_s;
} persist = {.last_duration_s = -1};

/* ---- state that others ask for ---- */

bool persist_is_saving(void)
{
    return persist.child != 0;
}

bool persist_wanted(void)
{
    return persist_settings.point_count > 0;
}

int64_t persist_last_save_s(void)
{
    return persist.last_save_s;
}

static uint64_t dirty(void)
{
    return exec_dirty_total() - persist.dirty_saved;
}

/* ---- writes are refused while saving fails ---- */

static bool refuses_writes(const struct exec_ctx *ctx)
{
    UNUSED(ctx);
    return persist.failed && persist_settings.stop_writes && persist_wanted();
}

void persist__refusal_update(void)
{
    admit_set(ADMIT_PERSIST, refuses_writes(NULL));
}

static enum admit_verdict refusal_filter(struct exec_ctx *ctx)
{
    bool writes = admit_flags_of_any(ctx) & COMMAND_WRITE;
    bool concerned = writes || !strcmp(ctx->cmd->fullname, "ping");
    if (!concerned) return ADMIT_PASS;
    return admit_refuse(
        ctx, "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to "
             "persist to disk. Commands that may modify the data set are disabled, because this "
             "instance is configured to report errors during writes if RDB snapshotting fails "
             "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about "
             "the RDB error.");
}

static void set_failed(bool failed)
{
    persist.failed = failed;
    persist__refusal_update();
}

/* ---- saving ---- */

static void saved(uint64_t dirty_saved)
{
    persist.dirty_saved = dirty_saved;
    persist.last_save_s = clock_wall_ms() / 1000;
    set_failed(false);
}

void persist_end_child(void)
{
    char temp[RDB_TEMP_NAME_BYTES];
    if (!persist.child) return;
    log_notice("There is a child saving an .rdb. Killing it!");
    kill(persist.child, SIGKILL);
    while (waitpid(persist.child, NULL, 0) < 0 && errno == EINTR) {}
    rdb_temp_name(temp, (int)persist.child);
    unlink(temp);
    persist.child = 0;
    table_freeze_all(false);
    pages_hold(false);
}

enum status persist_save(void)
{
    struct rdb_progress progress = {0};
    persist_end_child();
    persist.saves++;
    if (rdb_save_file(persist_settings.filename.ptr, &progress)) return STATUS_IO;
    saved(exec_dirty_total());
    return STATUS_OK;
}

/* ---- the child ---- */

/* Bytes of pages that the process has for itself. */
static uint64_t private_dirty(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    uint64_t kb = 0, one;
    if (!file) return 0;
    while (fgets(line, sizeof(line), file)) {
        unsigned long long n;
        if (sscanf(line, "Private_Dirty: %llu kB", &n) == 1) {
            one = n;
            kb += one;
        }
    }
    fclose(file);
    return kb * 1024;
}

static void note_memory(struct rdb_progress *progress)
{
    uint64_t bytes = private_dirty();
    progress->cow_bytes = bytes;
    if (bytes > progress->cow_peak_bytes) progress->cow_peak_bytes = bytes;
}

void persist__save_tick(struct rdb_progress *progress)
{
    static int64_t next_ms; /* of the child alone */
    if (progress != persist.progress) return;
    int64_t now_ms = clock_mono_ms();
    if (now_ms < next_ms) return;
    next_ms = now_ms + COW_EVERY_MS;
    note_memory(progress);
}

static void (*on_fork)(void);

void persist_on_fork(void (*fn)(void))
{
    on_fork = fn;
}

static _Noreturn void child_main(void)
{
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigemptyset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
    act.sa_handler = SIG_IGN;
    sigaction(SIGINT, &act, NULL); /* a terminal's goes to all; the server decides */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    log_set_role('C');
    log_close_others();
    if (on_fork) on_fork();
    if (rdb_save_file(persist_settings.filename.ptr, persist.progress)) _exit(1);
    note_memory(persist.progress);
    log_notice("Fork CoW for RDB: current %llu MB, peak %llu MB, average %llu MB",
               (unsigned long long)persist.progress->cow_bytes >> 20,
               (unsigned long long)persist.progress->cow_peak_bytes >> 20,
               (unsigned long long)persist.progress->cow_bytes >> 20);
    _exit(0);
}

static uint64_t count_keys(void)
{
    uint64_t keys = 0;
    for (int i = 0; i < kv_db_count(); i++) keys += table_count(&kv_db(i)->keys);
    return keys;
}

static enum status fork_failed(void)
{
    log_warning("Can't save in background: fork: %s", strerror(errno));
    pages_hold(false);
    set_failed(true);
    return STATUS_IO;
}

enum status persist_background(void)
{
    if (persist.child) return STATUS_EXISTS;
    persist.soon = false;
    persist.last_try_ms = clock_mono_ms();
    memset((void *)persist.progress, 0, sizeof(*persist.progress));
    persist.progress->keys_total = count_keys();
    pages_hold(true);
    int64_t start_us = clock_mono_us();
    pid_t pid = fork();
    if (pid == 0) child_main();
    persist.last_fork_us = (uint64_t)(clock_mono_us() - start_us);
    latency_note(LATENCY_FORK, persist.last_fork_us);
    if (pid < 0) return fork_failed();
    persist.forks++;
    persist.saves++;
    persist.child = pid;
    persist.child_start_ms = persist.last_try_ms;
    persist.dirty_at_fork = exec_dirty_total();
    table_freeze_all(true);
    log_notice("Background saving started by pid %ld", (long)pid);
    return STATUS_OK;
}

static void child_ended(int how)
{
    char temp[RDB_TEMP_NAME_BYTES];
    bool ok = WIFEXITED(how) && WEXITSTATUS(how) == 0;
    rdb_temp_name(temp, (int)persist.child);
    persist.child = 0;
    persist.last_duration_s = (clock_mono_ms() - persist.child_start_ms) / 1000;
    persist.last_cow_bytes = persist.progress->cow_peak_bytes;
    table_freeze_all(false);
    pages_hold(false);
    if (ok) {
        log_notice("Background saving terminated with success");
        saved(persist.dirty_at_fork);
        return;
    }
    if (WIFSIGNALED(how)) {
        log_warning("Background saving terminated by signal %d", WTERMSIG(how));
        unlink(temp);
    } else {
        log_warning("Background saving error");
    }
    set_failed(true);
}

/* ---- the timer ---- */

static bool point_reached(const struct persist_point *p)
{
    int64_t since_s = clock_wall_ms() / 1000 - persist.last_save_s;
    bool may_try = !persist.failed || clock_mono_ms() - persist.last_try_ms > RETRY_MS;
    return dirty() >= (uint64_t)p->changes && since_s > p->seconds && may_try;
}

static void look_at_points(void)
{
    for (size_t i = 0; i < persist_settings.point_count; i++) {
        const struct persist_point *p = &persist_settings.points[i];
        if (!point_reached(p)) continue;
        log_notice("%lld changes in %lld seconds. Saving...", (long long)p->changes,
                   (long long)p->seconds);
        if (persist_background()) log_warning("The save point isn't kept.");
        return;
    }
}

static int timer(void *ctx)
{
    int how;
    UNUSED(ctx);
    if (persist.child) {
        pid_t got = waitpid(persist.child, &how, WNOHANG);
        if (got == persist.child) child_ended(how);
    }
    if (!persist.child && persist.soon && persist_background()) persist.soon = false;
    if (!persist.child) look_at_points();
    migrate__cron(clock_mono_ms());
    return TIMER_MS;
}

void persist_background_soon(void)
{
    persist.soon = true;
}

/* ---- loading ---- */

static enum status load(bool merge)
{
    persist.load_start_s = clock_wall_ms() / 1000;
    return rdb_load_file(persist_settings.filename.ptr, merge, &persist.loaded);
}

enum status persist_load_at_start(void)
{
    int64_t start_us = clock_mono_us();
    enum status status = load(false);
    if (status == STATUS_NOT_FOUND || status == STATUS_ABORTED) return STATUS_OK;
    if (status) {
        log_warning("Fatal error loading the DB, check server logs. Exiting.");
        return STATUS_ERR;
    }
    log_notice("DB loaded from disk: %.3f seconds", (double)(clock_mono_us() - start_us) / 1e6);
    return STATUS_OK;
}

enum status persist_reload(bool keep, bool merge)
{
    struct kv_unit unit = {0};
    exec_unit_begin(&unit);
    if (!keep) kv_flush(&unit, NULL, false);
    exec_unit_end(&unit, 0);
    enum status status = load(merge);
    if (status == STATUS_NOT_FOUND) return status;
    return status ? STATUS_ERR : STATUS_OK;
}

bool persist_flushed(void)
{
    persist_end_child();
    if (!persist_wanted()) return false;
    if (persist_save()) log_warning("The emptied data isn't saved.");
    return true;
}

/* ---- INFO ---- */

static int64_t info_changes(void)
{
    return (int64_t)dirty();
}

static int64_t info_saving(void)
{
    return persist.child != 0;
}

static int64_t info_duration(void)
{
    return persist.last_duration_s;
}

static int64_t info_running(void)
{
    return persist.child ? (clock_mono_ms() - persist.child_start_ms) / 1000 : -1;
}

static int64_t info_cow(void)
{
    return persist.child ? (int64_t)persist.progress->cow_bytes : 0;
}

static int64_t info_cow_peak(void)
{
    return persist.child ? (int64_t)persist.progress->cow_peak_bytes : 0;
}

static int64_t info_keys(void)
{
    return persist.child ? (int64_t)persist.progress->keys : 0;
}

static int64_t info_keys_total(void)
{
    return persist.child ? (int64_t)persist.progress->keys_total : 0;
}

static void info_percent(struct buf *out)
{
    int64_t total = info_keys_total();
    buf_printf(out, "%.2f", total ? (double)info_keys() / (double)total * 100 : 0.0);
}

static void info_status(struct buf *out)
{
    buf_append_cstr(out, persist.failed ? "err" : "ok");
}

static int64_t info_loading(void)
{
    return exec_is_loading();
}

static void info_load(struct buf *out)
{
    const struct rdb_load_result *load = &persist.loaded;
    if (!exec_is_loading()) return;
    int64_t elapsed_s = clock_wall_ms() / 1000 - persist.load_start_s;
    double done = load->total_bytes ? (double)load->bytes / (double)load->total_bytes : 0;
    buf_printf(out, "loading_start_time:%lld\r\n", (long long)persist.load_start_s);
    buf_printf(out, "loading_total_bytes:%llu\r\n", (unsigned long long)load->total_bytes);
    buf_printf(out, "loading_rdb_used_mem:%llu\r\n", (unsigned long long)load->used_mem);
    buf_printf(out, "loading_loaded_bytes:%llu\r\n", (unsigned long long)load->bytes);
    buf_printf(out, "loading_loaded_perc:%.2f\r\n", done * 100);
    buf_printf(out, "loading_eta_seconds:%.0f\r\n",
               done > 0 ? (double)elapsed_s * (1 - done) / done : 1);
}

static const struct metric_row metric_rows[] = {
    {METRIC_PERSISTENCE, "loading", METRIC_INT_FN, {.int_fn = info_loading}, 0},
    {METRIC_PERSISTENCE, "async_loading", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_PERSISTENCE, "current_cow_peak", METRIC_INT_FN, {.int_fn = info_cow_peak}, 0},
    {METRIC_PERSISTENCE, "current_cow_size", METRIC_INT_FN, {.int_fn = info_cow}, 0},
    {METRIC_PERSISTENCE, "current_cow_size_age", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_PERSISTENCE, "current_fork_perc", METRIC_TEXT_FN, {.text_fn = info_percent}, 0},
    {METRIC_PERSISTENCE, "current_save_keys_processed", METRIC_INT_FN, {.int_fn = info_keys}, 0},
    {METRIC_PERSISTENCE, "current_save_keys_total", METRIC_INT_FN, {.int_fn = info_keys_total}, 0},
    {METRIC_PERSISTENCE, "rdb_changes_since_last_save", METRIC_INT_FN, {.int_fn = info_changes}, 0},
    {METRIC_PERSISTENCE, "rdb_bgsave_in_progress", METRIC_INT_FN, {.int_fn = info_saving}, 0},
    {METRIC_PERSISTENCE, "rdb_last_save_time", METRIC_INT_FN, {.int_fn = persist_last_save_s}, 0},
    {METRIC_PERSISTENCE, "rdb_last_bgsave_status", METRIC_TEXT_FN, {.text_fn = info_status}, 0},
    {METRIC_PERSISTENCE, "rdb_last_bgsave_time_sec", METRIC_INT_FN, {.int_fn = info_duration}, 0},
    {METRIC_PERSISTENCE, "rdb_current_bgsave_time_sec", METRIC_INT_FN, {.int_fn = info_running}, 0},
    {METRIC_PERSISTENCE, "rdb_saves", METRIC_U64, {.u64 = &persist.saves}, METRIC_RESET},
    {METRIC_PERSISTENCE, "rdb_last_cow_size", METRIC_U64, {.u64 = &persist.last_cow_bytes}, 0},
    {METRIC_PERSISTENCE, "rdb_last_load_keys_expired", METRIC_U64,
     {.u64 = &persist.loaded.expired}, 0},
    {METRIC_PERSISTENCE, "rdb_last_load_keys_loaded", METRIC_U64,
     {.u64 = &persist.loaded.loaded}, 0},
    {METRIC_PERSISTENCE, "loading_state", METRIC_LINES_FN, {.text_fn = info_load}, 0},
    {METRIC_STATS, "latest_fork_usec", METRIC_U64, {.u64 = &persist.last_fork_us}, 0},
    {METRIC_STATS, "total_forks", METRIC_U64, {.u64 = &persist.forks}, METRIC_RESET},
};

/* ---- life ---- */

void persist_setup(void)
{
    /* A file that may not grow is an error of write(), not the end. */
    signal(SIGXFSZ, SIG_IGN);
    persist.progress = mmap(NULL, sizeof(*persist.progress), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(persist.progress != MAP_FAILED);
    persist.last_save_s = clock_wall_ms() / 1000;
    persist__settings_started();
    metric_register(metric_rows, ARRAY_COUNT(metric_rows));
    admit_add(ADMIT_PERSIST, refusal_filter, refuses_writes);
    loop_timer_add(TIMER_MS, timer, NULL);
    migrate__setup();
}

void persist_teardown(void)
{
    persist_end_child();
    migrate__teardown();
    munmap(persist.progress, sizeof(*persist.progress));
    persist.progress = NULL;
}
