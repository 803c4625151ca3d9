/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keyspace against a model: random operations on a handful of keys, with a clock that the
 * test moves. After each operation the key, the recorded events, the touches and the counters
 * must be what the model says; from time to time everything is compared.
 */
#include "keyspace/keyspace.h"
#include "unit.h"

#define KEYS 48
#define VALUE_MAX 700

struct model_key {
    bool present;
    char name[400];
    size_t name_len;
    char value[VALUE_MAX];
    size_t len;
    enum value_enc enc;
    int64_t expire_ms;
};

struct world {
    struct kv_db *db;
    struct kv_unit unit;
    struct model_key keys[KEYS];
    /* what the operation should record */
    char expected[64][40];
    size_t expected_count;
    long touches, expected_touches;
    struct kv_stats stats; /* expected */
};

static struct arg key_arg(const struct model_key *k)
{
    return arg_of(k->name, k->name_len);
}

static void count_touch(void *ctx, struct kv_db *db, const struct arg *key)
{
    UNUSED(db);
    UNUSED(key);
    ((struct world *)ctx)->touches++;
}

static void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    kv_setup(3);
    w->db = kv_db(1);
    kv_touch_listen(w->db, KV_TOUCH_WATCH, true);
    kv_on_touch(count_touch, w);
    kv_event_mask_set(~0u);
    w->unit.now_ms = 1000000;
    for (size_t i = 0; i < KEYS; i++) {
        struct model_key *k = &w->keys[i];
        k->name_len = i % 7 == 6 ? 250 + unit_rand_below(100) : 2 + unit_rand_below(40);
        unit_rand_bytes(k->name, k->name_len);
        k->name[0] = (char)i;
    }
}

static void world_release(struct world *w)
{
    kv_unit_release(&w->unit);
    kv_lazyfree_teardown();
    kv_teardown();
}

static void expect(struct world *w, const char *name, const struct model_key *k)
{
    CHECK(w->expected_count < ARRAY_COUNT(w->expected));
    snprintf(w->expected[w->expected_count++], sizeof(w->expected[0]), "%s %d", name, k->name[0]);
}

static void check_events(struct world *w)
{
    CHECK_INT(w->unit.event_count, w->expected_count);
    for (size_t i = 0; i < w->expected_count; i++) {
        const struct kv_event *e = &w->unit.events[i];
        char text[40];
        struct view key = kv_event_key(&w->unit, e);
        snprintf(text, sizeof(text), "%s %d", e->name, key.len ? key.ptr[0] : -1);
        CHECK_STR(text, w->expected[i]);
        CHECK_INT(e->db_id, 1);
    }
    w->unit.event_count = 0;
    buf_clear(&w->unit.event_bytes);
    w->expected_count = 0;
    CHECK_INT(w->touches, w->expected_touches);
}

static bool model_is_expired(const struct world *w, const struct model_key *k)
{
    return k->present && k->expire_ms >= 0 && k->expire_ms < w->unit.now_ms;
}

/* What an access does to a key whose time has come. */
static void model_access(struct world *w, struct model_key *k)
{
    if (!model_is_expired(w, k)) return;
    k->present = false;
    w->stats.expired++;
    w->expected_touches++;
    expect(w, "expired", k);
}

static void check_key(struct world *w, struct model_key *k)
{
    struct arg key = key_arg(k);
    const struct kv_entry *e = kv_peek(&w->unit, w->db, &key);
    CHECK_INT(e != NULL, k->present && !model_is_expired(w, k));
    if (!e) return;
    char scratch[KV_SCRATCH];
    struct view v = kv_entry_string(e, scratch), name = kv_entry_key(e);
    CHECK_MEM(name.ptr, name.len, k->name, k->name_len);
    CHECK_MEM(v.ptr, v.len, k->value, k->len);
    CHECK_INT(kv_entry_string_len(e), k->len);
    CHECK_INT(kv_entry_enc(e), k->enc);
    CHECK(kv_entry_expire_ms(e) == k->expire_ms);
    if (!(e->flags & KV_ENTRY_PTR) && k->len > KV_ENTRY_EMBED_SHORT) {
        /* An expiry that is set later doesn't push a string out. */
        CHECK(kv_entry__size(e) <= KV_ENTRY_EMBED_MAX + 8);
    }
}

