/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server's log: lines of the form
 *
 *   PID:M 29 Nov 2026 00:50:28.123 * message
 *
 * on standard output or appended to a file. A line is formatted on the stack and leaves in one
 * write(), so lines of several threads never mix and no lock is held; after a fork the child may
 * log at once. The file is kept open (a descriptor that never changes its number: a reopened
 * file is dup'ed over it), and looked at once a second, so that a log that was rotated away
 * reappears without a signal. Stock opens the file for every line.
 *
 * Any thread, but for log_setup, log_teardown and log_refresh_timezone: main.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>

#include "base/macros.h"
#include "base/status.h"
#include "base/view.h"

/* Messages are cut to one byte less than this. */
#define LOG_MESSAGE_MAX 1024

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_VERBOSE,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARNING
};

/* Names and levels as in `loglevel`; -1 when the name is none of them. NULL for a bad level. */
int log_level_parse(struct view name);
const char *log_level_name(enum log_level level);

/*
 * Sends what follows to the file `path`, or to standard output when it is NULL or empty. On
 * STATUS_IO (errno says why) the log stays where it was. May be called again.
 */
enum status log_setup(const char *path) MUST_CHECK;

/* Closes a log file; lines go to standard output from here on. */
void log_teardown(void);

/*
 * Sends each line to the system's log as well (the datagram socket /dev/log, in the form of
 * RFC 3164), under this name and facility (1 user, 16 to 23 local0 to local7). Lines that it
 * doesn't take at once are dropped there. A socket of our own, since syslog(3) takes a lock. Main,
 * at start, once.
 */
void log_to_system(const char *ident, int facility);

/* In a forked child: closes every descriptor but the standard ones and the log's. */
void log_close_others(void);

/* Opens the log file anew under its path. STATUS_IO leaves the old one in use. */
enum status log_reopen(void) MUST_CHECK;

/* Lines below this level are not written from here on. LOG_LEVEL_NOTICE at first. */
void log_set_level(enum log_level level);

/* The letter behind the pid: 'M' master, 'S' replica, 'C' child. 'M' at first. */
void log_set_role(char role);

/* Reads the local offset from UTC again (main calls it at boot and from time to time). */
void log_refresh_timezone(void);

/* Whether a line of this level would be written. */
bool log_enabled(enum log_level level);

/* Writes one line; a newline is added. Failures to write are ignored. */
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Writes the bytes as they are: no prefix, no newline, no level (the banner, crash reports). */
void log_raw(struct view bytes);

/* For a message that may come often. All zero is initialised; any thread. */
struct log_limit {
    _Atomic int64_t next_us;  /* monotonic time from which a line may leave */
    _Atomic uint64_t skipped; /* lines dropped since the last one */
};

/*
 * Whether a line may be written now, at most one per interval. *skipped_out says how many were
 * refused since the last that was allowed.
 */
bool log_limit_pass(struct log_limit *limit, int64_t interval_ms, uint64_t *skipped_out);

#define log_debug(...) log__at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_verbose(...) log__at(LOG_LEVEL_VERBOSE, __VA_ARGS__)
#define log_notice(...) log__at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_warning(...) log__at(LOG_LEVEL_WARNING, __VA_ARGS__)

/* Arguments are evaluated only when the line is written. */
#define log__at(level, ...)                                                                        \
    do {                                                                                           \
        if (log_enabled(level)) log_write(level, __VA_ARGS__);                                     \
    } while (0)

#endif
