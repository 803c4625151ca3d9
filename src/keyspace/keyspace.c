/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The databases and everything that changes one: storing, deleting, moving, emptying, events.
 *
 * A change comes with the entry that the command's lookup returned, so that a key is searched
 * once a command. Storing has three ways, tried in this order: overwrite within the same room
 * (no allocation, the table isn't touched), reshape the entry (it may move: one probe to tell
 * the table), insert a new one (one allocation). What a value was is freed after the new one is
 * in place, so that new bytes may lie within old ones.
 *
 * Thread: whoever holds the data token.
 */
#include "keyspace/keyspace.h"

#include "base/blob.h"

#include "keyspace/effect.h"
#include "keyspace/private.h"
#include "keyspace/settings.h"

struct kv_db *kv__dbs;
int kv__db_count;
struct kv_stats kv__stats;
uint32_t kv__access_clock;
uint32_t kv_event_mask;

static struct {
    void (*fn)(void *ctx, struct kv_db *db, const struct arg *key);
    void *ctx;
} touch_hooks[4];
static int touch_hook_count;
bool kv__unasked;
static void (*flush_hook)(void);
static void *(*gone_hook)(const struct kv_db *db, const struct kv_entry *e);

/* ---- life ---- */

void kv_setup(int count)
{
    ASSERT(!kv__dbs && count > 0);
    kv__dbs = mem_zalloc((size_t)count * sizeof(*kv__dbs));
    kv__db_count = count;
    for (int i = 0; i < count; i++) kv__dbs[i].id = i;
}

void kv_teardown(void)
{
    for (int i = 0; i < kv__db_count; i++) {
        table_clear(&kv__dbs[i].keys, kv__entry_free_all, NULL);
    }
    mem_free(kv__dbs);
    kv__dbs = NULL;
    kv__db_count = 0;
    kv__stats = (struct kv_stats){0};
    kv_event_mask = 0;
    touch_hook_count = 0;
    flush_hook = NULL;
    gone_hook = NULL;
}

int kv_db_count(void)
{
    return kv__db_count;
}

struct kv_db *kv_db(int64_t id)
{
    return id >= 0 && id < kv__db_count ? &kv__dbs[id] : NULL;
}

struct kv_stats *kv_stats(void)
{
    return &kv__stats;
}

void kv_clock_set(int64_t now_ms)
{
    kv__access_clock = (uint32_t)((uint64_t)now_ms / 1000) & 0xffffff;
    kv__lfu_clock_set(now_ms);
}

int64_t kv_idle_seconds(const struct kv_entry *e)
{
    return (kv__access_clock - kv_entry_access(e)) & 0xffffff;
}

void kv_idle_set(struct kv_entry *e, int64_t seconds)
{
    kv_entry_access_set(e, (kv__access_clock - (uint32_t)seconds) & 0xffffff);
}

/* Stock keeps one object for each integer below this, and says so with INT_MAX. */
#define SHARED_INTEGERS 10000

int64_t kv_reported_refcount(const struct kv_entry *e)
{
    int64_t number;
    return kv_entry_int(e, &number) && number >= 0 && number < SHARED_INTEGERS ? INT32_MAX : 1;
}

/* ---- events ---- */

void kv_unit_release(struct kv_unit *u)
{
    for (size_t i = 0; i < u->event_count; i++) kv_event_done(&u->events[i]);
    mem_free(u->gone);
    u->gone = NULL;
    mem_free(u->events);
    buf_release(&u->event_bytes);
    u->events = NULL;
    u->event_count = u->event_cap = 0;
    buf_release(&u->effects.bytes);
    u->effects = (struct kv_effects){0};
}

void kv_on_gone(void *(*fn)(const struct kv_db *db, const struct kv_entry *e))
{
    gone_hook = fn;
}

void kv_event_done(struct kv_event *e)
{
    if (likely(!e->gone)) return;
    mem_free(e->gone);
    e->gone = NULL;
}

/* The key is out of the table, and its entry still there. */
static COLD void note_gone(struct kv_unit *u, const struct kv_db *db, const struct arg *key,
                           const struct kv_entry *e)
{
    if (u->flags & KV_UNIT_SILENT) return;
    mem_free(u->gone);
    u->gone = gone_hook(db, e);
    u->gone_hash = hash_bytes(key->ptr, key->len);
}

