/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running packages.py; see gpip.h.
 */
#include "gears/gpip.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "gears_packages.h"

#define WORDS_MAX 2048
#define LINE_MAX_BYTES 4096
/* How often `stop` and the time are looked at. */
#define LOOK_MS 20

struct child {
    pid_t pid;
    int in;          /* its stdin; closed: it ends */
    int out, err;    /* -1: at its end */
    struct buf line_out, line_err;
    bool fails;      /* it has begun to say why */
    const struct gpip_call *call;
};

extern char **environ;

static void close_one(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* ---- start ---- */

static int spawn_with(struct child *c, char *const argv[], int in, int out, int err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    int failed = posix_spawn(&c->pid, argv[0], &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return failed;
}

/* Above the three, so that moving one onto its place doesn't cover another. */
static bool make_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC)) return false;
    ends[0] = fcntl(low[0], F_DUPFD_CLOEXEC, 3);
    ends[1] = fcntl(low[1], F_DUPFD_CLOEXEC, 3);
    close(low[0]);
    close(low[1]);
    return ends[0] >= 0 && ends[1] >= 0;
}

static enum status start(struct child *c)
{
    const struct gpip_call *call = c->call;
    const char *argv[WORDS_MAX + 8] = {call->program, "-I", "-c", gears_packages};
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    size_t count = 0;
    for (; call->words[count]; count++) {
        if (count == WORDS_MAX) return STATUS_ERR;
        argv[4 + count] = call->words[count];
    }
    int failed = 0;
    for (int i = 0; i < 3 && !failed; i++)
        if (!make_pipe(pipes[i])) failed = errno;
    if (!failed)
        failed = spawn_with(c, (char *const *)(uintptr_t)argv, pipes[0][0], pipes[1][1],
                            pipes[2][1]);
    c->in = pipes[0][1];
    c->out = pipes[1][0];
    c->err = pipes[2][0];
    close_one(&pipes[0][0]);
    close_one(&pipes[1][1]);
    close_one(&pipes[2][1]);
    if (!failed) return STATUS_OK;
    log_warning("Gears: can't start %s: %s", call->program, strerror(failed));
    return STATUS_IO;
}

/* ---- what it says ---- */

static void protocol_line(struct child *c, struct view line)
{
    const char *blank = memchr(line.ptr, ' ', line.len);
    size_t len = blank ? (size_t)(blank - line.ptr) : line.len;
    size_t rest = blank ? len + 1 : len;
    c->call->line(c->call->ctx, view_of(line.ptr, len),
                  view_of(line.ptr + rest, line.len - rest));
}

/* What pip says goes to the log, the reasons of a failure at any level of it: a line that says
 * "error", and what follows it, such as the output of a package's own programs. */
static void log_line(struct child *c, struct view line)
{
    struct view text = line;
    for (; text.len && *text.ptr == ' '; text.len--) text.ptr++;
    if (text.len >= 5 && view_eq_nocase(view_of(text.ptr, 5), "error")) c->fails = true;
    enum log_level level = c->fails ? LOG_LEVEL_WARNING : LOG_LEVEL_VERBOSE;
    if (line.len && log_enabled(level))
        log_write(level, "Gears: pip: %.*s", (int)line.len, line.ptr);
}

static void end_line(struct child *c, struct buf *line)
{
    if (line == &c->line_out) protocol_line(c, buf_view(line));
    else log_line(c, buf_view(line));
    buf_clear(line);
}

/* Reads what there is; -1 in *fd at its end. */
static void read_some(struct child *c, int *fd, struct buf *line)
{
    char bytes[4096];
    ssize_t n = read(*fd, bytes, sizeof(bytes));
    if (n < 0 && errno == EINTR) return;
    if (n <= 0) {
        if (line->len) end_line(c, line);
        close_one(fd);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') end_line(c, line);
        else if (line->len < LINE_MAX_BYTES) buf_append(line, &bytes[i], 1);
    }
}

/* ---- until it ends ---- */

static enum status wanted_end(const struct gpip_call *call)
{
    if (call->stop && atomic_load(call->stop)) return STATUS_ABORTED;
    return clock_mono_us() > call->deadline_us ? STATUS_LIMIT : STATUS_OK;
}

/* Until both its outputs have ended, or it is to end. */
static enum status serve(struct child *c)
{
    enum status end = STATUS_OK;
    while (!end && (c->out >= 0 || c->err >= 0)) {
        struct pollfd fds[] = {{.fd = c->out, .events = POLLIN}, {.fd = c->err, .events = POLLIN}};
        poll(fds, 2, LOOK_MS);
        if (fds[0].revents) read_some(c, &c->out, &c->line_out);
        if (fds[1].revents) read_some(c, &c->err, &c->line_err);
        end = wanted_end(c->call);
    }
    return end;
}

static enum status reap(struct child *c, enum status end)
{
    int how = 0;
    siginfo_t info = {0};
    while (!end && waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0) {
        poll(NULL, 0, LOOK_MS);
        end = wanted_end(c->call);
    }
    /* Its number is its group's as long as it isn't reaped: what it left behind goes with it. */
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, &how, 0) < 0 && errno == EINTR) continue;
    if (end) return end;
    return WIFEXITED(how) && WEXITSTATUS(how) == 0 ? STATUS_OK : STATUS_ERR;
}

enum status gpip_run(const struct gpip_call *call)
{
    struct child c = {.call = call, .in = -1, .out = -1, .err = -1};
    enum status st = start(&c);
    if (st == STATUS_OK) st = reap(&c, serve(&c));
    close_one(&c.in);
    close_one(&c.out);
    close_one(&c.err);
    buf_release(&c.line_out);
    buf_release(&c.line_err);
    return st;
}
