/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of server/ share: the process' own settings and its state. Nobody below sees
 * either. Main thread, but for what says otherwise.
 */
#ifndef SERVER_PRIVATE_H
#define SERVER_PRIVATE_H

#include <pthread.h>
#include <signal.h>

#include "base/buf.h"
#include "base/random.h"
#include "base/status.h"
#include "base/view.h"
#include "exec/client.h"

#define SERVER_BIND_MAX 16
#define SERVER_HZ_MIN 1
#define SERVER_HZ_MAX 500
/* Descriptors for all but clients: listeners, log, loop, libraries' files. */
#define SERVER_RESERVED_FDS 32

struct server_settings {
    int port, tcp_backlog;
    char *bind[SERVER_BIND_MAX]; /* owned; a leading '-' makes an address optional */
    size_t bind_count;
    struct view unixsocket;
    int unixsocketperm;
    int hz; /* as configured; see server_hz */
    bool dynamic_hz;
    bool always_show_logo;
    bool daemonize;
    struct view pidfile;
    struct view logfile;
    bool syslog;
    struct view syslog_ident;
    int syslog_facility;
    int64_t socket_mark; /* 0: none */
    int loglevel; /* enum log_level */
    bool crash_log;
};
extern struct server_settings server_settings;

struct server_state {
    char run_id[RANDOM_ID_LEN + 1];
    char replication_id[RANDOM_ID_LEN + 1];
    char *executable;      /* absolute; kept to the end, and for what follows it */
    char *config_file;     /* absolute, or NULL */
    bool config_from_stdin; /* some of the configuration */
    bool restarted;        /* in place of a server that ran in this process before */
    int64_t start_mono_us;
    int hz;                /* of this moment */
    pthread_t main_thread;
    bool pidfile_written;
    bool ending;           /* server_request_end has said yes */
};
extern struct server_state server_state;

/* ---- options.c ---- */

/* Registers the rows of server/ itself and of the tiers that may not know of options. */
void server_options_register(void);

/* ---- os_options.c ---- */

/* The options that concern the process and the system. */
void server_os_options_register(void);
/* Puts them into effect: processors, memory, the kernel's choice of victims. Before any thread. */
void server_os_setup(void);
/* ignore-warnings. */
struct view server_os_ignored_warnings(void);
/* Takes back what a process hands down to the program that it becomes. */
void server_os_undo(void);
/* Tell whoever supervises us that the data is being loaded, that clients may come, and that the end
 * has begun. */
void server_os_loading(void);
void server_os_ready(void);
void server_os_stopping(void);
/* Somebody does, so we don't go to the background. */
bool server_os_is_supervised(void);
/* What SIGINT or SIGTERM means: enum shutdown_flag. */
unsigned server_os_signal_flags(int signo);
/* In a child that was forked to save; in a thread that works in the background. */
void server_os_child(void);
void server_os_background(void);

/* ---- large_pages.c ---- */

/* Asks the system whether it has large pages to give; where it gives them to everybody, and
 * `disable_always`, disables them for this process. Before any thread. */
void server_large_pages_setup(bool disable_always);
/* Has them gathered when it's time to. Main, some times a second. */
void server_large_pages_cron(int64_t now_ms);
/* Ends the thread that does it. */
void server_large_pages_teardown(void);

/* ---- system_check.c ---- */

/* Runs all checks of the system and prints what each found. False: one has found a fault. */
bool server_system_check_print(void);
/* Logs what is wrong with the system, as far as it is quickly told. STATUS_ERR: the server had
 * better not start, and nothing of that is `ignored`; the log says why. After server_os_setup,
 * before any thread. */
enum status server_system_warn(struct view ignored) MUST_CHECK;

/* ---- memory_check.c ---- */

/* Tests so many megabytes (a number as text, or NULL) of the machine's memory, and prints what came
 * of it. False: a fault, no number, or so much can't be had. */
bool server_memory_check(const char *megabytes);

/* ---- tls_options.c ---- */

/* The options tls-…. */
void server_tls_options_register(void);
/* Makes the context of new connections from the options. STATUS_ERR: the log says why. */
enum status server_tls_setup(void) MUST_CHECK;
/* tls-port; 0: none. */
int server_tls_port(void);

/* ---- proc_title.c ---- */

/* set-proc-title and its template. */
void server_title_options_register(void);
/* Takes the place of the arguments, which must not be used any more. Before any thread. */
void server_title_setup(int argc, char **argv);
/* Shows the title as the options say now. */
void server_title_show(void);

/* ---- dormant_options.c ---- */

/* Registers the options of parts that this version hasn't got. */
void server_dormant_options_register(void);