static void check_all(struct world *w)
{
    size_t present = 0, volatile_count = 0;
    for (size_t i = 0; i < KEYS; i++) {
        struct model_key *k = &w->keys[i];
        check_key(w, k);
        present += k->present;
        volatile_count += k->present && k->expire_ms >= 0;
    }
    CHECK_INT(table_count(&w->db->keys), present);
    CHECK_INT(w->db->volatile_count, volatile_count);
    CHECK_INT(kv_stats()->hits, w->stats.hits);
    CHECK_INT(kv_stats()->misses, w->stats.misses);
    CHECK_INT(kv_stats()->expired, w->stats.expired);
}

static struct model_key *random_key(struct world *w)
{
    return &w->keys[unit_rand_below(KEYS)];
}

/* ---- operations ---- */

static size_t random_len(void)
{
    static const size_t edges[] = {0, 1, 43, 44, 45, 64, 100, 128, 255, 256};
    return unit_rand_below(2) ? edges[unit_rand_below(ARRAY_COUNT(edges))]
                              : unit_rand_below(VALUE_MAX);
}

static void model_stored(struct world *w, struct model_key *k, uint32_t flags)
{
    if (!k->present) expect(w, "new", k);
    if (!k->present || !(flags & KV_KEEP_TTL)) k->expire_ms = -1;
    k->present = true;
    w->expected_touches++;
}

static void op_set_string(struct world *w)
{
    struct model_key *k = random_key(w);
    struct arg key = key_arg(k);
    uint32_t flags = (uint32_t)unit_rand_below(8);
    char value[VALUE_MAX];
    size_t len = random_len();
    int64_t number;
    unit_rand_bytes(value, len);
    if (unit_rand_below(3) == 0) {
        len = (size_t)snprintf(value, sizeof(value), "%lld",
                               (long long)unit_rand() >> unit_rand_below(63));
    }
    model_access(w, k);
    struct kv_entry *e = kv_lookup_write(&w->unit, w->db, &key);
    kv_set_string(&w->unit, w->db, &key, e, view_of(value, len), flags);
    model_stored(w, k, flags);
    memcpy(k->value, value, len);
    k->len = len;
    bool is_int = !(flags & (KV_RAW | KV_NO_INT)) && len <= 20 &&
                  num_parse_i64(view_of(value, len), &number) == STATUS_OK;
    k->enc = is_int ? ENC_INT : (flags & KV_RAW) || len > 44 ? ENC_RAW : ENC_EMBSTR;
    check_key(w, k);
}

/* The new value is a part of the old one. */
static void op_set_from_itself(struct world *w)
{
    struct model_key *k = random_key(w);
    struct arg key = key_arg(k);
    model_access(w, k);
    struct kv_entry *e = kv_lookup_write(&w->unit, w->db, &key);
    if (!e || k->enc == ENC_INT || k->len == 0) return;
    char scratch[KV_SCRATCH];
    struct view v = kv_entry_string(e, scratch);
    size_t at = unit_rand_below(v.len), len = unit_rand_below(v.len - at + 1);
    v = view_of(v.ptr + at, len);
    kv_set_string(&w->unit, w->db, &key, e, v, KV_NO_INT);
    model_stored(w, k, 0);
    memmove(k->value, k->value + at, len);
    k->len = len;
    k->enc = len > 44 ? ENC_RAW : ENC_EMBSTR;
    check_key(w, k);
}

static void op_set_int(struct world *w)
{
    struct model_key *k = random_key(w);
    struct arg key = key_arg(k);
    uint32_t flags = (uint32_t)unit_rand_below(2);
    int64_t number = (int64_t)unit_rand();
    model_access(w, k);
    struct kv_entry *e = kv_lookup_write(&w->unit, w->db, &key);
    kv_set_int(&w->unit, w->db, &key, e, number, flags);
    model_stored(w, k, flags);
    k->len = num_format_i64(k->value, number);
    k->enc = ENC_INT;
    check_key(w, k);
}

static void op_resize(struct world *w)
{
    struct model_key *k = random_key(w);
    struct arg key = key_arg(k);
    model_access(w, k);
    struct kv_entry *e = kv_lookup_write(&w->unit, w->db, &key);
    size_t old_len = k->present ? k->len : 0;
    size_t more = random_len() / 3, len = MIN(old_len + more, VALUE_MAX);
    char *bytes;
    CHECK_INT(kv_string_resize(&w->unit, w->db, &key, &e, len, &bytes), STATUS_OK);
    memset(k->value + old_len, 0, len - old_len);
    CHECK_MEM(bytes, len, k->value, len);
    if (len > 0) {
        size_t at = unit_rand_below(len);
        bytes[at] = k->value[at] = (char)unit_rand();
    }
    model_stored(w, k, KV_KEEP_TTL);
    k->len = len;
    k->enc = ENC_RAW;
    check_key(w, k);
}