/* What belongs to the event of a key that is gone, and to no other. */
static COLD void *take_gone(struct kv_unit *u, const char *name, const struct arg *key)
{
    void *gone = u->gone;
    u->gone = NULL;
    bool says_so = !strcmp(name, "del") || !strcmp(name, "expired") || !strcmp(name, "evicted");
    if (says_so && u->gone_hash == hash_bytes(key->ptr, key->len)) return gone;
    mem_free(gone);
    return NULL;
}

void kv_event_record(struct kv_unit *u, enum kv_event_class class_, const char *name,
                     const struct kv_db *db, const struct arg *key)
{
    if (u->flags & KV_UNIT_SILENT) return;
    if (u->event_count == u->event_cap) {
        u->event_cap = u->event_cap ? u->event_cap * 2 : 8;
        u->events = mem_realloc(u->events, u->event_cap * sizeof(*u->events));
    }
    u->events[u->event_count++] = (struct kv_event){
        .class_ = class_,
        .name = name,
        .db_id = db->id,
        .key_offset = u->event_bytes.len,
        .key_len = key->len,
        .origin = u->origin,
        .gone = unlikely(u->gone) ? take_gone(u, name, key) : NULL,
    };
    buf_append(&u->event_bytes, key->ptr, key->len);
}

void kv_event_mask_set(uint32_t mask)
{
    kv_event_mask = mask;
}

void kv_on_touch(void (*fn)(void *ctx, struct kv_db *db, const struct arg *key), void *ctx)
{
    ASSERT((size_t)touch_hook_count < ARRAY_COUNT(touch_hooks));
    touch_hooks[touch_hook_count].fn = fn;
    touch_hooks[touch_hook_count++].ctx = ctx;
}

void kv__touch_hook(struct kv_db *db, const struct arg *key)
{
    for (int i = 0; i < touch_hook_count; i++) touch_hooks[i].fn(touch_hooks[i].ctx, db, key);
}

static void touch_listen_one(struct kv_db *db, uint32_t bit, bool on)
{
    db->touch_mask = on ? db->touch_mask | bit : db->touch_mask & ~bit;
}

void kv_touch_listen(struct kv_db *db, enum kv_touch_listener who, bool on)
{
    if (db) {
        touch_listen_one(db, who, on);
        return;
    }
    for (int i = 0; i < kv__db_count; i++) touch_listen_one(&kv__dbs[i], who, on);
}

bool kv_touch_is_unasked(void)
{
    return kv__unasked;
}

static void touch_unasked(struct kv_unit *u, struct kv_db *db, const struct arg *key)
{
    bool outer = kv__unasked;
    kv__unasked = true;
    kv_touch(u, db, key);
    kv__unasked = outer;
}

void kv_on_flush(void (*fn)(void))
{
    ASSERT(!flush_hook);
    flush_hook = fn;
}

/* ---- lookup: the rare cases ---- */

struct kv_entry *kv__missed(struct kv_unit *u, struct kv_db *db, const struct arg *key)
{
    kv__stats.misses++;
    if (u->flags & KV_UNIT_NO_MISS) return NULL;
    kv_event(u, KV_EVENT_KEYMISS, "keymiss", db, key);
    return NULL;
}

struct kv_entry *kv__expired_read(struct kv_unit *u, struct kv_db *db, struct kv_entry *e)
{
    if (!(u->flags & KV_UNIT_NO_EXPIRE)) kv_expire_now(u, db, e);
    return NULL;
}

struct kv_entry *kv__expired_write(struct kv_unit *u, struct kv_db *db, struct kv_entry *e)
{
    if (u->flags & KV_UNIT_NO_EXPIRE) return e;
    kv_expire_now(u, db, e);
    return NULL;
}

void kv_prefetch_keys(struct kv_db *db, struct arg *keys, int count)
{
    for (int i = 0; i < count; i++) kv_prefetch_bucket(db, &keys[i]);
    for (int i = 0; i < count; i++) kv_prefetch_entry(db, &keys[i]);
}

/* ---- freeing ---- */

/* What an entry points to: taken out before a new value is written, dropped after. */
struct old_value {
    struct value v; /* v.ptr is NULL if there is nothing to free */
    size_t len;     /* of a string */
};

