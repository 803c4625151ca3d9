/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the server says when it dies of a fault: which signal, where, the way there, registers,
 * the command that ran. Then the signal does what it does by default, so that the exit status and
 * a core dump are those of the fault.
 *
 * Everything is written piece by piece through log_raw from buffers on the stack: no allocation,
 * no lock, for the allocator's own lock may be held by the thread that crashed. A second fault
 * inside the report ends the process at once (the handlers are one-shot), and an alarm ends a
 * report that hangs.
 *
 * The handler runs on the thread that faulted.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "exec/exec.h"
#include "exec/command.h"
#include "server/private.h"

#define REPORT_SECONDS_MAX 5
#define FRAMES_MAX 64
#define STACK_BYTES (64 * 1024)

static char signal_stack[STACK_BYTES];
static atomic_int reporting;

static void say(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void say(const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (len < 0) return;
    log_raw(view_of(text, (size_t)MIN(len, (int)sizeof(text) - 1)));
}

/* ---- what is told ---- */

/* "path(name+0x12)[0x5555]", or less if less is known: internal functions have no names here,
 * but addr2line finds them by the offset in the file. */
static void say_frame(void *address)
{
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname) {
        say("[%p]\n", address);
    } else if (info.dli_sname) {
        say("%s(%s+0x%zx)[%p]\n", info.dli_fname, info.dli_sname,
            (size_t)((char *)address - (char *)info.dli_saddr), address);
    } else {
        say("%s(+0x%zx)[%p]\n", info.dli_fname,
            (size_t)((char *)address - (char *)info.dli_fbase), address);
    }
}

static void say_stack(void *pc)
{
    void *frames[FRAMES_MAX];
    say("\n------ STACK TRACE ------\n");
    if (pc) {
        say("EIP:\n");
        say_frame(pc);
    }
    say("\nBacktrace:\n");
    int count = backtrace(frames, FRAMES_MAX);
    for (int i = 2; i < count; i++) say_frame(frames[i]); /* not this function and the handler */
}

#if defined(__x86_64__)

static void *program_counter(const ucontext_t *uc)
{
    return (void *)(uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
}

static void say_registers(const ucontext_t *uc)
{
    static const struct {
        const char *name;
        int index;
    } rows[] = {{"RAX", REG_RAX}, {"RBX", REG_RBX}, {"RCX", REG_RCX}, {"RDX", REG_RDX},
                {"RDI", REG_RDI}, {"RSI", REG_RSI}, {"RBP", REG_RBP}, {"RSP", REG_RSP},
                {"R8 ", REG_R8},  {"R9 ", REG_R9},  {"R10", REG_R10}, {"R11", REG_R11},
                {"R12", REG_R12}, {"R13", REG_R13}, {"R14", REG_R14}, {"R15", REG_R15},
                {"RIP", REG_RIP}, {"EFL", REG_EFL}};
    say("\n------ REGISTERS ------\n");
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        say("%s:%016llx%s", rows[i].name,
            (unsigned long long)uc->uc_mcontext.gregs[rows[i].index], i % 2 ? "\n" : " ");
    }
}

#elif defined(__aarch64__)

static void *program_counter(const ucontext_t *uc)
{
    return (void *)(uintptr_t)uc->uc_mcontext.pc;
}

static void say_registers(const ucontext_t *uc)
{
    say("\n------ REGISTERS ------\n");
    for (int i = 0; i < 31; i++) {
        say("X%-2d:%016llx%s", i, (unsigned long long)uc->uc_mcontext.regs[i],
            i % 2 ? "\n" : " ");
    }
    say("SP :%016llx PC :%016llx\n", (unsigned long long)uc->uc_mcontext.sp,
        (unsigned long long)uc->uc_mcontext.pc);
}

#else

static void *program_counter(const ucontext_t *uc)
{
    UNUSED(uc);
    return NULL;
}

static void say_registers(const ucontext_t *uc)
{
    UNUSED(uc);
}

#endif

static void say_thread(void)
{
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    bool main_thread = syscall(SYS_gettid) == getpid();
    say("\n------ THREAD ------\n%s%s%s\n", name, *name ? ", " : "",
        main_thread ? "the main thread" : "not the main thread");
    const struct command *cmd = exec_current_command();
    if (cmd) say("Running command: %s\n", cmd->fullname);
}

static void say_signal(int signo, const siginfo_t *info)
{
    say("%d: Redis " STOCK_VERSION " (Cogwheel " COGWHEEL_VERSION
        ") crashed by signal: %d, si_code: %d\n",
        (int)getpid(), signo, info->si_code);
    if (info->si_code == SI_USER || info->si_code == SI_TKILL) {
        say("Killed by PID: %ld, UID: %d\n", (long)info->si_pid, (int)info->si_uid);
    } else if (signo == SIGSEGV || signo == SIGBUS) {
        say("Accessing address: %p\n", info->si_addr);
    }
}

/* ---- the handler ---- */

static void on_fault(int signo, siginfo_t *info, void *context)
{
    if (server_settings.crash_log && !atomic_exchange(&reporting, 1)) {
        const ucontext_t *uc = context;
        alarm(REPORT_SECONDS_MAX);
        say("\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n");
        say_signal(signo, info);
        void *pc = program_counter(uc);
        if (pc) say("Crashed running the instruction at: %p\n", pc);
        say_stack(pc);
        say_registers(uc);
        say_thread();
        say("\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n");
    }
    server_remove_files();
    /* SA_RESETHAND has put the default back: this ends the process, and dumps core if it may. */
    raise(signo);
}

void server_say_where(const char *title, const void *context)
{
    int pid = (int)getpid();
    long long now = clock_wall_us() / 1000000;
    say("%d:signal-handler (%lld) \n--- %s ---\n", pid, now, title);
    say_stack(program_counter(context));
    say("%d:signal-handler (%lld) --------\n\n", pid, now);
}

void server_crash_setup(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    void *warm[1];
    backtrace(warm, 1); /* loads the unwinder now, for later it may not allocate */
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
    sigaltstack(&stack, NULL);
    struct sigaction act = {.sa_sigaction = on_fault,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER};
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < ARRAY_COUNT(faults); i++) sigaction(faults[i], &act, NULL);
#else
    UNUSED(signal_stack);
    UNUSED(on_fault);
#endif
}
