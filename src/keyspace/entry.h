/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An entry of the keyspace: one allocation that holds key, expiry and value.
 *
 *   offset  bytes
 *   0       1     type (low 4 bits) and encoding (high 4 bits) of the value
 *   1       1     flags, below
 *   2       3     access clock: wall clock seconds, 24 bits, little-endian
 *   5       1|6   key length: 1 byte, or 6 little-endian ones (KV_ENTRY_WIDE)
 *           0|8   expiry, unix time in ms (KV_ENTRY_VOLATILE)
 *           n     key
 *           v     value:  ENC_INT                8 bytes, the integer
 *                         string, embedded       1 byte of length, bytes
 *                         string, KV_ENTRY_PTR   8 bytes address of its blob, 8 bytes length
 *                         collection             8 bytes address of the object (KV_ENTRY_PTR)
 *
 * Nothing behind the flags is aligned; numbers are read with memcpy, in the machine's order. A
 * string is embedded while the whole entry stays within KV_ENTRY_EMBED_MAX, two cache lines; a
 * short one also behind a long key, where a block of its own would cost more than it holds. So 16
 * bytes of key and 16 of value make 39, in a slab's class of 40, and 47 with an expiry, in 48.
 * The expiry has all of its 64 bits, as stock's has.
 *
 * The room of an entry follows from its size (base/slab.h), and a value that changes within the
 * same step is overwritten in place. (Asking the allocator costs more than the search for the
 * key.)
 *
 * There are no reference counts and no terminators; bits are reserved for pinning and for the
 * epoch of a snapshot. Accessors only: nobody else knows the layout. Under the data token.
 */
#ifndef KEYSPACE_ENTRY_H
#define KEYSPACE_ENTRY_H

#include "base/num.h"
#include "base/slab.h"
#include "base/view.h"
#include "types/value.h"

struct kv_entry {
    uint8_t type_enc;
    uint8_t flags;
    uint8_t access[3];
    uint8_t rest[];
};

enum kv_entry_flag {
    KV_ENTRY_VOLATILE = 1 << 0, /* has an expiry */
    KV_ENTRY_WIDE = 1 << 1,     /* the key is longer than 255 bytes */
    KV_ENTRY_PTR = 1 << 2,      /* the value is elsewhere */
    KV_ENTRY_EPOCH = 3 << 4,    /* reserved: the snapshot that has seen this entry */
    KV_ENTRY_PINNED = 1 << 6    /* reserved: a reply in flight reads the value */
};

#define KV_ENTRY_HEAD 6      /* bytes before the expiry, of an entry with a short key */
#define KV_ENTRY_WIDE_MORE 5 /* as many more with a long key */
#define KV_ENTRY_EMBED_MAX 128
#define KV_ENTRY_EMBED_SHORT 64      /* as long a string may be behind a key … */
#define KV_ENTRY_EMBED_KEY_MAX 1024  /* … of up to this length */
#define KV_EMBSTR_MAX 44 /* longer strings are reported as raw, as in stock */

/* Room for the digits of an integer, for kv_entry_string. */
#define KV_SCRATCH 32

static inline enum value_type kv_entry_type(const struct kv_entry *e)
{
    return (enum value_type)(e->type_enc & 15);
}

static inline enum value_enc kv_entry_enc(const struct kv_entry *e)
{
    return (enum value_enc)(e->type_enc >> 4);
}

static inline bool kv_entry_is_string(const struct kv_entry *e)
{
    return kv_entry_type(e) == TYPE_STRING;
}

static inline bool kv_entry_is_volatile(const struct kv_entry *e)
{
    return e->flags & KV_ENTRY_VOLATILE;
}

static inline size_t kv_entry__expire_at(const struct kv_entry *e)
{
    return KV_ENTRY_HEAD + (size_t)((e->flags >> 1) & 1) * KV_ENTRY_WIDE_MORE;
}

static inline size_t kv_entry__key_at(const struct kv_entry *e)
{
    return kv_entry__expire_at(e) + (size_t)(e->flags & KV_ENTRY_VOLATILE) * 8;
}

static inline size_t kv_entry__key_len(const struct kv_entry *e)
{
    if (likely(!(e->flags & KV_ENTRY_WIDE))) return e->rest[0];
    size_t len = 0;
    for (unsigned i = 0; i < 6; i++) len |= (size_t)e->rest[i] << (8 * i);
    return len;
}

/* The key; borrowed as long as the entry stays where it is. */
ALWAYS_INLINE struct view kv_entry_key(const struct kv_entry *e)
{
    return view_of((const char *)e + kv_entry__key_at(e), kv_entry__key_len(e));
}

/* Where the value's part begins. */
static inline char *kv_entry__value_part(const struct kv_entry *e)
{
    return (char *)(uintptr_t)e + kv_entry__key_at(e) + kv_entry__key_len(e);
}

