# SPDX-License-Identifier: BSD-3-Clause
"""asyncio inside of the server: one event loop for the coroutines of all sessions.

Embedded in the server and run once, as the module `redisgears_async`, before the prelude, which
gives its public names to scripts. The loop runs on a thread of the engine's, from the first time
that somebody schedules something. What asyncio doesn't know (whose rights a callback has, when it
is stopped, that an atomic block can't be waited in) is the native side's (gpy_loop.c): it stands
before each callback and behind each task.
"""
import asyncio
import collections as _collections
import collections.abc as _abc
import sys as _sys
from asyncio import CancelledError as _CancelledError
from threading import Thread as _Thread

import redisgears as _redisgears


class _State:
    started = False
    woken = False  # _drain is going to be called


class Sealed(type):
    """Of classes that scripts share: what one of them changed, all would meet."""

    def __setattr__(cls, name, value):
        if cls.__module__ in ('redisgears_async', 'redisgears_prelude'):
            raise AttributeError('%s can not be changed, but subclassed' % cls.__name__)
        super().__setattr__(name, value)

    def __delattr__(cls, name):
        if cls.__module__ in ('redisgears_async', 'redisgears_prelude'):
            raise AttributeError('%s can not be changed, but subclassed' % cls.__name__)
        super().__delattr__(name)