static struct old_value old_value_of(const struct kv_entry *e)
{
    struct old_value old = {.v = kv_entry_value(e)};
    if (!(e->flags & KV_ENTRY_PTR)) return old;
    old.v.ptr = kv_entry__pointer(e);
    if (old.v.type == TYPE_STRING) old.len = kv_entry_string_len(e);
    return old;
}

static void value_drop(struct old_value old)
{
    if (!old.v.ptr) return;
    if (old.v.type != TYPE_STRING) {
        kv_lazyfree_value(old.v);
    } else if (old.len > KV__LAZY_BYTES) {
        kv__lazyfree_bytes(old.v.ptr);
    } else {
        blob_free(old.v.ptr);
    }
}

/* Frees an entry that is out of the table; what is large goes to the background. */
static void entry_drop(struct kv_entry *e)
{
    value_drop(old_value_of(e));
    kv_entry__free(e);
}

void kv__entry_free_all(void *entry, void *ctx)
{
    UNUSED(ctx);
    struct kv_entry *e = entry;
    struct old_value old = old_value_of(e);
    if (old.v.ptr) type_ops_of(old.v.type)->free(old.v);
    kv_entry__free(e);
}

/* ---- storing ---- */

/* Tells the table that an entry has moved. */
static void entry_moved(struct kv_db *db, struct arg *key, const struct kv_entry *old,
                        struct kv_entry *e)
{
    if (e != old) table_swap(&db->keys, arg_hash(key), old, e);
}

static void entry_insert(struct kv_unit *u, struct kv_db *db, struct arg *key, struct kv_entry *e)
{
    table_insert(&db->keys, &kv__table_type, e, arg_hash(key));
    kv_event(u, KV_EVENT_NEW, "new", db, key);
}

static void entry_mark(struct kv_entry *e, enum value_type type, enum value_enc enc, bool pointer)
{
    e->type_enc = (uint8_t)((unsigned)type | (unsigned)enc << 4);
    if (pointer) {
        e->flags |= KV_ENTRY_PTR;
    } else {
        e->flags &= (uint8_t)~KV_ENTRY_PTR;
    }
}

/* The entry for a new value, in place, reshaped or inserted; type and part are the caller's. */
static struct kv_entry *entry_for_value(struct kv_unit *u, struct kv_db *db, struct arg *key,
                                        struct kv_entry *e, size_t value_size, uint32_t flags)
{
    bool is_new = !e;
    if (is_new) {
        e = kv_entry__new(arg_view(key), -1, value_size);
        entry_insert(u, db, key, e);
    } else {
        int64_t expire_ms = kv_entry_expire_ms(e);
        bool drop = expire_ms >= 0 && !(flags & KV_KEEP_TTL);
        if (drop) db->volatile_count--;
        size_t fixed = kv_entry__key_at(e) + kv_entry__key_len(e);
        if (drop || kv_entry__room(fixed + value_size) != kv_entry__room(kv_entry__size(e))) {
            struct kv_entry *old = e;
            e = kv_entry__reshape(e, drop ? -1 : expire_ms, value_size);
            entry_moved(db, key, old, e);
        }
    }
    if (!kv__lfu) {
        kv_entry_access_set(e, kv__access_clock);
    } else if (is_new) {
        kv__lfu_begin(e); /* else the lookup has counted */
    }
    if (!(flags & KV_SAME)) kv_touch(u, db, key);
    return e;
}

/* The bytes lie within the entry itself. */
static bool is_inside(const struct kv_entry *e, struct view bytes)
{
    uintptr_t at = (uintptr_t)bytes.ptr, from = (uintptr_t)e;
    return at >= from && at < from + kv_entry__room(kv_entry__size(e));
}

static bool fits_embedded(const struct kv_entry *e, const struct arg *key, size_t len,
                          uint32_t flags)
{
    size_t expire = e && kv_entry_is_volatile(e) && (flags & KV_KEEP_TTL) ? 8 : 0;
    size_t wide = key->len > UINT8_MAX ? KV_ENTRY_WIDE_MORE : 0;
    size_t fixed = KV_ENTRY_HEAD + wide + expire + key->len + 1;
    if (key->len <= KV_ENTRY_EMBED_KEY_MAX && len <= KV_ENTRY_EMBED_SHORT) return true;
    return fixed <= KV_ENTRY_EMBED_MAX && len <= KV_ENTRY_EMBED_MAX - fixed;
}

