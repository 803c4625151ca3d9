/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listpacks against an array of texts; their bytes against what stock writes; hostile bytes.
 */
#include "ds/listpack.h"

#include "base/mem.h"
#include "unit.h"

static void add(uint8_t **lp, const char *text)
{
    CHECK_INT(listpack_append(lp, view_cstr(text)), STATUS_OK);
}

static void check_text(const uint8_t *pos, const char *text)
{
    char buf[NUM_I64_LEN];
    CHECK(pos != NULL);
    struct view got = listpack_get_view(pos, buf);
    CHECK_MEM(got.ptr, got.len, text, strlen(text));
}

TEST(bytes_of_each_encoding)
{
    static const struct {
        const char *text;
        const char *bytes;
        size_t len;
    } cases[] = {
        {"0", "\x00\x01", 2},
        {"127", "\x7f\x01", 2},
        {"128", "\xc0\x80\x02", 3},
        {"-1", "\xdf\xff\x02", 3},
        {"4095", "\xcf\xff\x02", 3},
        {"-4096", "\xd0\x00\x02", 3},
        {"4096", "\xf1\x00\x10\x03", 4},
        {"-32768", "\xf1\x00\x80\x03", 4},
        {"32768", "\xf2\x00\x80\x00\x04", 5},
        {"-8388608", "\xf2\x00\x00\x80\x04", 5},
        {"8388608", "\xf3\x00\x00\x80\x00\x05", 6},
        {"-2147483648", "\xf3\x00\x00\x00\x80\x05", 6},
        {"2147483648", "\xf4\x00\x00\x00\x80\x00\x00\x00\x00\x09", 10},
        {"-9223372036854775808", "\xf4\x00\x00\x00\x00\x00\x00\x00\x80\x09", 10},
        {"9223372036854775808", "\x93" "9223372036854775808\x14", 21},
        {"", "\x80\x01", 2},
        {"abc", "\x83" "abc\x04", 5},
        {"-0", "\x82-0\x03", 4},
        {"01", "\x82" "01\x03", 4},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t *lp = listpack_new(0);
        add(&lp, cases[i].text);
        CHECK_INT(listpack_bytes(lp), LISTPACK_EMPTY_BYTES + cases[i].len);
        CHECK_MEM(listpack_first(lp), cases[i].len, cases[i].bytes, cases[i].len);
        CHECK_INT(listpack_entry_bytes(view_cstr(cases[i].text)), cases[i].len);
        check_text(listpack_first(lp), cases[i].text);
        CHECK(listpack_equals(listpack_first(lp), view_cstr(cases[i].text)));
        CHECK(!listpack_equals(listpack_first(lp), VIEW_LIT("7")));
        mem_free(lp);
    }
}

TEST(header)
{
    uint8_t *lp = listpack_new(100);
    CHECK(listpack_is_empty(lp));
    CHECK(listpack_first(lp) == NULL && listpack_last(lp) == NULL);
    CHECK(listpack_seek(lp, 0) == NULL && listpack_seek(lp, -1) == NULL);
    CHECK(listpack_find(lp, listpack_first(lp), VIEW_LIT("x"), 0) == NULL);
    CHECK_MEM(lp, listpack_bytes(lp), "\7\0\0\0\0\0\xff", 7);
    add(&lp, "a");
    add(&lp, "1");
    CHECK_MEM(lp, listpack_bytes(lp), "\x0c\0\0\0\2\0\x81" "a\2\1\1\xff", 12);
    CHECK(!listpack_is_empty(lp));
    listpack_shrink(&lp);
    CHECK_INT(listpack_count(lp), 2);
    mem_free(lp);
}

/* Lengths at which the encoding of the length, or of the backlen, changes its size. */
/* Elements that come and go at both ends of a listpack in the middle of a buffer, against one that
 * does the same with memory of its own. */
