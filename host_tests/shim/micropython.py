"""MicroPython's module `micropython`, as far as it means something on a host."""

import gc
from collections import deque

_lock_depth = 0
_opt_level = 0
_scheduled = deque()
_running = False


def const(value):
    return value


def native(function):
    return function


viper = native


def heap_lock():
    """Counts only: CPython cannot refuse allocations. What must not allocate is tested on MicroPython."""
    global _lock_depth
    _lock_depth += 1


def heap_unlock():
    global _lock_depth
    _lock_depth -= 1
    return _lock_depth


def heap_locked():
    return _lock_depth


def opt_level(level=None):
    global _opt_level
    if level is None:
        return _opt_level
    _opt_level = level


def mem_info(verbose=None):
    print(f"mem: alloc={gc.mem_alloc()}, free={gc.mem_free()}")


def kbd_intr(char):
    """Control-C reaches a program on the host as KeyboardInterrupt in any case."""


def schedule(function, argument):
    """Calls at once, but never one scheduled function inside another."""
    global _running
    _scheduled.append((function, argument))
    if _running:
        return
    _running = True
    try:
        while _scheduled:
            function, argument = _scheduled.popleft()
            function(argument)
    finally:
        _running = False