/* Unix time in ms, or -1 if the entry doesn't expire. */
static inline int64_t kv_entry_expire_ms(const struct kv_entry *e)
{
    int64_t at_ms = -1;
    if (kv_entry_is_volatile(e)) memcpy(&at_ms, (const char *)e + kv_entry__expire_at(e), 8);
    return at_ms;
}

static inline void *kv_entry__pointer(const struct kv_entry *e)
{
    void *ptr;
    memcpy(&ptr, kv_entry__value_part(e), sizeof(ptr));
    return ptr;
}

/* The integer of an ENC_INT string; false for every other value. */
static inline bool kv_entry_int(const struct kv_entry *e, int64_t *out)
{
    if (e->type_enc != (TYPE_STRING | ENC_INT << 4)) return false;
    memcpy(out, kv_entry__value_part(e), 8);
    return true;
}

/* The bytes of a string, in scratch if it is an integer; valid until the entry changes. */
static inline struct view kv_entry_string(const struct kv_entry *e, char scratch[KV_SCRATCH])
{
    const char *part = kv_entry__value_part(e);
    if (kv_entry_enc(e) == ENC_INT) {
        int64_t number;
        memcpy(&number, part, 8);
        return view_of(scratch, num_format_i64(scratch, number));
    }
    if (!(e->flags & KV_ENTRY_PTR)) return view_of(part + 1, (unsigned char)part[0]);
    struct view v;
    memcpy(&v.ptr, part, 8);
    memcpy(&v.len, part + 8, 8);
    return v;
}

/* Length of a string, without a look at its bytes. */
static inline size_t kv_entry_string_len(const struct kv_entry *e)
{
    const char *part = kv_entry__value_part(e);
    int64_t number;
    if (kv_entry_int(e, &number)) return num_digits_i64(number);
    if (!(e->flags & KV_ENTRY_PTR)) return (unsigned char)part[0];
    size_t len;
    memcpy(&len, part + 8, 8);
    return len;
}

/* The value; ptr is NULL for strings, which have accessors of their own. */
static inline struct value kv_entry_value(const struct kv_entry *e)
{
    struct value v = {.type = kv_entry_type(e), .enc = kv_entry_enc(e)};
    if (v.type != TYPE_STRING) v.ptr = kv_entry__pointer(e);
    return v;
}

static inline uint32_t kv_entry_access(const struct kv_entry *e)
{
    return e->access[0] | (uint32_t)e->access[1] << 8 | (uint32_t)e->access[2] << 16;
}

/* Writes only what differs, since a read shouldn't make a cache line (or, while a child lives, a
 * page) dirty more often than once a second. */
static inline void kv_entry_access_set(struct kv_entry *e, uint32_t clock)
{
    if (kv_entry_access(e) == clock) return;
    e->access[0] = (uint8_t)clock;
    e->access[1] = (uint8_t)(clock >> 8);
    e->access[2] = (uint8_t)(clock >> 16);
}

/* Bytes of the allocation that an entry of `size` bytes lives in. */
static inline size_t kv_entry__room(size_t size)
{
    return slab_room(size);
}

/* Bytes of the value's part. */
static inline size_t kv_entry__value_size(const struct kv_entry *e)
{
    if (e->flags & KV_ENTRY_PTR) return kv_entry_is_string(e) ? 16 : 8;
    if (kv_entry_enc(e) == ENC_INT) return 8;
    return 1 + (size_t)(unsigned char)*kv_entry__value_part(e);
}

static inline size_t kv_entry__size(const struct kv_entry *e)
{
    return kv_entry__key_at(e) + kv_entry__key_len(e) + kv_entry__value_size(e);
}

/* Bytes that the entry takes: its allocation, what its value has outside of it, and the mean share
 * of the table that it hangs in. At most `samples` elements, or blocks of them, of a collection are
 * looked at, the others taken to be like these; SIZE_MAX is exact. O(samples). */
size_t kv_entry_memory(const struct kv_entry *e, size_t samples);

struct kv_string_room {
    size_t entry, apart, spare;
};
/* Where a string with bytes (no integer) lies: the entry's block, the string's own one, 0 if it
 * has none, and how many bytes it may grow by within either. */
struct kv_string_room kv_entry_string_room(const struct kv_entry *e);

/* Makes an entry without a value: flags and key are set, the value's part has value_size bytes,
 * and type_enc says "embedded string" until the caller writes it. expire_ms is -1 for none. */
struct kv_entry *kv_entry__new(struct view key, int64_t expire_ms, size_t value_size);

/* Changes presence and value of the expiry (-1: none) and the size of the value's part, keeping
 * what fits of its bytes. In place when the room is the same; else the entry moves, and the
 * caller tells the table. */
struct kv_entry *kv_entry__reshape(struct kv_entry *e, int64_t expire_ms, size_t value_size);

/* Frees the entry alone, not what it points to. Its size must be what it was made or reshaped
 * for: the value's part is read, unless KV_ENTRY_PTR is set. */
static inline void kv_entry__free(struct kv_entry *e)
{
    slab_free(e, kv_entry__size(e));
}

#endif