TEST(ends_within_a_buffer)
{
    uint8_t buffer[2000], *lp = buffer + 1000;
    for (long round = 0; round < unit_rounds(200); round++) {
        uint8_t *other = listpack_new(0);
        lp = buffer + 500 + unit_rand_below(1000);
        memcpy(lp, other, listpack_bytes(other));
        for (int i = 0; i < 200; i++) {
            char text[200];
            size_t len = unit_rand_below(unit_rand_below(8) ? 12 : sizeof(text));
            memset(text, '0' + (int)unit_rand_below(10), len);
            struct view v = view_of(text, len);
            size_t need = listpack_entry_bytes(v);
            size_t ahead = (size_t)(lp - buffer);
            size_t behind = sizeof(buffer) - ahead - listpack_bytes(lp);
            uint8_t *fresh, *pos;
            switch (unit_rand_below(4)) {
            case 0:
                fresh = listpack_prepend_within(lp, v, ahead);
                CHECK((fresh != NULL) == (need <= ahead));
                if (fresh) CHECK_INT(listpack_prepend(&other, v), STATUS_OK);
                if (fresh) lp = fresh;
                break;
            case 1:
                CHECK(listpack_append_within(lp, v, behind) == (need <= behind));
                if (need <= behind) CHECK_INT(listpack_append(&other, v), STATUS_OK);
                break;
            case 2:
                if (listpack_is_empty(lp)) break;
                lp = listpack_drop_first(lp);
                pos = listpack_first(other);
                listpack_delete(&other, &pos, 1);
                break;
            default:
                if (listpack_is_empty(lp)) break;
                listpack_drop_last(lp);
                pos = listpack_last(other);
                listpack_delete(&other, &pos, 1);
                break;
            }
            CHECK_MEM(lp, listpack_bytes(lp), other, listpack_bytes(other));
            CHECK(listpack_validate(lp, listpack_bytes(lp), 1));
        }
        mem_free(other);
    }
}

TEST(long_strings)
{
    static const struct {
        size_t len, entry;
    } cases[] = {{63, 1 + 63 + 1},          {64, 2 + 64 + 1},          {125, 2 + 125 + 1},
                 {126, 2 + 126 + 2},        {4095, 2 + 4095 + 2},      {4096, 5 + 4096 + 2},
                 {16377, 5 + 16377 + 2},    {16378, 5 + 16378 + 3},    {2097145, 5 + 2097145 + 3},
                 {2097146, 5 + 2097146 + 4}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *text = mem_alloc(cases[i].len);
        memset(text, 'x', cases[i].len);
        uint8_t *lp = listpack_new(0);
        add(&lp, "first");
        CHECK_INT(listpack_append(&lp, view_of(text, cases[i].len)), STATUS_OK);
        add(&lp, "last");
        uint8_t *pos = listpack_seek(lp, 1);
        CHECK(listpack_next(lp, pos) - pos == (ptrdiff_t)cases[i].entry);
        CHECK(listpack_prev(lp, listpack_last(lp)) == pos);
        CHECK_MEM(listpack_get(pos).ptr, listpack_get(pos).len, text, cases[i].len);
        CHECK(listpack_validate(lp, listpack_bytes(lp), 1));
        mem_free(lp);
        mem_free(text);
    }
}

TEST(limit)
{
    uint8_t *lp = listpack_new(0);
    add(&lp, "a");
    /* Refused by length alone: the bytes are never looked at. */
    CHECK_INT(listpack_append(&lp, view_of("x", LISTPACK_MAX_BYTES)), STATUS_LIMIT);
    CHECK_INT(listpack_append(&lp, view_of("x", SIZE_MAX - 5)), STATUS_LIMIT);
    CHECK_INT(listpack_append(&lp, view_of("x", LISTPACK_MAX_BYTES - 10)), STATUS_LIMIT);
    uint8_t *pos = listpack_first(lp);
    CHECK_INT(listpack_replace(&lp, &pos, view_of("x", LISTPACK_MAX_BYTES)), STATUS_LIMIT);
    CHECK_INT(listpack_pair_append(&lp, VIEW_LIT("b"), view_of("x", LISTPACK_MAX_BYTES)),
              STATUS_LIMIT);
    CHECK_INT(listpack_count(lp), 1);
    CHECK(listpack_validate(lp, listpack_bytes(lp), 1));
    mem_free(lp);
}

/* ---- the model: an array of texts ---- */

struct text {
    char bytes[300];
    size_t len;
};

struct model {
    struct text items[200];
    size_t count;
};

static struct view text_view(const struct text *t)
{
    return view_of(t->bytes, t->len);
}

static void rand_text(struct text *t)
{
    if (unit_rand_below(2)) {
        int64_t value = (int64_t)(unit_rand() >> unit_rand_below(64));
        t->len = num_format_i64(t->bytes, unit_rand_below(2) ? value : -value);
    } else {
        t->len = unit_rand_below(unit_rand_below(8) ? 12 : sizeof(t->bytes));
        for (size_t i = 0; i < t->len; i++) t->bytes[i] = (char)('a' + unit_rand_below(3));
    }
}

