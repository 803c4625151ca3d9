/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis.conf as the option table tells it: chapters, and under each the rows' documentation as
 * comments above the default. The file in the repository is this output, and a test holds the
 * two together.
 */
#include "base/quote.h"
#include "conf/option.h"

#define PAGE_COLUMNS 78

static const struct {
    const char *title, *intro;
} chapters[OPT_SECTION_COUNT] = {
    [OPT_SECTION_NETWORK] = {"Network", "Where the server listens and how it treats connections."},
    [OPT_SECTION_TLS] = {"TLS", "Encrypted connections, on a port of their own."},
    [OPT_SECTION_GENERAL] = {"General", "The process, its log and its rhythm."},
    [OPT_SECTION_PERSISTENCE] = {"Persistence",
                                 "When data is written to a file, and how. Without save points "
                                 "it lives in memory only."},
    [OPT_SECTION_SECURITY] = {"Security",
                              "Who may do what. A line \"rename-command <name> <other name>\" "
                              "gives a command another name for everybody, and \"\" as the other "
                              "name takes the command away; rules for users do this better."},
    [OPT_SECTION_CLIENTS] = {"Clients", "Limits for each connection and for all of them."},
    [OPT_SECTION_MEMORY] = {"Memory", "How much of it there is, and what goes when it is used up."},
    [OPT_SECTION_LAZYFREE] = {"Freeing memory in the background",
                              "Large values take time to free. Each of these moves one kind of "
                              "deletion to a background thread."},
    [OPT_SECTION_SCRIPTS] = {"Long-running code", NULL},
    [OPT_SECTION_OBSERVE] = {"Slow commands and events", NULL},
    [OPT_SECTION_GEARS] = {"Gears", "Python programs inside the server."},
    [OPT_SECTION_ENCODING] = {"Compact encodings",
                              "Small collections are kept in compact form; beyond these sizes "
                              "they become tables. Larger limits save memory and cost time."},
};

/* Appends text as comment lines of at most PAGE_COLUMNS, broken at blanks; '\n' ends a line. */
static void print_comment(struct buf *out, const char *text)
{
    size_t column = 0;
    while (*text) {
        if (*text == '\n') {
            buf_append_cstr(out, column ? "\n" : "#\n");
            column = 0;
            text++;
            continue;
        }
        size_t word = strcspn(text, " \n");
        if (column && column + 1 + word > PAGE_COLUMNS) {
            buf_append_cstr(out, "\n");
            column = 0;
        }
        buf_append_cstr(out, column ? " " : "# ");
        column += column ? 1 : 2;
        buf_append(out, text, word);
        column += word;
        text += word;
        text += *text == ' ';
    }
    if (column) buf_append_cstr(out, "\n");
}

/* Appends "name value"; a default of no words at all is shown as a comment. */
static void print_default(struct buf *out, const struct opt_row *row)
{
    const char *text = row->dflt ? row->dflt : "";
    buf_append_cstr(out, row->name);
    buf_append_char(out, ' ');
    if ((row->flags & OPT_MULTI) && *text) {
        buf_append_cstr(out, text);
    } else if (quote_is_needed(view_cstr(text))) {
        quote_repr(out, view_cstr(text));
    } else {
        buf_append_cstr(out, text);
    }
    buf_append_cstr(out, "\n");
}

static void print_row(struct buf *out, const struct opt_row *row)
{
    buf_append_cstr(out, "\n");
    if (row->doc) print_comment(out, row->doc);
    if (row->alias) {
        buf_printf(out, "# (older name: %s)\n", row->alias);
    }
    print_default(out, row);
}

static void print_chapter(struct buf *out, enum opt_section section)
{
    bool any = false;
    for (size_t i = 0; i < opt_count(); i++) {
        const struct opt_row *row = opt_at(i);
        if (row->section != section || (row->flags & (OPT_HIDDEN | OPT_UNPRINTED))) continue;
        if (!any) {
            buf_printf(out, "\n# ---- %s ", chapters[section].title);
            for (size_t c = strlen(chapters[section].title) + 8; c < PAGE_COLUMNS; c++) {
                buf_append_char(out, '-');
            }
            buf_append_cstr(out, "\n");
            if (chapters[section].intro) print_comment(out, chapters[section].intro);
        }
        any = true;
        print_row(out, row);
    }
}

void opt_print_file(struct buf *out)
{
    print_comment(out,
                  "The configuration of Cogwheel. Start the server with this file's path as its "
                  "first argument:\n\n    redis-server /path/to/redis.conf\n\n"
                  "Every option stands here with its default, so a line says what happens "
                  "without it. Options may also be given on the command line, where they win "
                  "(--port 7000), and most can be changed while the server runs (CONFIG SET).\n\n"
                  "One directive a line; words with blanks go in quotes: requirepass \"two "
                  "words\". Sizes take units: 1k is 1000 bytes, 1kb is 1024; likewise m, mb, g, "
                  "gb. `include <path>` reads another file in place, and takes patterns: include "
                  "/etc/redis/conf.d/*.conf.\n\n"
                  "This file is generated from the server's option table (make redis.conf).");
    for (int s = 0; s < OPT_SECTION_COUNT; s++) print_chapter(out, (enum opt_section)s);
}