static void op_delete(struct world *w)
{
    struct model_key *k = random_key(w);
    struct arg key = key_arg(k);
    bool live = k->present && !model_is_expired(w, k);
    model_access(w, k);
    CHECK_INT(kv_delete(&w->unit, w->db, &key, unit_rand_below(2)), live);
    w->expected_touches += live;
    k->present = false;
    check_key(w, k);
}

static void op_move(struct world *w)
{
    struct model_key *from = random_key(w), *to = random_key(w);
    struct arg from_key = key_arg(from), to_key = key_arg(to);
    if (from == to) return;
    model_access(w, from);
    if (!kv_lookup_write(&w->unit, w->db, &from_key)) return;
    kv_move(&w->unit, w->db, &from_key, w->db, &to_key);
    to->present = true;
    to->len = from->len;
    to->enc = from->enc;
    to->expire_ms = from->expire_ms;
    memcpy(to->value, from->value, from->len);
    from->present = false;
    expect(w, "new", to);
    w->expected_touches += 2;
    check_key(w, from);
    check_key(w, to);
}

static void op_expire(struct world *w)
{
    struct model_key *k = random_key(w);
    struct arg key = key_arg(k);
    model_access(w, k);
    struct kv_entry *e = kv_lookup_write(&w->unit, w->db, &key);
    if (!e) return;
    int64_t at_ms = unit_rand_below(3) ? w->unit.now_ms + (int64_t)unit_rand_below(500) : -1;
    kv_expire_set(&w->unit, w->db, &key, e, at_ms);
    k->expire_ms = at_ms;
    w->expected_touches++;
    check_key(w, k);
}

static void op_read(struct world *w)
{
    struct model_key *k = random_key(w);
    struct arg key = key_arg(k);
    bool quiet = unit_rand_below(2);
    uint32_t clock = (uint32_t)unit_rand_below(1 << 24);
    kv_clock_set((int64_t)clock * 1000);
    model_access(w, k);
    const struct kv_entry *e = quiet ? kv_lookup_quiet(&w->unit, w->db, &key)
                                     : kv_lookup_read(&w->unit, w->db, &key);
    CHECK_INT(e != NULL, k->present);
    if (e) {
        w->stats.hits++;
        if (!quiet) CHECK_INT(kv_entry_access(e), clock);
        if (!quiet) CHECK_INT(kv_idle_seconds(e), 0);
    } else {
        w->stats.misses++;
        expect(w, "keymiss", k);
    }
}

/* Units that may not expire hide what has expired from readers and show it to writers. */
static void op_no_expire(struct world *w)
{
    struct model_key *k = random_key(w);
    struct arg key = key_arg(k);
    w->unit.flags = KV_UNIT_NO_EXPIRE;
    bool live = k->present && !model_is_expired(w, k);
    CHECK_INT(kv_lookup_write(&w->unit, w->db, &key) != NULL, k->present);
    CHECK_INT(kv_lookup_read(&w->unit, w->db, &key) != NULL, live);
    w->stats.hits += live;
    w->stats.misses += !live;
    if (!live) expect(w, "keymiss", k);
    w->unit.flags = 0;
}

static void op_cycle(struct world *w)
{
    size_t expired = 0;
    for (size_t i = 0; i < KEYS; i++) expired += model_is_expired(w, &w->keys[i]);
    CHECK_INT(kv_expire_cycle(&w->unit, 1000000), expired);
    CHECK_INT(w->unit.event_count, expired);
    w->unit.event_count = 0;
    buf_clear(&w->unit.event_bytes);
    for (size_t i = 0; i < KEYS; i++) {
        model_access(w, &w->keys[i]);
    }
    w->expected_count = 0;
}

