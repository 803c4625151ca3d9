/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quoted text; see quote.h. The splitter writes all words into one block as it reads: a word is
 * never longer than its source, and n words with their NULs never exceed the line and one NUL.
 * So two passes suffice, one that counts and one that writes, with the same code: the first has
 * no place to write to.
 */
#include "base/quote.h"

#include "base/num.h"

/* What separates words ahead of one; as isspace() in the "C" locale. */
static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What ends an unquoted word: stock leaves vertical tab and form feed inside. */
static bool ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0';
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

/* ---- printing ---- */

static char escape_letter(char c)
{
    switch (c) {
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '\a': return 'a';
    case '\b': return 'b';
    case '"':
    case '\\': return c;
    default: return '\0';
    }
}

static void append_escaped(struct buf *out, char c)
{
    static const char hex[] = "0123456789abcdef";
    char letter = escape_letter(c);
    if (letter) {
        buf_append_char(out, '\\');
        buf_append_char(out, letter);
    } else if (is_printable(c)) {
        buf_append_char(out, c);
    } else {
        unsigned char byte = (unsigned char)c;
        char text[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
        buf_append(out, text, sizeof(text));
    }
}

void quote_repr(struct buf *out, struct view text)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) append_escaped(out, text.ptr[i]);
    buf_append_char(out, '"');
}

void quote_repr_max(struct buf *out, struct view text, size_t max)
{
    quote_repr(out, view_of(text.ptr, MIN(text.len, max)));
    if (text.len > max) buf_append_cstr(out, "...");
}

bool quote_is_needed(struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == ' ' || c == '"' || c == '\'' || c == '\\' || !is_printable(c)) return true;
    }
    return text.len == 0;
}

/* ---- splitting ---- */

/* Reads a line; bytes of words go to `to`, which is NULL in the counting pass. */
struct splitter {
    const char *at, *end;
    char *to;
    size_t written;
};

static void emit(struct splitter *s, char c)
{
    if (s->to) s->to[s->written] = c;
    s->written++;
}

/* The byte at hand; the end of the line reads as NUL, which ends it as well. */
static char peek(const struct splitter *s)
{
    return s->at < s->end ? *s->at : '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The backslash is read. False: nothing follows it. */
static bool read_escape(struct splitter *s)
{
    char c = peek(s);
    if (c == '\0') return false;
    s->at++;
    if (c == 'x' && s->end - s->at >= 2) {
        int high = hex_value(s->at[0]), low = hex_value(s->at[1]);
        if (high >= 0 && low >= 0) {
            emit(s, (char)(high * 16 + low));
            s->at += 2;
            return true;
        }
    }
    switch (c) {
    case 'n': c = '\n'; break;
    case 'r': c = '\r'; break;
    case 't': c = '\t'; break;
    case 'b': c = '\b'; break;
    case 'a': c = '\a'; break;
    }
    emit(s, c);
    return true;
}

/* The opening quote is read; reads up to the closing one. False: unbalanced. */
static bool read_quoted(struct splitter *s, char quote)
{
    for (;;) {
        char c = peek(s);
        if (c == '\0') return false;
        s->at++;
        if (c == quote) break;
        if (c == '\\' && quote == '"') {
            if (!read_escape(s)) return false;
        } else if (c == '\\' && peek(s) == '\'') {
            s->at++;
            emit(s, '\'');
        } else {
            emit(s, c);
        }
    }
    return peek(s) == '\0' || is_blank(*s->at);
}

/* Reads one word; a quoted part ends it. False: unbalanced. */
static bool read_word(struct splitter *s)
{
    for (;;) {
        char c = peek(s);
        if (ends_word(c)) return true;
        s->at++;
        if (c == '"' || c == '\'') return read_quoted(s, c);
        emit(s, c);
    }
}

/* One pass. With `argv` NULL it counts words and bytes; false: unbalanced. */
static bool split(struct splitter *s, struct view *argv, size_t *argc_out)
{
    size_t argc = 0;
    for (;;) {
        while (s->at < s->end && is_blank(*s->at)) s->at++;
        if (peek(s) == '\0') break;
        size_t start = s->written;
        if (!read_word(s)) return false;
        if (argv) argv[argc] = view_of(s->to + start, s->written - start);
        argc++;
        emit(s, '\0');
    }
    *argc_out = argc;
    return true;
}

enum status quote_split_args(struct view line, struct quote_args *out)
{
    *out = (struct quote_args){0};
    if (line.len == 0) return STATUS_OK; /* its address may be NULL */
    struct splitter count = {.at = line.ptr, .end = line.ptr + line.len};
    size_t argc;
    if (!split(&count, NULL, &argc)) return STATUS_SYNTAX;
    if (argc == 0) return STATUS_OK;

    /* Each word took at least one byte of a line that is in memory: this can't overflow. */
    char *block = mem_try_alloc(argc * sizeof(struct view) + count.written);
    if (!block) return STATUS_NOMEM;
    out->argv = (struct view *)(void *)block;
    struct splitter copy = {.at = line.ptr, .end = line.ptr + line.len};
    copy.to = block + argc * sizeof(struct view);
    bool balanced = split(&copy, out->argv, &out->argc);
    ASSERT(balanced && copy.written == count.written);
    return STATUS_OK;
}

void quote_args_release(struct quote_args *args)
{
    mem_free(args->argv);
    *args = (struct quote_args){0};
}
