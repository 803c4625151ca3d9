/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of a script; see gscript.h. A script belongs to the worker that runs it; the list of
 * those whose clients wait is for the one thing that others do to it: stop it.
 */
#include "gears/gscript.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "exec/client.h"
#include "exec/token.h"
#include "gears/gconf.h"
#include "gears/gexplain.h"
#include "gears/gstuck.h"

static struct {
    pthread_mutex_t mutex;
    struct gscript *list; /* scripts whose clients wait; guard: mutex */
    size_t count;
} scripts = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void link_script(struct gscript *s)
{
    pthread_mutex_lock(&scripts.mutex);
    s->next = scripts.list;
    if (s->next) s->next->prev = s;
    scripts.list = s;
    scripts.count++;
    pthread_mutex_unlock(&scripts.mutex);
}

static void unlink_script(struct gscript *s)
{
    pthread_mutex_lock(&scripts.mutex);
    if (s->prev) s->prev->next = s->next;
    else scripts.list = s->next;
    if (s->next) s->next->prev = s->prev;
    scripts.count--;
    pthread_mutex_unlock(&scripts.mutex);
}

size_t gscript_count(void)
{
    pthread_mutex_lock(&scripts.mutex);
    size_t n = scripts.count;
    pthread_mutex_unlock(&scripts.mutex);
    return n;
}

/* The script is freed only by who has unlinked it, so what is on the list lives while the mutex
 * is held; gpy_stop doesn't wait. */
void gscript_gone(void *ctx, uint64_t client_id)
{
    UNUSED(ctx);
    if (!gconf.cancel_on_disconnect) return;
    pthread_mutex_lock(&scripts.mutex);
    struct gscript *s = scripts.list;
    while (s && s->client_id != client_id) s = s->next;
    struct gexec *e = NULL;
    if (s) {
        gpy_stop(&s->stop);
        if (s->exec_running) e = grun_exec_ref(s->exec_running);
    }
    pthread_mutex_unlock(&scripts.mutex);
    if (!e) return;
    grun_abort(e);
    grun_exec_unref(e);
}

/* From here on the client's going stops the execution. */
static void note_running(struct gscript *s, struct gexec *e)
{
    pthread_mutex_lock(&scripts.mutex);
    s->exec_running = e;
    bool gone = atomic_load(&s->stop.wanted);
    pthread_mutex_unlock(&scripts.mutex);
    if (e && gone) grun_abort(e);
}

/* It is over, and told of before its client is answered. */
static void note_slow(struct gscript *s)
{
    struct arg code = arg_of(s->code, s->code_len);
    struct gslow slow = {.whose = GSLOW_CLIENT,
                         .cmd = s->cmd,
                         .words = &code,
                         .word_count = 1,
                         .client_id = s->client_id};
    gslow_command(&slow, clock_mono_us() - s->began_us);
}

static void free_script(struct gscript *s)
{
    mem_free(s->code);
    mem_free(s->replace_with);
    greq_wish_free(&s->wish);
    buf_release(&s->unsatisfied);
    buf_release(&s->error);
    gsession_unref(s->session);
    mem_free(s);
}

/* The script's end: who sees the answer finds nothing of it, but for what it left behind. */
static void answer(struct gscript *take_s, struct tape *take_reply)
{
    unlink_script(take_s); /* from here on nobody else answers */
    uint64_t client_id = take_s->client_id;
    if (take_s->began_us) note_slow(take_s);
    free_script(take_s);
    if (client_id) client_unblock_post(client_id, take_reply);
    else tape_release(take_reply);
}

/* The client it had, which is no longer its. */
static uint64_t take_client(struct gscript *s)
{
    pthread_mutex_lock(&scripts.mutex);
    uint64_t client_id = s->client_id;
    s->client_id = 0;
    pthread_mutex_unlock(&scripts.mutex);
    return client_id;
}

void gscript_give_up(struct gscript *s)
{
    uint64_t client_id = take_client(s);
    struct buf text = {0};
    struct tape reply = {0};
    if (!client_id) return;
    gstuck_text(&s->stop, &s->limits, &text);
    tape_bytes(&reply, TAPE_ERROR, text.ptr, text.len);
    buf_release(&text);
    client_unblock_post(client_id, &reply);
}

