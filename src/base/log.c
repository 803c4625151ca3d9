/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log; see log.h.
 *
 * No lock is on the way of a line: level, role, descriptor and offset from UTC are atomics, and
 * one write() carries the whole line. The date is computed here, since localtime_r takes the C
 * library's time-zone lock, which a child would inherit locked if a fork met another thread
 * inside it. Month names are ours: strftime would obey a locale that a script may change.
 *
 * What is done to the file (open, reopen, path) happens under `file_busy`, a flag that is tried
 * and never waited for by a thread that only wants to write a line.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LOG_PATH_MAX 4096
#define LOG_CHECK_INTERVAL_NS 1000000000
/* Room ahead of the message: pid, role, date, level. */
#define LOG_PREFIX_MAX 64
/* The last millisecond of the year 9999. */
#define LOG_LAST_MS INT64_C(253402300799999)

static const char *const level_names[] = {"debug", "verbose", "notice", "warning"};

static _Atomic int threshold = LOG_LEVEL_NOTICE;
static _Atomic char role_letter = 'M';
static _Atomic long utc_offset_s;
static _Atomic int descriptor = STDOUT_FILENO; /* STDOUT_FILENO: there is no file */
static _Atomic int64_t next_check_ns;
static atomic_flag file_busy = ATOMIC_FLAG_INIT;
static char file_path[LOG_PATH_MAX]; /* guard: file_busy */

/* ---- levels ---- */

int log_level_parse(struct view name)
{
    for (size_t i = 0; i < ARRAY_COUNT(level_names); i++) {
        if (view_eq_nocase(name, level_names[i])) return (int)i;
    }
    return -1;
}

const char *log_level_name(enum log_level level)
{
    return (size_t)level < ARRAY_COUNT(level_names) ? level_names[level] : NULL;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_set_role(char role)
{
    atomic_store_explicit(&role_letter, role, memory_order_relaxed);
}

void log_refresh_timezone(void)
{
    time_t now = (time_t)(clock_wall_us() / 1000000);
    struct tm local;
    tzset();
    if (localtime_r(&now, &local))
        atomic_store_explicit(&utc_offset_s, local.tm_gmtoff, memory_order_relaxed);
}

/* ---- the file ---- */

static void lock_file(void)
{
    /* Held for a handful of system calls, and main alone gets here. */
    while (atomic_flag_test_and_set_explicit(&file_busy, memory_order_acquire)) usleep(10);
}

static bool try_lock_file(void)
{
    return !atomic_flag_test_and_set_explicit(&file_busy, memory_order_acquire);
}

static void unlock_file(void)
{
    atomic_flag_clear_explicit(&file_busy, memory_order_release);
}

/* Opens `path` and puts it where lines go. Under file_busy. */
static enum status open_file(const char *path)
{
    int fresh = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fresh < 0) return STATUS_IO;
    int current = atomic_load(&descriptor);
    if (current == STDOUT_FILENO) {
        atomic_store(&descriptor, fresh);
        return STATUS_OK;
    }
    int failed = dup3(fresh, current, O_CLOEXEC) < 0;
    int reason = errno;
    close(fresh);
    errno = reason;
    return failed ? STATUS_IO : STATUS_OK;
}

/* Back to standard output. Under file_busy. */
static void close_file(void)
{
    int current = atomic_exchange(&descriptor, STDOUT_FILENO);
    if (current != STDOUT_FILENO) close(current);
    file_path[0] = '\0';
}

enum status log_setup(const char *path)
{
    size_t len = path ? strlen(path) : 0;
    if (len >= LOG_PATH_MAX) {
        errno = ENAMETOOLONG;
        return STATUS_IO;
    }
    enum status status = STATUS_OK;
    lock_file();
    if (len == 0)
        close_file();
    else if ((status = open_file(path)) == STATUS_OK)
        memcpy(file_path, path, len + 1);
    atomic_store_explicit(&next_check_ns, 0, memory_order_relaxed);
    unlock_file();
    log_refresh_timezone();
    return status;
}

void log_teardown(void)
{
    lock_file();
    close_file();
    unlock_file();
}

enum status log_reopen(void)
{
    lock_file();
    enum status status = file_path[0] ? open_file(file_path) : STATUS_OK;
    unlock_file();
    return status;
}

/* Whether the path leads to another file than the one that is open, or to none. */
static bool was_moved(void)
{
    struct stat open_one, named;
    if (fstat(atomic_load(&descriptor), &open_one) != 0) return true;
    if (stat(file_path, &named) != 0) return errno == ENOENT;
    return open_one.st_ino != named.st_ino || open_one.st_dev != named.st_dev;
}

/* Once a second at most, by whichever thread happens to log. */
static void check_file(void)
{
    if (atomic_load_explicit(&descriptor, memory_order_relaxed) == STDOUT_FILENO) return;
    int64_t now_ns = clock_mono_ns();
    if (now_ns < atomic_load_explicit(&next_check_ns, memory_order_relaxed)) return;
    if (!try_lock_file()) return;
    atomic_store_explicit(&next_check_ns, now_ns + LOG_CHECK_INTERVAL_NS, memory_order_relaxed);
    /* A failure leaves the old file, where lines are better kept than nowhere. */
    if (file_path[0] && was_moved()) UNUSED(open_file(file_path));
    unlock_file();
}

/* ---- lines ---- */

