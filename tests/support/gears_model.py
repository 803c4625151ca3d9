#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random pipelines of all operations, run by a server and by a plain model of what they mean.

usage: gears_model.py PORT SEED COUNT

The model below says what an operation does in the fewest words: a step has push(record) and
end(). A script is the same text for both; the model runs it with a GB of its own. Results are
compared in order where order is defined, else as multisets; of errors, their number, types and
messages. The last line is `N pipelines agree`, or the first that doesn't, with both answers.
"""
import copy
import random
import socket
import sys


# ---- what operations mean ----------------------------------------------------------------------

class Run:
    def __init__(self, steps):
        self.results, self.errors, self.steps, self.closed = [], [], steps, 0
        for step in steps:
            step.start()

    def reading(self):
        return not self.errors and not self.closed

    def push(self, at, record):
        if at < self.closed:
            return
        if at == len(self.steps):
            self.results.append(record)
            return
        try:
            out = self.steps[at].push(record)
        except Exception as error:
            self.errors.append(error)
            return
        if self.steps[at].satisfied():
            self.closed = max(self.closed, at + 1)
        for item in out:
            self.push(at + 1, item)

    def end(self):
        for at, step in enumerate(self.steps):
            items = step.end()
            while at + 1 >= self.closed:
                try:
                    item = next(items)
                except StopIteration:
                    break
                except Exception as error:
                    self.errors.append(error)
                    break
                self.push(at + 1, item)


class Step:
    def __init__(self, f=None):
        self.f = f

    def start(self):
        pass

    def satisfied(self):
        return False

    def push(self, record):
        return [record]

    def end(self):
        return iter(())


class Map(Step):
    def push(self, record):
        return [self.f(record)]


class Foreach(Step):
    def push(self, record):
        self.f(record)
        return [record]


class Filter(Step):
    def push(self, record):
        return [record] if self.f(record) else []


class Flatmap(Step):
    def push(self, record):
        out = self.f(record)
        return reversed(out) if isinstance(out, list) else [out]


class Limit(Step):
    def __init__(self, length, start=0):
        self.length, self.first = length, start

    def start(self):
        self.seen = 0

    def satisfied(self):
        return self.seen >= self.first + self.length

    def push(self, record):
        self.seen += 1
        return [record] if self.first < self.seen <= self.first + self.length else []


class Fold(Step):
    """acc = f(acc, record) from `first`; a false acc is replaced by zero, if there is a zero."""

    def __init__(self, f, zero=None, quirk=False):
        self.f, self.zero, self.quirk = f, zero, quirk

    def start(self):
        self.accs = []

    def push(self, record):
        acc = self.accs[0] if self.accs else None
        if self.quirk and not acc:
            acc = copy.deepcopy(self.zero)
        self.accs = [self.f(acc, record)]
        return []

    def end(self):
        return iter(self.accs)


class ByKey(Step):
    def __init__(self, extractor, f, zero=None, quirk=False, batch=None):
        self.extractor, self.f, self.zero, self.quirk = extractor, f, zero, quirk
        self.batch = batch

    def start(self):
        self.accs = {}

    def push(self, record):
        key = self.extractor(record)
        key = key if isinstance(key, str) else repr(key)
        acc = self.accs.get(key)
        if self.quirk and not acc:
            acc = copy.deepcopy(self.zero)
        self.accs[key] = self.f(key, acc, record)
        return []

    def end(self):
        for key in reversed(list(self.accs)):
            acc = self.accs[key]
            yield {'key': key, 'value': self.batch(key, acc) if self.batch else acc}


def key_of(record):
    return record['key']


class Model:
    """A GearsBuilder."""
    keyspace = {}
    last = None

    def __init__(self, reader='KeysReader'):
        self.reader, self.steps = reader, []

    def add(self, *steps):
        self.steps.extend(steps)
        return self

    def map(self, f):
        return self.add(Map(f))

    def filter(self, f):
        return self.add(Filter(f))

    def foreach(self, f):
        return self.add(Foreach(f))

    def flatmap(self, f):
        return self.add(Flatmap(f))

    def limit(self, length, start=0):
        return self.add(Limit(length, start))

    def accumulate(self, f):
        return self.add(Fold(f))

    def aggregate(self, zero, seq, comb):
        return self.add(Fold(seq, zero, True), Fold(comb, zero, True))

    def count(self):
        return self.add(Fold(lambda a, r: (a or 0) + 1))

    def avg(self, extractor=float):
        return self.add(Map(extractor), Fold(lambda a, r: (a[0] + r, a[1] + 1), (0, 0), True),
                        Map(lambda r: r[0] / r[1]))

    def sort(self, reverse=True):
        return self.add(Fold(lambda a, r: (a or []) + [r]),
                        Map(lambda r: sorted(r, reverse=reverse)), Flatmap(lambda r: r))

    def distinct(self):
        return self.add(Fold(lambda a, r: (a or set()) | {r}), Flatmap(list))

    def localgroupby(self, extractor, f):
        return self.add(ByKey(extractor, f))

    groupby = localgroupby

    def batchgroupby(self, extractor, f):
        return self.add(ByKey(extractor, lambda k, a, r: (a or []) + [r], batch=f))

    def aggregateby(self, extractor, zero, seq, comb):
        return self.add(ByKey(extractor, seq, zero, True),
                        ByKey(key_of, lambda k, a, r: comb(k, a, r['value']), zero, True))

    def countby(self, extractor=lambda r: r):
        return self.add(ByKey(extractor, lambda k, a, r: (a or 0) + 1))

    def repartition(self, extractor):
        return self.add(Foreach(extractor))

    def collect(self):
        return self

    def records(self, arg, read_value):
        if self.reader == 'PythonReader':
            return arg()
        if self.reader == 'ShardsIDReader':
            return iter('1')
        keys = [k for k in self.keyspace if arg == '*' or k.startswith(arg[:-1])]
        if self.reader == 'KeysOnlyReader':
            return iter(keys)
        if not read_value:
            return iter([{'event': None, 'key': k} for k in keys])
        return iter([{'event': None, 'key': k, 'type': self.keyspace[k][0],
                      'value': copy.deepcopy(self.keyspace[k][1])} for k in keys])

    def run(self, arg='*', convertToStr=True, collect=True, readValue=True):
        run = Run(self.steps + ([Map(str)] if convertToStr else []))
        for at, step in enumerate(run.steps):
            if isinstance(step, Limit) and step.length == 0:
                run.closed = at + 1
        records = self.records(arg, readValue)
        while run.reading():
            try:
                record = next(records)
            except StopIteration:
                break
            except Exception as error:
                run.errors.append(error)
                break
            run.push(0, record)
        run.end()
        Model.last = run


def encoded(value):
    """As the reply shows a result."""
    if isinstance(value, list):
        return [encoded(item) for item in value]
    if isinstance(value, int):
        return int(value) if -2**63 <= value < 2**63 else str(value).encode()
    if isinstance(value, float):
        return b'%f' % value
    if isinstance(value, str):
        return value.encode('utf-8', 'surrogatepass')
    if isinstance(value, bytes):
        return value
    return b'PY RECORD'


# ---- random pipelines --------------------------------------------------------------------------

# Any of these takes any record. `!` marks what depends on the order of records.
MAPS = ['lambda r: r', 'lambda r: len(str(r))', 'lambda r: [r, str(r)]', 'lambda r: str(r)[:4]',
        "lambda r: {'key': str(r)[:2], 'value': 1}", 'lambda r: None', 'lambda r: [[r]]',
        'lambda r: len(str(r)) / 3', 'lambda r: len(str(r)) > 3', 'lambda r: (r, 1)',
        'lambda r: -len(str(r))', 'lambda r: 10**len(str(r)[:30])', "lambda r: ''", 'lambda r: []',
        'lambda r: bytes(str(r), "utf-8", "replace")']
RAISING = ['lambda r: fail(r) if len(str(r)) % 5 == 0 else r', "lambda r: r['key']",
           'lambda r: int(str(r))', 'lambda r: r[0]', 'lambda r: r + 1', 'lambda r: 1 // len(str(r)[3:])']
FILTERS = ['lambda r: len(str(r)) % 2 == 0', 'lambda r: True', 'lambda r: False', 'lambda r: r',
           'lambda r: len(str(r)) > 0', 'lambda r: [r]',
           "lambda r: '1' in str(r)", 'lambda r: len(str(r)) < 12']
FLATMAPS = ['lambda r: [r] * (len(str(r)) % 3)', 'lambda r: list(str(r))[:5]', 'lambda r: str(r)',
            'lambda r: []', 'lambda r: [[r], [[r]]]', 'lambda r: r', 'lambda r: (r, r)',
            "lambda r: r if isinstance(r, list) else [r, 'x']", 'lambda r: [1, 2, 3]']
ACCUMULATE = ['lambda a, r: (a or 0) + len(str(r))', 'lambda a, r: max(a or "", str(r))',
              'lambda a, r: None', '!lambda a, r: (a or "") + str(r)[:2]',
              '!lambda a, r: [a, r] if len(str(a)) < 200 else [r]',  # nested, but not too deep
              '!lambda a, r: r']
AGGREGATE = ['0, lambda a, r: a + len(str(r)), lambda a, p: a + p',
             '10, lambda a, r: a + 1, lambda a, p: a + p',
             '!10, lambda a, r: a + len(str(r)) - 3, lambda a, p: a + p',
             '![], lambda a, r: a + [str(r)[:3]], lambda a, p: a + p',
             "!'', lambda a, r: str(r)[:2] + a, lambda a, p: a + p",
             '![0], lambda a, r: (a.append(1), a)[1], lambda a, p: a + p',
             '!(), lambda a, r: a + (1,), lambda a, p: p',
             'None, lambda a, r: (a or 0) + 1, lambda a, p: (a or 0) + p']
KEYS = ['lambda r: r', 'lambda r: len(str(r)) % 3', 'lambda r: str(r)[:1]', 'lambda r: None',
        'lambda r: len(str(r)) / 2', 'lambda r: [len(str(r))]', 'lambda r: "same"',
        'lambda r: b"b" * (len(str(r)) % 4)']
REDUCERS = ['lambda k, a, r: (a or 0) + 1', 'lambda k, a, r: max(a or "", str(r))',
            'lambda k, a, r: k', '!lambda k, a, r: (a or []) + [r]', '!lambda k, a, r: r',
            'lambda k, a, r: None']
BATCHES = ['lambda k, l: len(l)', '!lambda k, l: l', 'lambda k, l: k * 2', '!lambda k, l: l[0]',
           'lambda k, l: sorted(map(str, l))']
SEQS = ['0, lambda k, a, r: a + 1, lambda k, a, p: a + p',
        '10, lambda k, a, r: a - 1 if a else 3, lambda k, a, p: a + p',
        '[], lambda k, a, r: a + [len(str(r))], lambda k, a, p: sorted(a + p)']
AVGS = ['lambda r: len(str(r))', 'lambda r: 1', '']
VALUES = [0, 1, -1, 7, 2**70, 1.5, '', 'a', 'abc', '12', '-7', 'héllo', '+x', None, True, [], [1],
          [3, 2, 1], ['a', ['b']], (1, 2), {'key': 'k', 'value': 5}, b'bytes', 'a' * 20]

PROLOGUE = """
def fail(r):
    raise ValueError('no %d' % len(str(r)))
