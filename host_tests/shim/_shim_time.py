"""MicroPython's tick counters and short sleeps in the module `time`.

The counters wrap at 2**30, as they do on a 32-bit board. They start when they are first read: `ticks_ms` at the number
in the environment variable SHIM_TICKS_START, so that a test can cross the wrap, else at 0.
"""

import operator
import os
import time

PERIOD = 1 << 30
HALF = PERIOD // 2

_origin = None


def _elapsed_ns():
    global _origin
    now = time.monotonic_ns()
    if _origin is None:
        _origin = now - int(os.environ.get("SHIM_TICKS_START", "0")) * 1_000_000
    return now - _origin


def ticks_ms():
    return _elapsed_ns() // 1_000_000 % PERIOD


def ticks_us():
    return _elapsed_ns() // 1000 % PERIOD


def ticks_add(ticks, delta):
    ticks, delta = operator.index(ticks), operator.index(delta)
    if not -HALF < delta < HALF:
        raise OverflowError("ticks interval overflow")
    return (ticks + delta) % PERIOD


def ticks_diff(end, start):
    return (operator.index(end) - operator.index(start) + HALF) % PERIOD - HALF


def sleep_ms(ms):
    if operator.index(ms) > 0:
        time.sleep(ms / 1000)


def sleep_us(us):
    if operator.index(us) > 0:
        time.sleep(us / 1_000_000)


def install():
    time.ticks_ms = ticks_ms
    time.ticks_us = time.ticks_cpu = ticks_us
    time.ticks_add = ticks_add
    time.ticks_diff = ticks_diff
    time.sleep_ms = sleep_ms
    time.sleep_us = sleep_us
