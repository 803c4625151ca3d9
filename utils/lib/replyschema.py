# SPDX-License-Identifier: BSD-3-Clause
"""The notation of a row's `reply`.

    schema   = item ("|" item)*                 one of several shapes
    item     = word                             int bulk status verbatim double bignum bool null
                                                null-array error any
             | "+" TEXT                         this very status:      +OK
             | NUMBER                           this very integer:     0
             | "'" TEXT "'"                     this very bulk string: 'matches'
             | "(" schema ")"                   grouping
             | "[" elements "]"                 array
             | "~[" elements "]"                RESP3 set
             | "{" pairs "}"                    RESP3 map
    elements = nothing | element ("," element)*
    element  = schema                           exactly one
             | schema "..."                     any number, also none
             | "(" schema ("," schema)+ ")..."  any number of such runs: [(bulk, bulk)...]
    pairs    = nothing | pair ("," pair)*
    pair     = schema ":" schema ["..."]        {bulk: bulk...}, {'len': int}

`null` is $-1 in RESP2 and _ in RESP3, `null-array` is *-1. Every command may reply an error at
its top; that isn't written. A row gives one schema, or {"resp2": ..., "resp3": ...} where the
shapes differ in more than the type byte that RESP3 has for the same thing.

parse() returns nested tuples: ("word", name), ("status", text), ("int", n), ("text", s),
("any of", [..]), ("array"|"set", [(kind, [..]), ..]), ("map", [(key, value, many), ..]) where
kind is "one", "many" or "run".
"""
import re

WORDS = {"int", "bulk", "status", "verbatim", "double", "bignum", "bool", "null", "null-array",
         "error", "any"}
TOKEN = re.compile(r"\s*(\.\.\.|~\[|[\[\]{}(),|:]|'[^']*'|\+[^\s,|)\]}.]+|-?\d+|[a-z][a-z-]*)")


class SchemaError(ValueError):
    pass


class _Parser:
    def __init__(self, text):
        self.tokens, at = [], 0
        text = text.rstrip()
        while at < len(text):
            match = TOKEN.match(text, at)
            if not match:
                raise SchemaError("can't read %r" % text[at:])
            self.tokens.append(match.group(1))
            at = match.end()
        self.at = 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, wanted=None):
        token = self.peek()
        if token is None or (wanted is not None and token != wanted):
            raise SchemaError("expected %s, found %s" % (wanted or "more", token))
        self.at += 1
        return token

    def accept(self, token):
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def schema(self):
        items = [self.item()]
        while self.accept("|"):
            items.append(self.item())
        return items[0] if len(items) == 1 else ("any of", items)

    def item(self):
        token = self.take()
        if token == "(":
            inner = self.schema()
            self.take(")")
            return inner
        if token in ("[", "~["):
            return ("array" if token == "[" else "set", self.sequence("]", self.element))
        if token == "{":
            return ("map", self.sequence("}", self.pair))
        if token[0] == "+":
            return ("status", token[1:])
        if token[0] == "'":
            return ("text", token[1:-1])
        if re.fullmatch(r"-?\d+", token):
            return ("int", int(token))
        if token in WORDS:
            return ("word", token)
        raise SchemaError("no such word: %s" % token)

    def sequence(self, end, read):
        out = []
        if self.accept(end):
            return out
        while True:
            out.append(read())
            if self.accept(end):
                return out
            self.take(",")

    def element(self):
        run = self.run()
        if run:
            return ("run", run)
        one = self.schema()
        return ("many" if self.accept("...") else "one", [one])

    def run(self):
        """A parenthesised list with a comma and dots behind it, or None with nothing taken."""
        start = self.at
        if not self.accept("("):
            return None
        items = [self.schema()]
        while self.accept(","):
            items.append(self.schema())
        if len(items) > 1:
            self.take(")")
            self.take("...")
            return items
        self.at = start
        return None

    def pair(self):
        key = self.schema()
        self.take(":")
        return (key, self.schema(), self.accept("..."))


def parse(text):
    parser = _Parser(text)
    out = parser.schema()
    if parser.peek() is not None:
        raise SchemaError("%s follows the end" % parser.peek())
    return out
