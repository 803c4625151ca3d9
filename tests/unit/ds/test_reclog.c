/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers at their own pace against a list of what was appended. */
#include "ds/reclog.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

#define READERS 4
#define RECORDS 4000

/* A record's length and bytes follow from its number. */
static size_t len_of(uint64_t number)
{
    uint64_t h = number * UINT64_C(0x9E3779B97F4A7C15) >> 40;
    return h % 97 == 0 ? 40000 + h % 30000 : h % 200;
}

static unsigned char byte_of(uint64_t number, size_t i)
{
    return (unsigned char)(number * 31 + i * 7);
}

static bool is_record(struct view v, uint64_t number)
{
    if (v.len != len_of(number)) return false;
    for (size_t i = 0; i < v.len; i++)
        if ((unsigned char)v.ptr[i] != byte_of(number, i)) return false;
    return true;
}

static void append(struct reclog *log, uint64_t number)
{
    size_t len = len_of(number);
    char *p = reclog_append(log, len);
    for (size_t i = 0; i < len; i++) p[i] = (char)byte_of(number, i);
}

struct model_reader {
    struct reclog_reader r;
    bool joined;
    uint64_t next;       /* number of the record that it must see next */
    uint64_t oldest;     /* the first that it hasn't given back */
    struct view *held;   /* views from `oldest` on */
};

static void reader_step(struct reclog *log, struct model_reader *m, uint64_t appended)
{
    for (uint64_t n = unit_rand_below(40); n > 0; n--) {
        struct view v;
        bool got = reclog_next(log, &m->r, &v);
        CHECK_INT(got, m->next < appended);
        if (!got) break;
        CHECK(is_record(v, m->next));
        m->held[m->next - m->oldest] = v;
        m->next++;
    }
    /* What isn't given back is still there, and where it was. */
    for (uint64_t i = m->oldest; i < m->next; i++) CHECK(is_record(m->held[i - m->oldest], i));
    if (unit_rand_below(3) == 0) {
        reclog_give_back(log, &m->r);
        m->oldest = m->next;
    }
}

TEST(readers_see_all_that_is_appended_after_they_joined)
{
    for (long round = 0; round < unit_rounds(20); round++) {
        struct reclog log;
        struct model_reader readers[READERS] = {0};
        uint64_t appended = 0;
        reclog_init(&log);
        for (int i = 0; i < READERS; i++)
            readers[i].held = mem_alloc(RECORDS * sizeof(struct view));
        while (appended < RECORDS) {
            struct model_reader *m = &readers[unit_rand_below(READERS)];
            bool anybody = false;
            if (!m->joined) {
                reclog_join(&log, &m->r);
                m->joined = true;
                m->next = m->oldest = appended;
            } else if (unit_rand_below(200) == 0) {
                reclog_leave(&log, &m->r);
                m->joined = false;
            } else {
                reader_step(&log, m, appended);
            }
            for (int i = 0; i < READERS; i++) anybody |= readers[i].joined;
            for (uint64_t n = unit_rand_below(20); anybody && n > 0 && appended < RECORDS; n--)
                append(&log, appended++);
            if (!anybody) CHECK_INT(log.bytes, 0);
        }
        for (int i = 0; i < READERS; i++) {
            if (readers[i].joined) reclog_leave(&log, &readers[i].r);
            mem_free(readers[i].held);
        }
        CHECK_INT(log.bytes, 0);
        reclog_release(&log);
    }
}

TEST(what_is_given_back_goes)
{
    struct reclog log;
    struct reclog_reader r;
    reclog_init(&log);
    reclog_join(&log, &r);
    for (uint64_t i = 0; i < 100000; i++) {
        struct view v;
        append(&log, 5);
        CHECK(reclog_next(&log, &r, &v));
        reclog_give_back(&log, &r);
    }
    CHECK(log.bytes <= 2 * 32 * 1024);
    reclog_leave(&log, &r);
    CHECK_INT(log.bytes, 0);
    reclog_release(&log);
}
