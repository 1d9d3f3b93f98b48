"""What MicroPython's `gc`, `sys` and `collections` have and CPython's lack."""

import collections
import gc
import os
import sys
import traceback

_threshold = -1


def _resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _available():
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _gc_threshold(amount=None):
    """Kept and told again, nothing more: CPython's collector counts objects, not bytes."""
    global _threshold
    if amount is None:
        return _threshold
    _threshold = amount


def _print_exception(exc, file=None):
    traceback.print_exception(type(exc), exc, exc.__traceback__, file=file or sys.stdout)


class deque(collections.deque):
    """The third argument of MicroPython's: with `flags` 1 a full deque raises instead of dropping an item."""

    def __new__(cls, iterable=(), maxlen=None, flags=0):
        return super().__new__(_BoundedDeque if flags & 1 and cls is deque else cls)

    def __init__(self, iterable=(), maxlen=None, flags=0):
        super().__init__(iterable, maxlen)


class _BoundedDeque(deque):
    def append(self, item):
        self._check_room()
        super().append(item)

    def appendleft(self, item):
        self._check_room()
        super().appendleft(item)

    def extend(self, items):
        for item in items:
            self.append(item)

    def _check_room(self):
        if self.maxlen is not None and len(self) >= self.maxlen:
            raise IndexError("full")


def install():
    gc.mem_alloc = _resident
    gc.mem_free = _available
    gc.threshold = _gc_threshold
    sys.print_exception = _print_exception
    collections.deque = deque
