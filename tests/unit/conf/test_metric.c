/* SPDX-License-Identifier: BSD-3-Clause */
/* INFO's text: which sections, which order, which numbers. */
#include "conf/metric.h"

#include "unit.h"

static uint64_t hits = 3;
static size_t bytes = 916296;
static int port = -1;
static int prints, resets;

static int64_t minus_two(void)
{
    return -2;
}

static void say_x(struct buf *out)
{
    buf_append_cstr(out, "x");
}

static void say_lines(struct buf *out)
{
    buf_append_cstr(out, "db0:keys=1\r\n");
}

static void on_print(void)
{
    prints++;
}

static void on_reset(void)
{
    resets++;
}

static const struct metric_row rows[] = {
    {METRIC_STATS, "ours", METRIC_INT_FN, {.int_fn = minus_two}, 0},
    {METRIC_STATS, "keyspace_misses", METRIC_TEXT, {.text = "9"}, 0},
    {METRIC_STATS, "keyspace_hits", METRIC_U64, {.u64 = &hits}, METRIC_RESET},
    {METRIC_STATS, "ours_too", METRIC_TEXT_FN, {.text_fn = say_x}, 0},
    {METRIC_SERVER, "tcp_port", METRIC_INT, {.i = &port}, 0},
    {METRIC_SERVER, "redis_version", METRIC_TEXT, {.text = "7.0.15"}, 0},
    {METRIC_MEMORY, "used_memory", METRIC_SIZE, {.size = &bytes}, METRIC_HUMAN},
    {METRIC_KEYSPACE, "databases", METRIC_LINES_FN, {.text_fn = say_lines}, 0},
};

static const char *info(const char *a, const char *b)
{
    static struct buf text;
    struct metric_selection s = {{false}};
    metric_teardown();
    metric_register(rows, ARRAY_COUNT(rows));
    metric_on_print(on_print);
    metric_on_reset(on_reset);
    if (a) metric_select(&s, view_cstr(a));
    if (b) metric_select(&s, view_cstr(b));
    buf_clear(&text);
    metric_print(&s, &text);
    return buf_cstr(&text);
}

TEST(fields_stand_in_stocks_order_and_new_ones_behind)
{
    CHECK_STR(info("STATS", NULL), "# Stats\r\nkeyspace_hits:3\r\nkeyspace_misses:9\r\nours:-2\r\n"
                                   "ours_too:x\r\n");
    CHECK_STR(info("server", NULL), "# Server\r\nredis_version:7.0.15\r\ntcp_port:-1\r\n");
    CHECK_INT(prints, 2);
}

TEST(sections_come_once_in_their_order)
{
    CHECK_STR(info("keyspace", "memory"),
              "# Memory\r\nused_memory:916296\r\nused_memory_human:894.82K\r\n\r\n"
              "# Keyspace\r\ndb0:keys=1\r\n");
    CHECK_STR(info("memory", "MEMORY"),
              "# Memory\r\nused_memory:916296\r\nused_memory_human:894.82K\r\n");
    CHECK_STR(info("nosuch", NULL), "");
    CHECK_STR(info("", NULL), "");
}

TEST(sets_of_sections)
{
    const char *text = info("default", NULL);
    CHECK(strstr(text, "# Errorstats") && !strstr(text, "# Commandstats"));
    CHECK(strstr(text, "# Modules") && !strstr(text, "# Latencystats"));
    text = info("all", NULL);
    CHECK(strstr(text, "# Commandstats") && strstr(text, "# Latencystats"));
    text = info("everything", NULL);
    CHECK(strncmp(text, "# Server\r\nredis_version:7.0.15\r\n", 32) == 0);
    text = info("default", "commandstats");
    CHECK(strstr(text, "# Commandstats") && !strstr(text, "# Latencystats"));
}

TEST(reset_zeroes_marked_variables)
{
    info("stats", NULL);
    hits = 12;
    resets = 0;
    metric_reset();
    CHECK_INT(hits, 0);
    CHECK_INT(bytes, 916296);
    CHECK_INT(resets, 1);
    hits = 3;
    metric_teardown();
}

TEST(human_sizes)
{
    static const struct {
        uint64_t n;
        const char *text;
    } cases[] = {{0, "0B"},
                 {1023, "1023B"},
                 {1024, "1.00K"},
                 {12161024, "11.60M"},
                 {25276502016, "23.54G"},
                 {UINT64_MAX, "16.00E"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buf text = {0};
        metric_human(cases[i].n, &text);
        CHECK_STR(buf_cstr(&text), cases[i].text);
        buf_release(&text);
    }
}

TEST(rates_are_means_over_the_last_samples)
{
    struct metric_rate r = {0};
    metric_rate_sample(&r, 0, 1000);
    CHECK_INT(metric_rate_get(&r), 0);
    for (int i = 1; i <= METRIC_RATE_SAMPLES; i++) {
        metric_rate_sample(&r, (uint64_t)i * 50, 1000 + i * 100);
    }
    CHECK_INT(metric_rate_get(&r), 500);
    metric_rate_sample(&r, 0, 5000); /* the counter was reset: no growth, not a huge one */
    CHECK(metric_rate_get(&r) < 500);
    metric_rate_sample(&r, 100, 5000); /* no time has passed: no sample */
    CHECK(metric_rate_get(&r) < 500);
}
