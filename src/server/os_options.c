/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the server asks of the system: which processors it runs on, how readily the kernel kills it
 * when memory is out, large pages, what it is called in `ps`, who supervises it, what a signal
 * means. A refusal at start is logged and the server starts all the same: none of these decides
 * whether it serves. Thread: main.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cpus.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "conf/option.h"
#include "exec/lifecycle.h"
#include "server/private.h"

enum oom_mode { OOM_NO, OOM_RELATIVE, OOM_ABSOLUTE };
enum supervision { SUPERVISED_NO, SUPERVISED_AUTO, SUPERVISED_SYSTEMD, SUPERVISED_UPSTART };

/* What oom-score-adj-values has a value for. */
enum { OOM_MASTER, OOM_REPLICA, OOM_CHILD, OOM_ROLES };
#define OOM_LIMIT 1000
#define OOM_VALUE_LIMIT 2000
#define OOM_FILE "/proc/self/oom_score_adj"

static struct {
    int oom_mode; /* enum oom_mode */
    int oom_values[OOM_ROLES];
    int oom_base; /* what the process was started with */
    bool oom_base_known, oom_touched;
    bool disable_thp, jemalloc_thread;
    struct view server_cpus, bio_cpus, child_cpus, aof_cpus;
    int supervised; /* enum supervision */
    unsigned on_sigint, on_sigterm; /* enum shutdown_flag */
    struct view ignored_warnings;
} os;

/* ---- when memory is out ---- */

static bool read_oom_base(void)
{
    char text[16];
    int64_t base;
    int fd = open(OOM_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t len = read(fd, text, sizeof(text));
    close(fd);
    if (len < 2 || num_parse_i64(view_of(text, (size_t)len - 1), &base)) return false;
    os.oom_base = (int)base;
    return true;
}

static enum status write_oom(int value)
{
    char text[NUM_I64_LEN];
    size_t len = num_format_i64(text, MAX(-OOM_LIMIT, MIN(OOM_LIMIT, value)));
    int fd = open(OOM_FILE, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    if (!ok) log_warning("Unable to write oom_score_adj: %s", strerror(errno));
    if (fd >= 0) close(fd);
    return ok ? STATUS_OK : STATUS_ERR;
}

static enum status set_oom(int role)
{
    if (os.oom_mode == OOM_NO && !os.oom_touched) return STATUS_OK;
    if (!os.oom_base_known) os.oom_base_known = read_oom_base();
    if (os.oom_mode == OOM_NO) { /* as it was */
        os.oom_touched = false;
        return write_oom(os.oom_base);
    }
    os.oom_touched = true;
    return write_oom(os.oom_values[role] + (os.oom_mode == OOM_RELATIVE ? os.oom_base : 0));
}

static enum status apply_oom(struct opt_error *err)
{
    if (set_oom(OOM_MASTER) == STATUS_OK) return STATUS_OK;
    return opt_fail(err, "Failed to apply new oom_score_adj configuration, check server logs.");
}

static void get_oom_values(const struct opt_row *row, struct buf *out)
{
    UNUSED(row);
    for (int i = 0; i < OOM_ROLES; i++) buf_printf(out, "%s%d", i ? " " : "", os.oom_values[i]);
}

static enum status set_oom_values(const struct opt_row *row, const struct view *argv, size_t argc,
                                  struct opt_error *err)
{
    int64_t values[OOM_ROLES];
    UNUSED(row);
    if (argc != OOM_ROLES) return opt_fail(err, "wrong number of arguments");
    for (int i = 0; i < OOM_ROLES; i++) {
        if (num_parse_i64(argv[i], &values[i]) || values[i] < -OOM_VALUE_LIMIT ||
            values[i] > OOM_VALUE_LIMIT)
            return opt_fail(err, "Invalid oom-score-adj-values, elements must be between "
                                 "-2000 and 2000.");
    }
    /* A child that is spared longer than its parent would be a mistake. */
    if (values[OOM_REPLICA] < values[OOM_MASTER] || values[OOM_CHILD] < values[OOM_REPLICA])
        log_warning("The oom-score-adj-values configuration may not work for non-privileged "
                    "processes! Please consult the documentation.");
    for (int i = 0; i < OOM_ROLES; i++) os.oom_values[i] = (int)values[i];
    return STATUS_OK;
}

/* ---- memory ---- */

static enum status apply_jemalloc_thread(struct opt_error *err)
{
    UNUSED(err);
    mem_background_purge(os.jemalloc_thread);
    return STATUS_OK;
}

/* ---- processors ---- */

static enum status check_cpus(const struct opt_row *row, struct view value, struct opt_error *err)
{
    UNUSED(row);
    if (cpus_parse(value, NULL) == STATUS_OK) return STATUS_OK;
    return opt_fail(err, "a list of processors is numbers and ranges: 0,2-5,8-20:2");
}

static void pin(struct view list)
{
    if (list.len && cpus_pin(list))
        log_warning("Can't run on the processors %s: %s", list.ptr, strerror(errno));
}

void server_os_child(void)
{
    set_oom(OOM_CHILD);
    pin(os.child_cpus);
}

void server_os_background(void)
{
    pin(os.bio_cpus);
}

/* ---- supervision ---- */

/* The protocol of sd_notify(3): a datagram to the socket that the environment names. */
static void notify_systemd(const char *socket_path, const char *text)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(socket_path);
    if (len == 0 || len >= sizeof(to.sun_path) || !strchr("/@", socket_path[0])) {
        log_warning("systemd supervision requested, but NOTIFY_SOCKET is unusable");
        return;
    }
    memcpy(to.sun_path, socket_path, len);
    if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, size) < 0)
        log_warning("Can't send notification to systemd: %s", strerror(errno));
    if (fd >= 0) close(fd);
}

