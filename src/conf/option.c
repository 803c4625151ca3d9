/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The option registry: rows in order of registration, text to value and back by kind, and
 * CONFIG SET as one transaction.
 *
 *   check all names -> write all values -> run each apply function once -> done
 *                          | refused           | refused
 *                          v                   v
 *                     write the old texts back; rerun the functions that had run
 *
 * The undo log is text, for text is what every kind can give and take; a binary copy of the
 * variables would not cover the rows that have functions instead. Rows are searched one by one:
 * some eighty names, and nobody is in a hurry.
 *
 * Main thread.
 */
#include "conf/option.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/quote.h"

static struct {
    const struct opt_row **rows;
    struct buf *defaults; /* the texts of the rows' first values */
    size_t count, cap;
    bool protected_allowed;
} registry;

enum status opt_fail(struct opt_error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return STATUS_ERR;
}

/* ---- text to value ---- */

static enum status fail_range(const struct opt_row *row, struct opt_error *err)
{
    if (row->kind == OPT_OCTAL) {
        return opt_fail(err, "argument must be between %llo and %llo inclusive",
                        (unsigned long long)row->min, (unsigned long long)row->max);
    }
    return opt_fail(err, "argument must be between %lld and %lld inclusive",
                    (long long)row->min, (long long)row->max);
}

static enum status parse_octal(struct view v, int64_t *out)
{
    int64_t n = 0;
    if (v.len == 0 || v.len > 10) return STATUS_SYNTAX;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '7') return STATUS_SYNTAX;
        n = n * 8 + (v.ptr[i] - '0');
    }
    *out = n;
    return STATUS_OK;
}

static enum status parse_memory(struct view v, int64_t *out)
{
    uint64_t n;
    enum status s = num_parse_memory(v, &n);
    if (s == STATUS_OK && n > INT64_MAX) s = STATUS_RANGE;
    if (s == STATUS_OK) *out = (int64_t)n;
    return s;
}

/* A number of the row's kind within its range, or the reason why not. */
static enum status parse_number(const struct opt_row *row, struct view v, int64_t *out,
                                struct opt_error *err)
{
    switch (row->kind) {
    case OPT_MEMORY:
        switch (parse_memory(v, out)) {
        case STATUS_OK: break;
        case STATUS_RANGE: return fail_range(row, err);
        default: return opt_fail(err, "argument must be a memory value");
        }
        break;
    case OPT_OCTAL:
        if (parse_octal(v, out)) {
            return opt_fail(err, "argument couldn't be parsed as an octal number");
        }
        break;
    default:
        if (num_parse_i64(v, out)) {
            return opt_fail(err, "argument couldn't be parsed into an integer");
        }
    }
    if (*out < row->min || *out > row->max) return fail_range(row, err);
    return STATUS_OK;
}

static enum status fail_enum(const struct opt_row *row, struct opt_error *err)
{
    struct buf names = {0};
    for (const struct opt_name *n = row->names; n->name; n++) {
        if (names.len) buf_append_cstr(&names, ", ");
        buf_append_cstr(&names, n->name);
    }
    opt_fail(err, "argument(s) must be one of the following: %s", buf_cstr(&names));
    buf_release(&names);
    return STATUS_ERR;
}

static enum status parse_enum(const struct opt_row *row, struct view v, int *out,
                              struct opt_error *err)
{
    for (const struct opt_name *n = row->names; n->name; n++) {
        if (view_eq_nocase(v, n->name)) {
            *out = n->value;
            return STATUS_OK;
        }
    }
    return fail_enum(row, err);
}

static enum status parse_bool(struct view v, bool *out, struct opt_error *err)
{
    bool yes = view_eq_nocase(v, "yes");
    if (!yes && !view_eq_nocase(v, "no")) {
        return opt_fail(err, "argument must be 'yes' or 'no'");
    }
    *out = yes;
    return STATUS_OK;
}

