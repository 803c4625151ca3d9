/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * call_next(), get_command() and override_reply(): what an execution can do about the command that
 * it runs for; and the arguments of register() that bind it to one.
 *
 * Which command that is stands in the execution (grun.h): so it is known wherever code of the
 * execution runs, and nowhere else, not even in a thread that the code started.
 */
#include "exec/command.h"
#include "exec/token.h"
#include "gears/ghook.h"
#include "gears/py/gpy_core.h"

/* ---- at run time ---- */

PyObject *gpy__call_next(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    UNUSED(self);
    const struct gexec *e = gpy__here()->now.exec;
    if (!e || !e->hook.command) {
        PyErr_SetString(gpy__names.error, "Can not get CommandHook ctx");
        return NULL;
    }
    const struct exec_call base = {.db_id = e->hook.db_id, .hooks_below = e->hook.below};
    const struct view name = view_of(e->plan->arg, e->plan->arg_len);
    return gpy__run_words(&base, &name, args, nargs);
}

/* A reference: objects are made while it is used, and that may let others have the GIL. */
static struct ghold *hold_here(void)
{
    struct gexec *e = gpy__here()->now.exec;
    struct ghold *hold = e ? grun_hold(e) : NULL;
    if (hold) return hold;
    PyErr_SetString(gpy__names.error, "Can not get command ctx");
    return NULL;
}

PyObject *gpy__get_command(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    const struct arg *argv;
    struct ghold *h = hold_here();
    if (!h) return NULL;
    int argc = ghold_words(h, &argv);
    PyObject *list = PyList_New(argc);
    for (int i = 0; list && i < argc; i++) {
        PyObject *word = gpy__text(arg_view(&argv[i]));
        if (word) PyList_SET_ITEM(list, i, word);
        else Py_CLEAR(list);
    }
    ghold_unref(h);
    return list;
}

PyObject *gpy__override_reply(PyObject *self, PyObject *value)
{
    UNUSED(self);
    struct tape reply = {0};
    struct ghold *h = hold_here();
    if (!h) return NULL;
    const struct gpy_form form = gpy__form_of(gpy__me()->now.exec);
    bool made = gpy__to_tape(value, &reply, &form);
    bool first = made && ghold_override(h, &reply);
    if (!made) tape_release(&reply);
    ghold_unref(h);
    if (!made) return NULL;
    if (first) Py_RETURN_NONE;
    PyErr_SetString(gpy__names.error, "Can only override reply once");
    return NULL;
}

/* ---- at registration ---- */

bool gpy__with_token(void (*fn)(void *ctx), void *ctx)
{
    struct gpy_thread *me = gpy__here();
    if (me->now.unit) {
        bool visit;
        if (!gpy__data_in(me, &visit)) return false;
        fn(ctx);
        gpy__data_out(me, visit);
        return true;
    }
    PyThreadState *state = gpy__release_gil(me);
    enum status st = token_take(me->now.stop ? &me->now.stop->wanted : NULL);
    if (!st) {
        fn(ctx);
        token_give();
    }
    gpy__retake_gil(me, state);
    if (st) PyErr_SetNone(gpy__names.force_stopped);
    return !st;
}

struct question {
    struct greg_request *request;
    const char *name;
    const char *refusal;
};

static bool refused(const struct question *q)
{
    if (q->refusal) PyErr_SetString(gpy__names.error, q->refusal);
    return q->refusal != NULL;
}

static void ask_held(void *ctx)
{
    struct question *q = ctx;
    q->refusal = ghook_refuses_held(&q->request->hook, q->name);
}

bool gpy__add_held(struct greg_request *r, const char *name)
{
    struct question q = {.request = r, .name = name};
    return gpy__with_token(ask_held, &q) && !refused(&q);
}

static void ask_hook(void *ctx)
{
    struct question *q = ctx;
    q->refusal = ghook_refuses_hook(&q->request->hook);
}

bool gpy__fill_hook(struct greg_request *r, PyObject *hook, PyObject *prefix)
{
    struct ghook_request *h = &r->hook;
    struct question q = {.request = r};
    if (!gpy__take_text(hook, "hook argument is not string", &h->name, &h->name_len)) return false;
    r->plan->arg = mem_dup(h->name, h->name_len);
    r->plan->arg_len = h->name_len;
    if (prefix && prefix != Py_None &&
        !gpy__take_text(prefix, "keyprefix argument is not string", &h->key_prefix,
                        &h->key_prefix_len))
        return false;
    return gpy__with_token(ask_hook, &q) && !refused(&q);
}
