# SPDX-License-Identifier: BSD-3-Clause
"""How a check of tests/clients says that it failed."""
import difflib


class Problem(Exception):
    """What was wrong, for people."""


def difference(want, got):
    """The lines that differ, stock's and ours."""
    lines = difflib.unified_diff(want, got, "stock", "ours", n=0, lineterm="")
    return "\n".join(line[:600] for line in list(lines)[:30])
