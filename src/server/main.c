/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program: boot, loop, end. What is set up, and in which order, is in wiring.c.
 *
 *   options -> command line and file -> background -> log -> parts -> sockets -> loop -> end
 *
 * Main thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/ticks.h"
#include "base/version.h"
#include "exec/settings.h"
#include "net/loop.h"
#include "persist/check_rdb.h"
#include "persist/persist.h"
#include "server/private.h"

struct server_state server_state;

/* What the rest is measured with and seeded from. */
static void boot_base(void)
{
    hash_seed_random();
    ticks_setup();
    log_refresh_timezone();
    log_set_role('C');
    random_hex_id(server_state.run_id);
    random_hex_id(server_state.replication_id);
    server_state.main_thread = pthread_self();
    server_state.start_mono_us = clock_mono_us();
}

static enum status open_log(void)
{
    if (log_setup(server_settings.logfile.ptr)) {
        fprintf(stderr,
                "\n*** FATAL CONFIG FILE ERROR (Redis %s) ***\nCan't open the log file: %s\n",
                STOCK_VERSION, strerror(errno));
        return STATUS_ERR;
    }
    log_set_level((enum log_level)server_settings.loglevel);
    if (server_settings.syslog)
        log_to_system(server_settings.syslog_ident.ptr, server_settings.syslog_facility);
    return STATUS_OK;
}

static void clamp_settings(void)
{
    int64_t possible = server_raise_file_limit(exec_settings.maxclients);
    if (possible < exec_settings.maxclients) {
        log_warning("Current maximum open files allows %lld clients. maxclients has been reduced "
                    "to %lld to compensate for low ulimit. If you need higher maxclients "
                    "increase 'ulimit -n'.",
                    (long long)possible, (long long)possible);
        exec_settings.maxclients = possible;
    }
    if (server_settings.hz < SERVER_HZ_MIN) server_settings.hz = SERVER_HZ_MIN;
    if (server_settings.hz > SERVER_HZ_MAX) server_settings.hz = SERVER_HZ_MAX;
    server_state.hz = server_settings.hz;
}

static void announce(void)
{
    log_warning("Cogwheel " COGWHEEL_VERSION " is starting: Redis version=" STOCK_VERSION
                ", bits=64, pid=%d, just started",
                (int)getpid());
    if (server_state.config_file) {
        log_warning("Configuration loaded");
    } else {
        log_warning("Warning: no config file specified, using the default config and the command "
                    "line. In order to specify a config file use redis-server "
                    "/path/to/redis.conf");
    }
}

/* To be seen by a person at a terminal, or by whoever insists. */
static void announce_running(void)
{
    bool terminal = !server_settings.logfile.len && isatty(STDOUT_FILENO);
    if (terminal || server_settings.always_show_logo) {
        server_print_logo();
    } else {
        log_notice("Running mode=standalone, port=%d.", server_settings.port);
    }
    log_warning("Server initialized");
}

static void announce_ready(void)
{
    log_notice("Ready to accept connections");
    if (server_settings.unixsocket.len) {
        log_notice("The server is now ready to accept connections at %s",
                   server_settings.unixsocket.ptr);
    }
}

/* Clients come in from here on; until the data is there they are told to wait. */
static enum status load(void)
{
    server_os_loading();
    if (persist_load_at_start()) {
        server_remove_files();
        return STATUS_ERR;
    }
    if (server_state.ending) return STATUS_OK;
    server_cron_start();
    announce_ready();
    server_os_ready();
    return STATUS_OK;
}

static enum status boot(void)
{
    bool daemonize = server_settings.daemonize && !server_state.restarted;
    if (daemonize && !server_os_is_supervised()) server_daemonize();
    if (open_log()) return STATUS_ERR;
    announce();
    log_set_role('M');
    clamp_settings();
    if (!server_listens_somewhere()) {
        log_warning("Configured to not listen anywhere, exiting.");
        return STATUS_ERR;
    }
    server_crash_setup();
    server_os_setup();
    if (server_system_warn(server_os_ignored_warnings())) return STATUS_ERR;
    if (server_wire() || server_signals_setup() || server_listen_all()) return STATUS_ERR;
    server_write_pidfile();
    server_title_show();
    announce_running();
    return load();
}

int main(int argc, char **argv)
{
    server_restart_setup(argv);
    boot_base();
    if (check_rdb_is_meant(argv[0])) return check_rdb_main(argc, argv);
    server_register_all_options();
    switch (server_read_args(argc, argv)) {
    case SERVER_EXIT_OK: return 0;
    case SERVER_EXIT_FAILED: return 1;
    case SERVER_RUN: break;
    }
    server_title_setup(argc, argv);
    if (boot()) return 1;
    if (!server_state.ending) loop_run();
    int code = server_end();
    server_restart_if_asked();
#ifndef COG_DEBUG
    /* A thread that couldn't be stopped (a long call of a C library) must not meet the
     * destructors that exit() runs. */
    _exit(code);
#endif
    return code;
}