static struct kv_entry *set_embedded(struct kv_unit *u, struct kv_db *db, struct arg *key,
                                     struct kv_entry *e, struct view bytes, uint32_t flags,
                                     enum value_enc enc)
{
    char copy[KV_ENTRY_EMBED_MAX];
    struct old_value old = {{0}, 0};
    if (e) {
        old = old_value_of(e);
        if (unlikely(is_inside(e, bytes))) {
            memcpy(copy, bytes.ptr, bytes.len);
            bytes.ptr = copy;
        }
    }
    e = entry_for_value(u, db, key, e, 1 + bytes.len, flags);
    entry_mark(e, TYPE_STRING, enc, false);
    char *part = kv_entry__value_part(e);
    part[0] = (char)(unsigned char)bytes.len;
    if (bytes.len) memcpy(part + 1, bytes.ptr, bytes.len);
    value_drop(old);
    return e;
}

static void write_outside(struct kv_entry *e, char *bytes, size_t len, enum value_enc enc)
{
    entry_mark(e, TYPE_STRING, enc, true);
    char *part = kv_entry__value_part(e);
    memcpy(part, &bytes, sizeof(bytes));
    memcpy(part + 8, &len, sizeof(len));
}

static struct kv_entry *set_outside(struct kv_unit *u, struct kv_db *db, struct arg *key,
                                    struct kv_entry *e, struct view bytes, uint32_t flags,
                                    enum value_enc enc)
{
    struct old_value old = {{0}, 0};
    size_t room = blob_good_size(bytes.len);
    char *block = NULL;
    if (e) old = old_value_of(e);
    if (old.v.ptr && old.v.type == TYPE_STRING && blob_room(old.v.ptr) == room) {
        block = old.v.ptr;
        old.v.ptr = NULL;
        memmove(block, bytes.ptr, bytes.len);
    } else {
        block = blob_alloc(room);
        memcpy(block, bytes.ptr, bytes.len);
    }
    e = entry_for_value(u, db, key, e, 16, flags);
    write_outside(e, block, bytes.len, enc);
    value_drop(old);
    return e;
}

struct kv_entry *kv_set_string(struct kv_unit *u, struct kv_db *db, struct arg *key,
                               struct kv_entry *e, struct view bytes, uint32_t flags)
{
    int64_t number;
    if (!(flags & (KV_RAW | KV_NO_INT)) && bytes.len <= NUM_I64_LEN &&
        num_parse_i64(bytes, &number) == STATUS_OK) {
        return kv_set_int(u, db, key, e, number, flags);
    }
    bool raw = (flags & KV_RAW) || bytes.len > KV_EMBSTR_MAX;
    enum value_enc enc = raw ? ENC_RAW : ENC_EMBSTR;
    if (fits_embedded(e, key, bytes.len, flags)) {
        return set_embedded(u, db, key, e, bytes, flags, enc);
    }
    return set_outside(u, db, key, e, bytes, flags, enc);
}

struct kv_entry *kv_set_arg(struct kv_unit *u, struct kv_db *db, struct arg *key,
                            struct kv_entry *e, struct arg *value, uint32_t flags)
{
    if (likely(!value->owned) || fits_embedded(e, key, value->len, flags)) {
        return kv_set_string(u, db, key, e, arg_view(value), flags);
    }
    struct old_value old = {{0}, 0};
    if (e) old = old_value_of(e);
    e = entry_for_value(u, db, key, e, 16, flags);
    write_outside(e, (char *)value->ptr, value->len, ENC_RAW);
    value->owned = false;
    value_drop(old);
    return e;
}

struct kv_entry *kv_set_int(struct kv_unit *u, struct kv_db *db, struct arg *key,
                            struct kv_entry *e, int64_t number, uint32_t flags)
{
    struct old_value old = {{0}, 0};
    if (e) old = old_value_of(e);
    e = entry_for_value(u, db, key, e, 8, flags);
    entry_mark(e, TYPE_STRING, ENC_INT, false);
    memcpy(kv_entry__value_part(e), &number, 8);
    value_drop(old);
    return e;
}

