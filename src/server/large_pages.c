/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When large pages are gathered (base/pages.h): when memory has grown, and now and then while data
 * changes, for what was given back and taken anew, or was split while a child saved. The work is
 * done by a thread of its own, which rests after each page, so that it takes a fifth of a processor
 * at most, and over longer times a hundredth. While a page is made, main waits if it touches that,
 * as it does within a millisecond when it is busy: so to rest is to let it work.
 *
 * Not while memory grows: for each large page the kernel holds the lock of all mappings, for as
 * long as it takes other processors to hand over what they have in their lists. Who touches new
 * memory, or maps some, waits for that: 8 ms in one of 1,000 requests and up to 70 ms on a busy
 * machine, beside 1 ms without. Who uses what is there doesn't.
 *
 *   cron: due? --> [order, a futex] --> thread: a pass --> sleeps
 *
 * No option says whether: the system's control of transparent huge pages does. Set to never, none
 * are gathered. Set to always, the option disable-thp, as a rule, has disabled them for this
 * process, and the kernel refuses. Thread: main, but for large_pages_main.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pages.h"
#include "exec/exec.h"
#include "server/private.h"

#define CONTROL_FILE "/sys/kernel/mm/transparent_hugepage/enabled"
#define CRON_MS 100
/* A process smaller than this forks in two milliseconds. */
#define WORTH_BYTES ((size_t)32 << 20)
/* Growth that is followed at once, when it has ended: by a sixteenth, and by this. */
#define GROWN_SHARE 16
#define GROWN_BYTES ((size_t)4 << 20)
/* It goes on while so much comes between two looks. */
#define GROWING_SHARE 1024
#define GROWING_BYTES ((size_t)512 << 10)
#define REST_MS 10000
#define REST_TIMES 100 /* what a pass took */
#define UNABLE_REST_MS 600000
#define SLICE_US 20000    /* of search */
#define PAUSE_TIMES 4     /* what a page took */
#define PAUSE_LEAST_US 1000
#define GROWTH_LOOK_US 50000

enum { ORDER_NONE, ORDER_PASS, ORDER_END };

static struct {
    _Atomic uint32_t order; /* to the thread; after a pass it sets NONE itself */
    bool possible, running;
    pthread_t thread;
    atomic_bool unable, unfinished; /* the last pass */
    _Atomic int64_t took_us; /* by the last pass, without its rests */
    int64_t looked_ms, began_ms;
    size_t rss;      /* when the last pass began */
    uint64_t dirty;  /* the same */
    size_t last_rss; /* at the last look */
} pages;

/* ---- the thread ---- */

static bool has_grown(size_t before, size_t rss)
{
    return rss > before && rss - before > MAX(GROWING_BYTES, rss / GROWING_SHARE);
}

/* Looked at now and then within a pass. */
struct growth {
    size_t rss;
    int64_t at_us;
};

static bool goes_on(struct growth *g)
{
    int64_t now_us = clock_mono_us();
    if (now_us - g->at_us < GROWTH_LOOK_US) return false;
    struct growth now = {mem_rss(), now_us};
    bool grown = has_grown(g->rss, now.rss);
    *g = now;
    return grown;
}

/* After a page that took made_us. False when the pass is to end. */
static bool rest(struct growth *g, int64_t made_us)
{
    int64_t rest_us = MAX(made_us * PAUSE_TIMES, PAUSE_LEAST_US);
    futex_wait(&pages.order, ORDER_PASS, rest_us * 1000);
    return atomic_load(&pages.order) != ORDER_END && !goes_on(g);
}

static void pass_run(void)
{
    struct pages_pass pass = {0};
    enum pages_outcome outcome;
    int64_t took_us = 0;
    struct growth growth = {mem_rss(), clock_mono_us()};
    do {
        int64_t start_us = clock_mono_us();
        outcome = pages_gather(&pass, SLICE_US);
        took_us += clock_mono_us() - start_us;
    } while (outcome == PAGES_MORE && rest(&growth, pass.made_us));
    atomic_store(&pages.took_us, took_us);
    atomic_store(&pages.unable, outcome == PAGES_UNABLE);
    atomic_store(&pages.unfinished, outcome == PAGES_MORE);
}

static void *large_pages_main(void *unused)
{
    UNUSED(unused);
    pthread_setname_np(pthread_self(), "large-pages");
    server_os_background();
    for (;;) {
        uint32_t order = atomic_load(&pages.order);
        if (order == ORDER_END) return NULL;
        if (order == ORDER_NONE) {
            futex_wait(&pages.order, ORDER_NONE, -1);
            continue;
        }
        pass_run();
        atomic_compare_exchange_strong(&pages.order, &order, ORDER_NONE);
    }
}

static void give_order(uint32_t order)
{
    atomic_store(&pages.order, order);
    futex_wake(&pages.order, 1);
}

static bool thread_start(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_store(&pages.order, ORDER_NONE);
    pages.running = pthread_create(&pages.thread, NULL, large_pages_main, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pages.running;
}

/* ---- when ---- */

static bool is_due(int64_t now_ms, size_t rss, uint64_t dirty)
{
    int64_t since_ms = now_ms - pages.began_ms;
    if (atomic_load(&pages.unable) && since_ms < UNABLE_REST_MS) return false;
    if (rss < WORTH_BYTES) return false;
    if (atomic_load(&pages.unfinished)) return true;
    if (rss > pages.rss && rss - pages.rss > MAX(GROWN_BYTES, pages.rss / GROWN_SHARE)) return true;
    int64_t rest_ms = atomic_load(&pages.took_us) / 1000 * REST_TIMES;
    return dirty != pages.dirty && since_ms > MAX(rest_ms, REST_MS);
}

void server_large_pages_cron(int64_t now_ms)
{
    if (!pages.possible || now_ms - pages.looked_ms < CRON_MS) return;
    pages.looked_ms = now_ms;
    if (pages_held()) return;
    size_t rss = mem_rss();
    bool growing = has_grown(pages.last_rss, rss);
    pages.last_rss = rss;
    if (growing || atomic_load(&pages.order) != ORDER_NONE) return;
    uint64_t dirty = exec_dirty_total();
    if (!is_due(now_ms, rss, dirty)) return;
    if (!pages.running && !thread_start()) return;
    pages.began_ms = now_ms;
    pages.rss = rss;
    pages.dirty = dirty;
    give_order(ORDER_PASS);
}

void server_large_pages_setup(bool disable_always)
{
    char text[64] = "";
    int fd = open(CONTROL_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return; /* a kernel without */
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len <= 0 || strstr(text, "[never]")) return;
    pages.possible = true;
    if (!disable_always || !strstr(text, "[always]")) return;
    pages.possible = false;
    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0)
        log_warning("Failed to disable transparent huge pages: %s", strerror(errno));
}

void server_large_pages_teardown(void)
{
    pages.possible = false;
    if (!pages.running) return;
    give_order(ORDER_END);
    pthread_join(pages.thread, NULL);
    pages.running = false;
}
