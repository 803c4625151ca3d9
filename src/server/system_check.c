/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the system is set up as the server needs it: a clock that is read without asking the
 * kernel, memory that fork() may promise twice, no large pages that nobody asked for, and a kernel
 * of arm64 that keeps a child's pages. `redis-server --check-system` prints what each check found;
 * a start logs those that failed, the slow ones left out.
 *
 * The names of the checks and the exit code are stock's. Main thread, before any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "server/private.h"

#define CLOCKS "/sys/devices/system/clocksource/clocksource0/"
#define OVERCOMMIT "/proc/sys/vm/overcommit_memory"
#define LARGE_PAGES "/sys/kernel/mm/transparent_hugepage/enabled"
#define BACKLOG_MAX "/proc/sys/net/core/somaxconn"
#define CLOCK_TEST_US 50000
#define CLOCK_TESTS 3 /* a slow one is slow in all of them */
#define SYSTEM_SHARE_MAX 10 /* percent */

#if defined(__aarch64__)
#define ON_ARM64 true
#else
#define ON_ARM64 false
#endif

enum finding { FOUND_WELL, FOUND_NOTHING, FOUND_FAULT };

/* The text of a short file of the kernel's, without its line end. */
static bool read_control(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t len = read(fd, out, cap - 1);
    close(fd);
    if (len < 0) return false;
    out[len] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return true;
}

/* ---- clocks ---- */

static int64_t used_us(const struct timeval *tv)
{
    return tv->tv_sec * (int64_t)1000000 + tv->tv_usec;
}

static int64_t thread_cpu_us(int64_t *system_us)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    *system_us = used_us(&use.ru_stime);
    return used_us(&use.ru_utime) + *system_us;
}

/* Reading a good clock takes no call of the kernel, so all of the time is the process's own. */
static bool clock_is_slow(void)
{
    int64_t system_before, system_after, spent;
    int64_t before = thread_cpu_us(&system_before);
    do {
        for (int i = 0; i < 1000; i++) clock_mono_ns();
        spent = thread_cpu_us(&system_after) - before;
    } while (spent < CLOCK_TEST_US);
    return (system_after - system_before) * 100 > spent * SYSTEM_SHARE_MAX;
}

static enum finding check_slow_clock(struct buf *why)
{
    char now[64] = "?", possible[256] = "?";
    /* Kernels that account by ticks see few in so short a time, and one may be misplaced. */
    for (int i = 0; i < CLOCK_TESTS; i++)
        if (!clock_is_slow()) return FOUND_WELL;
    read_control(CLOCKS "current_clocksource", now, sizeof(now));
    read_control(CLOCKS "available_clocksource", possible, sizeof(possible));
    buf_printf(why,
               "Slow system clocksource detected: each look at the time is a call of the kernel, "
               "which costs performance. It is %s now; there are: %s. For example: 'echo tsc > "
               CLOCKS "current_clocksource' as root, and 'clocksource=tsc' on the kernel's command "
               "line to keep it.", now, possible);
    return FOUND_FAULT;
}

static enum finding check_xen_clock(struct buf *why)
{
    char now[64];
    if (!read_control(CLOCKS "current_clocksource", now, sizeof(now))) return FOUND_NOTHING;
    if (strcmp(now, "xen") != 0) return FOUND_WELL;
    buf_append_cstr(why, "The system uses the 'xen' clocksource, which may be slow to read. "
                         "'redis-server --check-system' tells whether it is.");
    return FOUND_FAULT;
}

/* ---- memory ---- */

static enum finding check_overcommit(struct buf *why)
{
    char text[32];
    int64_t mode;
    if (!read_control(OVERCOMMIT, text, sizeof(text))) return FOUND_NOTHING;
    if (!num_parse_i64(view_cstr(text), &mode) && mode == 1) return FOUND_WELL;
    buf_append_cstr(why, "Memory overcommit must be enabled! Without it fork() may fail, and with "
                         "it a background save or a rewrite of the append-only file, though "
                         "memory is free. Add 'vm.overcommit_memory = 1' to /etc/sysctl.conf and "
                         "run 'sysctl vm.overcommit_memory=1'.");
    return FOUND_FAULT;
}

static enum finding check_large_pages(struct buf *why)
{
    char text[64];
    if (!read_control(LARGE_PAGES, text, sizeof(text))) return FOUND_NOTHING;
    if (!strstr(text, "[always]")) return FOUND_WELL;
    buf_append_cstr(why, "The kernel gives Transparent Huge Pages (THP) to every process, which "
                         "costs memory, and time while a child saves. Run 'echo madvise > "
                         LARGE_PAGES "' as root, and again after each boot; then restart the "
                         "server.");
    return FOUND_FAULT;
}

/* ---- arm64 ---- */