struct kv_entry *kv_set_value(struct kv_unit *u, struct kv_db *db, struct arg *key,
                              struct kv_entry *e, struct value v, uint32_t flags)
{
    ASSERT(v.type != TYPE_STRING && v.ptr);
    struct old_value old = {{0}, 0};
    if (e) old = old_value_of(e);
    e = entry_for_value(u, db, key, e, 8, flags);
    entry_mark(e, v.type, v.enc, true);
    memcpy(kv_entry__value_part(e), &v.ptr, 8);
    if (old.v.ptr != v.ptr) value_drop(old);
    return e;
}

void kv_value_update(struct kv_entry *e, struct value v)
{
    ASSERT(v.type != TYPE_STRING && v.type == kv_entry_type(e));
    entry_mark(e, v.type, v.enc, true);
    memcpy(kv_entry__value_part(e), &v.ptr, 8);
}

/* ---- strings that grow ---- */

/* How much to ask for when a string is to have `len` bytes: it probably grows again. Areas come in
 * large steps, and growing them is cheap. */
static size_t growth_room(size_t len)
{
    return MAX(len, MIN(len + len / 2, BLOB_GROWN_MIN));
}

/* A string that is or becomes a block of its own. */
static enum status resize_outside(struct kv_unit *u, struct kv_db *db, struct arg *key,
                                  struct kv_entry **e, size_t len, char **bytes_out)
{
    char *block = NULL;
    size_t old_len = 0, zero_from = SIZE_MAX;
    if (*e && ((*e)->flags & KV_ENTRY_PTR)) {
        block = kv_entry__pointer(*e);
        old_len = kv_entry_string_len(*e);
        if (len > blob_room(block)) {
            block = blob_try_grow(block, old_len, growth_room(len), &zero_from);
            if (!block) return STATUS_NOMEM;
        }
    } else {
        block = blob_try_grow(NULL, 0, *e ? growth_room(len) : len, &zero_from);
        if (!block) return STATUS_NOMEM;
        if (*e) {
            char scratch[KV_SCRATCH];
            struct view old = kv_entry_string(*e, scratch);
            old_len = MIN(old.len, len);
            memcpy(block, old.ptr, old_len);
        }
    }
    size_t dirty_end = MIN(len, zero_from);
    if (dirty_end > old_len) memset(block + old_len, 0, dirty_end - old_len);
    *e = entry_for_value(u, db, key, *e, 16, KV_KEEP_TTL);
    write_outside(*e, block, len, ENC_RAW);
    *bytes_out = block;
    return STATUS_OK;
}

enum status kv_string_resize(struct kv_unit *u, struct kv_db *db, struct arg *key,
                             struct kv_entry **e, size_t len, char **bytes_out)
{
    ASSERT(!*e || kv_entry_is_string(*e));
    bool outside = *e && ((*e)->flags & KV_ENTRY_PTR);
    if (outside || !fits_embedded(*e, key, len, KV_KEEP_TTL)) {
        return resize_outside(u, db, key, e, len, bytes_out);
    }
    char scratch[KV_SCRATCH], copy[KV_ENTRY_EMBED_MAX] = {0};
    if (*e) {
        struct view old = kv_entry_string(*e, scratch);
        memcpy(copy, old.ptr, MIN(old.len, len));
    }
    *e = set_embedded(u, db, key, *e, view_of(copy, len), KV_KEEP_TTL, ENC_RAW);
    *bytes_out = kv_entry__value_part(*e) + 1;
    return STATUS_OK;
}

/* ---- deleting and moving ---- */

/* Takes the entry out of the table and the counts. */
static struct kv_entry *entry_take(struct kv_db *db, struct arg *key)
{
    struct kv_entry *e = table_remove(&db->keys, &kv__table_type, arg_view(key), arg_hash(key));
    if (e && kv_entry_is_volatile(e)) db->volatile_count--;
    return e;
}

/* The key is gone because its time had come. */
static void expired_follow_up(struct kv_unit *u, const struct kv_db *db, const struct arg *key)
{
    kv__stats.expired++;
    kv_event(u, KV_EVENT_EXPIRED, "expired", db, key);
    if (unlikely(kv_effect_mask))
        kv_effect_deleted(u, db, arg_view(key), kv_settings.lazy_expire);
}