static void model_insert(struct model *m, size_t index, const struct text *t)
{
    memmove(m->items + index + 1, m->items + index, (m->count - index) * sizeof(*t));
    m->items[index] = *t;
    m->count++;
}

static void model_delete(struct model *m, size_t index, size_t count)
{
    memmove(m->items + index, m->items + index + count,
            (m->count - index - count) * sizeof(struct text));
    m->count -= count;
}

static void check_element(const uint8_t *pos, const struct text *t)
{
    char buf[NUM_I64_LEN];
    int64_t number, want;
    CHECK(pos != NULL);
    struct view got = listpack_get_view(pos, buf);
    CHECK_MEM(got.ptr, got.len, t->bytes, t->len);
    bool is_number = num_parse_i64(text_view(t), &want) == STATUS_OK;
    CHECK(listpack_get_i64(pos, &number) == is_number);
    CHECK((listpack_get(pos).ptr == NULL) == is_number);
    if (is_number) CHECK_INT(number, want);
    CHECK(listpack_equals(pos, text_view(t)));
}

static void check_equal(const uint8_t *lp, const struct model *m)
{
    CHECK_INT(listpack_count(lp), m->count);
    CHECK(listpack_validate(lp, listpack_bytes(lp), 1));
    CHECK(mem_usable(lp) >= listpack_bytes(lp));
    const uint8_t *pos = listpack_first(lp);
    for (size_t i = 0; i < m->count; i++, pos = listpack_next(lp, pos))
        check_element(pos, &m->items[i]);
    CHECK(pos == NULL);
    pos = listpack_last(lp);
    for (size_t i = m->count; i-- > 0; pos = listpack_prev(lp, pos))
        check_element(pos, &m->items[i]);
    CHECK(pos == NULL);
}

static void check_find(const uint8_t *lp, const struct model *m, const struct text *t)
{
    unsigned skip = (unsigned)unit_rand_below(3);
    size_t from = m->count ? unit_rand_below(m->count) : 0, i = from;
    while (i < m->count && !view_eq(text_view(&m->items[i]), text_view(t))) i += 1 + skip;
    const uint8_t *pos = listpack_find(lp, listpack_seek(lp, (int64_t)from), text_view(t), skip);
    CHECK(pos == (i < m->count ? listpack_seek(lp, (int64_t)i) : NULL));
}

static void change_at_random(uint8_t **lp, struct model *m)
{
    static struct text t;
    uint64_t choice = unit_rand_below(m->count == 0 ? 2 : m->count < 190 ? 8 : 4);
    size_t index = m->count ? unit_rand_below(m->count) : 0;
    int64_t base = unit_rand_below(2) ? (int64_t)m->count : 0;
    uint8_t *pos = listpack_seek(*lp, (int64_t)index - base);
    int64_t number = (int64_t)unit_rand();
    rand_text(&t);
    if (m->count >= 190) choice += 4;
    switch (choice) {
    case 0:
        CHECK_INT(listpack_append(lp, text_view(&t)), STATUS_OK);
        model_insert(m, m->count, &t);
        break;
    case 1:
        CHECK_INT(listpack_prepend(lp, text_view(&t)), STATUS_OK);
        model_insert(m, 0, &t);
        break;
    case 2:
        CHECK_INT(listpack_insert(lp, &pos, LISTPACK_BEFORE, text_view(&t)), STATUS_OK);
        check_element(pos, &t);
        model_insert(m, index, &t);
        break;
    case 3:
        CHECK_INT(listpack_insert(lp, &pos, LISTPACK_AFTER, text_view(&t)), STATUS_OK);
        check_element(pos, &t);
        model_insert(m, index + 1, &t);
        break;
    case 4:
        CHECK_INT(listpack_replace(lp, &pos, text_view(&t)), STATUS_OK);
        check_element(pos, &t);
        m->items[index] = t;
        break;
    case 5:
        CHECK_INT(listpack_replace_i64(lp, &pos, number), STATUS_OK);
        t.len = num_format_i64(t.bytes, number);
        check_element(pos, &t);
        m->items[index] = t;
        break;
    case 6: {
        size_t want = unit_rand_below(4), have = MIN(want, m->count - index);
        listpack_delete(lp, &pos, want);
        model_delete(m, index, have);
        if (index < m->count)
            check_element(pos, &m->items[index]);
        else
            CHECK(pos == NULL);
        break;
    }
    default: {
        size_t want = unit_rand_below(20), have = MIN(want, m->count - index);
        CHECK_INT(listpack_delete_at(lp, (int64_t)index - (int64_t)m->count, want), have);
        model_delete(m, index, have);
    }
    }
    check_find(*lp, m, m->count && unit_rand_below(2) ? &m->items[unit_rand_below(m->count)] : &t);
}

