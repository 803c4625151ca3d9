# SPDX-License-Identifier: BSD-3-Clause
"""The environment in which sanitizer builds run; harmless to the others.

One place for Python callers; the Tcl framework asks for it by running this file, which prints
NAME=value lines. Leaks of libpython are suppressed by name: it keeps interned strings and
static types for the life of the process, and the server never finalizes it.
"""
import os

SUPPORT = os.path.dirname(os.path.abspath(__file__))

VALUES = {
    # A report ends the process, so that no test passes beside one.
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=86:halt_on_error=1:"
                    "detect_stack_use_after_return=1:strict_string_checks=1:"
                    "allocator_may_return_null=1:handle_segv=1:print_summary=1",
    "LSAN_OPTIONS": "suppressions=%s/lsan.supp:print_suppressions=0" % SUPPORT,
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:suppressions=%s/ubsan.supp" % SUPPORT,
    "TSAN_OPTIONS": "suppressions=%s/tsan.supp:exitcode=87:halt_on_error=0:"
                    "second_deadlock_stack=1:history_size=4:ignore_noninstrumented_modules=1"
                    % SUPPORT,
}


def environment(base=None):
    """A copy of `base` (default: ours) with the sanitizer options set."""
    env = dict(os.environ if base is None else base)
    env.update(VALUES)
    return env


if __name__ == "__main__":
    for name, value in VALUES.items():
        print("%s=%s" % (name, value))
