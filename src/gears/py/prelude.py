# SPDX-License-Identifier: BSD-3-Clause
"""What every script finds in its globals.

This file is embedded in the server and run once, as the module `redisgears_prelude`, when the
interpreter starts. A session's globals are a copy of this module's. Callbacks are pickled by
value; what they refer to of this module is pickled by reference, because it can be imported.

The builder checks as little as it can: the native side (`redisgears.PyFlatExecution`) knows the
operations, their number of arguments and their error texts. Operations that are made of others
are put together here, of native steps where no function of the user's is involved.
"""
import asyncio
import cProfile
import copy
import importlib as _importlib
import io
import os.path as _os_path
import pickle as _pickle
import pstats
import site as _site
import sys as _sys
import traceback as _traceback
from asyncio import Future
from threading import Thread

import cloudpickle
from cloudpickle import CloudPickler

import redisgears
import redisgears as rg
import redisgears_async as _async
from redisgears import PyFlatExecution
from redisgears import atomicCtx as atomic
from redisgears import callNext as call_next
from redisgears import config_get as configGet
from redisgears import executeCommand as execute
from redisgears import flatError as flat_error
from redisgears import gearsCtx
from redisgears import gearsFutureCtx as gearsFuture
from redisgears import getCommand as get_command
from redisgears import getGearsSession
from redisgears import getMyHashTag as hashtag
from redisgears import isAsyncAllow
from redisgears import isInAtomicBlock
from redisgears import native
from redisgears import registerTimeEvent as registerTE
from redisgears import overrideReply as override_reply
from redisgears import registerGearsThread
from redisgears import setGearsSession
from redisgears_async import GearsFuture
from redisgears_async import GearsSession
from redisgears_async import createFuture
from redisgears_async import loop
from redisgears_async import runCoroutine
from redisgears_async import setFutureException
from redisgears_async import setFutureResults

# Names that scripts may find with other engines, too.
t = f = None

# Readers that RG.GETEXECUTION's users know as a PythonReader with a function of ours.
_BUILT_ON_PYTHON = ('KeysOnlyReader', 'ShardsIDReader')
# Folders of what the system's administrator has installed for the system's Python.
_PACKAGES = ('dist-packages', 'site-packages')
_LEVELS = ('debug', 'verbose', 'notice', 'warning')


def gearsConfigGet(key, default=None):
    """The value of a gears setting as a string, or `default` if there is none of that name."""
    value = configGet(key)
    return default if value is None else value


def log(message, level='notice'):
    """Writes a line to the server's log; level is debug, verbose, notice or warning.

    log(level, message) is understood as well.
    """
    if message in _LEVELS and level not in _LEVELS:
        message, level = level, message
    redisgears.log(message, level)


def Log(level, message):
    """Deprecated: use log(message, level)."""
    redisgears.log('Log is deprecated, use log instead', 'warning')
    log(message, level)


def ConfigGet(key):
    """Deprecated: use configGet(key)."""
    redisgears.log('ConfigGet is deprecated, use configGet instead', 'warning')
    return configGet(key)


def GearsConfigGet(key, default=None):
    """Deprecated: use gearsConfigGet(key, default)."""
    redisgears.log('GearsConfigGet is deprecated, use gearsConfigGet instead', 'warning')
    return gearsConfigGet(key, default)


def _identity(record):
    return record


def _mean_of(record):
    """The mean of a sum and a count."""
    return record[0] / record[1]


def _add_to_mean(acc, record):
    return (acc[0] + record, acc[1] + 1)


def _join_means(acc, record):
    return (acc[0] + record[0], acc[1] + record[1])


def _rows_of(reader, arg):
    """What a PythonReader calls for the records of an extension's reader."""
    def rows():
        yield from redisgears._open_native_reader(reader, arg)
    return rows