TEST(agrees_with_an_array)
{
    static struct model m;
    for (long round = 0; round < unit_rounds(150); round++) {
        uint8_t *lp = listpack_new(unit_rand_below(200));
        m.count = 0;
        for (int i = 0; i < 400; i++) {
            change_at_random(&lp, &m);
            if (i % 20 == 0) check_equal(lp, &m);
        }
        check_equal(lp, &m);
        CHECK(listpack_seek(lp, (int64_t)m.count) == NULL);
        CHECK(listpack_seek(lp, -(int64_t)m.count - 1) == NULL);
        CHECK(listpack_seek(lp, INT64_MIN) == NULL && listpack_seek(lp, INT64_MAX) == NULL);
        CHECK_INT(listpack_delete_at(&lp, (int64_t)m.count, 5), 0);
        uint8_t *copy = listpack_copy(lp);
        CHECK_MEM(copy, listpack_bytes(copy), lp, listpack_bytes(lp));
        listpack_shrink(&lp);
        check_equal(lp, &m);
        mem_free(copy);
        mem_free(lp);
    }
}

/* Beyond what the header can count. */
TEST(more_elements_than_the_header_counts)
{
    uint8_t *lp = listpack_new(400000);
    for (int i = 0; i < 65540; i++) CHECK_INT(listpack_append_i64(&lp, i % 100), STATUS_OK);
    CHECK_INT(listpack_count(lp), 65540);
    CHECK(listpack_validate(lp, listpack_bytes(lp), 2));
    CHECK(!listpack_validate(lp, listpack_bytes(lp), 3));
    CHECK_INT(listpack_get(listpack_seek(lp, -1)).num, 65539 % 100);
    CHECK_INT(listpack_get(listpack_seek(lp, 65535)).num, 35);
    CHECK(listpack_seek(lp, 65540) == NULL && listpack_seek(lp, -65541) == NULL);
    CHECK_INT(listpack_delete_at(&lp, 100, 60000), 60000);
    CHECK_INT(listpack_count(lp), 5540);
    mem_free(lp);
}

TEST(pairs)
{
    uint8_t *lp = listpack_new(0);
    CHECK_INT(listpack_pair_append(&lp, VIEW_LIT("f"), VIEW_LIT("v")), STATUS_OK);
    CHECK_INT(listpack_pair_append(&lp, VIEW_LIT("v"), VIEW_LIT("12")), STATUS_OK);
    CHECK_INT(listpack_pair_append(&lp, VIEW_LIT("12"), VIEW_LIT("f")), STATUS_OK);
    check_text(listpack_pair_find(lp, VIEW_LIT("f")), "v");
    check_text(listpack_pair_find(lp, VIEW_LIT("v")), "12");
    check_text(listpack_pair_find(lp, VIEW_LIT("12")), "f");
    CHECK(listpack_pair_find(lp, VIEW_LIT("x")) == NULL);
    CHECK(listpack_validate(lp, listpack_bytes(lp), 2));
    mem_free(lp);
}

struct picked {
    int64_t first[10];
    size_t calls;
};

static void note(void *ctx, size_t nth, const uint8_t *pos)
{
    struct picked *p = ctx;
    p->first[nth] = listpack_get(pos).num;
    p->calls++;
}

TEST(picking)
{
    static const size_t rows[] = {0, 0, 3, 7, 7, 49};
    uint8_t *lp = listpack_new(0);
    struct picked p = {.calls = 0};
    for (int i = 0; i < 100; i++) CHECK_INT(listpack_append_i64(&lp, i), STATUS_OK);
    listpack_pick(lp, 2, rows, ARRAY_COUNT(rows), note, &p);
    CHECK_INT(p.calls, ARRAY_COUNT(rows));
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) CHECK_INT(p.first[i], 2 * rows[i]);
    mem_free(lp);
}

