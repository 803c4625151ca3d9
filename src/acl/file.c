/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Users in files: `user` lines of the config file, which wait here until the server is set up, and
 * the ACL file, read as a whole or not at all and written anew beside the old one.
 *
 *   user <name> <word> ...      words apart by single blanks, no quotes, no comments
 */
#include "acl/private.h"

#include <errno.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/config_file.h"
#include "exec/reply.h"

/* A `user` line of the configuration; the name and the words, owned. */
struct configured {
    struct view *argv;
    size_t argc;
};

static struct {
    struct configured *list;
    size_t count;
} configured;

/* ---- lines of the configuration ---- */

static const struct configured *configured_find(struct view name)
{
    for (size_t i = 0; i < configured.count; i++)
        if (view_eq(configured.list[i].argv[0], name)) return &configured.list[i];
    return NULL;
}

/* What is wrong with the words, or ACL_FINE. Commands aren't looked at before all is set up. */
static enum acl_error try_words(struct view name, const struct acl_words *words)
{
    struct acl_user *u = acl__user_new(name);
    enum acl_error e = ACL_FINE;
    for (size_t i = 0; i < words->count && !e; i++) {
        e = acl__user_apply(u, words->list[i]);
        if (e == ACL_UNKNOWN) e = ACL_FINE;
    }
    acl__user_end(u);
    return e;
}

static struct configured *configured_add(struct view name, size_t words)
{
    configured.list =
        mem_realloc(configured.list, (configured.count + 1) * sizeof(*configured.list));
    struct configured *new = &configured.list[configured.count++];
    new->argc = 1 + words;
    new->argv = mem_alloc(new->argc * sizeof(struct view));
    new->argv[0] = view_of(mem_dup(name.ptr, name.len), name.len);
    return new;
}

enum status acl__configured_user(const struct view *argv, size_t argc, struct opt_error *err)
{
    if (!argc) return opt_fail(err, "Bad directive or wrong number of arguments");
    const char *wrong = NULL;
    struct acl_words words;
    struct view open;
    enum acl_error e;
    if (configured_find(argv[0]))
        wrong = "Duplicate user found. A user can only be defined once in config files";
    if (acl__words_join(argv + 1, argc - 1, &words, &open) && !wrong)
        wrong = acl__error_text(ACL_UNKNOWN); /* stock's words for an open parenthesis */
    if (!wrong && (e = try_words(argv[0], &words))) wrong = acl__error_text(e);
    if (!wrong) {
        struct configured *new = configured_add(argv[0], words.count);
        for (size_t i = 0; i < words.count; i++)
            new->argv[1 + i] =
                view_of(mem_dup(words.list[i].ptr, words.list[i].len), words.list[i].len);
    }
    acl__words_release(&words);
    if (!wrong) return STATUS_OK;
    return opt_fail(err, "Error in user declaration '%s': %s", argv[0].ptr, wrong);
}

static enum status load_configured_user(const struct configured *c)
{
    struct view name = c->argv[0];
    if (!acl__name_ok(name)) {
        log_warning("Spaces not allowed in ACL usernames");
        return STATUS_ERR;
    }
    struct acl_user *u = acl_find(name);
    if (u) {
        if (acl__user_apply(u, VIEW_LIT("reset"))) ASSERT(false);
    } else {
        acl__users_add(u = acl__user_new(name));
    }
    for (size_t i = 1; i < c->argc; i++) {
        enum acl_error e = acl__user_apply(u, c->argv[i]);
        if (!e) continue;
        log_warning("Error loading ACL rule '%s' for the user named '%s': %s", c->argv[i].ptr,
                    name.ptr, acl__error_text(e));
        return STATUS_ERR;
    }
    acl__users_changed(u);
    if (!u->on)
        log_notice("The user '%s' is disabled (there is no 'on' modifier in the user description). "
                   "Make sure this is not a configuration error.",
                   name.ptr);
    return STATUS_OK;
}

/* ---- the ACL file ---- */

/* What a file said, before it takes effect, and what is wrong with it. */
struct draft {
    struct acl_user **list; /* but `default`; sorted by name */
    size_t count, cap;
    struct acl_user *dflt; /* NULL: the file doesn't mention it */
    struct buf errors;
};

