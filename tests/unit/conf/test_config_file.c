/* SPDX-License-Identifier: BSD-3-Clause */
/* The config file and the command line: what is read, and how faults are told. */
#include "conf/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/option.h"
#include "unit.h"

static int number, count;
static struct view name;

static void get_count(const struct opt_row *row, struct buf *out)
{
    UNUSED(row);
    buf_printf(out, "%d", count);
}

static enum status set_count(const struct opt_row *row, const struct view *argv, size_t argc,
                             struct opt_error *err)
{
    UNUSED(row);
    UNUSED(err);
    UNUSED(argv);
    count = (int)argc;
    return STATUS_OK;
}

static const struct opt_row rows[] = {
    {.name = "number", .kind = OPT_INT, .flags = OPT_IMMUTABLE, .var.i = &number, .dflt = "1",
     .max = 100},
    {.name = "name", .kind = OPT_STRING, .var.text = &name},
    {.name = "save", .kind = OPT_SPECIAL, .flags = OPT_MULTI, .get = get_count, .set = set_count},
};

static struct conf_error err;

static enum status load_bytes(const char *bytes, size_t len)
{
    conf_error_release(&err);
    opt_teardown();
    opt_register(rows, ARRAY_COUNT(rows));
    count = -1;
    return conf_load_text(view_of(bytes, len), &err);
}

static enum status load(const char *text)
{
    return load_bytes(text, strlen(text));
}

static void check_error(int line, const char *text, const char *reason)
{
    CHECK_INT(err.line, line);
    CHECK_STR(buf_cstr(&err.text), text);
    CHECK_STR(err.reason, reason);
}

TEST(lines_comments_quotes)
{
    CHECK_INT(load("# a comment\r\n\n  NUMBER\t 7 \r\n#number 8\nname \"two\\x20words\""), 0);
    CHECK_INT(number, 7);
    CHECK_MEM(name.ptr, name.len, "two words", 9);
    CHECK_INT(load("number 2\nnumber 3"), 0);
    CHECK_INT(number, 3);
    CHECK_INT(load("name ''\nsave 1 2 3\n\t \n"), 0);
    CHECK_INT(name.len, 0);
    CHECK_INT(count, 3);
    CHECK_INT(load(""), 0);
}

TEST(faults_have_a_line_and_a_reason)
{
    CHECK(load("number 7\n\n  nosuch 1  \nnumber x"));
    check_error(3, "nosuch 1", "Bad directive or wrong number of arguments");
    CHECK_INT(number, 7);
    CHECK(load("number"));
    check_error(1, "number", "wrong number of arguments");
    CHECK(load("number 1 2"));
    check_error(1, "number 1 2", "wrong number of arguments");
    CHECK(load("\nname \"open"));
    check_error(2, "name \"open", "Unbalanced quotes in configuration line");
    CHECK(load("number 101"));
    check_error(1, "number 101", "argument must be between 0 and 100 inclusive");
    CHECK(load_bytes("number 7\0\n", 10));
    CHECK_STR(err.reason, "NUL byte in configuration line");
    CHECK_INT(err.line, 1);
    CHECK(load("include a b"));
    check_error(1, "include a b", "Bad directive or wrong number of arguments");
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    CHECK(f != NULL);
    if (!f) return;
    fputs(text, f);
    fclose(f);
}

TEST(includes)
{
    char folder[] = "/tmp/conf-test-XXXXXX", old[4096];
    CHECK(mkdtemp(folder) != NULL);
    CHECK(getcwd(old, sizeof(old)) != NULL);
    CHECK_INT(chdir(folder), 0);
    write_file("a.conf", "number 9\nname from-a\n");
    write_file("b.conf", "name from-b\n\nbad\n");
    write_file("self.conf", "number 4\ninclude self.conf\n");
    CHECK_INT(load("include a.conf\nname after"), 0);
    CHECK_INT(number, 9);
    CHECK_MEM(name.ptr, name.len, "after", 5);
    CHECK_INT(load("include [a]*.conf"), 0);
    CHECK_MEM(name.ptr, name.len, "from-a", 6);
    CHECK_INT(load("include nothing-*.conf"), 0);
    CHECK(load("include a.conf\ninclude b.conf"));
    check_error(3, "bad", "Bad directive or wrong number of arguments");
    CHECK(load("include missing.conf"));
    CHECK_STR(err.path, "missing.conf");
    CHECK_INT(err.errno_, ENOENT);
    CHECK(load("include ."));
    CHECK_INT(err.errno_, EISDIR);
    CHECK(load("include self.conf"));
    CHECK_STR(buf_cstr(&err.text), "include self.conf");
    CHECK_INT(err.line, 2);
    CHECK(strstr(err.reason, "include itself"));
    unlink("a.conf");
    unlink("b.conf");
    unlink("self.conf");
    CHECK_INT(chdir(old), 0);
    rmdir(folder);
}

static const char *lines_of(int argc, char **argv)
{
    static struct buf text;
    buf_clear(&text);
    conf_append_args(argc, argv, &text);
    return buf_cstr(&text);
}

#define LINES(...)                                                                                 \
    lines_of(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *), (char *[]){__VA_ARGS__})

TEST(the_command_line_becomes_lines)
{
    CHECK_STR(lines_of(0, NULL), "\n");
    CHECK_STR(LINES("--port", "1"), "\nport \"1\" ");
    CHECK_STR(LINES("--port", "1", "--bind", "a", "b"), "\nport \"1\" \nbind \"a\" \"b\" ");
    CHECK_STR(LINES("--name", "--x"), "\nname \"--x\" ");
    CHECK_STR(LINES("--save", "--port", "1"), "\nsave \"\"\nport \"1\" ");
    CHECK_STR(LINES("--save"), "\nsave \"\"");
    CHECK_STR(LINES("--save", "", "--name", "a\"b\n"), "\nsave \"\" \nname \"a\\\"b\\n\" ");
    CHECK_STR(LINES("--name 1"), "\nname 1 ");
    CHECK_STR(LINES("-x"), "\n\"-x\" ");
    CHECK_STR(LINES("--"), "\n ");
}

/* No input is too odd: it is read, or refused with a line. */
TEST(random_texts)
{
    static const char *const pieces[] = {"number ", "name ", "save ", "\n", "\"",   "'",
                                         "\\",      "\\x",   "1",     "#",  "\r",   "\t",
                                         " ",       "zz",    "\\x0",  "include "};
    for (long round = unit_rounds(20000); round > 0; round--) {
        struct buf text = {0};
        for (uint64_t n = unit_rand_below(30); n > 0; n--) {
            if (unit_rand_below(20) == 0) buf_append_char(&text, (char)unit_rand_below(256));
            else buf_append_cstr(&text, pieces[unit_rand_below(ARRAY_COUNT(pieces))]);
        }
        if (load_bytes(text.ptr, text.len)) CHECK((err.line > 0 && err.reason[0]) || err.path);
        buf_release(&text);
    }
    conf_error_release(&err);
    opt_teardown();
}

TEST(a_file_that_is_too_large)
{
    char path[] = "/tmp/conf-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    struct buf text = {0};
    CHECK(fd >= 0);
    CHECK_INT(ftruncate(fd, (off_t)CONF_FILE_BYTES_MAX + 1), 0);
    CHECK_INT(conf_read_file(path, &text), STATUS_LIMIT);
    close(fd);
    unlink(path);
    CHECK_INT(conf_read_file(path, &text), STATUS_IO);
    buf_release(&text);
}
