/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An extension of gears, as an example and for the tests:
 *
 *   reader Squares      run('5'): the records 0, 1, 4, 9, 16
 *   functions           upper(text), longer(text) than its bound number, words(text),
 *                       joined(accumulator, text), remember(text): sets a key; and some that
 *                       misbehave, for the tests
 *   language pipe       RG.EXECUTE pipe "Squares 5 | filter big 3 | run": a reader and its
 *                       argument, then operations with a function and its bound argument
 *
 * Build: cc -shared -fPIC -I<sources>/src/gears -o example.so example.c
 */
#include "gears_extension.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct gears_api *api;

/* ---- the reader ---- */

struct squares {
    int64_t next, end;
};

static void *squares_open(const char *argument, size_t len)
{
    char *rest;
    long end = strtol(argument, &rest, 10);
    if (!len || *rest || end < 0) {
        api->fail("Squares: the argument must be a number");
        return NULL;
    }
    struct squares *s = calloc(1, sizeof(*s));
    if (!s)
        api->fail("Squares: out of memory");
    else
        s->end = end;
    return s;
}

static struct gears_value *squares_next(void *state)
{
    struct squares *s = state;
    if (s->next == s->end) return NULL;
    if (s->next == 1000000) {
        api->fail("Squares: that is enough");
        return NULL;
    }
    int64_t n = s->next++;
    return api->integer(n * n);
}

static const struct gears_reader squares = {"Squares", squares_open, squares_next, free};

/* ---- functions ---- */

/* The text that a callback got as its last argument. */
static bool text_of(int argc, struct gears_value *const *argv, const char **bytes, size_t *len)
{
    if (argc > 0 && api->as_text(argv[argc - 1], bytes, len)) return true;
    api->fail("a text is needed");
    return false;
}

static struct gears_value *upper(const struct gears_value *bound, int argc,
                                 struct gears_value *const *argv)
{
    const char *bytes;
    size_t len;
    (void)bound;
    if (!text_of(argc, argv, &bytes, &len)) return NULL;
    char *copy = malloc(len + 1);
    for (size_t i = 0; i < len; i++) copy[i] = (char)toupper((unsigned char)bytes[i]);
    struct gears_value *value = api->text(copy, len);
    free(copy);
    return value;
}

static struct gears_value *longer(const struct gears_value *bound, int argc,
                                  struct gears_value *const *argv)
{
    const char *bytes;
    size_t len;
    int64_t than = 0;
    if (!text_of(argc, argv, &bytes, &len)) return NULL;
    if (bound && !api->as_integer(bound, &than)) {
        api->fail("longer: than what?");
        return NULL;
    }
    return api->truth(len > (size_t)than);
}

static struct gears_value *big(const struct gears_value *bound, int argc,
                               struct gears_value *const *argv)
{
    double n, than = 0;
    if (argc != 1 || !api->as_number(argv[0], &n)) {
        api->fail("big: a number is needed");
        return NULL;
    }
    if (bound) api->as_number(bound, &than);
    return api->truth(n > than);
}

/* A list of words, each a dictionary {"word": …, "at": …}. */
static struct gears_value *words(const struct gears_value *bound, int argc,
                                 struct gears_value *const *argv)
{
    const char *bytes;
    size_t len, at = 0;
    (void)bound;
    if (!text_of(argc, argv, &bytes, &len)) return NULL;
    struct gears_value *list = api->list();
    while (list && at < len) {
        size_t start = at;
        while (at < len && bytes[at] != ' ') at++;
        struct gears_value *entry = api->dict();
        if (!entry || !api->set(entry, "word", 4, api->text(bytes + start, at - start)) ||
            !api->set(entry, "at", 2, api->integer((int64_t)start)) ||
            !api->append(list, api->keep(entry))) {
            api->drop(entry);
            api->drop(list);
            return NULL;
        }
        api->drop(entry);
        at++;
    }
    return list;
}

static struct gears_value *joined(const struct gears_value *bound, int argc,
                                  struct gears_value *const *argv)
{
    const char *before = "", *bytes;
    size_t before_len = 0, len;
    (void)bound;
    if (argc != 2 || !text_of(argc, argv, &bytes, &len)) return NULL;
    if (api->kind(argv[0]) == GEARS_TEXT) api->as_text(argv[0], &before, &before_len);
    char *both = malloc(before_len + len + 1);
    memcpy(both, before, before_len);
    memcpy(both + before_len, bytes, len);
    struct gears_value *value = api->text(both, before_len + len);
    free(both);
    return value;
}

static struct gears_value *remember(const struct gears_value *bound, int argc,
                                    struct gears_value *const *argv)
{
    const char *bytes, *words[3] = {"SET", "remembered", NULL};
    size_t lens[3] = {3, 10, 0};
    (void)bound;
    if (!text_of(argc, argv, &bytes, &lens[2])) return NULL;
    words[2] = bytes;
    return api->execute(3, words, lens);
}