class GearsBuilder(metaclass=_async.Sealed):
    """A pipeline of operations on the records of a reader; run() or register() ends it.

    Each operation changes the builder and returns it. Callbacks must be functions (def or
    lambda); they run on a worker thread, with their own copy of the globals they refer to.
    """

    def __init__(self, reader='KeysReader', defaultArg='*', desc=None):
        self._native = redisgears._is_native_reader(reader)
        self.gearsCtx = gearsCtx('PythonReader' if self._native else reader, desc)
        self.realReader = reader
        self.reader = 'PythonReader' if self._native or reader in _BUILT_ON_PYTHON else reader
        self.defaultArg = defaultArg

    # ---- one to one, one to few ----

    def map(self, f):
        """Each record r becomes f(r)."""
        self.gearsCtx.map(f)
        return self

    def filter(self, f):
        """Keeps the records for which f(r) is true."""
        self.gearsCtx.filter(f)
        return self

    def flatmap(self, f):
        """f(r) as a list gives its elements, last one first; as anything else, one record."""
        self.gearsCtx.flatmap(f)
        return self

    def foreach(self, f):
        """Calls f(r) for each record, which passes unchanged."""
        self.gearsCtx.foreach(f)
        return self

    def limit(self, length, start=0):
        """Skips `start` records and passes the next `length`; then nothing more is read."""
        self.gearsCtx.limit(length, start)
        return self

    # ---- many to one ----

    def accumulate(self, f):
        """One record f(f(f(None, r1), r2), ...); none if there was no input."""
        self.gearsCtx.accumulate(f)
        return self

    def aggregate(self, zero, seqOp, combOp):
        """seqOp(a, r) on each shard, then combOp(a, partial) over the shards.

        A false accumulator is replaced by a copy of zero, each time.
        """
        ctx = self.gearsCtx
        ctx._function('aggregate', seqOp, combOp)
        ctx._step('fold', seqOp, zero)
        ctx._step('collect')
        ctx._step('fold', combOp, zero)
        return self

    def count(self):
        """The number of records; none if there was no input."""
        ctx = self.gearsCtx
        ctx._step('count')
        ctx._step('collect')
        ctx._step('sum')
        return self

    def avg(self, extractor=None):
        """The mean of extractor(r), by default float(r), as one float."""
        ctx = self.gearsCtx
        if extractor is None:
            def extractor(record):
                return float(record)
        ctx._function('avg', extractor)
        ctx._step('map', extractor)
        ctx._step('fold', _add_to_mean, (0, 0))
        ctx._step('collect')
        ctx._step('fold', _join_means, (0, 0))
        ctx._step('map', _mean_of)
        return self

    def sort(self, reverse=True):
        """All records in order. Since a list is spread last element first, reverse=True, the
        default, gives ascending order."""
        ctx = self.gearsCtx
        ctx._step('append')
        ctx._step('collect')
        ctx._step('extend')
        ctx._step('sorted', None, None, 1 if reverse else 0)
        ctx._step('flatmap')
        return self

    def distinct(self):
        """Each record once; records must be hashable."""
        ctx = self.gearsCtx
        ctx._step('add')
        ctx._step('collect')
        ctx._step('union')
        ctx._step('list_of')
        ctx._step('flatmap')
        return self

    # ---- by key: records {'key': text, 'value': value} come out ----

    def localgroupby(self, extractor, reducer):
        """For each key extractor(r): a = reducer(key, a, r), on each shard."""
        self.gearsCtx.localgroupby(extractor, reducer)
        return self

    def groupby(self, extractor, reducer):
        """For each key extractor(r): a = reducer(key, a, r), over all shards."""
        self.gearsCtx.groupby(extractor, reducer)
        return self

    def batchgroupby(self, extractor, reducer):
        """For each key extractor(r): value = reducer(key, list of records)."""
        self.gearsCtx.batchgroupby(extractor, reducer)
        return self

    def aggregateby(self, extractor, zero, seqOp, combOp):
        """As aggregate, for each key: seqOp(key, a, r), combOp(key, a, partial)."""
        ctx = self.gearsCtx
        ctx._function('aggregateby', extractor, seqOp, combOp)
        ctx._step('extract', extractor)
        ctx._step('fold_by_key', seqOp, zero)
        ctx._step('to_py')
        ctx._step('extract_key')
        ctx._step('repartition')
        ctx._step('merge_by_key', combOp, zero)
        ctx._step('to_py')
        return self

    def countby(self, extractor=_identity):
        """How many records there are for each key extractor(r)."""
        ctx = self.gearsCtx
        ctx._function('countby', extractor)
        if extractor is _identity:
            ctx._step('extract_self')
        else:
            ctx._step('extract', extractor)
        ctx._step('count_by_key')
        ctx._step('to_py')
        ctx._step('extract_key')
        ctx._step('repartition')
        ctx._step('sum_by_key')
        ctx._step('to_py')
        return self

    # ---- between shards ----

    def repartition(self, extractor):
        """Moves each record to the shard that owns the key extractor(r)."""
        self.gearsCtx.repartition(extractor)
        return self

    def collect(self):
        """Moves all records to the shard where the execution began."""
        self.gearsCtx.collect()
        return self

    # ---- the end ----

    def run(self, arg=None, convertToStr=None, collect=True, **kargs):
        """Runs the pipeline once; a script may do so once.

        Results pass through str() unless convertToStr=False, or the script was sent as NATIVE.
        In a step or a coroutine: returns an awaitable of [results, errors].
        """
        arg = arg if arg else self.defaultArg
        if self._native:
            arg = _rows_of(self.realReader, arg)
        return self.gearsCtx.run(arg, convertToStr, collect, **kargs)

    def register(self, prefix='*', convertToStr=None, collect=True, **kargs):
        """Runs the pipeline for each event from now on; returns the registration's id."""
        if 'regex' in kargs:
            redisgears.log('The regex argument is deprecated, use prefix instead', 'warning')
            prefix = kargs.pop('regex')
        return self.gearsCtx.register(prefix, convertToStr, collect, **kargs)