class _Loop(asyncio.SelectorEventLoop, metaclass=Sealed):
    """The shared loop. Whatever is scheduled runs as its context's owner."""

    def __reduce__(self):
        # Pickled by name: there's one.
        return 'loop'

    def call_soon(self, callback, *args, context=None):
        _need_thread()
        return super().call_soon(_run_as, callback, *args, context=context)

    def call_soon_threadsafe(self, callback, *args, context=None):
        _need_thread()
        return super().call_soon_threadsafe(_run_as, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        _need_thread()
        return super().call_at(when, _run_as, callback, *args, context=context)

    def _add_reader(self, fd, callback, *args):
        return super()._add_reader(fd, _run_as, callback, *args)

    def _add_writer(self, fd, callback, *args):
        return super()._add_writer(fd, _run_as, callback, *args)

    def set_task_factory(self, factory):
        self._refuse('task factory')

    def set_exception_handler(self, handler):
        self._refuse('exception handler')

    def set_default_executor(self, executor):
        self._refuse('executor')

    def set_debug(self, enabled):
        # asyncio's constructor calls it, too.
        if _State.started:
            self._refuse('debug mode')
        super().set_debug(enabled)

    def _refuse(self, what):
        raise RuntimeError('the event loop is shared, its %s can not be set' % what)

    def close(self):
        # asyncio's own destructor calls it, too: when there's no interpreter left, it may.
        if not _sys.is_finalizing():
            raise RuntimeError('the event loop is shared, it can not be closed')


_run_as = _redisgears._run_as


def _make_task(event_loop, coroutine, **kargs):
    """The loop's task factory: tasks know a guard instead of their coroutine."""
    if not asyncio.iscoroutine(coroutine):
        return asyncio.Task(coroutine, loop=event_loop, **kargs)  # it says what is wrong
    guard = _redisgears._guard(coroutine)
    task = asyncio.Task(guard, loop=event_loop, **kargs)
    _redisgears._bind(guard, task)
    return task


loop = _Loop()
asyncio.SelectorEventLoop.set_task_factory(loop, _make_task)


def _serve():
    """What the loop's thread does, over and over: whatever ended the loop, it goes on."""
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _need_thread():
    if not _State.started:
        _State.started = True
        try:
            _redisgears._start_loop(_serve)
        except BaseException:
            _State.started = False
            raise


_threading_file = _Thread.run.__code__.co_filename


def _nothing():
    pass


# ---- coroutines ----

# (coroutine, future, owner): begun on the loop's thread, which is woken once for many.
_incoming = _collections.deque()


async def _follow(coroutine, future):
    """Awaits the coroutine and answers the future with what came of it."""
    try:
        result = await coroutine
    except GeneratorExit:
        raise  # nobody is ever going to continue it; the future goes with it
    except BaseException as error:
        future.continueFailed(error)
    else:
        future.continueRun(result)


async def _follow_alone(coroutine):
    """As _follow, for a coroutine that nobody waits for."""
    try:
        await coroutine
    except GeneratorExit:
        raise
    except BaseException as error:
        _redisgears.log('A coroutine failed: %r' % error, 'warning')


async def _later(coroutine, delay):
    try:
        await asyncio.sleep(delay)
    except BaseException:
        coroutine.close()
        raise
    return await coroutine


def _drain():
    _State.woken = False
    while _incoming:
        coroutine, future, owner = _incoming.popleft()
        ours = isinstance(future, _redisgears.PyFuture)
        if ours and not future._is_wanted():
            coroutine.close()
            continue
        if future is None:
            follower = _follow_alone(coroutine)
        else:
            follower = _follow(coroutine, future)
        try:
            task = _redisgears._context(owner).run(loop.create_task, follower)
            if ours:
                future._answered_by(task)
        except BaseException as error:  # no memory: the others have their turn nevertheless
            coroutine.close()
            follower.close()
            _redisgears.log('A coroutine can not be run: %r' % error, 'warning')


def _begin(coroutine, future, owner):
    """Has the loop run a coroutine, for the owner, and answer the future, if there is one."""
    _incoming.append((coroutine, future, owner))
    if not _State.woken:
        _State.woken = True
        try:
            loop.call_soon_threadsafe(_drain)
        except BaseException:
            _State.woken = False
            raise


def _cancel_all(tasks):
    for task in tasks:
        task.cancel()


def _cancel(tasks):
    """Cancels tasks of the loop; any thread."""
    loop.call_soon_threadsafe(_cancel_all, tasks)


def runCoroutine(cr, f=None, delay=0, s=None):
    """Runs the coroutine cr on the shared event loop; any thread.

    f: a future of gearsFuture(), or anything with continueRun and continueFailed, that is told how
    cr ended. delay: seconds before it begins. s: the session for which it runs, as
    getGearsSession() gives it; by default the one whose code calls.
    """
    if not isinstance(cr, _abc.Coroutine):  # asyncio takes any generator for one
        raise _redisgears.GearsError('runCoroutine expects a coroutine')
    owner = _redisgears._owner(s)
    _begin(_later(cr, delay) if delay else cr, f, owner)


# ---- futures ----

class GearsFuture(asyncio.Future, metaclass=Sealed):
    """An awaitable of the shared loop that any thread may complete: see createFuture()."""

    def __init__(self, *, loop=loop):
        super().__init__(loop=loop)

    def __await__(self):
        if _redisgears.isInAtomicBlock():
            raise _redisgears.GearsError('await is not allow inside atomic block')
        return (yield from super().__await__())

    __iter__ = __await__


def createFuture():
    """A future to await in a coroutine; setFutureResults or setFutureException completes it."""
    return GearsFuture(loop=loop)


def _set_result(future, result):
    if not future.done():
        future.set_result(result)


def _set_exception(future, error):
    if not future.done():
        future.set_exception(error)


def setFutureResults(f, res):
    """Completes a future of createFuture() with a value; any thread. A second time is ignored."""
    loop.call_soon_threadsafe(_set_result, f, res)


def setFutureException(f, exception):
    """Has who awaits the future get the exception; as setFutureResults."""
    if not isinstance(exception, BaseException):
        exception = _redisgears.GearsError(str(exception))
    loop.call_soon_threadsafe(_set_exception, f, exception)


# ---- sessions ----

class GearsSession(metaclass=Sealed):
    """A context in which a thread works for a session that getGearsSession() gave elsewhere."""

    def __init__(self, s):
        self.s = s

    def __enter__(self):
        self._before = _redisgears.getGearsSession()
        _redisgears.setGearsSession(self.s)
        return self

    def __exit__(self, *exception):
        _redisgears.setGearsSession(self._before)