"""


class Pipeline:
    def __init__(self, rng):
        self.rng = rng
        self.ordered = True
        self.words = []
        self.raising = False
        reader = rng.choice(['PythonReader'] * 5 + ['KeysReader', 'KeysReader', 'KeysOnlyReader',
                                                    'ShardsIDReader'])
        self.reader = reader
        self.ordered = reader in ('PythonReader', 'ShardsIDReader')
        self.may_raise = reader == 'PythonReader' and rng.random() < 0.4
        for _ in range(rng.randint(0, 6)):
            self.step()
        self.convert = rng.random() < 0.6
        self.values = rng.choices(VALUES, k=rng.choice([0, 1, 2, 5, 20, 60]))
        if rng.random() < 0.4:
            kind = rng.choice([int, str])
            self.values = [v for v in self.values if type(v) is kind]

    def pick(self, choices):
        allowed = [c for c in choices if self.ordered or not c.startswith('!')]
        return self.rng.choice(allowed).lstrip('!')

    def step(self):
        rng = self.rng
        kind = rng.choice(['map', 'map', 'filter', 'foreach', 'flatmap', 'flatmap', 'limit',
                           'accumulate', 'aggregate', 'count', 'countby', 'groupby',
                           'localgroupby', 'batchgroupby', 'aggregateby', 'sort', 'distinct',
                           'avg', 'repartition', 'collect'])
        add = self.words.append
        raising = RAISING * 2 if self.may_raise and self.ordered else []
        maps, keys = MAPS + raising, KEYS + raising
        if kind == 'map':
            add('map(%s)' % self.pick(maps))
        elif kind == 'foreach':
            add('foreach(%s)' % self.pick(maps))
        elif kind == 'filter':
            add('filter(%s)' % self.pick(FILTERS + raising))
        elif kind == 'flatmap':
            add('flatmap(%s)' % self.pick(FLATMAPS + raising))
        elif kind == 'limit' and self.ordered:
            add('limit(%s)' % rng.choice(['0', '1', '2, 1', '3', '100', '1, 3', '50', '5, 0', '10, 2', '1, 1000']))
        elif kind == 'accumulate':
            add('accumulate(%s)' % self.pick(ACCUMULATE))
            self.ordered = True
        elif kind == 'aggregate':
            add('aggregate(%s)' % self.pick(AGGREGATE))
            self.ordered = True
        elif kind == 'count':
            add('count()')
            self.ordered = True
        elif kind == 'countby':
            add('countby(%s)' % rng.choice(keys + ['']))
            self.ordered = False
        elif kind in ('groupby', 'localgroupby'):
            add('%s(%s, %s)' % (kind, rng.choice(keys), self.pick(REDUCERS)))
            self.ordered = False
        elif kind == 'batchgroupby':
            add('batchgroupby(%s, %s)' % (rng.choice(keys), self.pick(BATCHES)))
            self.ordered = False
        elif kind == 'aggregateby':
            add('aggregateby(%s, %s)' % (rng.choice(keys), self.pick(SEQS)))
            self.ordered = False
        elif kind == 'sort':
            # Of a type, or it is an error, and equal ones can't be told apart.
            if self.ordered and rng.random() < 0.3:
                add('sort(%s)' % rng.choice(['', 'reverse=False', 'False']))
            else:
                add('map(lambda r: str(r)).sort(%s)' % rng.choice(['', 'reverse=False', 'True']))
                self.ordered = True
        elif kind == 'distinct':
            if not (self.ordered and rng.random() < 0.3):
                add('map(lambda r: str(r))')
            add('distinct()')
            self.ordered = False
        elif kind == 'avg':
            add('avg(%s)' % (rng.choice(AVGS) if self.ordered and self.may_raise else AVGS[0]))
            self.ordered = True
        elif kind == 'repartition':
            add('repartition(%s)' % rng.choice(keys))
        elif kind == 'collect':
            add('collect()')

    def script(self):
        chain = "GB(%r)%s" % (self.reader, ''.join('.' + word for word in self.words))
        options = 'convertToStr=%s' % self.convert
        if self.reader == 'PythonReader':
            return PROLOGUE + 'def source():\n    for x in %r: yield x\n%s.run(source, %s)' % (
                self.values, chain, options)
        arg = self.rng.choice(['*', 'a*', 'h*', 'none*'])
        if self.reader == 'KeysReader' and self.rng.random() < 0.3:
            options += ', readValue=False'
        return PROLOGUE + '%s.run(%r, %s)' % (chain, arg, options)


# ---- the server --------------------------------------------------------------------------------

class Status(bytes):
    pass


class Failure(bytes):
    pass


class Client:
    def __init__(self, port):
        self.file = socket.create_connection(('127.0.0.1', port)).makefile('rwb')

    def __call__(self, *words):
        out = b'*%d\r\n' % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode('utf-8', 'surrogatepass')
            out += b'$%d\r\n%s\r\n' % (len(word), word)
        self.file.write(out)
        self.file.flush()
        return self.reply()

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b'+':
            return Status(rest)
        if kind == b'-':
            return Failure(rest)
        if kind == b':':
            return int(rest)
        if kind == b'$':
            if rest == b'-1':
                return None
            return self.file.read(int(rest) + 2)[:-2]
        if kind == b'*':
            return [self.reply() for _ in range(int(rest))]
        raise EOFError('no reply: %r' % line)


def as_text(value):
    """Of one element of a reply: statuses and errors have lost their first character."""
    if isinstance(value, Status):
        return b'+' + value
    if isinstance(value, Failure):
        return b'-' + value
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return value


def fill(client, rng):
    """A random keyspace; returns it as KeysReader sees it."""
    client('FLUSHALL')
    keyspace = {}
    for i in range(rng.choice([0, 1, 3, 30, 300])):
        key = rng.choice(['a', 'b', 'h', 'é']) + ':%d' % i
        kind = rng.choice(['string', 'string', 'hash', 'set', 'list'])
        if kind == 'string':
            value = rng.choice(['', 'x', '12', '-5', 'é' * 5, 'y' * 100, 'two words'])
            client('SET', key, value)
        elif kind == 'hash':
            value = {'f%d' % n: rng.choice(['1', '2', 'v', 'é']) for n in range(rng.randint(1, 5))}
            client('HSET', key, *[word for item in value.items() for word in item])
        elif kind == 'list':
            value = [rng.choice(['1', '2', 'v', 'é']) for n in range(rng.randint(1, 5))]
            client('RPUSH', key, *value)
        else:
            client('SADD', key, 'a', 'b')
            value = None
        keyspace[key] = (kind, value)
    if rng.random() < 0.3:
        client('SET', 'a:gone', 'x', 'PX', 1)
        while client('EXISTS', 'a:gone'):
            pass
    return keyspace


def order_free(values):
    return sorted(map(repr, values))


def compare(pipeline, script, reply, run):
    """None if they agree, else why not."""
    if not isinstance(reply, list) or len(reply) != 2:
        return 'no results'
    want = [encoded(value) for value in run.results]
    got = [as_text(value) for value in reply[0]]
    if len(reply[1]) != len(run.errors):
        return 'number of errors'
    for text, error in zip(reply[1], run.errors):
        if type(error).__name__.encode() not in text:
            return 'type of an error'
        if isinstance(error, ValueError) and str(error).startswith('no ') and \
                str(error).encode() not in text:
            return 'text of an error'
    if pipeline.ordered and got != want:
        return 'results'
    if order_free(got) != order_free(want):
        return 'results as a multiset'
    return None


def main():
    port, seed, count = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    client = Client(port)
    failing = giving = 0
    for n in range(count):
        if n % 25 == 0:
            Model.keyspace = fill(client, rng)
        pipeline = Pipeline(rng)
        script = pipeline.script()
        exec(script, {'GB': Model})
        reply = client('RG.PYEXECUTE', script)
        why = compare(pipeline, script, reply, Model.last)
        failing += bool(Model.last.errors)
        giving += bool(Model.last.results)
        if why:
            print('pipeline %d of seed %d: %s differ\n%s\nserver: %r\nmodel:  %r\n        %r' % (
                n, seed, why, script, reply, [encoded(v) for v in Model.last.results],
                Model.last.errors))
            return 1
    print('%d pipelines agree, %d of them with results, %d with errors' % (count, giving, failing))
    return 0


if __name__ == '__main__':
    sys.exit(main())
