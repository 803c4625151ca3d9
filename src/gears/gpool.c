/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pool: the interpreter's thread, which starts Python and then watches, one that raises stops,
 * the reaper, and workers that take jobs from one queue in order. Threads are made when the first
 * job comes, so a server that is never sent a script has none of them, and no Python.
 *
 * If Python doesn't start, jobs are told the reason, on the interpreter's thread, for ever.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/relax.h"
#include "gears/gconf.h"
#include "gears/grun.h"

/* How long a worker without a job stays awake. */
#define LINGER_NS 100000
#define SPIN_NS   2000

static struct {
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work;
    struct gjob *first, *last;
    _Atomic size_t queued; /* read without it, too */
    bool lingers; /* a worker without a job is awake */
    bool soon;    /* the last job that was waited for came within LINGER_NS */
    int64_t idle_since_ns; /* when a worker found no job */
    bool threads_made;
    size_t workers, wedged, wedged_workers;
    int state; /* 0 not started, 1 runs, -1 failed */
    char failure[512];
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

/* Awake, without the mutex, until there is a job, or for a moment. It gives way, for whoever has
 * the job may be waiting for this very processor, but less and less often: exec/lend.c says why. */
static void linger(int64_t since_ns)
{
    int64_t yield_ns = SPIN_NS;
    while (!atomic_load_explicit(&pool.queued, memory_order_relaxed)) {
        int64_t waited_ns = clock_mono_ns() - since_ns;
        if (waited_ns > LINGER_NS) return;
        if (waited_ns > yield_ns) {
            sched_yield();
            yield_ns *= 2;
        } else {
            for (int i = 0; i < 16; i++) cpu_relax();
        }
    }
}

/* Under the mutex. To put a worker to sleep and wake it takes longer than many a job. So, where the
 * last job came soon after there had been none, the last one who has nothing to do waits for the
 * next one awake. */
static void wait_for_job(void)
{
    int64_t since_ns = clock_mono_ns();
    pool.idle_since_ns = since_ns;
    if (pool.soon && !pool.lingers) {
        pool.lingers = true;
        pthread_mutex_unlock(&pool.mutex);
        linger(since_ns);
        pthread_mutex_lock(&pool.mutex);
        pool.lingers = false;
    }
    while (!pool.first) pthread_cond_wait(&pool.work, &pool.mutex);
    pool.soon = clock_mono_ns() - pool.idle_since_ns < LINGER_NS;
}

/* Waits for a job. */
static struct gjob *take_job(void)
{
    pthread_mutex_lock(&pool.mutex);
    if (!pool.first) wait_for_job();
    struct gjob *job = pool.first;
    pool.first = job->next;
    if (!pool.first) pool.last = NULL;
    atomic_fetch_sub_explicit(&pool.queued, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool.mutex);
    return job;
}

static void *worker_main(void *unused)
{
    UNUSED(unused);
    gpy_thread_attach();
    for (;;) {
        struct gjob *job = take_job();
        job->run(job, NULL);
    }
    return NULL;
}

/* No signal is blocked: what a script starts as a subprocess would inherit that, and couldn't be
 * told to end. The kernel gives a signal for the process to main as long as main doesn't block it,
 * and the handlers may run on any thread. */
enum status gpool_thread(const char *name, void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, GPY_STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attr, fn, arg);
    if (!failed) pthread_setname_np(thread, name);
    pthread_attr_destroy(&attr);
    if (!failed) return STATUS_OK;
    log_warning("Gears: can't make the thread %s: %s", name, strerror(failed));
    return STATUS_ERR;
}

static void set_state(int state)
{
    pthread_mutex_lock(&pool.mutex);
    pool.state = state;
    pthread_mutex_unlock(&pool.mutex);
}

static _Noreturn void refuse_jobs(void)
{
    log_warning("Gears: Python could not be started: %s", pool.failure);
    set_state(-1);
    for (;;) {
        struct gjob *job = take_job();
        job->run(job, pool.failure);
    }
}

static void *reaper_main(void *unused)
{
    UNUSED(unused);
    gpy_thread_attach();
    gpy_reap();
}

static void *stopper_main(void *unused)
{
    UNUSED(unused);
    gpy_thread_attach();
    gpy_raise();
}

static bool make_worker(void)
{
    if (gpool_thread("gears-worker", worker_main, NULL)) return false;
    pthread_mutex_lock(&pool.mutex);
    pool.workers++;
    pthread_mutex_unlock(&pool.mutex);
    return true;
}

/* Whoever comes back to work is kept: there are never more of them than were wedged at a time. */
void gpool_wedged(int change, bool worker)
{
    pthread_mutex_lock(&pool.mutex);
    pool.wedged += (size_t)change;
    if (worker) pool.wedged_workers += (size_t)change;
    bool lacking = pool.wedged <= GPOOL_WEDGED_MAX &&
                   pool.workers - pool.wedged_workers < gconf_threads();
    pthread_mutex_unlock(&pool.mutex);
    if (change > 0) log_warning("Gears: a thread doesn't stop: it is in a call that can't be "
                                "interrupted");
    if (lacking && change > 0) make_worker();
}

size_t gpool_wedged_count(void)
{
    pthread_mutex_lock(&pool.mutex);
    size_t n = pool.wedged;
    pthread_mutex_unlock(&pool.mutex);
    return n;
}

static void *interpreter_main(void *unused)
{
    UNUSED(unused);
    if (gpy_start(pool.failure, sizeof(pool.failure))) refuse_jobs();
    int threads = (int)gconf_threads(), made = 0;
    for (int i = 0; i < threads; i++)
        if (make_worker()) made++;
    if (made == 0 || gpool_thread("gears-reaper", reaper_main, NULL) ||
        gpool_thread("gears-stopper", stopper_main, NULL)) {
        snprintf(pool.failure, sizeof(pool.failure), "no thread could be made");
        refuse_jobs();
    }
    set_state(1);
    gpy_serve();
}

/* Under the mutex. */
static void make_threads(void)
{
    if (pool.threads_made) return;
    if (gpool_thread("gears-python", interpreter_main, NULL)) return;
    pool.threads_made = true;
}

void grun_submit(struct gjob *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool.mutex);
    make_threads();
    bool accepted = pool.threads_made;
    if (accepted) {
        if (pool.last)
            pool.last->next = job;
        else
            pool.first = job;
        pool.last = job;
        size_t before = atomic_fetch_add_explicit(&pool.queued, 1, memory_order_relaxed);
        /* Who lingers comes for one of them. */
        if (before || !pool.lingers) pthread_cond_signal(&pool.work);
    }
    pthread_mutex_unlock(&pool.mutex);
    if (!accepted) job->run(job, "no thread could be made");
}

size_t grun_queued(void)
{
    return atomic_load_explicit(&pool.queued, memory_order_relaxed);
}

int grun_python_state(void)
{
    pthread_mutex_lock(&pool.mutex);
    int state = pool.state;
    pthread_mutex_unlock(&pool.mutex);
    return state;
}