static void op_random(struct world *w)
{
    struct kv_entry *e = kv_random(&w->unit, w->db);
    /* Whatever it met on the way is gone. */
    for (size_t i = 0; i < w->unit.event_count; i++) {
        struct view key = kv_event_key(&w->unit, &w->unit.events[i]);
        model_access(w, &w->keys[(int)key.ptr[0]]);
    }
    size_t live = 0;
    for (size_t i = 0; i < KEYS; i++) {
        live += w->keys[i].present && !model_is_expired(w, &w->keys[i]);
    }
    CHECK_INT(e != NULL, live > 0);
    if (!e) return;
    struct model_key *k = &w->keys[(int)kv_entry_key(e).ptr[0]];
    CHECK(k->present && !model_is_expired(w, k));
}

struct seen {
    bool keys[KEYS];
};

static void see(void *ctx, struct kv_entry *e)
{
    ((struct seen *)ctx)->keys[(int)kv_entry_key(e).ptr[0]] = true;
}

static void op_scan(struct world *w)
{
    struct seen seen = {{0}};
    uint64_t cursor = 0;
    size_t count = 1 + unit_rand_below(20);
    do {
        cursor = kv_scan(w->db, cursor, count, see, &seen);
    } while (cursor);
    for (size_t i = 0; i < KEYS; i++) CHECK_INT(seen.keys[i], w->keys[i].present);
}

static void op_flush(struct world *w)
{
    size_t present = 0;
    for (size_t i = 0; i < KEYS; i++) {
        present += w->keys[i].present;
        w->keys[i].present = false;
    }
    w->expected_touches++; /* once, for all */
    CHECK_INT(kv_flush(&w->unit, w->db, unit_rand_below(2)), present);
}

typedef void world_op(struct world *w);

TEST(random_operations)
{
    static world_op *const ops[] = {
        op_set_string, op_set_string, op_set_string, op_set_from_itself, op_set_int, op_resize,
        op_resize,     op_delete,     op_move,       op_expire,          op_expire,  op_read,
        op_read,       op_no_expire,  op_cycle,      op_random,          op_scan,
    };
    static struct world w;
    world_init(&w);
    for (long round = unit_rounds(200000); round > 0; round--) {
        world_op *op = ops[unit_rand_below(ARRAY_COUNT(ops))];
        if (unit_rand_below(2000) == 0) op = op_flush;
        op(&w);
        check_events(&w);
        w.unit.now_ms += (int64_t)unit_rand_below(8);
        if (round % 500 == 0) check_all(&w);
    }
    check_all(&w);
    world_release(&w);
}

/* ---- single facts ---- */

static struct kv_entry *set(struct kv_unit *u, struct kv_db *db, const char *name, size_t len)
{
    static char bytes[200000];
    struct arg key = arg_of(name, strlen(name));
    memset(bytes, 'v', len);
    return kv_set_string(u, db, &key, kv_lookup_write(u, db, &key), view_of(bytes, len), 0);
}

TEST(same_size_overwrites_in_place)
{
    struct kv_unit u = {.now_ms = 1};
    kv_setup(1);
    struct kv_db *db = kv_db(0);
    const struct kv_entry *e = set(&u, db, "key:000000000001", 16);
    CHECK(set(&u, db, "key:000000000001", 17) == e);
    CHECK(set(&u, db, "key:000000000001", 10) == e);
    e = set(&u, db, "key:000000000001", 100);
    CHECK(!(e->flags & KV_ENTRY_PTR));
    e = set(&u, db, "key:000000000001", 120);
    CHECK(e->flags & KV_ENTRY_PTR);
    const void *block = kv_entry__pointer(e);
    CHECK(set(&u, db, "key:000000000001", 120) == e);
    CHECK(kv_entry__pointer(e) == block);
    kv_teardown();
}

TEST(blocks_of_their_own)
{
    struct kv_unit u = {.now_ms = 1};
    char scratch[KV_SCRATCH];
    struct arg key = arg_of("k", 1);
    kv_setup(1);
    struct kv_db *db = kv_db(0);
    /* A part of the old value that overlaps its new place. */
    struct kv_entry *e = set(&u, db, "k", 200);
    struct view old = kv_entry_string(e, scratch);
    ((char *)(uintptr_t)old.ptr)[199] = 'x';
    e = kv_set_string(&u, db, &key, e, view_of(old.ptr + 1, 199), 0);
    struct view now = kv_entry_string(e, scratch);
    CHECK_INT(now.len, 199);
    CHECK_INT(now.ptr[198], 'x');
    CHECK_INT(now.ptr[197], 'v');
    /* A much shorter value gives the memory back. */
    set(&u, db, "k", 60000);
    e = set(&u, db, "k", 1000);
    CHECK(mem_usable(kv_entry__pointer(e)) < 2000);
    kv_teardown();
}

