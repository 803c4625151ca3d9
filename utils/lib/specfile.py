# SPDX-License-Identifier: BSD-3-Clause
"""Reads and writes src/commands/spec/*.json.

The layout is JSON's, but for people: what fits a line of 100 columns stands on one line, what
doesn't is broken at its outermost level. So an argument or a key spec is one line of a diff.
"""
import json
import re

WIDTH = 100


def _flat(value):
    return json.dumps(value, ensure_ascii=False)


def _is_row(value):
    return isinstance(value, dict) and ("summary" in value or "commands" in value)


def _format(value, indent, taken):
    """`value` as text; its first line begins `taken` columns from the left."""
    line = _flat(value)
    has_row = _is_row(value) or (isinstance(value, dict) and any(map(_is_row, value.values())))
    if not has_row and taken + len(line) + 1 <= WIDTH:
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict) and value:
        items = []
        for key, item in value.items():
            head = "%s%s: " % (pad, _flat(key))
            items.append(head + _format(item, indent + 2, len(head)))
        return "{\n" + ",\n".join(items) + "\n" + " " * indent + "}"
    if isinstance(value, list) and value:
        items = [pad + _format(item, indent + 2, indent + 2) for item in value]
        return "[\n" + ",\n".join(items) + "\n" + " " * indent + "]"
    return line


def format_spec(spec):
    return _format(spec, 0, 0) + "\n"


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, spec):
    with open(path, "w", encoding="utf-8") as file:
        file.write(format_spec(spec))


def handler_name(fullname):
    """The C function that runs "client|list": cmd_client_list."""
    return "cmd_" + re.sub(r"[^a-z0-9]", "_", fullname)


def handler_names(spec):
    """Of all rows of a file that have a handler."""
    for name, row in spec["commands"].items():
        rows = {name: row}
        rows.update({name + "|" + sub: r for sub, r in row.get("subcommands", {}).items()})
        for fullname, each in rows.items():
            if each.get("handler", True):
                yield handler_name(fullname)