static void tell_systemd(const char *text)
{
    const char *notify = getenv("NOTIFY_SOCKET");
    bool asked = os.supervised == SUPERVISED_SYSTEMD;
    if (notify && (asked || os.supervised == SUPERVISED_AUTO))
        notify_systemd(notify, text);
    else if (asked)
        log_warning("systemd supervision error: NOTIFY_SOCKET not found!");
}

void server_os_loading(void)
{
    tell_systemd("STATUS=Redis is loading...\n");
}

void server_os_stopping(void)
{
    tell_systemd("STOPPING=1\n");
}

void server_os_ready(void)
{
    const char *upstart = getenv("UPSTART_JOB");
    bool any = os.supervised == SUPERVISED_AUTO && !getenv("NOTIFY_SOCKET");
    tell_systemd("STATUS=Ready to accept connections\nREADY=1\n");
    if (os.supervised == SUPERVISED_UPSTART || (any && upstart)) {
        if (!upstart)
            log_warning("upstart supervision requested, but UPSTART_JOB not found!");
        else
            raise(SIGSTOP);
    }
}

bool server_os_is_supervised(void)
{
    if (os.supervised != SUPERVISED_AUTO) return os.supervised != SUPERVISED_NO;
    return getenv("NOTIFY_SOCKET") || getenv("UPSTART_JOB");
}

/* ---- what signals mean ---- */

static const struct {
    const char *word;
    unsigned flag;
} signal_words[] = {{"save", SHUTDOWN_SAVE},
                    {"nosave", SHUTDOWN_NOSAVE},
                    {"now", SHUTDOWN_NOW},
                    {"force", SHUTDOWN_FORCE}};

static unsigned *signal_flags(const struct opt_row *row)
{
    return strcmp(row->name, "shutdown-on-sigint") ? &os.on_sigterm : &os.on_sigint;
}

static void get_signal(const struct opt_row *row, struct buf *out)
{
    unsigned flags = *signal_flags(row);
    if (!flags) buf_append_cstr(out, "default");
    bool first = true;
    for (size_t i = 0; i < ARRAY_COUNT(signal_words); i++) {
        if (!(flags & signal_words[i].flag)) continue;
        buf_printf(out, "%s%s", first ? "" : " ", signal_words[i].word);
        first = false;
    }
}

static enum status set_signal(const struct opt_row *row, const struct view *argv, size_t argc,
                              struct opt_error *err)
{
    static const struct view nothing = {"", 0};
    unsigned flags = 0;
    if (argc == 0) {
        argv = &nothing;
        argc = 1;
    }
    for (size_t i = 0; i < argc; i++) {
        size_t w = 0;
        while (w < ARRAY_COUNT(signal_words) && !view_eq_nocase(argv[i], signal_words[w].word)) w++;
        if (w < ARRAY_COUNT(signal_words))
            flags |= signal_words[w].flag;
        else if (!view_eq_nocase(argv[i], "default"))
            return opt_fail(err, "argument(s) must be one of the following: default, save, "
                                 "nosave, now, force");
    }
    if (flags & SHUTDOWN_SAVE && flags & SHUTDOWN_NOSAVE)
        return opt_fail(err, "shutdown options SAVE and NOSAVE can't be used simultaneously");
    *signal_flags(row) = flags;
    return STATUS_OK;
}

unsigned server_os_signal_flags(int signo)
{
    return signo == SIGINT ? os.on_sigint : os.on_sigterm;
}

/* ---- rows ---- */

static const struct opt_name oom_names[] = {{"no", OOM_NO},
                                            {"yes", OOM_RELATIVE},
                                            {"relative", OOM_RELATIVE},
                                            {"absolute", OOM_ABSOLUTE},
                                            {NULL, 0}};