static void draft_release(struct draft *d)
{
    for (size_t i = 0; i < d->count; i++) acl__user_end(d->list[i]);
    if (d->dflt) acl__user_end(d->dflt);
    mem_free(d->list);
    buf_release(&d->errors);
}

/* Unknown commands are all told, of other faults the first in a line. */
static void draft_words(struct draft *d, struct acl_user *u, const struct acl_words *words,
                        const char *file, int line)
{
    bool told = false;
    for (size_t i = 0; i < words->count; i++) {
        enum acl_error e = acl__user_apply(u, words->list[i]);
        if (!e || (e != ACL_UNKNOWN && told)) continue;
        told |= e != ACL_UNKNOWN;
        buf_printf(&d->errors, "%s:%d: ", file, line);
        if (e == ACL_UNKNOWN) {
            buf_append_cstr(&d->errors, "Error in applying operation '");
            buf_append_view(&d->errors, words->list[i]);
            buf_append_cstr(&d->errors, "': ");
        }
        buf_printf(&d->errors, "%s. ", acl__error_text(e));
    }
}

static void draft_put(struct draft *d, size_t place, struct acl_user *u)
{
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->list = mem_realloc(d->list, d->cap * sizeof(struct acl_user *));
    }
    memmove(d->list + place + 1, d->list + place, (d->count - place) * sizeof(struct acl_user *));
    d->list[place] = u;
    d->count++;
}

/* argv: the words of a line, at least one. */
static void draft_line(struct draft *d, const struct view *argv, size_t argc, const char *file,
                       int line)
{
    if (!view_eq_cstr(argv[0], "user") || argc < 2) {
        buf_printf(&d->errors, "%s:%d should start with user keyword followed by the username. ",
                   file, line);
        return;
    }
    struct view name = argv[1];
    if (!acl__name_ok(name)) {
        buf_printf(&d->errors, "'%s:%d: username '", file, line);
        buf_append_view(&d->errors, name);
        buf_append_cstr(&d->errors, "' contains invalid characters. ");
        return;
    }
    bool is_default = view_eq_cstr(name, "default"), known;
    size_t place = acl__place_of(d->list, d->count, name, &known);
    if (is_default ? d->dflt != NULL : known) {
        buf_append_cstr(&d->errors, "WARNING: Duplicate user '");
        buf_append_view(&d->errors, name);
        buf_printf(&d->errors, "' found on line %d. ", line);
        return;
    }
    struct acl_words words;
    struct view open;
    struct acl_user *u = acl__user_new(name);
    if (acl__words_join(argv + 2, argc - 2, &words, &open))
        buf_printf(&d->errors, "%s:%d: Unmatched parenthesis in selector definition.", file, line);
    else
        draft_words(d, u, &words, file, line);
    acl__words_release(&words);
    if (is_default)
        d->dflt = u;
    else
        draft_put(d, place, u);
}

static struct view trim(struct view v)
{
    while (v.len && strchr(" \t\r\n", v.ptr[0]) && v.ptr[0]) v.ptr++, v.len--;
    while (v.len && strchr(" \t\r\n", v.ptr[v.len - 1]) && v.ptr[v.len - 1]) v.len--;
    return v;
}

static void draft_text(struct draft *d, struct view text, const char *file)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    for (int line = 1; p < end; line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        struct view v = trim(view_of(p, (size_t)(stop - p)));
        p = stop + 1;
        if (!v.len) continue;
        if (memchr(v.ptr, 0, v.len)) {
            buf_printf(&d->errors, "%s:%d: %s. ", file, line, acl__error_text(ACL_SYNTAX));
            continue;
        }
        size_t argc = 1, n = 0;
        for (size_t i = 0; i < v.len; i++) argc += v.ptr[i] == ' ';
        struct view *argv = mem_alloc(argc * sizeof(*argv));
        for (size_t i = 0, start = 0; i <= v.len; i++) {
            if (i < v.len && v.ptr[i] != ' ') continue;
            argv[n++] = view_of(v.ptr + start, i - start);
            start = i + 1;
        }
        draft_line(d, argv, argc, file, line);
        mem_free(argv);
    }
}

/* Puts the file's users in the place of those who are there; else `errors` says why not, and
 * nothing has changed. */