/* Kernels of arm64 before 5.10.4 or so forget at fork() that a page has been written to, if
 * MADV_FREE had been said of it before: the page of parent and child can vanish. A page that has
 * been written to must count as dirty in the child's /proc/self/smaps. */
static bool page_is_dirty(const void *page)
{
    char line[256], start[32];
    bool inside = false;
    long dirty = 0, kb;
    FILE *maps = fopen("/proc/self/smaps", "re");
    if (!maps) return true; /* can't be told */
    snprintf(start, sizeof(start), "%" PRIxPTR "-", (uintptr_t)page);
    while (fgets(line, sizeof(line), maps)) {
        if (!strncmp(line, start, strlen(start))) inside = true;
        else if (inside && !strncmp(line, "VmFlags:", 8)) break;
        if (inside && (sscanf(line, "Shared_Dirty: %ld", &kb) == 1 ||
                       sscanf(line, "Private_Dirty: %ld", &kb) == 1))
            dirty += kb;
    }
    fclose(maps);
    return !inside || dirty > 0;
}

static enum finding look_in_child(void *page)
{
    int status;
    pid_t pid = fork();
    if (pid < 0) return FOUND_NOTHING;
    if (pid == 0) _exit(page_is_dirty(page) ? 0 : 1);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return FOUND_NOTHING;
    if (!WIFEXITED(status)) return FOUND_NOTHING;
    return WEXITSTATUS(status) ? FOUND_FAULT : FOUND_WELL;
}

static enum finding check_fork(struct buf *why)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    enum finding found = FOUND_NOTHING;
    char *area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) return found;
    char *middle = area + page;
    /* Its neighbours are forbidden, so that it has an entry of its own in smaps. */
    if (!mprotect(area, page, PROT_NONE) && !mprotect(middle + page, page, PROT_NONE)) {
        *(volatile char *)middle = 1;
        if (!madvise(middle, page, MADV_FREE)) {
            *(volatile char *)middle = 2;
            found = look_in_child(middle);
        }
    }
    munmap(area, 3 * page);
    if (found == FOUND_FAULT)
        buf_append_cstr(why, "This kernel has a fault that can corrupt what a background save "
                             "writes. Upgrade it to the latest of its line.");
    return found;
}

/* ---- all of them ---- */

struct check {
    const char *name;
    enum finding (*run)(struct buf *why);
    bool arm64;
};

static const struct check checks[] = {
    {"slow-clocksource", check_slow_clock, false},
    {"xen-clocksource", check_xen_clock, false},
    {"overcommit", check_overcommit, false},
    {"THP", check_large_pages, false},
    {"madvise-free-fork-bug", check_fork, true},
};

bool server_system_check_print(void)
{
    bool well = true;
    for (size_t i = 0; i < ARRAY_COUNT(checks); i++) {
        struct buf why = {0};
        if (checks[i].arm64 && !ON_ARM64) continue;
        printf("[%s]...", checks[i].name);
        fflush(stdout); /* what follows may fork */
        switch (checks[i].run(&why)) {
        case FOUND_WELL: puts("OK"); break;
        case FOUND_NOTHING: puts("skipped"); break;
        case FOUND_FAULT:
            printf("WARNING:\n%.*s\n", (int)why.len, why.ptr);
            well = false;
        }
        buf_release(&why);
    }
    return well;
}

/* The system grants no longer queue of connections than it says here. */
static void warn_backlog(void)
{
    char text[32];
    int64_t most;
    if (!read_control(BACKLOG_MAX, text, sizeof(text))) return;
    if (num_parse_i64(view_cstr(text), &most) || most <= 0) return;
    if (most >= server_settings.tcp_backlog) return;
    log_warning("WARNING: The TCP backlog setting of %d cannot be enforced because " BACKLOG_MAX
                " is set to the lower value of %lld.",
                server_settings.tcp_backlog, (long long)most);
}

static void warn(enum finding (*run)(struct buf *))
{
    struct buf why = {0};
    if (run(&why) == FOUND_FAULT) log_warning("WARNING %.*s", (int)why.len, why.ptr);
    buf_release(&why);
}

enum status server_system_warn(struct view ignored)
{
    warn_backlog();
    warn(check_overcommit);
    warn(check_xen_clock);
    if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) != 1) warn(check_large_pages);
    if (!ON_ARM64) return STATUS_OK;
    struct buf why = {0};
    bool fault = check_fork(&why) == FOUND_FAULT;
    if (fault) log_warning("WARNING %.*s", (int)why.len, why.ptr);
    buf_release(&why);
    if (!fault || view_eq_cstr(ignored, "ARM64-COW-BUG")) return STATUS_OK;
    log_warning("The server won't start with it, unless it is told to by 'ignore-warnings "
                "ARM64-COW-BUG'.");
    return STATUS_ERR;
}