/* One whose client still waits, though it was stopped, and its text; 0: there is none. */
static uint64_t take_stopped(struct buf *text)
{
    uint64_t client_id = 0;
    pthread_mutex_lock(&scripts.mutex);
    for (struct gscript *s = scripts.list; s && !client_id; s = s->next) {
        if (!s->client_id || s->exec_running || !atomic_load(&s->stop.wanted)) continue;
        client_id = s->client_id;
        s->client_id = 0;
        gstuck_text(&s->stop, &s->limits, text);
    }
    pthread_mutex_unlock(&scripts.mutex);
    return client_id;
}

void gscript_give_up_stopped(void)
{
    struct buf text = {0};
    for (uint64_t client_id; (client_id = take_stopped(&text)) != 0;) {
        struct tape reply = {0};
        tape_bytes(&reply, TAPE_ERROR, text.ptr, text.len);
        buf_clear(&text);
        client_unblock_post(client_id, &reply);
    }
    buf_release(&text);
}

bool gscript_is_stopped(const struct gscript *maybe)
{
    pthread_mutex_lock(&scripts.mutex);
    const struct gscript *s = scripts.list;
    while (s && s != maybe) s = s->next;
    bool stopped = s && atomic_load(&s->stop.wanted);
    pthread_mutex_unlock(&scripts.mutex);
    return stopped;
}

void gscript_give_up_exec(const struct gexec *e)
{
    pthread_mutex_lock(&scripts.mutex);
    struct gscript *s = scripts.list;
    while (s && s->exec_running != e) s = s->next;
    struct gwaiter *w = s && s->client_id ? mem_zalloc(sizeof(*w)) : NULL;
    if (w) {
        *w = (struct gwaiter){.client_id = s->client_id, .what = GWAIT_RESULTS, .stuck = true};
        s->client_id = 0;
    }
    pthread_mutex_unlock(&scripts.mutex);
    if (w) grun_answer(e, w);
}

static void answer_bytes(struct gscript *take_s, enum tape_type type, struct view bytes)
{
    struct tape reply = {0};
    tape_bytes(&reply, type, bytes.ptr, bytes.len);
    answer(take_s, &reply);
}

/* ---- what a body asked for ---- */

static void start_posted(void *ctx)
{
    grun_start(ctx);
}

/* The execution of a script that also registered, or that doesn't wait: it stays on the list. It
 * begins when main has delivered the answer, which it couldn't do while a step holds the token in
 * an atomic block; who doesn't know the id couldn't stop it. */
static void run_unanswered(struct gexec *take_e)
{
    exec_post(start_posted, take_e);
}

static void answer_results(struct gexec *e, void *ctx)
{
    struct gscript *s = ctx;
    struct tape reply = {0};
    note_running(s, NULL);
    grun_results(e, &reply);
    grun_unlist(e);
    grun_exec_unref(e);
    answer(s, &reply);
}

static void run_and_answer(struct gscript *s)
{
    struct gexec *e = s->exec;
    grun_list(e);
    note_running(s, e);
    e->slow.whose = GSLOW_SOMEONE_TELLS;
    e->then = answer_results;
    e->then_ctx = s;
    if (grun_execute(e, NULL, NULL, 0)) answer_results(e, s);
}

static void answer_and_run(struct gscript *s)
{
    struct gexec *e = s->exec;
    char id[GEARS_ID_SIZE];
    grun_format_id(id, e->number);
    grun_list(e);
    answer_bytes(s, TAPE_BULK, view_cstr(id));
    run_unanswered(e);
}

/* Of a script that failed nothing stays. */
static void end_time_events(struct gscript *s)
{
    if (token_take(NULL)) return;
    gtime_end(s->session, true);
    token_give();
}

