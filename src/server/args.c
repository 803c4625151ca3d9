/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line:
 *
 *   redis-server [file] [--option value ...]... [-]
 *
 * The file's text, standard input's (for "-" as the first or the last word) and the options as
 * lines of the same language become one text, read once, so that what comes later wins and every
 * fault is reported alike, with its line in that text.
 *
 * Main thread, at start.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/version.h"
#include "conf/config_file.h"
#include "conf/config_rewrite.h"
#include "conf/option.h"
#include "server/private.h"

/* ---- answers ---- */

static void print_version(void)
{
    static const uint8_t key[HASH_SEED_BYTES];
    static const char what[] = COGWHEEL_VERSION " " __VERSION__;
    printf("Redis server v=%s sha=00000000:0 malloc=%s bits=%d build=%llx (Cogwheel %s)\n",
           STOCK_VERSION, mem_allocator_name(), (int)sizeof(long) * 8,
           (unsigned long long)hash_siphash(key, 2, 4, view_of(what, sizeof(what) - 1)),
           COGWHEEL_VERSION);
}

static void print_help(FILE *out)
{
    fputs("Usage: redis-server [/path/to/redis.conf] [options] [-]\n"
          "       redis-server -               (read the configuration from standard input)\n"
          "       redis-server -v | --version\n"
          "       redis-server -h | --help\n"
          "       redis-server --test-memory <megabytes>\n"
          "       redis-server --check-system  (whether the system is set up for the server)\n"
          "       redis-server --print-default-config\n"
          "\n"
          "Any directive of the configuration file is an option too, and wins over the file:\n"
          "\n"
          "       redis-server --port 7777 --save \"\"\n"
          "       redis-server /etc/redis/redis.conf --loglevel verbose\n"
          "       echo 'hz 20' | redis-server -\n"
          "\n"
          "All directives, with their defaults, are in redis.conf.\n",
          out);
}

static void print_default_config(void)
{
    struct buf text = {0};
    opt_print_file(&text);
    fwrite(text.ptr, 1, text.len, stdout);
    buf_release(&text);
}

/* ---- the file's path ---- */

/* An absolute form of a path that need not exist: `dir` may change the working directory. */
static char *absolute_path(const char *path)
{
    char folder[PATH_MAX];
    struct buf out = {0};
    if (path[0] != '/' && getcwd(folder, sizeof(folder))) buf_printf(&out, "%s/", folder);
    buf_append_cstr(&out, path);
    char *result = mem_dup(out.ptr, out.len);
    buf_release(&out);
    return result;
}

static void note_executable(const char *argv0)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    server_state.executable = len > 0 ? mem_dup(path, (size_t)len) : absolute_path(argv0);
}

/* ---- reading ---- */

static enum status read_sources(const char *file, bool from_stdin, struct buf *text)
{
    if (file && conf_read_file(file, text)) {
        log_warning("Fatal error, can't open config file '%s': %s", server_state.config_file,
                    strerror(errno));
        return STATUS_ERR;
    }
    server_state.config_from_stdin = from_stdin;
    if (!from_stdin) return STATUS_OK;
    log_warning("Reading config from stdin");
    if (conf_read_fd(STDIN_FILENO, text)) {
        log_warning("Fatal error, can't read the configuration from stdin: %s", strerror(errno));
        return STATUS_ERR;
    }
    return STATUS_OK;
}

static void report(const struct conf_error *err)
{
    if (err->path) {
        log_warning("Fatal error, can't open config file '%s': %s", err->path,
                    strerror(err->errno_));
        return;
    }
    fprintf(stderr,
            "\n*** FATAL CONFIG FILE ERROR (Redis %s) ***\n"
            "Reading the configuration file, at line %d\n>>> '",
            STOCK_VERSION, err->line);
    fwrite(err->text.ptr, 1, err->text.len, stderr);
    fprintf(stderr, "'\n%s\n", err->reason);
}

static enum status load(const char *file, bool from_stdin, int argc, char **argv)
{
    struct buf text = {0};
    struct conf_error err = {0};
    enum status s = read_sources(file, from_stdin, &text);
    if (s == STATUS_OK) {
        conf_append_args(argc, argv, &text);
        s = conf_load_text(buf_view(&text), &err);
        if (s) report(&err);
    }
    conf_error_release(&err);
    buf_release(&text);
    return s;
}

static bool answer(const char *word)
{
    if (!strcmp(word, "-v") || !strcmp(word, "--version")) {
        print_version();
    } else if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
        print_help(stdout);
    } else if (!strcmp(word, "--print-default-config")) {
        print_default_config();
    } else {
        return false;
    }
    return true;
}

/* The words that ask for a check instead of a server. */
static bool check(int argc, char **argv, bool *well_out)
{
    if (argc < 2) return false;
    if (!strcmp(argv[1], "--check-system")) *well_out = server_system_check_print();
    else if (!strcmp(argv[1], "--test-memory"))
        *well_out = server_memory_check(argc == 3 ? argv[2] : NULL);
    else return false;
    return true;
}

enum server_action server_read_args(int argc, char **argv)
{
    bool well;
    note_executable(argv[0]);
    if (argc == 2 && answer(argv[1])) return SERVER_EXIT_OK;
    if (check(argc, argv, &well)) return well ? SERVER_EXIT_OK : SERVER_EXIT_FAILED;
    const char *file = NULL;
    bool from_stdin = false;
    int first = 1;
    if (first < argc && argv[first][0] != '-' && argv[first][0] != '\0') {
        file = argv[first++];
        server_state.config_file = absolute_path(file);
    } else if (first < argc && !strcmp(argv[first], "-")) {
        from_stdin = true;
        first++;
    } else if (first < argc && argv[first][0] == '\0') {
        first++; /* an empty file name names no file */
    }
    if (!from_stdin && argc > first && !strcmp(argv[argc - 1], "-")) {
        from_stdin = true;
        argc--;
    }
    conf_file_is(server_state.config_file);
    if (load(file, from_stdin, argc - first, argv + first)) return SERVER_EXIT_FAILED;
    return SERVER_RUN;
}
