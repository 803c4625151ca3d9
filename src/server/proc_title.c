/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `ps` shows. The kernel reads a process' title from where its arguments lay at start, and on
 * into the environment behind them; so the environment is copied elsewhere first, and the title is
 * written over both. Main thread; setup before any other.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/option.h"
#include "server/private.h"

extern char **environ;

static struct {
    bool on;
    struct view template;
    char *area; /* NULL: no room of our own */
    size_t room;
    char *name; /* argv[0] as it was */
    char **environment;
} title;

/* ---- the template ---- */

static void listen_address(struct buf *out)
{
    int port = server_settings.port ? server_settings.port : server_tls_port();
    if (port) {
        const char *first = server_settings.bind_count ? server_settings.bind[0] : "*";
        first += *first == '-';
        bool v6 = strchr(first, ':') != NULL;
        buf_printf(out, v6 ? "[%s]:%d" : "%s:%d", first, port);
    } else {
        buf_append_cstr(out, "unixsocket:");
        buf_append_view(out, server_settings.unixsocket);
    }
}

/* Appends what stands for a name in braces; false: there is no such name. */
static bool expand_name(struct view name, struct buf *out)
{
    if (view_eq_nocase(name, "title")) {
        buf_append_cstr(out, title.name ? title.name : "redis-server");
    } else if (view_eq_nocase(name, "listen-addr")) {
        listen_address(out);
    } else if (view_eq_nocase(name, "server-mode")) {
        /* Alone, a server has no mode worth a word. */
    } else if (view_eq_nocase(name, "port")) {
        buf_printf(out, "%d", server_settings.port);
    } else if (view_eq_nocase(name, "tls-port")) {
        buf_printf(out, "%d", server_tls_port());
    } else if (view_eq_nocase(name, "unixsocket")) {
        buf_append_view(out, server_settings.unixsocket);
    } else if (view_eq_nocase(name, "config-file")) {
        buf_append_cstr(out, server_state.config_file ? server_state.config_file : "-");
    } else {
        return false;
    }
    return true;
}

static bool expand(struct view text, struct buf *out)
{
    const char *end = text.ptr + text.len;
    for (const char *p = text.ptr; p < end;) {
        if (*p != '{') {
            buf_append_char(out, *p++);
            continue;
        }
        const char *close = memchr(p, '}', (size_t)(end - p));
        if (!close || !expand_name(view_of(p + 1, (size_t)(close - p - 1)), out)) return false;
        p = close + 1;
    }
    while (out->len && out->ptr[out->len - 1] == ' ') out->len--;
    return true;
}

/* ---- the option ---- */

static enum status check_template(const struct opt_row *row, struct view value,
                                  struct opt_error *err)
{
    struct buf text = {0};
    UNUSED(row);
    /* Stock refuses what is empty where the program's own name is. */
    char *name = title.name;
    title.name = "";
    bool ok = expand(value, &text) && text.len;
    title.name = name;
    buf_release(&text);
    return ok ? STATUS_OK
              : opt_fail(err, "template format is invalid or contains unknown variables");
}

static enum status apply_template(struct opt_error *err)
{
    UNUSED(err);
    server_title_show();
    return STATUS_OK;
}

static const struct opt_row rows[] = {
    {.name = "set-proc-title", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE, .var.b = &title.on,
     .dflt = "yes", .section = OPT_SECTION_GENERAL,
     .doc = "Show in ps and top what the server listens on."},
    {.name = "proc-title-template", .kind = OPT_STRING, .var.text = &title.template,
     .check = check_template, .dflt = "{title} {listen-addr} {server-mode}",
     .apply = apply_template, .section = OPT_SECTION_GENERAL,
     .doc = "What is shown there: text, and {title}, {listen-addr}, {server-mode}, {port}, "
            "{tls-port}, {unixsocket}, {config-file}."},
};

void server_title_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}

/* ---- the area ---- */

/* Where the strings end that lie one behind the other from `end` on. */
static char *area_end(char **strings, char *end)
{
    for (; *strings && *strings == end; strings++) end += strlen(*strings) + 1;
    return end;
}

void server_title_setup(int argc, char **argv)
{
    if (!title.on || argc < 1) return;
    char *end = area_end(environ, area_end(argv, argv[0]));
    size_t count = 0;
    while (environ[count]) count++;
    title.environment = mem_alloc((count + 1) * sizeof(char *));
    for (size_t i = 0; i < count; i++)
        title.environment[i] = mem_dup(environ[i], strlen(environ[i]));
    title.environment[count] = NULL;
    environ = title.environment;
    title.name = mem_dup(argv[0], strlen(argv[0]));
    title.area = argv[0];
    title.room = (size_t)(end - argv[0]);
    argv[1] = NULL;
}

void server_title_show(void)
{
    struct buf text = {0};
    if (title.area && expand(title.template, &text)) {
        size_t len = MIN(text.len, title.room - 1);
        memcpy(title.area, text.ptr, len);
        memset(title.area + len, 0, title.room - len);
    }
    buf_release(&text);
}