static void register_and_answer(struct gscript *s)
{
    struct buf error = {0};
    struct gexec *e = s->exec;
    enum status st = greg_apply(s, &error);
    if (st) {
        struct tape reply = {0};
        end_time_events(s);
        tape_aggregate(&reply, TAPE_ARRAY, 1);
        tape_bytes(&reply, TAPE_BULK, error.ptr, error.len);
        grun_exec_unref(e);
        answer(s, &reply);
    } else {
        if (e) grun_list(e);
        answer_bytes(s, TAPE_STATUS, VIEW_LIT("OK"));
        if (e) run_unanswered(e);
    }
    buf_release(&error);
}

static void explain_and_forget(struct gscript *s)
{
    struct tape reply = {0};
    gexplain_reply(s, &reply);
    grun_exec_unref(s->exec);
    for (struct greg_request *r = s->requests, *next; r; r = next) {
        next = r->next;
        greg_request_free(r);
    }
    answer(s, &reply);
}

static void run_script(struct gjob *job, const char *failure)
{
    struct gscript *s = CONTAINER_OF(job, struct gscript, job);
    if (failure) {
        struct buf text = {0};
        buf_printf(&text, "ERR Python could not be started: %s", failure);
        answer_bytes(s, TAPE_ERROR, buf_view(&text));
        buf_release(&text);
        return;
    }
    if (s->unsatisfied.len) {
        answer_bytes(s, TAPE_ERROR, buf_view(&s->unsatisfied));
        return;
    }
    s->began_us = clock_mono_us();
    gpy_run_script(s);
    if (s->outcome != GSCRIPT_OK) end_time_events(s);
    if (s->outcome == GSCRIPT_OK && s->session->explained) {
        explain_and_forget(s);
    } else if (s->outcome == GSCRIPT_OK && s->requests) {
        register_and_answer(s);
    } else if (s->outcome == GSCRIPT_OK && s->exec) {
        if (s->unblocking) answer_and_run(s);
        else run_and_answer(s);
    } else if (s->outcome == GSCRIPT_OK) {
        answer_bytes(s, TAPE_STATUS, VIEW_LIT("OK"));
    } else {
        answer_bytes(s, TAPE_ERROR, buf_view(&s->error));
    }
}

/* What the call says of limits and results. */
static void set_form(struct gscript *s, const struct gscript_options *options)
{
    struct gexec_limits now;
    gconf_limits(&now);
    s->limits = now.own;
    s->session->native = options->native;
    s->session->explained = options->explain;
    if (!options->limited) return;
    glimits_override(&s->limits, &options->limits);
    s->session->limits = mem_alloc(sizeof(options->limits));
    *s->session->limits = options->limits;
}

static void take_wish(struct gscript *s, const struct gscript_options *o)
{
    struct greq_wish *wish = &s->wish;
    if (!o->req_count) return;
    wish->names = mem_alloc(sizeof(*wish->names) * (size_t)o->req_count);
    wish->force = o->force;
    for (; wish->count < (size_t)o->req_count; wish->count++)
        wish->names[wish->count] = mem_dup(o->reqs[wish->count].ptr, o->reqs[wish->count].len);
}

void gscript_start(uint64_t client_id, const struct gscript_options *options)
{
    char made_up[RANDOM_ID_LEN + 1];
    struct view id = options->id;
    if (!id.ptr) {
        random_hex_id(made_up);
        id = view_of(made_up, RANDOM_ID_LEN);
    }
    struct gscript *s = mem_zalloc(sizeof(*s));
    s->job.run = run_script;
    s->client_id = client_id;
    s->code = mem_dup(options->code.ptr, options->code.len);
    s->code_len = options->code.len;
    s->language = options->language;
    s->cmd = options->cmd;
    s->unblocking = options->unblocking;
    s->upgrade = options->upgrade;
    s->traceback = gconf.traceback;
    if (options->replace_with.ptr)
        s->replace_with = mem_dup(options->replace_with.ptr, options->replace_with.len);
    s->session = gsession_new(id, options->desc, options->user);
    s->requests_tail = &s->requests;
    set_form(s, options);
    take_wish(s, options);
    link_script(s);
    if (s->wish.count) greq_submit(s);
    else grun_submit(&s->job);
}
