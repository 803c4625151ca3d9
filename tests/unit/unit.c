/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main() of every unit-test program, and what stands behind the macros of unit.h. Tests run in
 * the order of their names, one after the other, on the main thread; a failed check leaves its
 * test by longjmp, which is why a test that fails may leak, and the leak checker is asked only
 * when all tests passed (the exit code is 1 already if not).
 */
#include "unit.h"

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

static struct unit_test *tests;
static jmp_buf leave_test;
static uint64_t seed;
static uint64_t rand_state;
static bool run_long;

void unit_register(struct unit_test *test)
{
    struct unit_test **at = &tests;
    while (*at && strcmp((*at)->name, test->name) < 0) at = &(*at)->next;
    test->next = *at;
    *at = test;
}

void unit_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    printf("  %s:%d: ", file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("  (seed %llu)\n", (unsigned long long)seed);
    fflush(stdout);
    longjmp(leave_test, 1);
}

void unit_check_int(const char *file, int line, const char *what, long long got, long long want)
{
    if (got != want) unit_fail(file, line, "%s: got %lld, expected %lld", what, got, want);
}

void unit_check_str(const char *file, int line, const char *what, const char *got,
                    const char *want)
{
    if (!got && !want) return;
    if (!got || !want || strcmp(got, want) != 0)
        unit_fail(file, line, "%s: got \"%s\", expected \"%s\"", what, got ? got : "(null)",
                  want ? want : "(null)");
}

static void print_bytes(const char *label, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    size_t shown = len < 64 ? len : 64;
    printf("  %s (%zu bytes): ", label, len);
    for (size_t i = 0; i < shown; i++) {
        if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '\\')
            putchar(p[i]);
        else
            printf("\\x%02x", p[i]);
    }
    printf("%s\n", shown < len ? "..." : "");
}

void unit_check_mem(const char *file, int line, const char *what, const void *got,
                    size_t got_len, const void *want, size_t want_len)
{
    if (got_len == want_len && (got_len == 0 || memcmp(got, want, got_len) == 0)) return;
    print_bytes("got     ", got, got_len);
    print_bytes("expected", want, want_len);
    unit_fail(file, line, "%s differs", what);
}

/* Sebastiano Vigna's public-domain splitmix64: any seed is as good as another. */
uint64_t unit_rand(void)
{
    uint64_t z = (rand_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t unit_rand_below(uint64_t limit)
{
    return unit_rand() % limit; /* the bias of a modulus doesn't matter to a test */
}

void unit_rand_bytes(void *buf, size_t len)
{
    unsigned char *p = buf;
    for (size_t i = 0; i < len; i++) p[i] = (unsigned char)unit_rand();
}

long unit_rounds(long rounds)
{
#ifdef COG_DEBUG
    rounds = rounds / 10 + 1;
#endif
    return run_long ? rounds * 10 : rounds;
}

/* A test draws the same numbers whether it runs alone or among others. */
static void start_random(const char *name)
{
    rand_state = seed;
    for (; *name; name++) rand_state = rand_state * 1099511628211u + (unsigned char)*name;
}

static bool run_test(struct unit_test *test)
{
    start_random(test->name);
    if (setjmp(leave_test) != 0) {
        printf("FAIL %s\n", test->name);
        fflush(stdout);
        return false;
    }
    test->fn();
    printf("ok %s\n", test->name);
    fflush(stdout);
    return true;
}

static void usage(const char *program)
{
    printf("usage: %s [--seed N] [--filter GLOB] [--long] [--list]\n", program);
}

int main(int argc, char **argv)
{
    const char *filter = "*";
    bool list = false;
    long passed = 0, failed = 0;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    seed = (uint64_t)now.tv_sec * 1000003u ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32;
    seed %= 1000000000u;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc) {
            filter = argv[++i];
        } else if (strcmp(argv[i], "--long") == 0) {
            run_long = true;
        } else if (strcmp(argv[i], "--list") == 0) {
            list = true;
        } else {
            usage(argv[0]);
            return 2;
        }
    }
    for (struct unit_test *test = tests; test; test = test->next) {
        if (fnmatch(filter, test->name, 0) != 0) continue;
        if (list)
            printf("%s\n", test->name);
        else if (run_test(test))
            passed++;
        else
            failed++;
    }
    if (list) return 0;
    printf("%ld passed, %ld failed (seed %llu)\n", passed, failed, (unsigned long long)seed);
    fflush(stdout);
    if (failed) _exit(1);
    return 0;
}
