/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the config file. Lines are cut, trimmed, split into words and handed to the option
 * registry; the first fault ends the reading, with its line.
 *
 * An include is a recursion with a depth limit: a file that includes itself is found by its
 * depth. Remembering the files that are open would find it sooner and say no more, and would
 * have to see through links.
 */
#include "conf/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/quote.h"
#include "conf/option.h"

#define DIRECTIVES_MAX 8

static struct {
    struct {
        const char *name;
        enum status (*set)(const struct view *argv, size_t argc, struct opt_error *err);
    } list[DIRECTIVES_MAX];
    size_t count;
} directives;

static enum status load_text(struct view text, int depth, struct conf_error *err);

void conf_error_release(struct conf_error *err)
{
    mem_free(err->path);
    err->path = NULL;
    buf_release(&err->text);
}

void conf_directive_add(const char *name, enum status (*set)(const struct view *argv, size_t argc,
                                                             struct opt_error *err))
{
    ASSERT(directives.count < DIRECTIVES_MAX);
    directives.list[directives.count].name = name;
    directives.list[directives.count++].set = set;
}

/* ---- reading bytes ---- */

enum status conf_read_fd(int fd, struct buf *out)
{
    size_t start = out->len;
    for (;;) {
        buf_reserve(out, 4096);
        ssize_t n = read(fd, out->ptr + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return STATUS_IO;
        if (n == 0) return STATUS_OK;
        out->len += (size_t)n;
        if (out->len - start > CONF_FILE_BYTES_MAX) {
            errno = EFBIG;
            return STATUS_LIMIT;
        }
    }
}

enum status conf_read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return STATUS_IO;
    enum status s = conf_read_fd(fd, out);
    int saved = errno;
    close(fd);
    errno = saved;
    return s;
}

/* ---- include ---- */

static enum status fail_path(struct conf_error *err, const char *path, int errno_)
{
    err->path = mem_dup(path, strlen(path));
    err->errno_ = errno_;
    return STATUS_ERR;
}

static enum status include_file(const char *path, int depth, struct conf_error *err)
{
    struct buf bytes = {0};
    enum status s = conf_read_file(path, &bytes);
    s = s ? fail_path(err, path, errno) : load_text(buf_view(&bytes), depth + 1, err);
    buf_release(&bytes);
    return s;
}

/* A pattern that matches nothing includes nothing; a plain name must be there. */
static enum status include_pattern(const char *pattern, int depth, struct conf_error *err)
{
    if (!strpbrk(pattern, "*?[")) return include_file(pattern, depth, err);
    glob_t found;
    int rc = glob(pattern, 0, NULL, &found);
    if (rc == GLOB_NOMATCH) return STATUS_OK;
    if (rc) return fail_path(err, pattern, rc == GLOB_NOSPACE ? ENOMEM : EIO);
    enum status s = STATUS_OK;
    for (size_t i = 0; i < found.gl_pathc && s == STATUS_OK; i++) {
        s = include_file(found.gl_pathv[i], depth, err);
    }
    globfree(&found);
    return s;
}

/* ---- lines ---- */

static struct view trim(struct view v)
{
    static const char blanks[] = " \t\r\n";
    while (v.len && memchr(blanks, v.ptr[0], sizeof(blanks) - 1)) {
        v.ptr++;
        v.len--;
    }
    while (v.len && memchr(blanks, v.ptr[v.len - 1], sizeof(blanks) - 1)) v.len--;
    return v;
}

static enum status fail_line(struct conf_error *err, const char *reason)
{
    snprintf(err->reason, sizeof(err->reason), "%s", reason);
    return STATUS_ERR;
}

static enum status apply_words(const struct view *argv, size_t argc, int depth,
                               struct conf_error *err)
{
    if (argc == 2 && view_eq_nocase(argv[0], "include")) {
        if (depth >= CONF_INCLUDE_DEPTH_MAX) {
            return fail_line(err, "too many files within files: does one include itself?");
        }
        return include_pattern(argv[1].ptr, depth, err);
    }
    struct opt_error why = {""};
    for (size_t i = 0; i < directives.count; i++) {
        if (!view_eq_nocase(argv[0], directives.list[i].name)) continue;
        if (directives.list[i].set(argv + 1, argc - 1, &why)) return fail_line(err, why.text);
        return STATUS_OK;
    }
    const struct opt_row *row = opt_find(argv[0]);
    if (!row) return fail_line(err, "Bad directive or wrong number of arguments");
    if (opt_set_words(row, argv + 1, argc - 1, &why)) return fail_line(err, why.text);
    return STATUS_OK;
}

static enum status apply_line(struct view line, int depth, struct conf_error *err)
{
    if (line.len == 0 || line.ptr[0] == '#') return STATUS_OK;
    if (memchr(line.ptr, '\0', line.len)) return fail_line(err, "NUL byte in configuration line");
    struct quote_args words;
    if (quote_split_args(line, &words)) {
        return fail_line(err, "Unbalanced quotes in configuration line");
    }
    enum status s = words.argc ? apply_words(words.argv, words.argc, depth, err) : STATUS_OK;
    quote_args_release(&words);
    return s;
}

static enum status load_text(struct view text, int depth, struct conf_error *err)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    for (int number = 1; p < end; number++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        struct view line = trim(view_of(p, (size_t)(stop - p)));
        if (apply_line(line, depth, err)) {
            if (!err->line && !err->path) { /* not reported by an included file */
                err->line = number;
                buf_append_view(&err->text, line);
            }
            return STATUS_ERR;
        }
        p = newline ? newline + 1 : end;
    }
    return STATUS_OK;
}

enum status conf_load_text(struct view text, struct conf_error *err)
{
    *err = (struct conf_error){0};
    return load_text(text, 0, err);
}

/* ---- the command line ---- */

static bool is_option(const char *arg)
{
    return arg[0] == '-' && arg[1] == '-';
}

void conf_append_args(int argc, char *const *argv, struct buf *out)
{
    bool just_named = false;
    buf_append_cstr(out, "\n");
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        bool is_save = just_named && strcasecmp(argv[i - 1], "--save") == 0;
        if (is_option(arg) && (!just_named || is_save)) {
            if (is_save) buf_append_cstr(out, "\"\"");
            if (i) buf_append_cstr(out, "\n");
            buf_append_cstr(out, arg + 2);
            buf_append_char(out, ' ');
            just_named = true;
            continue;
        }
        quote_repr(out, view_cstr(arg));
        buf_append_char(out, ' ');
        just_named = false;
    }
    if (just_named && strcasecmp(argv[argc - 1], "--save") == 0) buf_append_cstr(out, "\"\"");
}
