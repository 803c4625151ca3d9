/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The boundary in a build without Python (make PYTHON=no): it can't be started, so nothing behind
 * it is ever asked for. Everything else of gears is there and says so.
 */
#ifndef HAVE_PYTHON
#include <stdio.h>

#include "gears/gpy.h"

bool gpy_program(char *out, size_t size)
{
    UNUSED(out);
    UNUSED(size);
    return false;
}

enum status gpy_start(char *error, size_t error_size)
{
    snprintf(error, error_size, "this server was built without Python (make PYTHON=no)");
    return STATUS_ERR;
}

_Noreturn void gpy_serve(void)
{
    assert_failed(__FILE__, __LINE__, "no interpreter");
}

_Noreturn void gpy_reap(void)
{
    assert_failed(__FILE__, __LINE__, "no interpreter");
}

_Noreturn void gpy_raise(void)
{
    assert_failed(__FILE__, __LINE__, "no interpreter");
}

void gpy_thread_attach(void)
{
    ASSERT(!"no interpreter");
}

void gpy_discard(void *object)
{
    ASSERT(!object);
}

bool gpy_hold(void)
{
    return false;
}

void gpy_release(bool took)
{
    UNUSED(took);
}

void gpy_pass_gate(void)
{
}

void gpy_gate_close(void)
{
}

void gpy_gate_open(void)
{
}

void gpy_thread_is_first(struct token_hold *hold)
{
    UNUSED(hold);
}

void gpy_thread_detach(void)
{
}

bool gpy_lets_go(void)
{
    return false;
}

void gpy_takes_back(void)
{
}

bool gpy_fill_api(struct gears_api *api)
{
    UNUSED(api);
    return false;
}

enum status gpy_token_take(const atomic_bool *abort_flag)
{
    UNUSED(abort_flag);
    ASSERT(!"no interpreter");
    return STATUS_ABORTED;
}

void gpy_run_script(struct gscript *script)
{
    UNUSED(script);
    ASSERT(!"no interpreter");
}

bool gpy_run_exec(struct gexec *e, const struct gpy_input *input, struct kv_unit *unit,
                  unsigned depth)
{
    UNUSED(e);
    UNUSED(input);
    UNUSED(unit);
    UNUSED(depth);
    ASSERT(!"no interpreter");
    return true;
}

bool gpy_resume_exec(struct gexec *e)
{
    UNUSED(e);
    ASSERT(!"no interpreter");
    return true;
}

bool gpy_profile(struct gsession *session, const char *order, struct buf *out)
{
    UNUSED(session);
    UNUSED(order);
    UNUSED(out);
    ASSERT(!"no interpreter");
    return false;
}

void gpy_call_logged(void *function, struct gsession *session, struct gscript *script)
{
    UNUSED(script);
    UNUSED(function);
    UNUSED(session);
}

void gpy_stop(struct gstop *stop)
{
    atomic_store(&stop->wanted, true);
}

void gpy_stop_for(struct gstop *stop, enum glimit limit)
{
    UNUSED(limit);
    gpy_stop(stop);
}

void gpy_wake(void)
{
}

bool gpy_has_gil(void)
{
    return false;
}

bool gpy_thread_is_attached(void)
{
    return false;
}

size_t gpy_program_threads(void)
{
    return 0;
}

size_t gpy_memory_used(void)
{
    return 0;
}

size_t gpy_memory_total(void)
{
    return 0;
}

size_t gpy_memory_peak(void)
{
    return 0;
}

void gpy_memory_limit(size_t bytes)
{
    UNUSED(bytes);
}

const char *gpy_version(void)
{
    return "none";
}

#else
/* A translation unit must not be empty. */
extern int gpy_is_present;
#endif
