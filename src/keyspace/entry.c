/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making entries and changing their shape. The layout is drawn in entry.h.
 *
 * Everything that may change the size of an entry goes through kv_entry__reshape, so that one
 * function knows how parts move; setting a value within the same room never comes here.
 */
#include "keyspace/entry.h"

#include "base/blob.h"
#include "ds/table.h"

static void write_key_len(struct kv_entry *e, size_t len)
{
    if (len <= UINT8_MAX) {
        e->rest[0] = (uint8_t)len;
        return;
    }
    ASSERT(len >> 48 == 0);
    e->flags |= KV_ENTRY_WIDE;
    for (unsigned i = 0; i < 6; i++) e->rest[i] = (uint8_t)(len >> (8 * i));
}

static void write_expire(struct kv_entry *e, int64_t expire_ms)
{
    memcpy((char *)e + kv_entry__expire_at(e), &expire_ms, 8);
}

struct kv_entry *kv_entry__new(struct view key, int64_t expire_ms, size_t value_size)
{
    size_t head = KV_ENTRY_HEAD + (key.len > UINT8_MAX ? KV_ENTRY_WIDE_MORE : 0);
    size_t size = head + (expire_ms >= 0 ? 8 : 0) + key.len + value_size;
    struct kv_entry *e = slab_alloc(size);
    e->type_enc = TYPE_STRING | ENC_EMBSTR << 4;
    e->flags = expire_ms >= 0 ? KV_ENTRY_VOLATILE : 0;
    memset(e->access, 0, sizeof(e->access));
    write_key_len(e, key.len);
    if (expire_ms >= 0) write_expire(e, expire_ms);
    if (key.len) memcpy((char *)e + kv_entry__key_at(e), key.ptr, key.len);
    return e;
}

struct kv_entry *kv_entry__reshape(struct kv_entry *e, int64_t expire_ms, size_t value_size)
{
    size_t expire_at = kv_entry__expire_at(e), key_len = kv_entry__key_len(e);
    size_t old_value_size = kv_entry__value_size(e);
    size_t old_key_at = kv_entry__key_at(e);
    size_t new_key_at = expire_at + (expire_ms >= 0 ? 8 : 0);
    size_t old_room = kv_entry__room(old_key_at + key_len + old_value_size);
    size_t new_size = new_key_at + key_len + value_size;
    size_t tail = key_len + MIN(old_value_size, value_size);
    struct kv_entry *to = e;
    if (kv_entry__room(new_size) != old_room) {
        to = slab_alloc(new_size);
        memcpy(to, e, expire_at);
    }
    memmove((char *)to + new_key_at, (const char *)e + old_key_at, tail);
    if (to != e) kv_entry__free(e);
    if (expire_ms >= 0) {
        to->flags |= KV_ENTRY_VOLATILE;
        write_expire(to, expire_ms);
    } else {
        to->flags &= (uint8_t)~KV_ENTRY_VOLATILE;
    }
    return to;
}

struct kv_string_room kv_entry_string_room(const struct kv_entry *e)
{
    size_t size = kv_entry__size(e);
    struct kv_string_room room = {.entry = kv_entry__room(size)};
    if (e->flags & KV_ENTRY_PTR) {
        room.apart = blob_room(kv_entry__pointer(e));
        room.spare = room.apart - kv_entry_string_len(e);
    } else {
        room.spare = room.entry - size;
    }
    return room;
}

size_t kv_entry_memory(const struct kv_entry *e, size_t samples)
{
    size_t bytes = kv_entry__room(kv_entry__size(e)) + TABLE_ENTRY_BYTES;
    if (!(e->flags & KV_ENTRY_PTR)) return bytes;
    if (kv_entry_is_string(e)) return bytes + blob_room(kv_entry__pointer(e));
    struct value v = kv_entry_value(e);
    return bytes + type_ops_of(v.type)->memory(v, samples);
}
