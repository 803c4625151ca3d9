/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checker of RDB files; see check_rdb.h. It is a visitor of the same reader that loads, so
 * what it finds sound is what the server takes; duplicates are the one thing that only loading
 * sees.
 */
#include "persist/check_rdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "persist/rdb_load.h"
#include "persist/rdb_value.h"

#define CHECKER_NAME "redis-check-rdb"

struct check {
    struct stream_in in;
    uint64_t keys, expires, expired;
    int64_t now_ms;
};

static void say(const struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(const struct check *c, const char *fmt, ...)
{
    va_list args;
    printf("[offset %llu] ", (unsigned long long)stream_in_offset(&c->in));
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

static void on_aux(void *ctx, struct view name, struct view value)
{
    say(ctx, "AUX FIELD %.*s = '%.*s'", (int)MIN(name.len, 100), name.ptr,
        (int)MIN(value.len, 1000), value.ptr);
}

static enum status on_select(void *ctx, uint64_t db)
{
    say(ctx, "Selecting DB ID %llu", (unsigned long long)db);
    return STATUS_OK;
}

static enum status on_key(void *ctx, struct rdb_key *key)
{
    struct check *c = ctx;
    c->keys++;
    if (key->expire_ms != -1) {
        c->expires++;
        c->expired += key->expire_ms < c->now_ms;
    }
    rdb_value_discard(key->value);
    return STATUS_OK;
}

static void on_checksum(void *ctx, bool verified)
{
    say(ctx, "%s", verified ? "Checksum OK"
                            : "RDB file was saved with checksum disabled: no check performed.");
}

bool check_rdb_is_meant(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    return strcmp(slash ? slash + 1 : argv0, CHECKER_NAME) == 0;
}

static int check(int fd)
{
    struct check c = {.now_ms = clock_wall_ms()};
    const struct rdb_visitor visitor = {.aux = on_aux, .select = on_select, .key = on_key,
                                        .checksum = on_checksum, .ctx = &c};
    struct rdb_error error;
    stream_in_fd(&c.in, fd, true);
    enum status status = rdb_read(&c.in, &visitor, &error);
    if (status) {
        printf("--- RDB ERROR DETECTED ---\n[offset %llu] %s\n", (unsigned long long)error.offset,
               error.text);
    } else {
        say(&c, "\\o/ RDB looks OK! \\o/");
    }
    printf("[info] %llu keys read\n[info] %llu expires\n[info] %llu already expired\n",
           (unsigned long long)c.keys, (unsigned long long)c.expires,
           (unsigned long long)c.expired);
    stream_in_release(&c.in);
    return status ? 1 : 0;
}

int check_rdb_main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "Usage: %s <rdb-file-name>\n", CHECKER_NAME);
        return 1;
    }
    printf("[offset 0] Checking RDB file %s\n", argv[1]);
    int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        printf("Can't open it: %s\n", strerror(errno));
        return 1;
    }
    int code = check(fd);
    close(fd);
    return code;
}
