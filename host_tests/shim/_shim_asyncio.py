"""MicroPython's additions to `asyncio`, and the part of its `asyncio.core` with which a task waits for a socket.

On both runtimes an awaitable whose `__next__` returns `asyncio.core._io_queue.queue_read(stream)` once, and raises
StopIteration after that, waits until the stream can be read. (MicroPython's `queue_read` returns None, which is what
its scheduler wants from an iterator; this one returns the future that CPython's scheduler wants.)
"""

import asyncio
import select
from types import ModuleType

from _shim_poll import ask, asks


async def sleep_ms(ms):
    await asyncio.sleep(max(0, ms) / 1000)


async def wait_for_ms(awaitable, timeout):
    return await asyncio.wait_for(awaitable, None if timeout is None else timeout / 1000)


class ThreadSafeFlag:
    """An event with one waiter, which may be set from another thread; waiting for it clears it."""

    def __init__(self):
        self._flag = False
        self._waiter = None

    def set(self):
        self._flag = True
        waiter = self._waiter
        if waiter is not None:
            waiter.get_loop().call_soon_threadsafe(_wake, waiter)

    def clear(self):
        self._flag = False

    async def wait(self):
        while True:
            self._waiter = waiter = asyncio.get_running_loop().create_future()
            try:
                if not self._flag:
                    await waiter
            finally:
                self._waiter = None
            if self._flag:
                self._flag = False
                return


def _wake(waiter):
    if not waiter.done():
        waiter.set_result(None)


class IOQueue:
    """Which task waits for which descriptor. asyncio keeps one reader and one writer a descriptor; here a TLS stream
    and its socket, or both directions of a handshake, may share one."""

    def __init__(self):
        self._waiters = {}  # (loop, descriptor, event): {future: task}

    def queue_read(self, stream):
        return self._wait(stream, select.POLLIN)

    def queue_write(self, stream):
        return self._wait(stream, select.POLLOUT)

    def remove(self, task):
        for key, waiters in list(self._waiters.items()):
            for future in [future for future, owner in waiters.items() if owner is task]:
                self._drop(key, future)

    def _wait(self, stream, mask):
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        future._asyncio_future_blocking = True  # what `yield from future` sets
        now, below, mask = _state(stream, mask)
        if now:
            _wake(future)
            return future
        if asks(below):
            self._ask(future, below, mask)
            return future
        fd = below if isinstance(below, int) else below.fileno()
        key = loop, fd, mask
        if key not in self._waiters:
            self._waiters[key] = {}
            (loop.add_reader if mask == select.POLLIN else loop.add_writer)(fd, self._ready, key)
        self._waiters[key][future] = asyncio.current_task()
        future.add_done_callback(lambda future: self._drop(key, future))
        return future

    def _ask(self, future, stream, mask):
        if ask(stream, mask):
            _wake(future)
        elif not future.done():
            future.get_loop().call_later(0.001, self._ask, future, stream, mask)

    def _ready(self, key):
        for future in list(self._waiters[key]):
            self._drop(key, future)
            _wake(future)

    def _drop(self, key, future):
        waiters = self._waiters.get(key)
        if waiters and waiters.pop(future, None) and not waiters:
            del self._waiters[key]
            loop, fd, mask = key
            (loop.remove_reader if mask == select.POLLIN else loop.remove_writer)(fd)


def _state(stream, mask):
    if hasattr(stream, "poll_state"):
        now, below, mask, _translate = stream.poll_state(mask)
        return now, below, mask
    return 0, stream, mask


def install(asyncio, modules):
    asyncio.sleep_ms = sleep_ms
    asyncio.wait_for_ms = wait_for_ms
    asyncio.ThreadSafeFlag = ThreadSafeFlag
    asyncio.core = modules["asyncio.core"] = ModuleType("asyncio.core")
    asyncio.core._io_queue = IOQueue()
