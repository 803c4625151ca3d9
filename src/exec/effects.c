/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See effects.h. A record of the log is a head and the request's bytes; MULTI and EXEC are records
 * as any other, so a reader need not know about them.
 */
#include "exec/effects.h"

#include "exec/command.h"

struct head {
    int32_t db_id;
    uint16_t targets, frame;
};

static struct {
    struct reclog log;
} effects;

void effects_setup(void)
{
    reclog_init(&effects.log);
}

void effects_teardown(void)
{
    reclog_release(&effects.log);
}

/* ---- recording ---- */

static void emit_words(struct exec_ctx *ctx, uint32_t targets)
{
    kv_effect_begin(ctx->unit, ctx->db, targets, (size_t)ctx->argc);
    for (int i = 0; i < ctx->argc; i++) kv_effect_word(ctx->unit, arg_view(&ctx->argv[i]));
}

void effect_as_given(struct exec_ctx *ctx, uint32_t targets)
{
    if (!effect_instead(ctx)) return;
    if (kv_effect_mask & targets) emit_words(ctx, targets);
}

void effects_after_handler(struct exec_ctx *ctx)
{
    if (ctx->unit->flags & KV_UNIT_REWRITTEN || !ctx->unit->dirty) return;
    emit_words(ctx, KV_EFFECT_ALL);
}

/* ---- the log ---- */

static void append(const struct kv_effect *e, enum effects_frame frame)
{
    struct head h = {.db_id = e->db_id, .targets = (uint16_t)e->targets, .frame = (uint16_t)frame};
    char *place = reclog_append(&effects.log, sizeof(h) + e->request.len);
    memcpy(place, &h, sizeof(h));
    memcpy(place + sizeof(h), e->request.ptr, e->request.len);
}

static void append_frame(struct kv_effect about, enum effects_frame frame)
{
    about.request = frame == EFFECT_MULTI ? VIEW_LIT("*1\r\n$5\r\nMULTI\r\n")
                                          : VIEW_LIT("*1\r\n$4\r\nEXEC\r\n");
    append(&about, frame);
}

void effects_commit(struct kv_unit *u)
{
    struct kv_effect e, last = {0};
    size_t offset = 0;
    bool framed = u->effects.count > 1 && !(u->flags & KV_UNIT_LOOSE);
    uint32_t targets = 0;
    while (kv_effect_next(u, &offset, &e)) targets |= e.targets;
    if (!(targets & kv_effect_mask)) { /* the last reader has left meanwhile */
        kv_effects_clear(u);
        return;
    }
    offset = 0;
    while (kv_effect_next(u, &offset, &e)) {
        if (framed && !last.request.ptr) {
            struct kv_effect first = e;
            first.targets = targets;
            append_frame(first, EFFECT_MULTI);
        }
        append(&e, EFFECT_PLAIN);
        last = e;
    }
    last.targets = targets;
    if (framed) append_frame(last, EFFECT_EXEC);
    kv_effects_clear(u);
}

/* ---- readers ---- */

static void update_mask(void)
{
    uint32_t mask = 0;
    LIST_EACH(&effects.log.readers, n)
    {
        mask |= CONTAINER_OF(n, struct effects_reader, place.node)->targets;
    }
    kv_effect_mask = mask;
}

void effects_join(struct effects_reader *r, uint32_t targets)
{
    reclog_join(&effects.log, &r->place);
    r->targets = targets;
    update_mask();
}

void effects_leave(struct effects_reader *r)
{
    reclog_leave(&effects.log, &r->place);
    update_mask();
}

bool effects_next(struct effects_reader *r, struct effects_record *out)
{
    struct view record;
    struct head h;
    do {
        if (!reclog_next(&effects.log, &r->place, &record)) return false;
        memcpy(&h, record.ptr, sizeof(h));
    } while (!(h.targets & r->targets));
    *out = (struct effects_record){.db_id = h.db_id,
                                   .targets = h.targets,
                                   .frame = h.frame,
                                   .request = view_of(record.ptr + sizeof(h),
                                                      record.len - sizeof(h))};
    return true;
}

void effects_give_back(struct effects_reader *r)
{
    reclog_give_back(&effects.log, &r->place);
}
