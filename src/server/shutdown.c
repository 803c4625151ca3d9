/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the server ends. Asking and ending are two steps: whoever asks (SHUTDOWN, a signal) is deep
 * inside a turn of the loop, and what an end frees is in use there.
 *
 *   running --server_request_end--> ending: the loop stops after this turn --server_end--> gone
 *
 * In busy mode main has no hold on the data and the turn may never end, so the process leaves at
 * once, but only if nothing is to be saved.
 *
 * Main thread.
 */
#include <unistd.h>

#include "base/log.h"
#include "exec/client.h"
#include "exec/lifecycle.h"
#include "exec/loading.h"
#include "net/loop.h"
#include "persist/persist.h"
#include "server/private.h"

void server_remove_files(void)
{
    if (server_state.pidfile_written) unlink(server_pidfile_path());
    server_unlink_unixsocket();
}

static void log_removals(void)
{
    if (server_state.pidfile_written) log_notice("Removing the pid file.");
    if (server_settings.unixsocket.len) log_warning("Removing the unix socket file.");
}

/* Somebody else holds the data in busy mode, perhaps in the middle of a change. */
static enum status final_save(void)
{
    if (exec_is_busy()) {
        log_warning("Error trying to save the DB, can't exit: a script holds the data. Only "
                    "SHUTDOWN NOSAVE ends the server now.");
        return STATUS_ERR;
    }
    log_notice("Saving the final RDB snapshot before exiting.");
    if (!persist_save()) return STATUS_OK;
    log_warning("Error trying to save the DB, can't exit.");
    return STATUS_ERR;
}

enum status server_request_end(unsigned flags)
{
    if (server_state.ending) return STATUS_OK;
    log_warning("User requested shutdown...");
    bool save = (flags & SHUTDOWN_SAVE) || (persist_wanted() && !(flags & SHUTDOWN_NOSAVE));
    if (exec_is_loading()) save = false; /* the file has more than the half that is here */
    if (save && final_save() && !(flags & SHUTDOWN_FORCE)) {
        log_warning("Errors trying to shut down the server. Check the logs for more information.");
        return STATUS_ERR;
    }
    if (exec_is_busy()) {
        log_removals();
        server_remove_files();
        server_os_stopping();
        log_warning("Redis is now ready to exit, bye bye...");
        _exit(0);
    }
    server_state.ending = true;
    loading_give_up();
    loop_stop();
    return STATUS_OK;
}

int server_end(void)
{
    if (!server_restart_is_asked()) server_os_stopping();
    driver_close_listeners();
    log_removals();
    server_remove_files();
    server_unwire();
    log_warning("Redis is now ready to exit, bye bye...");
    log_teardown();
    return 0;
}