static void write_all(const char *ptr, size_t len)
{
    int fd = atomic_load_explicit(&descriptor, memory_order_relaxed);
    int before = errno;
    while (len) {
        ssize_t wrote = write(fd, ptr, len);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) break;
        ptr += wrote;
        len -= (size_t)wrote;
    }
    errno = before;
}

struct log_date {
    int year, month, day, hour, minute, second, millis; /* month 0 … 11 */
};

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Counts years and months up from 1970: some sixty steps, against the price of a write. */
static struct log_date date_of(int64_t wall_ms)
{
    static const char month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int64_t day_ms = 86400000;
    wall_ms = MAX(0, MIN(wall_ms, LOG_LAST_MS));
    int64_t days = wall_ms / day_ms;
    int rest = (int)(wall_ms % day_ms);
    struct log_date d = {.year = 1970,
                         .hour = rest / 3600000,
                         .minute = rest / 60000 % 60,
                         .second = rest / 1000 % 60,
                         .millis = rest % 1000};
    for (; days >= 365 + is_leap(d.year); d.year++) days -= 365 + is_leap(d.year);
    for (;; d.month++) {
        int length = month_days[d.month] + (d.month == 1 && is_leap(d.year));
        if (days < length) break;
        days -= length;
    }
    d.day = (int)days + 1;
    return d;
}

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static size_t format_prefix(char *out, size_t room, enum log_level level)
{
    static const char marks[] = ".-*#";
    long offset_s = atomic_load_explicit(&utc_offset_s, memory_order_relaxed);
    struct log_date d = date_of(clock_wall_ms() + offset_s * 1000);
    int len = snprintf(out, room, "%d:%c %02d %s %04d %02d:%02d:%02d.%03d %c ", (int)getpid(),
                       atomic_load_explicit(&role_letter, memory_order_relaxed), d.day,
                       month_names[d.month], d.year, d.hour, d.minute, d.second, d.millis,
                       marks[level]);
    ASSERT(len > 0 && (size_t)len < room);
    return (size_t)len;
}

/* ---- the system's log ---- */

#define IDENT_MAX 64
/* <191>, date, name, pid. */
#define SYSTEM_PREFIX_MAX (IDENT_MAX + 48)

static struct {
    _Atomic int fd; /* -1: not wanted */
    int facility;
    char ident[IDENT_MAX];
} to_system = {.fd = -1};

void log_to_system(const char *ident, int facility)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    to_system.facility = facility;
    snprintf(to_system.ident, sizeof(to_system.ident), "%s", ident);
    atomic_store(&to_system.fd, fd);
}

static void write_to_system(enum log_level level, const char *message, size_t len)
{
    static const int severities[] = {7, 6, 5, 4};
    static const struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    char line[SYSTEM_PREFIX_MAX + LOG_MESSAGE_MAX];
    long offset_s = atomic_load_explicit(&utc_offset_s, memory_order_relaxed);
    struct log_date d = date_of(clock_wall_ms() + offset_s * 1000);
    int before = errno;
    int at = snprintf(line, SYSTEM_PREFIX_MAX, "<%d>%s %2d %02d:%02d:%02d %s[%d]: ",
                      to_system.facility * 8 + severities[level], month_names[d.month], d.day,
                      d.hour, d.minute, d.second, to_system.ident, (int)getpid());
    if (at > 0 && at < SYSTEM_PREFIX_MAX) {
        memcpy(line + at, message, len);
        /* Connected to nothing: the daemon may come back under the same name. */
        if (sendto(atomic_load(&to_system.fd), line, (size_t)at + len, MSG_NOSIGNAL,
                   (const struct sockaddr *)&to, sizeof(to)) < 0) {
            /* Dropped. */
        }
    }
    errno = before;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    if (!log_enabled(level)) return;
    char line[LOG_PREFIX_MAX + LOG_MESSAGE_MAX];
    size_t len = format_prefix(line, LOG_PREFIX_MAX, level);
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(line + len, LOG_MESSAGE_MAX, fmt, args);
    va_end(args);
    if (wanted < 0) return;
    size_t message = len;
    len += MIN((size_t)wanted, (size_t)LOG_MESSAGE_MAX - 1);
    if (unlikely(atomic_load_explicit(&to_system.fd, memory_order_relaxed) >= 0))
        write_to_system(level, line + message, len - message);
    line[len++] = '\n'; /* in the place of the NUL */
    check_file();
    write_all(line, len);
}

void log_raw(struct view bytes)
{
    check_file();
    write_all(bytes.ptr, bytes.len);
}

bool log_limit_pass(struct log_limit *limit, int64_t interval_ms, uint64_t *skipped_out)
{
    int64_t now_us = clock_mono_us();
    int64_t next_us = atomic_load_explicit(&limit->next_us, memory_order_relaxed);
    if (now_us < next_us || !atomic_compare_exchange_strong_explicit(
                                &limit->next_us, &next_us, now_us + interval_ms * 1000,
                                memory_order_relaxed, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&limit->skipped, 1, memory_order_relaxed);
        return false;
    }
    *skipped_out = atomic_exchange_explicit(&limit->skipped, 0, memory_order_relaxed);
    return true;
}

void log_close_others(void)
{
    int fd = atomic_load_explicit(&descriptor, memory_order_relaxed);
    if (fd > STDERR_FILENO) {
        if (fd > STDERR_FILENO + 1) close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
        close_range((unsigned)fd + 1, ~0u, 0);
    } else {
        close_range(STDERR_FILENO + 1, ~0u, 0);
    }
}