static void text_assign(struct view *var, struct view v)
{
    char *copy = mem_dup(v.ptr, v.len);
    mem_free((void *)(uintptr_t)var->ptr);
    *var = view_of(copy, v.len);
}

static enum status set_number(const struct opt_row *row, struct view v, struct opt_error *err)
{
    int64_t n;
    enum status s = parse_number(row, v, &n, err);
    if (s == STATUS_OK && row->check) s = row->check(row, v, err);
    if (s) return s;
    switch (row->kind) {
    case OPT_I64: *row->var.i64 = n; break;
    case OPT_SIZE:
    case OPT_MEMORY: *row->var.size = (size_t)n; break;
    default: *row->var.i = (int)n;
    }
    return STATUS_OK;
}

/* One value of a row that has a variable. */
static enum status set_value(const struct opt_row *row, struct view v, struct opt_error *err)
{
    switch (row->kind) {
    case OPT_BOOL: return parse_bool(v, row->var.b, err);
    case OPT_ENUM: return parse_enum(row, v, row->var.i, err);
    case OPT_STRING:
        if (row->check && row->check(row, v, err)) return STATUS_ERR;
        text_assign(row->var.text, v);
        return STATUS_OK;
    default: return set_number(row, v, err);
    }
}

/* Splits at single spaces, as stock does here: "a  b" has an empty word in the middle, and an
 * empty text has none at all. Each word gets a NUL behind it. The caller frees *words_out. */
static size_t split_words(struct view text, struct view **words_out)
{
    *words_out = NULL;
    if (text.len == 0) return 0;
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == ' ';
    size_t head_bytes = count * sizeof(struct view);
    struct view *words = mem_alloc(head_bytes + text.len + 1);
    char *bytes = (char *)words + head_bytes;
    memcpy(bytes, text.ptr, text.len);
    bytes[text.len] = '\0';
    size_t at = 0, n = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && bytes[i] != ' ') continue;
        bytes[i] = '\0';
        words[n++] = view_of(bytes + at, i - at);
        at = i + 1;
    }
    *words_out = words;
    return n;
}

enum status opt_set_words(const struct opt_row *row, const struct view *argv, size_t argc,
                          struct opt_error *err)
{
    if (!(row->flags & OPT_MULTI) && argc != 1) return opt_fail(err, "wrong number of arguments");
    /* Several words in one pair of quotes are several words all the same. */
    if (row->flags & OPT_MULTI && argc == 1 && memchr(argv[0].ptr, ' ', argv[0].len)) {
        struct view *words;
        size_t count = split_words(argv[0], &words);
        enum status s = opt_set_words(row, words, count, err);
        mem_free(words);
        return s;
    }
    if (row->kind == OPT_SPECIAL) return row->set(row, argv, argc, err);
    return set_value(row, argv[0], err);
}

/* ---- value to text ---- */

static const char *enum_name(const struct opt_row *row)
{
    for (const struct opt_name *n = row->names; n->name; n++) {
        if (n->value == *row->var.i) return n->name;
    }
    return "unknown";
}

void opt_value(const struct opt_row *row, struct buf *out)
{
    switch (row->kind) {
    case OPT_BOOL: buf_append_cstr(out, *row->var.b ? "yes" : "no"); break;
    case OPT_INT: buf_printf(out, "%d", *row->var.i); break;
    case OPT_I64: buf_printf(out, "%lld", (long long)*row->var.i64); break;
    case OPT_SIZE:
    case OPT_MEMORY: buf_printf(out, "%zu", *row->var.size); break;
    case OPT_OCTAL: buf_printf(out, "%o", (unsigned)*row->var.i); break;
    case OPT_ENUM: buf_append_cstr(out, enum_name(row)); break;
    case OPT_STRING: buf_append_view(out, *row->var.text); break;
    case OPT_SPECIAL: row->get(row, out); break;
    }
}

/* ---- the registry ---- */