bool kv_delete(struct kv_unit *u, struct kv_db *db, struct arg *key, bool lazy)
{
    /* Both ways are the same here: what is much work always goes to the background, where
     * nobody sees the difference. */
    UNUSED(lazy);
    struct kv_entry *e = entry_take(db, key);
    if (!e) return false;
    bool expired = kv_is_expired(u, e) && !(u->flags & KV_UNIT_NO_EXPIRE);
    if (unlikely(gone_hook)) note_gone(u, db, key, e);
    if (unlikely(expired)) {
        expired_follow_up(u, db, key);
        touch_unasked(u, db, key);
    } else {
        kv_touch(u, db, key);
    }
    entry_drop(e);
    return !expired;
}

void kv_expire_now(struct kv_unit *u, struct kv_db *db, struct kv_entry *e)
{
    struct arg key = arg_of_view(kv_entry_key(e));
    bool found = table_remove_entry(&db->keys, e, arg_hash(&key));
    ASSERT(found);
    db->volatile_count--;
    if (unlikely(gone_hook)) note_gone(u, db, &key, e);
    expired_follow_up(u, db, &key);
    touch_unasked(u, db, &key);
    entry_drop(e);
}

void kv_delete_empty(struct kv_unit *u, struct kv_db *db, struct arg *key)
{
    kv_delete(u, db, key, false);
    kv_event(u, KV_EVENT_GENERIC, "del", db, key);
}

/* A new entry with the key `to` and the rest of `e`, which is freed. */
static struct kv_entry *entry_renamed(struct kv_entry *e, const struct arg *to)
{
    int64_t expire_ms = kv_entry_expire_ms(e);
    size_t value_size = kv_entry__value_size(e);
    const char *part = kv_entry__value_part(e);
    bool pointer = e->flags & KV_ENTRY_PTR;
    bool embedded = kv_entry_is_string(e) && kv_entry_enc(e) != ENC_INT && !pointer;
    struct kv_entry *moved;
    if (embedded && !fits_embedded(e, to, value_size - 1, KV_KEEP_TTL)) {
        /* The longer key pushes an embedded string out. */
        size_t len = value_size - 1;
        char *block = mem_alloc(mem_good_size(len));
        memcpy(block, part + 1, len);
        moved = kv_entry__new(arg_view(to), expire_ms, 16);
        write_outside(moved, block, len, kv_entry_enc(e));
    } else {
        moved = kv_entry__new(arg_view(to), expire_ms, value_size);
        entry_mark(moved, kv_entry_type(e), kv_entry_enc(e), pointer);
        memcpy(kv_entry__value_part(moved), part, value_size);
    }
    memcpy(moved->access, e->access, sizeof(e->access));
    kv_entry__free(e);
    return moved;
}

void kv_move(struct kv_unit *u, struct kv_db *from_db, struct arg *from, struct kv_db *to_db,
             struct arg *to)
{
    ASSERT(from_db != to_db || !view_eq(arg_view(from), arg_view(to)));
    struct kv_entry *e = entry_take(from_db, from);
    ASSERT(e);
    struct kv_entry *gone = entry_take(to_db, to);
    if (gone) entry_drop(gone);
    int64_t expire_ms = kv_entry_expire_ms(e);
    struct kv_entry *moved = entry_renamed(e, to);
    entry_insert(u, to_db, to, moved);
    if (expire_ms >= 0) {
        to_db->volatile_count++;
        table_bound_lower(&to_db->keys, arg_hash(to), expire_ms);
    }
    kv_touch(u, from_db, from);
    kv_touch(u, to_db, to);
}

/* Stores a copy of the value of `e` under the absent key `to`. */
static struct kv_entry *value_copied(struct kv_unit *u, const struct kv_entry *e,
                                     struct kv_db *db, struct arg *to)
{
    char scratch[KV_SCRATCH];
    int64_t number;
    struct value v = kv_entry_value(e);
    if (v.type != TYPE_STRING) {
        return kv_set_value(u, db, to, NULL, type_ops_of(v.type)->copy(v), 0);
    }
    if (kv_entry_int(e, &number)) return kv_set_int(u, db, to, NULL, number, 0);
    uint32_t flags = v.enc == ENC_RAW ? KV_RAW : KV_NO_INT;
    return kv_set_string(u, db, to, NULL, kv_entry_string(e, scratch), flags);
}