TEST(large_strings_are_freed_in_the_background)
{
    struct kv_unit u = {.now_ms = 1};
    kv_setup(1);
    struct kv_db *db = kv_db(0);
    struct arg key = arg_of("big", 3);
    uint64_t before = kv_lazyfree_done();
    set(&u, db, "big", 100000);
    CHECK(kv_delete(&u, db, &key, true));
    set(&u, db, "big", 100000);
    set(&u, db, "big", 5);
    CHECK(kv_delete(&u, db, &key, false));
    kv_lazyfree_teardown();
    CHECK_INT(kv_lazyfree_pending(), 0);
    CHECK_INT(kv_lazyfree_done() - before, 2);
    kv_teardown();
}

TEST(flush_in_the_background_counts_keys)
{
    struct kv_unit u = {.now_ms = 1};
    kv_setup(2);
    char name[32];
    uint64_t before = kv_lazyfree_done();
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "key:%d", i);
        set(&u, kv_db(i % 2), name, (size_t)i % 300);
    }
    CHECK_INT(kv_flush(&u, NULL, true), 5000);
    CHECK_INT(table_count(&kv_db(0)->keys), 0);
    kv_lazyfree_teardown();
    CHECK_INT(kv_lazyfree_pending(), 0);
    CHECK_INT(kv_lazyfree_done() - before, 5000);
    kv_teardown();
}

TEST(cycle_over_many_chunks)
{
    struct kv_unit u = {.now_ms = 1000};
    kv_setup(1);
    struct kv_db *db = kv_db(0);
    char name[32];
    long due = 0, keys = unit_rounds(200000);
    for (int i = 0; i < keys; i++) {
        snprintf(name, sizeof(name), "key:%d", i);
        struct kv_entry *e = set(&u, db, name, 10);
        struct arg key = arg_of(name, strlen(name));
        if (i % 2) continue;
        kv_expire_set(&u, db, &key, e, i % 4 ? 2000 : 3000);
        due += i % 4 != 0;
    }
    CHECK_INT(db->volatile_count, (keys + 1) / 2);
    CHECK_INT(kv_expire_cycle(&u, 1000000), 0);
    u.now_ms = 2000;
    CHECK_INT(kv_expire_cycle(&u, 10000000), 0); /* due one millisecond later */
    u.now_ms = 2001;
    kv_expire_enable(false);
    CHECK_INT(kv_expire_cycle(&u, 10000000), 0);
    kv_expire_enable(true);
    size_t deleted = 0;
    while (deleted < (size_t)due) {
        size_t some = kv_expire_cycle(&u, 10000000);
        CHECK(some > 0);
        deleted += some;
    }
    CHECK_INT(deleted, due);
    CHECK_INT(table_count(&db->keys), keys - due);
    CHECK(db->avg_ttl_ms > 0);
    CHECK_INT(kv_expire_cycle(&u, 1000000), 0);
    kv_unit_release(&u);
    kv_teardown();
}

TEST(moving_to_another_database)
{
    struct kv_unit u = {.now_ms = 1};
    kv_setup(2);
    struct arg from = arg_of("a", 1), to = arg_of("b", 1);
    struct kv_entry *e = set(&u, kv_db(0), "a", 3);
    e = kv_expire_set(&u, kv_db(0), &from, e, 50);
    kv_entry_access_set(e, 12345);
    kv_move(&u, kv_db(0), &from, kv_db(1), &to);
    CHECK_INT(kv_db(0)->volatile_count, 0);
    CHECK_INT(kv_db(1)->volatile_count, 1);
    CHECK(!kv_peek(&u, kv_db(0), &from));
    e = kv_peek(&u, kv_db(1), &to);
    CHECK_INT(kv_entry_expire_ms(e), 50);
    CHECK_INT(kv_entry_access(e), 12345);
    u.now_ms = 51;
    CHECK_INT(kv_expire_cycle(&u, 1000000), 1);
    kv_teardown();
}

TEST(unknown_databases)
{
    kv_setup(2);
    CHECK(!kv_db(-1));
    CHECK(!kv_db(2));
    CHECK(!kv_db(INT64_MAX));
    CHECK_INT(kv_db(1)->id, 1);
    CHECK_INT(kv_db_count(), 2);
    kv_teardown();
}
