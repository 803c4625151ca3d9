/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The effects log: every change, once, as commands in RESP, for whoever must repeat it: the
 * append-only file, replicas, the migration of a slot. They all read the same bytes.
 *
 * A command that changed something is its own effect, word for word, unless its handler says
 * better (what depends on the clock, on chance or on who waits is written down as what came of
 * it). Keys that expire or are evicted are deletions. What one unit changes comes between MULTI
 * and EXEC if it is more than one effect, and enters the log when the unit has ended, before its
 * reply leaves. Which database an effect is for is beside its bytes: a reader whose output says so
 * by SELECT writes that itself.
 *
 * Thread: the holder of the data token.
 */
#ifndef EXEC_EFFECTS_H
#define EXEC_EFFECTS_H

#include "ds/reclog.h"
#include "exec/exec.h"
#include "keyspace/effect.h"

/* ---- for handlers ---- */

/* True if somebody listens; then what the handler emits stands for its words, even if it is
 * nothing:
 *
 *     if (effect_instead(ctx)) {
 *         effect_begin(ctx, 3);
 *         effect_text(ctx, "PEXPIREAT");
 *         effect_arg(ctx, key);
 *         effect_int(ctx, at_ms);
 *     }
 *
 * A handler that has changed nothing need not call it: then there is no effect anyhow. */
static inline bool effect_instead(struct exec_ctx *ctx)
{
    if (likely(!kv_effect_mask)) return false;
    ctx->unit->flags |= KV_UNIT_REWRITTEN;
    return true;
}

static inline void effect_begin(struct exec_ctx *ctx, size_t words)
{
    kv_effect_begin(ctx->unit, ctx->db, KV_EFFECT_ALL, words);
}

static inline void effect_text(struct exec_ctx *ctx, const char *word)
{
    kv_effect_text(ctx->unit, word);
}

static inline void effect_arg(struct exec_ctx *ctx, const struct arg *word)
{
    kv_effect_word(ctx->unit, arg_view(word));
}

static inline void effect_view(struct exec_ctx *ctx, struct view word)
{
    kv_effect_word(ctx->unit, word);
}

static inline void effect_int(struct exec_ctx *ctx, int64_t number)
{
    kv_effect_int(ctx->unit, number);
}

/* Emits the command's words as they are now, though nothing may count as changed, for some targets
 * (enum kv_effect_target) only: PUBLISH is for replicas, FLUSHALL of nothing for all. */
void effect_as_given(struct exec_ctx *ctx, uint32_t targets);

/* The effects of this command have nothing to do with each other, unless it is one of several:
 * SCAN deletes whatever it meets that has expired. */
static inline void effects_stand_alone(struct exec_ctx *ctx)
{
    if (!(ctx->flags & (EXEC_IN_MULTI | EXEC_IN_EVENT))) ctx->unit->flags |= KV_UNIT_LOOSE;
}

/* ---- for exec ---- */

/* After a handler: the words of a command that changed something and didn't speak for itself. */
void effects_after_handler(struct exec_ctx *ctx);

/* Puts what a unit has recorded into the log. */
void effects_commit(struct kv_unit *u);

/* ---- for readers ---- */

enum effects_frame {
    EFFECT_PLAIN = 0,
    EFFECT_MULTI = 1, /* the request is MULTI; its db_id is that of the first effect behind it */
    EFFECT_EXEC = 2
};

/* An effect as a reader sees it. */
struct effects_record {
    int db_id;
    uint32_t targets;
    enum effects_frame frame;
    struct view request; /* RESP, complete; valid until effects_give_back */
};

struct effects_reader {
    struct reclog_reader place;
    uint32_t targets;
};

/* Begins to read what is committed from now on, for the given targets. The reader must not move
 * until effects_leave. Not within a unit that has changed anything. */
void effects_join(struct effects_reader *r, uint32_t targets);
void effects_leave(struct effects_reader *r);

/* The next record for this reader's targets; false when it has seen all. */
bool effects_next(struct effects_reader *r, struct effects_record *out);

/* The reader needs nothing of what it has read so far. What readers don't give back stays in
 * memory: a reader bounds how far it falls behind. */
void effects_give_back(struct effects_reader *r);

/* An empty log, with no reader. Main, at boot. */
void effects_setup(void);
/* Frees it; all readers must have left. */
void effects_teardown(void);

#endif