void kv_copy(struct kv_unit *u, struct kv_db *from_db, struct arg *from, struct kv_db *to_db,
             struct arg *to)
{
    ASSERT(from_db != to_db || !view_eq(arg_view(from), arg_view(to)));
    kv_delete(u, to_db, to, false);
    const struct kv_entry *e = kv__find(from_db, from);
    ASSERT(e);
    int64_t expire_ms = kv_entry_expire_ms(e);
    struct kv_entry *copy = value_copied(u, e, to_db, to);
    if (expire_ms >= 0) kv_expire_set(u, to_db, to, copy, expire_ms);
}

/* Everything but the number and what others keep there. */
static void db_take_data(struct kv_db *db, const struct kv_db *from)
{
    db->keys = from->keys;
    db->volatile_count = from->volatile_count;
    db->avg_ttl_ms = from->avg_ttl_ms;
    db->expire_chunk = from->expire_chunk;
}

void kv_swap(struct kv_unit *u, struct kv_db *a, struct kv_db *b)
{
    if (a == b) return;
    /* Before: keys that go from here; after: keys that have come. */
    kv_touch(u, a, NULL);
    kv_touch(u, b, NULL);
    struct kv_db old = *a;
    db_take_data(a, b);
    db_take_data(b, &old);
    kv_touch(u, a, NULL);
    kv_touch(u, b, NULL);
}

struct kv_entry *kv_expire_set(struct kv_unit *u, struct kv_db *db, struct arg *key,
                               struct kv_entry *e, int64_t at_ms)
{
    bool was = kv_entry_is_volatile(e);
    if (was && at_ms >= 0) {
        memcpy((char *)e + kv_entry__expire_at(e), &at_ms, 8);
    } else if (was || at_ms >= 0) {
        struct kv_entry *old = e;
        e = kv_entry__reshape(e, at_ms, kv_entry__value_size(e));
        entry_moved(db, key, old, e);
        db->volatile_count += was ? (size_t)-1 : 1;
    }
    if (at_ms >= 0) table_bound_lower(&db->keys, arg_hash(key), at_ms);
    kv_touch(u, db, key);
    return e;
}

static size_t flush_one(struct kv_unit *u, struct kv_db *db, bool lazy)
{
    size_t count = table_count(&db->keys);
    kv_touch(u, db, NULL);
    if (lazy) {
        struct table_body *body = table_take_body(&db->keys);
        if (body) kv__lazyfree_body(body);
    } else {
        table_clear(&db->keys, kv__entry_free_all, NULL);
    }
    db->volatile_count = 0;
    db->avg_ttl_ms = 0;
    db->expire_chunk = 0;
    return count;
}

size_t kv_flush(struct kv_unit *u, struct kv_db *db, bool lazy)
{
    if (flush_hook) flush_hook();
    if (db) return flush_one(u, db, lazy);
    size_t count = 0;
    for (int i = 0; i < kv__db_count; i++) count += flush_one(u, &kv__dbs[i], lazy);
    return count;
}

/* ---- walking ---- */

struct scan_call {
    void (*fn)(void *ctx, struct kv_entry *e);
    void *ctx;
};

static void scan_visit(void *entry, void *ctx)
{
    struct scan_call *call = ctx;
    call->fn(call->ctx, entry);
}

uint64_t kv_scan(struct kv_db *db, uint64_t cursor, size_t count,
                 void (*fn)(void *ctx, struct kv_entry *e), void *ctx)
{
    struct scan_call call = {fn, ctx};
    size_t buckets;
    if (!num_mul_size(count, 10, &buckets)) buckets = SIZE_MAX;
    return table_scan(&db->keys, cursor, count, buckets, scan_visit, &call);
}

/* So many expired ones in a row end the search in a unit that may not delete them. */
#define RANDOM_TRIES 100

struct kv_entry *kv_random(struct kv_unit *u, struct kv_db *db)
{
    for (int hidden = 0;;) {
        struct kv_entry *e = table_random(&db->keys);
        if (!e || !kv_is_expired(u, e)) return e;
        if (!(u->flags & KV_UNIT_NO_EXPIRE)) {
            kv_expire_now(u, db, e);
        } else if (++hidden == RANDOM_TRIES) {
            return e; /* as stock: a hidden key is a better answer than an endless search */
        }
    }
}