GB = GearsBuilder


# ---- readers that other engines build on PythonReader ----

def createKeysOnlyReader(pattern='*', count=1000, noScan=False, patternGenerator=None):
    """A function for PythonReader that gives what KeysOnlyReader gives."""
    def read():
        glob, exact = patternGenerator() if patternGenerator else (pattern, noScan)
        if exact:
            if execute('EXISTS', glob):
                yield glob
            return
        cursor = '0'
        while True:
            cursor, names = execute('SCAN', cursor, 'MATCH', glob, 'COUNT', count)
            yield from names
            if cursor == '0':
                return
    return read


def shardReaderCallback():
    """The id of this shard, as ShardsIDReader gives it."""
    answer = execute('RG.INFOCLUSTER')
    yield '1' if answer == 'no cluster mode' else answer[1]


# ---- profiling ----

def profilerCreate():
    """A profiler, which doesn't run yet."""
    return cProfile.Profile()


def profileStart(profiler):
    """From here on what this thread calls is measured."""
    profiler.enable()


def profileStop(profiler):
    """The end of what profileStart began, on the same thread."""
    profiler.disable()


def _profile_text(profilers, order):
    used = [p for p in profilers if p.getstats()]
    out = io.StringIO()
    stats = pstats.Stats(*(used or [profilerCreate()]), stream=out)
    if order not in stats.get_sort_arg_defs():
        raise flat_error('Unknown order %s' % order)
    stats.sort_stats(order)
    stats.print_stats()
    stats.print_callers()
    stats.print_callees()
    return out.getvalue()


def profileGetInfo(profiler, order='tottime'):
    """What a profiler has seen, as text: functions, their callers, whom they call."""
    return _profile_text([profiler], order)


# ---- for the native side ----

def _pack(value):
    """Pickles by value what belongs to a script, by reference what can be imported."""
    out = io.BytesIO()
    CloudPickler(out).dump(value)
    return out.getvalue()


def dumps(value):
    """A pickle of value, functions of the script included."""
    return _pack(value)


loads = _pickle.loads


def _format_exception(kind, value, trace):
    return _traceback.format_exception(kind, value, trace)


def _use_packages(path, forgotten):
    """Before a script with requirements: modules that were replaced are imported anew."""
    for name in list(_sys.modules):
        if name.partition('.')[0] in forgotten:
            del _sys.modules[name]
    if path:
        _site.addsitedir(path)
    _importlib.invalidate_caches()


def _settle(switch_interval_s, system_packages):
    """Once, at the start of the interpreter: what a process-wide Python must not touch."""
    if not system_packages:
        _sys.path[:] = [p for p in _sys.path if _os_path.basename(p) not in _PACKAGES]
    _sys.setswitchinterval(switch_interval_s)
    _sys.stdin = _sys.__stdin__ = open('/dev/null', encoding='utf-8')
    _sys.stdout = _sys.__stdout__ = redisgears._LogFile('notice')
    _sys.stderr = _sys.__stderr__ = redisgears._LogFile('warning')