static const struct opt_name supervised_names[] = {{"no", SUPERVISED_NO},
                                                   {"upstart", SUPERVISED_UPSTART},
                                                   {"systemd", SUPERVISED_SYSTEMD},
                                                   {"auto", SUPERVISED_AUTO},
                                                   {NULL, 0}};

static const struct opt_row rows[] = {
    {.name = "supervised", .kind = OPT_ENUM, .flags = OPT_IMMUTABLE, .var.i = &os.supervised,
     .names = supervised_names, .dflt = "no", .section = OPT_SECTION_GENERAL,
     .doc = "Who started the server and wants to hear that it is ready: systemd (Type=notify in "
            "the unit), upstart, auto for whoever the environment names, or no."},
    {.name = "shutdown-on-sigint", .kind = OPT_SPECIAL, .flags = OPT_MULTI, .get = get_signal,
     .set = set_signal, .dflt = "default", .section = OPT_SECTION_GENERAL,
     .doc = "What SIGINT means: default ends the server and saves if there are save points; or "
            "some of save, nosave, now, force, as SHUTDOWN takes them."},
    {.name = "shutdown-on-sigterm", .kind = OPT_SPECIAL, .flags = OPT_MULTI, .get = get_signal,
     .set = set_signal, .dflt = "default", .section = OPT_SECTION_GENERAL,
     .doc = "The same for SIGTERM."},
    {.name = "server_cpulist", .kind = OPT_STRING, .flags = OPT_IMMUTABLE,
     .var.text = &os.server_cpus, .check = check_cpus, .section = OPT_SECTION_GENERAL,
     .doc = "The processors that the server runs on, as numbers and ranges with an optional step: "
            "0,2-5,8-20:2. Empty: any."},
    {.name = "bio_cpulist", .kind = OPT_STRING, .flags = OPT_IMMUTABLE, .var.text = &os.bio_cpus,
     .check = check_cpus, .section = OPT_SECTION_GENERAL,
     .doc = "Those of the threads that work in the background."},
    {.name = "bgsave_cpulist", .kind = OPT_STRING, .flags = OPT_IMMUTABLE,
     .var.text = &os.child_cpus, .check = check_cpus, .section = OPT_SECTION_GENERAL,
     .doc = "Those of the process that BGSAVE forks."},
    {.name = "aof_rewrite_cpulist", .kind = OPT_STRING, .flags = OPT_IMMUTABLE | OPT_UNPRINTED,
     .var.text = &os.aof_cpus, .check = check_cpus},
    {.name = "oom-score-adj", .kind = OPT_ENUM, .var.i = &os.oom_mode, .names = oom_names,
     .dflt = "no", .apply = apply_oom, .section = OPT_SECTION_MEMORY,
     .doc = "Whether to tell the kernel which of our processes should die first when the machine "
            "runs out of memory: no leaves it alone, absolute writes the values below, relative "
            "(or yes) adds them to what the server was started with."},
    {.name = "oom-score-adj-values", .kind = OPT_SPECIAL, .flags = OPT_MULTI,
     .get = get_oom_values, .set = set_oom_values, .dflt = "0 200 800", .apply = apply_oom,
     .section = OPT_SECTION_MEMORY,
     .doc = "For a master, a replica and a child that saves; -2000 to 2000, higher dies first."},
    {.name = "disable-thp", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE, .var.b = &os.disable_thp,
     .dflt = "yes", .section = OPT_SECTION_MEMORY,
     .doc = "Where the system gives transparent huge pages to every process (its control says "
            "always), do without: memory would grow by what is given and not needed. Where it "
            "gives them to those that ask (madvise), this has no effect: the server asks for what "
            "is in use throughout, which makes fork() short."},
    {.name = "jemalloc-bg-thread", .kind = OPT_BOOL, .var.b = &os.jemalloc_thread, .dflt = "yes",
     .apply = apply_jemalloc_thread, .section = OPT_SECTION_MEMORY,
     .doc = "Have the allocator give unused memory back to the system from a thread of its own."},
    {.name = "ignore-warnings", .kind = OPT_STRING, .flags = OPT_UNPRINTED,
     .var.text = &os.ignored_warnings},
};

void server_os_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}

struct view server_os_ignored_warnings(void)
{
    return os.ignored_warnings;
}

void server_os_undo(void)
{
    if (os.oom_touched) UNUSED(write_oom(os.oom_base)); /* it logs a failure */
}

void server_os_setup(void)
{
    server_large_pages_setup(os.disable_thp);
    mem_background_purge(os.jemalloc_thread);
    pin(os.server_cpus);
    set_oom(OOM_MASTER);
}
