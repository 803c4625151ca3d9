/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a broken invariant does. It writes straight to the error stream, for the log may be what
 * broke; the crash handler of the server adds the backtrace to the abort.
 */
#include "base/macros.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void assert_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "=== ASSERTION FAILED ===\n==> %s:%d '%s' is not true\n", file, line, expr);
    fflush(stderr);
    abort();
}
