/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See effect.h. The unit keeps one run of bytes: a head, the request in RESP, a head, … The
 * request's length is known when the next one begins or somebody reads, so nothing has to be
 * called at its end.
 */
#include "keyspace/effect.h"

#include "base/num.h"

/* Above this the room is given back after use. */
#define KEPT_BYTES ((size_t)64 * 1024)

struct head {
    size_t len; /* of the request */
    int db_id;
    uint32_t targets;
};

uint32_t kv_effect_mask;

static void append_number(struct buf *b, char type, int64_t number)
{
    buf_reserve(b, NUM_I64_LEN + 3);
    b->ptr[b->len++] = type;
    b->len += num_format_i64(b->ptr + b->len, number);
    b->ptr[b->len++] = '\r';
    b->ptr[b->len++] = '\n';
}

/* Writes the length of the effect that was begun last into its head. */
static void close_last(struct kv_effects *e)
{
    size_t len = e->bytes.len - e->last - sizeof(struct head);
    ASSERT(e->words_to_come == 0);
    memcpy(e->bytes.ptr + e->last + offsetof(struct head, len), &len, sizeof(len));
}

void kv_effect_begin(struct kv_unit *u, const struct kv_db *db, uint32_t targets, size_t words)
{
    struct kv_effects *e = &u->effects;
    struct head h = {.db_id = db->id, .targets = targets};
    if (e->count) close_last(e);
    e->last = e->bytes.len;
    e->count++;
    e->words_to_come = words;
    buf_append(&e->bytes, &h, sizeof(h));
    append_number(&e->bytes, '*', (int64_t)words);
}

void kv_effect_word(struct kv_unit *u, struct view word)
{
    struct kv_effects *e = &u->effects;
    ASSERT(e->words_to_come > 0);
    e->words_to_come--;
    append_number(&e->bytes, '$', (int64_t)word.len);
    buf_append_view(&e->bytes, word);
    buf_append(&e->bytes, "\r\n", 2);
}

void kv_effect_int(struct kv_unit *u, int64_t number)
{
    char text[NUM_I64_LEN];
    kv_effect_word(u, view_of(text, num_format_i64(text, number)));
}

bool kv_effect_next(const struct kv_unit *u, size_t *offset, struct kv_effect *out)
{
    const struct kv_effects *e = &u->effects;
    struct head h;
    if (*offset == e->bytes.len) return false;
    memcpy(&h, e->bytes.ptr + *offset, sizeof(h));
    if (*offset == e->last) {
        ASSERT(e->words_to_come == 0);
        h.len = e->bytes.len - e->last - sizeof(h);
    }
    *out = (struct kv_effect){.db_id = h.db_id,
                              .targets = h.targets,
                              .request = view_of(e->bytes.ptr + *offset + sizeof(h), h.len)};
    *offset += sizeof(h) + h.len;
    return true;
}

void kv_effects_clear(struct kv_unit *u)
{
    struct kv_effects *e = &u->effects;
    if (e->bytes.cap > KEPT_BYTES) buf_release(&e->bytes);
    buf_clear(&e->bytes);
    e->count = e->last = 0;
}

void kv_effect_deleted(struct kv_unit *u, const struct kv_db *db, struct view key, bool lazy)
{
    kv_effect_begin(u, db, KV_EFFECT_ALL, 2);
    kv_effect_text(u, lazy ? "UNLINK" : "DEL");
    kv_effect_word(u, key);
}