static void set_default(const struct opt_row *row)
{
    struct opt_error err = {""};
    struct view text = row->dflt ? view_cstr(row->dflt) : VIEW_LIT("");
    enum status s;
    if (row->flags & OPT_MULTI) {
        struct quote_args words;
        s = quote_split_args(text, &words);
        ASSERT(s == STATUS_OK);
        s = opt_set_words(row, words.argv, words.argc, &err);
        quote_args_release(&words);
    } else {
        s = opt_set_words(row, &text, 1, &err);
    }
    if (s) fprintf(stderr, "default of option %s: %s\n", row->name, err.text);
    ASSERT(s == STATUS_OK);
}

static void add_row(const struct opt_row *row)
{
    ASSERT(!opt_find(view_cstr(row->name)));
    ASSERT(!row->alias || !opt_find(view_cstr(row->alias)));
    if (registry.count == registry.cap) {
        registry.cap = registry.cap ? registry.cap * 2 : 64;
        registry.rows = mem_realloc(registry.rows, registry.cap * sizeof(*registry.rows));
        registry.defaults =
            mem_realloc(registry.defaults, registry.cap * sizeof(*registry.defaults));
    }
    registry.defaults[registry.count] = (struct buf){0};
    registry.rows[registry.count++] = row;
}

void opt_register(const struct opt_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct opt_row *row = &rows[i];
        add_row(row);
        if (row->kind == OPT_STRING) *row->var.text = view_of(mem_dup("", 0), 0);
        set_default(row);
        opt_value(row, &registry.defaults[registry.count - 1]);
    }
}

bool opt_is_default(const struct opt_row *row)
{
    struct buf now = {0};
    size_t i = 0;
    while (registry.rows[i] != row) i++;
    opt_value(row, &now);
    bool same = view_eq(buf_view(&now), buf_view(&registry.defaults[i]));
    buf_release(&now);
    return same;
}

void opt_teardown(void)
{
    for (size_t i = 0; i < registry.count; i++) {
        const struct opt_row *row = registry.rows[i];
        if (row->kind != OPT_STRING) continue;
        mem_free((void *)(uintptr_t)row->var.text->ptr);
        *row->var.text = VIEW_LIT("");
    }
    for (size_t i = 0; i < registry.count; i++) buf_release(&registry.defaults[i]);
    mem_free(registry.rows);
    mem_free(registry.defaults);
    registry.rows = NULL;
    registry.defaults = NULL;
    registry.count = registry.cap = 0;
}

void opt_protected_allow(bool allow)
{
    registry.protected_allowed = allow;
}

size_t opt_count(void)
{
    return registry.count;
}

const struct opt_row *opt_at(size_t index)
{
    ASSERT(index < registry.count);
    return registry.rows[index];
}

const struct opt_row *opt_find(struct view name)
{
    for (size_t i = 0; i < registry.count; i++) {
        const struct opt_row *row = registry.rows[i];
        if (view_eq_nocase(name, row->name)) return row;
        if (row->alias && view_eq_nocase(name, row->alias)) return row;
    }
    return NULL;
}

/* ---- CONFIG SET ---- */

/* One pair on its way: its row, by which of the row's names it came, and the way back. */
struct change {
    const struct opt_row *row;
    const struct opt_pair *pair;
    bool by_alias;
    bool written;
    bool changed;
    struct buf old_text;
};

static enum status set_text(const struct opt_row *row, struct view text, struct opt_error *err)
{
    if (row->flags & OPT_MULTI) {
        struct view *words;
        size_t count = split_words(text, &words);
        enum status s = opt_set_words(row, words, count, err);
        mem_free(words);
        return s;
    }
    char *copy = mem_dup(text.ptr, text.len);
    struct view value = view_of(copy, text.len);
    enum status s = opt_set_words(row, &value, 1, err);
    mem_free(copy);
    return s;
}