static enum status load_file(struct exec_ctx *ctx, struct buf *errors)
{
    const char *file = acl_settings.file.ptr;
    struct buf text = {0};
    struct draft d = {0};
    if (conf_read_file(file, &text)) {
        buf_printf(errors, "Error loading ACLs, opening file '%s': %s", file, strerror(errno));
        buf_release(&text);
        return STATUS_ERR;
    }
    draft_text(&d, buf_view(&text), file);
    buf_release(&text);
    enum status st = d.errors.len ? STATUS_ERR : STATUS_OK;
    if (st) {
        buf_append_view(errors, buf_view(&d.errors));
        buf_append_cstr(errors, "WARNING: ACL errors detected, no change to the previously active "
                                "ACL rules was performed");
    } else {
        acl__users_replace(ctx, d.list, d.count, d.dflt ? d.dflt : acl__default_new());
        d.count = 0;
        d.dflt = NULL;
    }
    draft_release(&d);
    return st;
}

static const char no_file[] =
    "This Redis instance is not configured to use an ACL file. You may want to specify users via "
    "the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
    "configuration file set) in order to store users in the Redis configuration.";

enum status acl_load(struct exec_ctx *ctx)
{
    struct buf errors = {0};
    enum status st;
    if (!acl_settings.file.len) return reply_error(ctx, no_file);
    if (load_file(ctx, &errors)) {
        st = reply_error_bytes(ctx, errors.ptr, errors.len);
    } else {
        reply_ok(ctx);
        st = STATUS_OK;
    }
    buf_release(&errors);
    return st;
}

/* ---- writing ---- */

enum status acl_save(struct exec_ctx *ctx)
{
    struct buf text = {0};
    if (!acl_settings.file.len) return reply_error(ctx, no_file);
    for (size_t i = 0; i < acl_count(); i++) {
        acl_describe(acl_at(i), &text);
        buf_append_char(&text, '\n');
    }
    enum status st = file_replace(acl_settings.file.ptr, buf_view(&text), 0644);
    if (st)
        log_warning("Writing the ACL file %s: %s", acl_settings.file.ptr, strerror(errno));
    buf_release(&text);
    if (st)
        return reply_error(ctx, "There was an error trying to save the ACLs. Please check the "
                                "server logs for more information");
    reply_ok(ctx);
    return STATUS_OK;
}

/* The default user as it is made: a line for it would say nothing. */
#define FRESH_DEFAULT "user default on nopass ~* &* +@all"

void acl__rewrite(struct buf *out)
{
    if (acl_settings.file.len) return; /* ACL SAVE is for that */
    for (size_t i = 0; i < acl_count(); i++) {
        struct buf line = {0};
        acl_describe(acl_at(i), &line);
        if (!view_eq(buf_view(&line), VIEW_LIT(FRESH_DEFAULT))) {
            buf_append_view(out, buf_view(&line));
            buf_append_char(out, '\n');
        }
        buf_release(&line);
    }
}

/* ---- at start ---- */

enum status acl__load_at_start(void)
{
    struct buf errors = {0};
    if (acl_settings.file.len && configured.count) {
        log_warning("Configuring Redis with users defined in redis.conf and at the same setting an "
                    "ACL file path is invalid. This setup is very likely to lead to configuration "
                    "errors and security holes, please define either an ACL file or declare users "
                    "directly in your redis.conf, but not both.");
        return STATUS_ERR;
    }
    for (size_t i = 0; i < configured.count; i++) {
        if (!load_configured_user(&configured.list[i])) continue;
        log_warning("Critical error while loading ACLs. Exiting.");
        return STATUS_ERR;
    }
    if (!acl_settings.file.len) return STATUS_OK;
    enum status st = load_file(NULL, &errors);
    if (st) log_warning("Aborting Redis startup because of ACL errors: %s", buf_cstr(&errors));
    buf_release(&errors);
    return st;
}

void acl__files_teardown(void)
{
    for (size_t i = 0; i < configured.count; i++) {
        for (size_t k = 0; k < configured.list[i].argc; k++)
            mem_free((void *)(uintptr_t)configured.list[i].argv[k].ptr);
        mem_free(configured.list[i].argv);
    }
    mem_free(configured.list);
    configured.list = NULL;
    configured.count = 0;
}