/* ---- options.c ---- */

/* Frees what the registry doesn't. */
void server_options_release(void);

/* ---- limits.c ---- */

/* Raises the limit of open files so that `maxclients` connections fit, as far as the system
 * allows. Returns how many clients fit: `maxclients`, or fewer. */
int64_t server_raise_file_limit(int64_t maxclients);

/* ---- listen.c ---- */

/* Opens all listening sockets of the settings. On STATUS_ERR none is open and the log says why. */
enum status server_listen_all(void) MUST_CHECK;

/* Whether anything is to be listened on at all. */
bool server_listens_somewhere(void);

/* The unix socket's file goes, if there is one. */
void server_unlink_unixsocket(void);

/* ---- cron.c ---- */

/* Starts the periodic work. After loop_setup. */
void server_cron_start(void);

/* Figures that the cron samples, for INFO. */
struct server_rates {
    uint64_t ops, net_in, net_out; /* per second; bytes */
};

/* As of the last samples. */
void server_rates_get(struct server_rates *out);

/* CONFIG RESETSTAT. */
void server_rates_reset(void);

/* ---- signals.c ---- */

/* Installs the handlers of the signals that end the server, and ignores SIGPIPE and SIGHUP. After
 * loop_setup. STATUS_ERR: the log says why. */
enum status server_signals_setup(void) MUST_CHECK;

/* ---- crash.c ---- */

/* Installs the crash report on the faults' signals, with a stack of its own for main. Sanitizer
 * builds keep the sanitizer's. */
void server_crash_setup(void);

/* Logs a title and main's stack as a signal's handler got it, and goes on. Signal handlers. */
void server_say_where(const char *title, const void *context);

/* ---- watchdog.c ---- */

/* The option watchdog-period. */
void server_watchdog_options_register(void);
/* Begins to watch if the option says so. On main, with the periodic work. */
void server_watchdog_start(void);
/* Main is well. */
void server_watchdog_feed(void);

/* ---- shutdown.c ---- */

/* Decides on an end (flags: enum shutdown_flag of exec/lifecycle.h). STATUS_OK: the loop stops
 * after this turn. STATUS_ERR: the log says why not. Doesn't return in busy mode. */
enum status server_request_end(unsigned flags) MUST_CHECK;

/* After the loop has stopped: ends all parts and removes the files. Returns the exit code. */
int server_end(void);

/* Removes pid file and unix socket. Signal handlers too. */
void server_remove_files(void);

/* ---- restart.c ---- */

/* Notes what a new start needs; in one, waits as that was told. First of all, and before anything
 * changes the arguments, the environment or the working directory. */
void server_restart_setup(char **argv);
/* Carries out exec_restart (exec/lifecycle.h). */
enum status server_restart(bool graceful, int64_t delay_ms) MUST_CHECK;
/* The end is followed by a new start. */
bool server_restart_is_asked(void);
/* After the end: starts anew if that is what the end was for. Returns if not, or if it fails. */
void server_restart_if_asked(void);

/* ---- wiring.c ---- */

/* Sets every part up, in order, from the options. STATUS_ERR: the reason is in the log. */
enum status server_wire(void) MUST_CHECK;

/* Registers the options of every folder. */
void server_register_all_options(void);

/* The reverse of server_wire. */
void server_unwire(void);

/* ---- metrics.c ---- */

/* Registers the rows of INFO that come from here and from the tiers below conf/. */
void server_metrics_register(void);

/* ---- args.c ---- */

/* What the command line asks for. */
enum server_action {
    SERVER_RUN,
    SERVER_EXIT_OK, /* the answer is printed */
    SERVER_EXIT_FAILED
};

/* Reads the command line and the config file into the options, or answers --version and the
 * like. */
enum server_action server_read_args(int argc, char **argv);

/* ---- process.c ---- */

/* Goes to the background: a new session, standard streams on /dev/null. Before any thread. */
void server_daemonize(void);

/* Where the pid file goes; empty: none is wanted. Signal handlers too. */
const char *server_pidfile_path(void);

/* Writes the pid file, if one is wanted; a failure is logged. */
void server_write_pidfile(void);

/* Prints the logo with the port and the pid. */
void server_print_logo(void);

/* ---- memory.c ---- */

/* The options of maxmemory. */
void server_memory_options_register(void);
/* Attaches the filter that evicts, and refuses commands when memory is out. */
void server_memory_setup(void);
/* Evicts what nobody's command has evicted. */
void server_memory_cron(void);
/* Bytes in use that the limit isn't about: Python's. */
int64_t server_memory_not_counted(void);
void server_memory_policy_print(struct buf *out);

#endif