/* A number that somebody else stored as a string is found and read as one. */
TEST(numbers_stored_as_strings)
{
    static const uint8_t bytes[] = "\x0c\0\0\0\1\0\x82" "12\3\xff";
    uint8_t lp[11];
    int64_t number;
    memcpy(lp, bytes, sizeof(lp));
    lp[0] = sizeof(lp);
    CHECK(listpack_validate(lp, sizeof(lp), 1));
    CHECK(listpack_equals(listpack_first(lp), VIEW_LIT("12")));
    CHECK(listpack_find(lp, listpack_first(lp), VIEW_LIT("12"), 0) != NULL);
    CHECK(listpack_get_i64(listpack_first(lp), &number) && number == 12);
}

/* Reads all there is of bytes that passed for sound. */
static void walk(const uint8_t *lp)
{
    size_t count = 0;
    char buf[NUM_I64_LEN];
    for (const uint8_t *p = listpack_first(lp); p; p = listpack_next(lp, p), count++) {
        struct view text = listpack_get_view(p, buf);
        CHECK(text.len == 0 || memchr(text.ptr, '\0', text.len) != text.ptr - 1);
    }
    for (const uint8_t *p = listpack_last(lp); p; p = listpack_prev(lp, p)) count--;
    CHECK_INT(count, 0);
}

/* Sound bytes with a few of them changed, at the end of a block of exactly their size. */
TEST(hostile_bytes)
{
    for (long i = 0; i < unit_rounds(60000); i++) {
        uint8_t *lp = listpack_new(0);
        struct text t;
        for (uint64_t k = unit_rand_below(6); k > 0; k--) {
            rand_text(&t);
            CHECK_INT(listpack_append(&lp, text_view(&t)), STATUS_OK);
        }
        size_t len = listpack_bytes(lp);
        CHECK(!listpack_validate(lp, len - 1, 1));
        uint8_t *bytes = mem_alloc(len);
        memcpy(bytes, lp, len);
        for (uint64_t k = 1 + unit_rand_below(3); k > 0; k--)
            bytes[unit_rand_below(4) ? 4 + unit_rand_below(len - 4) : unit_rand_below(len)] =
                (uint8_t)(unit_rand_below(2) ? unit_rand() : 0xF0 + unit_rand_below(16));
        if (listpack_validate(bytes, len, 1)) walk(bytes);
        mem_free(bytes);
        mem_free(lp);
    }
}

TEST(hostile_headers)
{
    uint8_t bytes[16] = {7, 0, 0, 0, 0, 0, 0xff};
    CHECK(listpack_validate(bytes, 7, 1));
    for (size_t len = 0; len < 7; len++) CHECK(!listpack_validate(bytes, len, 1));
    bytes[4] = 1; /* a count that isn't so */
    CHECK(!listpack_validate(bytes, 7, 1));
    bytes[4] = bytes[5] = 0xff; /* unknown: allowed */
    CHECK(listpack_validate(bytes, 7, 1));
    bytes[3] = 0x80; /* 2 GB */
    CHECK(!listpack_validate(bytes, 7, 1));
}

TEST(append_all)
{
    char buf[NUM_I64_LEN], text[50];
    struct listpack_value values[50];
    uint8_t *lp = listpack_new(0), *one = listpack_new(0);
    memset(text, 'x', sizeof(text));
    for (long round = 0; round < unit_rounds(300); round++) {
        size_t count = unit_rand_below(50);
        for (size_t i = 0; i < count; i++) {
            values[i] = unit_rand_below(2)
                            ? (struct listpack_value){.num = (int64_t)unit_rand() >> (i % 64)}
                            : (struct listpack_value){.ptr = text, .len = i};
            CHECK_INT(listpack_append(&one, listpack_value_view(values[i], buf)), STATUS_OK);
        }
        CHECK_INT(listpack_append_all(&lp, values, count, 4096), STATUS_OK);
        CHECK_MEM(lp, listpack_bytes(lp), one, listpack_bytes(one));
    }
    values[0] = (struct listpack_value){.num = 1};
    values[1] = (struct listpack_value){.ptr = text, .len = LISTPACK_MAX_BYTES + 1};
    CHECK_INT(listpack_append_all(&lp, values, 2, 4096), STATUS_LIMIT);
    CHECK_MEM(lp, listpack_bytes(lp), one, listpack_bytes(one));
    mem_free(lp);
    mem_free(one);
}
