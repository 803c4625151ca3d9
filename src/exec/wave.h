/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wave: complete requests of many clients, parsed, to be prefetched and then run in order; see
 * driver.c. Main makes one of what it has read itself; an I/O thread makes them of what it has
 * read, and main runs them (io.h). Making one decides nothing and touches no data: the row of a
 * command and the places of its arguments are all that is looked up.
 *
 * Thread: whoever has the wave and the clients' inputs.
 */
#ifndef EXEC_WAVE_H
#define EXEC_WAVE_H

#include "exec/client_impl.h"
#include "exec/command.h"

#define WAVE_COMMANDS   128 /* a wave ends when it holds so many */
#define WAVE_PER_CLIENT 64  /* of one client, so that a long pipeline lets others in */
#define WAVE_KEYS       4   /* prefetched of one command; more (MGET) is the handler's business */
#define WAVE_ARGS_KEPT  1024 /* room for arguments that is kept after a wave of many */

struct wave_entry {
    struct client *client;
    const struct command *cmd; /* NULL: unknown, or a protocol error */
    const char *protocol_error;
    size_t first, argc; /* in wave.args */
    bool owns;          /* some argument has an allocation of its own */
    size_t start;       /* of the request, in the client's input */
};

struct wave {
    struct resp_args args;
    struct wave_entry entries[WAVE_COMMANDS];
    size_t count;
};

static inline void wave_push(struct wave *w, struct client *c, const struct resp_result *r,
                             size_t start, const char *protocol_error)
{
    struct wave_entry *e = &w->entries[w->count++];
    *e = (struct wave_entry){.client = c,
                             .protocol_error = protocol_error,
                             .first = r->first,
                             .argc = r->argc,
                             .owns = r->owns,
                             .start = start};
    if (protocol_error) return;
    const struct arg *name = &w->args.argv[r->first];
    e->cmd = command_lookup(name->ptr, name->len);
}

/* Parses what is complete of a client's input into the wave. True if there may be more. */
static inline bool wave_collect(struct wave *w, struct client *c, const struct resp_limits *limits)
{
    struct inbuf *in = &c->in;
    /* AUTH widens the limits for what follows it. */
    size_t most = limits->unauthenticated ? 1 : WAVE_PER_CLIENT;
    for (size_t taken = 0; taken < most && w->count < WAVE_COMMANDS;) {
        struct resp_result r;
        if (in->pos == in->len) return false;
        bool is_inline = in->data[in->pos] != '*';
        /* An inline request is split in place, so it must not be parsed twice: it runs alone. */
        if (is_inline && taken) return true;
        enum status st = resp_request_parse(&c->request, limits, in->data + in->pos,
                                            in->len - in->pos, &w->args, &r);
        if (st == STATUS_AGAIN) return false;
        if (st == STATUS_SYNTAX) {
            wave_push(w, c, &r, in->pos, r.error);
            return false;
        }
        if (r.argc) {
            wave_push(w, c, &r, in->pos, NULL);
            taken++;
        }
        in->pos += r.consumed;
        if (is_inline && r.argc) return true;
    }
    return true;
}

/* The keys that the row names by position, as far as they are few. */
static inline int wave_keys(const struct wave *w, const struct wave_entry *e,
                            struct arg *out[WAVE_KEYS])
{
    int n = 0;
    const struct command *cmd = e->cmd;
    if (!cmd || cmd->first_key <= 0) return 0;
    int last = cmd->last_key < 0 ? (int)e->argc + cmd->last_key : cmd->last_key;
    last = MIN(last, (int)e->argc - 1);
    for (int i = cmd->first_key; i <= last && n < WAVE_KEYS; i += MAX(cmd->key_step, 1))
        out[n++] = &w->args.argv[e->first + (size_t)i];
    return n;
}

#endif
