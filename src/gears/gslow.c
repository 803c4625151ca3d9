/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gslow.h. The logs are guarded by the token: main writes what workers found.
 */
#include "gears/gslow.h"

#include "base/buf.h"
#include "exec/client.h"
#include "exec/command.h"
#include "gears/grun.h"

/* What an entry can show: so many words, and of each so many bytes and how many more there were. */
#define WORDS_MAX 33
#define BYTES_MAX 4096

struct note {
    struct exec_work work;
    struct buf bytes;
    struct arg argv[WORDS_MAX];
};

static void deliver(void *ctx)
{
    struct note *n = ctx;
    n->work.argv = n->argv;
    exec_work_done(&n->work);
    buf_release(&n->bytes);
    mem_free(n);
}

static struct note *new_note(int64_t us)
{
    struct note *n = mem_zalloc(sizeof(*n));
    n->work.ns = (uint64_t)us * 1000;
    return n;
}

/* A word's bytes, all of them counted; those that no entry shows aren't copied. The arguments point
 * into the bytes when all are there. */
static void add_word(struct note *n, const char *ptr, size_t len)
{
    if (n->work.argc == WORDS_MAX) {
        n->work.more++;
        return;
    }
    n->argv[n->work.argc++] = arg_of(NULL, len);
    buf_append(&n->bytes, ptr, MIN(len, (size_t)BYTES_MAX));
}

static void send(struct note *n)
{
    const char *at = n->bytes.ptr;
    for (int i = 0; i < n->work.argc; i++) {
        n->argv[i].ptr = (char *)(uintptr_t)at;
        at += MIN((size_t)n->argv[i].len, (size_t)BYTES_MAX);
    }
    exec_post(deliver, n);
}

static bool is_slow(int64_t us)
{
    return us >= 0 && (uint64_t)us >= exec_work_min_us();
}

void gslow_command(const struct gslow *what, int64_t us)
{
    if (us > 0) command_work(what->cmd, (uint64_t)us * 1000);
    if (likely(!is_slow(us))) return;
    struct note *n = new_note(us);
    n->work.client_id = what->client_id;
    if (!what->named) add_word(n, what->cmd->fullname, strlen(what->cmd->fullname));
    for (int i = 0; i < what->word_count; i++)
        add_word(n, what->words[i].ptr, what->words[i].len);
    send(n);
}

void gslow_execution(const struct gexec *e)
{
    if (e->slow.whose == GSLOW_CLIENT) {
        gslow_command(&e->slow, e->total_us);
        return;
    }
    if (likely(!is_slow(e->total_us)) || e->slow.whose == GSLOW_SOMEONE_TELLS) return;
    char id[GEARS_ID_SIZE];
    struct note *n = new_note(e->total_us);
    grun_format_id(id, e->number);
    add_word(n, "rg.execution", 12);
    add_word(n, id, strlen(id));
    send(n);
}