/* The parts of every kind of value, in words. */
static struct gears_value *kinds(const struct gears_value *bound, int argc,
                                 struct gears_value *const *argv)
{
    static const char *const names[] = {"none", "bool", "integer", "number",
                                        "text", "list", "dict",    "other"};
    (void)bound;
    if (argc != 1) return NULL;
    struct gears_value *list = api->list();
    for (size_t i = 0; list && i < api->length(argv[0]); i++) {
        struct gears_value *item = api->item(argv[0], i);
        const char *name = item ? names[api->kind(item)] : "";
        if (!item || !api->append(list, api->text(name, strlen(name)))) {
            api->drop(list);
            return NULL;
        }
    }
    return list;
}

static struct gears_value *endless(const struct gears_value *bound, int argc,
                                   struct gears_value *const *argv)
{
    (void)bound, (void)argc, (void)argv;
    while (!api->stopping()) continue;
    api->fail("stopped");
    return NULL;
}

static void doze(void *ctx)
{
    usleep((useconds_t) * (int64_t *)ctx);
}

static struct gears_value *sleeps(const struct gears_value *bound, int argc,
                                  struct gears_value *const *argv)
{
    int64_t us = 1000;
    (void)argc, (void)argv;
    if (bound) api->as_integer(bound, &us);
    api->without_lock(doze, &us);
    return api->keep(argv[0]);
}

static struct gears_value *nothing(const struct gears_value *bound, int argc,
                                   struct gears_value *const *argv)
{
    (void)bound, (void)argc, (void)argv;
    return NULL;
}

/* A value beside a reason. */
static struct gears_value *both(const struct gears_value *bound, int argc,
                                struct gears_value *const *argv)
{
    (void)bound, (void)argc, (void)argv;
    api->fail("this and that");
    return api->none();
}

static const struct gears_function functions[] = {
    {"upper", upper},   {"longer", longer},     {"big", big},     {"words", words},
    {"joined", joined}, {"remember", remember}, {"kinds", kinds}, {"endless", endless},
    {"sleeps", sleeps}, {"nothing", nothing},   {"both", both}};

/* ---- the language ---- */

struct line {
    char *words[8];
    int count;
};

/* The next operation: words up to a bar. */
static bool take_line(char **at, struct line *out)
{
    out->count = 0;
    while (**at) {
        while (**at == ' ') (*at)++;
        if (!**at) break;
        if (**at == '|') {
            (*at)++;
            break;
        }
        if (out->count == 8) return false;
        out->words[out->count++] = *at;
        while (**at && **at != ' ') (*at)++;
        if (**at) *(*at)++ = 0;
    }
    return out->count > 0;
}

static struct gears_value *bound_of(const char *word)
{
    char *rest;
    long n = strtol(word, &rest, 10);
    return *rest ? api->text(word, strlen(word)) : api->integer(n);
}

/* map upper; filter longer 3; count; run 5; register user:* */
static bool operate(struct gears_value *pipe, const struct line *line)
{
    struct gears_value *args = api->list(), *bound = NULL;
    bool ends = !strcmp(line->words[0], "run") || !strcmp(line->words[0], "register");
    bool done = args != NULL;
    if (done && line->count > 1 && ends)
        done = api->append(args, api->text(line->words[1], strlen(line->words[1])));
    if (done && line->count > 1 && !ends) {
        if (line->count > 2) bound = bound_of(line->words[2]);
        done = api->append(args, api->native(line->words[1], bound));
    }
    struct gears_value *result = done ? api->call(pipe, line->words[0], args, NULL) : NULL;
    api->drop(bound);
    api->drop(args);
    api->drop(result);
    return result != NULL;
}

static bool run_pipe(const char *text, size_t len)
{
    struct line line;
    char *copy = malloc(len + 1), *at = copy;
    memcpy(copy, text, len + 1);
    bool done = take_line(&at, &line);
    if (!done) api->fail("pipe: a reader is needed");
    struct gears_value *pipe = done ? api->builder(line.words[0]) : NULL;
    while ((done = done && pipe) && *at) {
        done = take_line(&at, &line);
        if (!done)
            api->fail("pipe: an operation is needed");
        else
            done = operate(pipe, &line);
        if (!done) break;
    }
    api->drop(pipe);
    free(copy);
    return done;
}

static const struct gears_language language = {"pipe", run_pipe};

/* ---- */

int gears_extension_init(const struct gears_api *given, int argc, const char *const *argv)
{
    api = given;
    if (api->version < GEARS_API_VERSION) return 1;
    if (argc > 0 && !strcmp(argv[0], "refuse")) return 7;
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        if (!api->add_function(&functions[i])) return 2;
    if (!api->add_reader(&squares) || !api->add_language(&language)) return 3;
    /* Taken names are refused, ours and the server's. */
    static const struct gears_reader taken = {"KeysReader", squares_open, squares_next, free};
    if (api->add_reader(&squares) || api->add_reader(&taken)) return 4;
    api->log(GEARS_NOTICE, argc > 0 ? argv[0] : "the example is here");
    return 0;
}
