/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions; see gsession.h. There are as many as people keep, some tens: the list is searched.
 */
#include "gears/gsession.h"

#include <pthread.h>

#include "base/mem.h"
#include "gears/gpy.h"
#include "gears/greq.h"

static struct {
    pthread_mutex_t mutex; /* guards the list */
    struct gsession *oldest, *newest;
    size_t count;
} sessions = {.mutex = PTHREAD_MUTEX_INITIALIZER};

struct gsession *gsession_new(struct view id, struct view desc, struct exec_user *user)
{
    struct gsession *s = mem_zalloc(sizeof(*s));
    atomic_init(&s->refs, 1);
    s->id = mem_dup(id.ptr, id.len);
    if (desc.ptr) s->desc = mem_dup(desc.ptr, desc.len);
    s->user = exec_user_ref(user);
    return s;
}

struct gsession *gsession_ref(struct gsession *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

/* A reference of a session that is on the list, unless the last one is just going. */
static bool try_ref(struct gsession *s)
{
    unsigned refs = atomic_load(&s->refs);
    while (refs > 0)
        if (atomic_compare_exchange_weak(&s->refs, &refs, refs + 1)) return true;
    return false;
}

static void forget(struct gsession *s)
{
    pthread_mutex_lock(&sessions.mutex);
    if (s->known) {
        *(s->prev ? &s->prev->next : &sessions.oldest) = s->next;
        *(s->next ? &s->next->prev : &sessions.newest) = s->prev;
        sessions.count--;
    }
    pthread_mutex_unlock(&sessions.mutex);
}

void gsession_unref(struct gsession *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    forget(s);
    gpy_discard(s->globals);
    gpy_discard(s->profiles);
    exec_user_unref(s->user);
    greq_release(s->reqs, s->req_count, s->replaced);
    mem_free(s->regs);
    mem_free(s->limits);
    mem_free(s->id);
    mem_free(s->desc);
    mem_free(s);
}

void gsession_link(struct gsession *s, struct greg *g)
{
    if (s->reg_count == s->reg_cap) {
        s->reg_cap = s->reg_cap ? s->reg_cap * 2 : 4;
        s->regs = mem_realloc(s->regs, sizeof(*s->regs) * s->reg_cap);
    }
    s->regs[s->reg_count++] = g;
    pthread_mutex_lock(&sessions.mutex);
    if (!s->known) {
        s->known = true;
        s->prev = sessions.newest;
        *(s->prev ? &s->prev->next : &sessions.oldest) = s;
        sessions.newest = s;
        sessions.count++;
    }
    pthread_mutex_unlock(&sessions.mutex);
}

void gsession_unlink(struct gsession *s, const struct greg *g)
{
    size_t i = 0;
    while (i < s->reg_count && s->regs[i] != g) i++;
    ASSERT(i < s->reg_count);
    memmove(&s->regs[i], &s->regs[i + 1], sizeof(*s->regs) * (s->reg_count - i - 1));
    s->reg_count--;
}

/* Who has registrations has a reference from each of them. */
struct gsession *gsession_find(struct view id)
{
    pthread_mutex_lock(&sessions.mutex);
    struct gsession *s = sessions.oldest;
    while (s && !(s->reg_count > 0 && view_eq_cstr(id, s->id))) s = s->next;
    pthread_mutex_unlock(&sessions.mutex);
    return s;
}

size_t gsession_list(bool dead, struct gsession ***out)
{
    size_t count = 0;
    pthread_mutex_lock(&sessions.mutex);
    *out = mem_alloc(sizeof(**out) * (sessions.count + 1));
    for (struct gsession *s = sessions.oldest; s; s = s->next)
        if ((s->reg_count == 0) == dead && try_ref(s)) (*out)[count++] = s;
    pthread_mutex_unlock(&sessions.mutex);
    return count;
}
