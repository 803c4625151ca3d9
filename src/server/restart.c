/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server starts itself anew within its process: same program, arguments, environment, folder
 * and number (DEBUG RESTART, DEBUG CRASH-AND-RECOVER).
 *
 *   graceful:  config file rewritten ─ the end, as any other ─ exec
 *   crash:     exec
 *
 * Exec ends all threads, and all descriptors close with it, so that there is nothing to be undone
 * before a crash; and one that fails leaves a server that is whole. The wait that may be asked for
 * is the new program's first act, for the same reason: nothing of the old one works on meanwhile.
 * It is told how long in a variable of its environment.
 *
 * Main thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "conf/config_rewrite.h"
#include "exec/lifecycle.h"
#include "persist/persist.h"
#include "server/private.h"

#define DELAY_VARIABLE "COGWHEEL_RESTARTED"

extern char **environ;

static struct {
    char **arguments, **environment; /* as at start … */
    char **variable;                 /* … and there the place of one more, the last */
    char *folder;                    /* NULL: unknown */
    bool again;                      /* the end is followed by a start … */
    int64_t delay_ms;                /* … that waits so long */
} restart;

/* ---- at start ---- */

/* A copy of a list that ends with NULL, with room for one more. */
static char **copy_words(char **words, char ***end_out)
{
    size_t count = 0;
    while (words[count]) count++;
    char **copy = mem_zalloc((count + 2) * sizeof(char *));
    for (size_t i = 0; i < count; i++) copy[i] = mem_dup(words[i], strlen(words[i]));
    *end_out = copy + count;
    return copy;
}

static void wait_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

void server_restart_setup(char **argv)
{
    char folder[PATH_MAX];
    int64_t delay_ms;
    const char *told = getenv(DELAY_VARIABLE);
    if (told) {
        server_state.restarted = true;
        if (num_parse_i64(view_cstr(told), &delay_ms) == STATUS_OK && delay_ms > 0)
            wait_ms(delay_ms);
        unsetenv(DELAY_VARIABLE);
    }
    restart.arguments = copy_words(argv, &restart.variable);
    restart.environment = copy_words(environ, &restart.variable);
    if (getcwd(folder, sizeof(folder))) restart.folder = mem_dup(folder, strlen(folder));
}

/* ---- the step ---- */

/* Does not return if it succeeds; then whatever is still open here is closed. */
static void start_again(int64_t delay_ms)
{
    char told[sizeof(DELAY_VARIABLE "=") + NUM_I64_LEN];
    snprintf(told, sizeof(told), DELAY_VARIABLE "=%lld", (long long)delay_ms);
    *restart.variable = told;
    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (restart.folder && chdir(restart.folder)) {
        log_warning("Can't restart: no way back to the folder %s: %s", restart.folder,
                    strerror(errno));
    } else {
        execve(server_state.executable, restart.arguments, restart.environment);
        log_warning("Can't restart: %s: %s", server_state.executable, strerror(errno));
    }
    if (back >= 0 && fchdir(back)) log_warning("No way back to the data: %s", strerror(errno));
    if (back >= 0) close(back);
}

/* What would fail when it is too late to go on. */
static enum status check_possible(void)
{
    if (server_state.config_from_stdin) {
        log_warning("Can't restart: the configuration came from standard input, which can't be "
                    "read again");
        return STATUS_ERR;
    }
    if (access(server_state.executable, X_OK)) {
        log_warning("Can't restart: this process has no permissions to execute %s",
                    server_state.executable);
        return STATUS_ERR;
    }
    return STATUS_OK;
}

static enum status restart_gracefully(int64_t delay_ms)
{
    switch (conf_rewrite(CONF_REWRITE_CHANGED)) {
    case STATUS_OK:
    case STATUS_NOT_FOUND: break;
    default:
        log_warning("Can't restart: configuration rewrite process failed: %s", strerror(errno));
        return STATUS_ERR;
    }
    if (server_request_end(0)) {
        log_warning("Can't restart: error preparing for shutdown");
        return STATUS_ERR;
    }
    restart.again = true;
    restart.delay_ms = delay_ms;
    return STATUS_OK;
}

static enum status restart_as_crashed(int64_t delay_ms)
{
    persist_end_child(); /* a child would be ours still, and write beside us */
    server_os_undo();
    start_again(delay_ms);
    server_os_setup();
    return STATUS_ERR;
}

enum status server_restart(bool graceful, int64_t delay_ms)
{
    if (check_possible()) return STATUS_ERR;
    delay_ms = MAX(delay_ms, 0);
    return graceful ? restart_gracefully(delay_ms) : restart_as_crashed(delay_ms);
}

bool server_restart_is_asked(void)
{
    return restart.again;
}

void server_restart_if_asked(void)
{
    if (!restart.again) return;
    server_os_undo();
    start_again(restart.delay_ms);
}
