/* SPDX-License-Identifier: BSD-3-Clause */
/* The log, into files of a folder of its own, under a virtual clock. */
#include "base/log.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

/* 29 Nov 2026 00:50:28.123 UTC */
#define MOMENT_US INT64_C(1795913428123000)

struct bench {
    char folder[64], path[96];
    struct clock_virtual clock;
};

static void set_up(struct bench *b)
{
    setenv("TZ", "UTC0", 1);
    strcpy(b->folder, "/tmp/cog-log-XXXXXX");
    CHECK(mkdtemp(b->folder) != NULL);
    snprintf(b->path, sizeof(b->path), "%s/log", b->folder);
    clock_virtual_install(&b->clock, MOMENT_US);
    log_set_level(LOG_LEVEL_NOTICE);
    log_set_role('M');
    CHECK_INT(log_setup(b->path), STATUS_OK);
}

static void tear_down(struct bench *b)
{
    log_teardown();
    unlink(b->path);
    rmdir(b->folder);
    clock_set_source(NULL);
}

/* Contents of a file, NUL-terminated, valid until the next call; "" if there is none. */
static const char *contents(const char *path)
{
    static char text[1 << 20];
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f) fclose(f);
    text[len] = '\0';
    return text;
}

TEST(lines)
{
    struct bench b;
    char want[256];
    set_up(&b);
    log_debug("no");
    log_verbose("no");
    log_notice("hello %d", 42);
    log_set_role('S');
    log_warning("%s", "careful");
    log_set_level(LOG_LEVEL_DEBUG);
    clock_virtual_advance(&b.clock, INT64_C(86400000000) * 33 + 1000);
    log_debug("d");
    log_verbose("v");
    log_raw(VIEW_LIT("raw\n"));
    snprintf(want, sizeof(want),
             "%d:M 29 Nov 2026 00:50:28.123 * hello 42\n"
             "%d:S 29 Nov 2026 00:50:28.123 # careful\n"
             "%d:S 01 Jan 2027 00:50:28.124 . d\n"
             "%d:S 01 Jan 2027 00:50:28.124 - v\n"
             "raw\n",
             getpid(), getpid(), getpid(), getpid());
    CHECK_STR(contents(b.path), want);
    tear_down(&b);
}

TEST(time_zone)
{
    struct bench b;
    set_up(&b);
    setenv("TZ", "ABC-05:30", 1);
    log_refresh_timezone();
    log_notice("x");
    CHECK(strstr(contents(b.path), " 29 Nov 2026 06:20:28.123 * x\n") != NULL);
    setenv("TZ", "UTC0", 1);
    tear_down(&b);
}

TEST(dates_agree_with_the_c_library)
{
    struct bench b;
    set_up(&b);
    for (long i = 0; i < unit_rounds(300); i++) {
        time_t moment = (time_t)unit_rand_below(253402300800);
        char want[64];
        struct tm tm;
        b.clock.wall_us_now = (int64_t)moment * 1000000 + 7000;
        CHECK_INT(truncate(b.path, 0), 0);
        log_notice("x");
        gmtime_r(&moment, &tm);
        strftime(want, sizeof(want), ":M %d %b %Y %H:%M:%S.007 * x\n", &tm);
        CHECK_STR(strchr(contents(b.path), ':'), want);
    }
    tear_down(&b);
}

TEST(long_messages_are_cut)
{
    struct bench b;
    static char message[5000];
    set_up(&b);
    memset(message, 'x', sizeof(message) - 1);
    log_notice("%s", message);
    log_notice("next");
    const char *line = strstr(contents(b.path), "* ") + 2;
    CHECK_INT(strspn(line, "x"), LOG_MESSAGE_MAX - 1);
    CHECK(line[LOG_MESSAGE_MAX - 1] == '\n');
    CHECK(strstr(line, "* next\n") != NULL);
    tear_down(&b);
}

TEST(rotation_is_noticed)
{
    struct bench b;
    char moved[128];
    set_up(&b);
    snprintf(moved, sizeof(moved), "%s/moved", b.folder);
    log_notice("one");
    CHECK_INT(rename(b.path, moved), 0);
    clock_virtual_advance(&b.clock, 2000000);
    log_notice("two");
    CHECK(strstr(contents(moved), "one") != NULL);
    CHECK(strstr(contents(b.path), "* two\n") != NULL);
    unlink(b.path);
    CHECK_INT(log_reopen(), STATUS_OK);
    log_notice("three");
    CHECK(strstr(contents(b.path), "* three\n") != NULL);
    unlink(moved);
    tear_down(&b);
}

TEST(a_bad_path_changes_nothing)
{
    struct bench b;
    static char path[5000];
    set_up(&b);
    CHECK_INT(log_setup("/nonexistent/folder/log"), STATUS_IO);
    memset(path, 'x', sizeof(path) - 1);
    CHECK_INT(log_setup(path), STATUS_IO);
    log_notice("still here");
    CHECK(strstr(contents(b.path), "still here") != NULL);
    tear_down(&b);
}

TEST(level_names)
{
    CHECK_INT(log_level_parse(VIEW_LIT("debug")), LOG_LEVEL_DEBUG);
    CHECK_INT(log_level_parse(VIEW_LIT("VERBOSE")), LOG_LEVEL_VERBOSE);
    CHECK_INT(log_level_parse(VIEW_LIT("Notice")), LOG_LEVEL_NOTICE);
    CHECK_INT(log_level_parse(VIEW_LIT("warning")), LOG_LEVEL_WARNING);
    CHECK_INT(log_level_parse(VIEW_LIT("nothing")), -1);
    CHECK_STR(log_level_name(LOG_LEVEL_NOTICE), "notice");
    CHECK(log_level_name((enum log_level)9) == NULL);
}

TEST(rate_limit)
{
    struct bench b;
    struct log_limit limit = {0};
    uint64_t skipped;
    set_up(&b);
    CHECK(log_limit_pass(&limit, 1000, &skipped));
    CHECK_INT(skipped, 0);
    CHECK(!log_limit_pass(&limit, 1000, &skipped));
    CHECK(!log_limit_pass(&limit, 1000, &skipped));
    clock_virtual_advance(&b.clock, 1000000);
    CHECK(log_limit_pass(&limit, 1000, &skipped));
    CHECK_INT(skipped, 2);
    tear_down(&b);
}

static void *write_lines(void *arg)
{
    for (long i = 0; i < *(long *)arg; i++) log_notice("a line of a known length %05ld", i);
    return NULL;
}

TEST(threads_do_not_mix_lines)
{
    struct bench b;
    pthread_t threads[4];
    long each = 500, whole = 0;
    set_up(&b);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, write_lines, &each);
    for (int i = 0; i < 20; i++) CHECK_INT(log_reopen(), STATUS_OK);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (const char *p = contents(b.path); *p; p = strchr(p, '\n') + 1) {
        const char *text = strstr(p, "* a line of a known length ");
        CHECK(text && text < strchr(p, '\n') && strchr(text, '\n') - text == 32);
        whole++;
    }
    CHECK_INT(whole, 4 * each);
    tear_down(&b);
}