static enum status check_pair(struct change *changes, size_t at, struct opt_failure *failure)
{
    struct change *c = &changes[at];
    failure->name = c->pair->name;
    c->row = opt_find(c->pair->name);
    if (!c->row) {
        failure->why = OPT_UNKNOWN;
        return STATUS_ERR;
    }
    failure->why = OPT_REFUSED;
    c->by_alias = !view_eq_nocase(c->pair->name, c->row->name);
    if (c->row->flags & OPT_IMMUTABLE) {
        return opt_fail(&failure->error, "can't set immutable config");
    }
    if ((c->row->flags & OPT_PROTECTED) && !registry.protected_allowed) {
        return opt_fail(&failure->error, "can't set protected config");
    }
    for (size_t i = 0; i < at; i++) {
        if (changes[i].row == c->row && changes[i].by_alias == c->by_alias) {
            return opt_fail(&failure->error, "duplicate parameter");
        }
    }
    return STATUS_OK;
}

static enum status write_change(struct change *c, struct opt_failure *failure)
{
    opt_value(c->row, &c->old_text);
    enum status s = set_text(c->row, c->pair->value, &failure->error);
    if (s) {
        failure->why = OPT_REFUSED;
        failure->name = c->pair->name;
        return s;
    }
    c->written = true;
    struct buf now = {0};
    opt_value(c->row, &now);
    c->changed = !view_eq(buf_view(&now), buf_view(&c->old_text)) ||
                 (c->row->flags & OPT_UNCHECKED);
    buf_release(&now);
    return STATUS_OK;
}

/* Whether an earlier change runs this one's apply function already. */
static bool applied_before(const struct change *changes, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (changes[i].changed && changes[i].row->apply == changes[at].row->apply) return true;
    }
    return false;
}

/* Runs the apply functions of changes [0, count), each once. On failure *at_out is the change
 * whose function failed. */
static enum status apply_all(struct change *changes, size_t count, size_t *at_out,
                             struct opt_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct change *c = &changes[i];
        if (!c->changed || !c->row->apply || applied_before(changes, i)) continue;
        *at_out = i;
        enum status s = c->row->apply(err);
        if (s) return s;
    }
    return STATUS_OK;
}

/* Writes the old texts back, the last first, and puts those of the first `applied` changes into
 * effect again. What was valid before is valid now, so a refusal can't be answered better than
 * by going on. */
static void undo(struct change *changes, size_t count, size_t applied)
{
    struct opt_error ignored;
    for (size_t i = count; i-- > 0;) {
        if (!changes[i].written) continue;
        enum status s = set_text(changes[i].row, buf_view(&changes[i].old_text), &ignored);
        UNUSED(s);
    }
    size_t at;
    enum status s = apply_all(changes, applied, &at, &ignored);
    UNUSED(s);
}

static enum status run_changes(struct change *changes, size_t count, struct opt_failure *failure)
{
    for (size_t i = 0; i < count; i++) {
        if (check_pair(changes, i, failure)) return STATUS_ERR;
    }
    for (size_t i = 0; i < count; i++) {
        if (write_change(&changes[i], failure)) {
            undo(changes, i, 0);
            return STATUS_ERR;
        }
    }
    size_t at = 0;
    if (apply_all(changes, count, &at, &failure->error)) {
        failure->why = OPT_REFUSED;
        failure->name = changes[at].pair->name;
        undo(changes, count, at + 1);
        return STATUS_ERR;
    }
    return STATUS_OK;
}

enum status opt_set_many(const struct opt_pair *pairs, size_t count, struct opt_failure *failure)
{
    struct change *changes = mem_zalloc((count ? count : 1) * sizeof(*changes));
    for (size_t i = 0; i < count; i++) changes[i].pair = &pairs[i];
    enum status s = run_changes(changes, count, failure);
    for (size_t i = 0; i < count; i++) buf_release(&changes[i].old_text);
    mem_free(changes);
    return s;
}
