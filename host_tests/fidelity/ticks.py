"""Tick arithmetic. The period differs (2**30 on boards and the shim, 2**62 on the 64-bit Unix port): all is relative to
it. MicroPython counts a sleep in whole milliseconds of the tick counter, so it may be one shorter than asked for."""

import time

period = time.ticks_add(0, -1) + 1
half = period // 2


def attempt(call, *args):
    try:
        return call(*args)
    except (OverflowError, TypeError) as error:
        return type(error).__name__


print("power of two:", period & (period - 1))
print("across the wrap:", time.ticks_add(period - 5, 10), time.ticks_diff(time.ticks_add(period - 5, 10), period - 5))
print("backwards:", time.ticks_add(3, -5) == period - 2, time.ticks_diff(period - 2, 3))
print("same:", time.ticks_diff(7, 7), time.ticks_add(7, 0))
print("largest:", time.ticks_add(0, half - 1) == half - 1, time.ticks_diff(half - 1, 0) == half - 1)
print("smallest:", time.ticks_add(0, 1 - half) == half + 1, time.ticks_diff(half, 0) == -half)
print("too far:", attempt(time.ticks_add, 0, half), attempt(time.ticks_add, 0, -half))
print("floats:", attempt(time.ticks_add, 0, 1.5), attempt(time.sleep_ms, 1.5))

start_ms, start_us = time.ticks_ms(), time.ticks_us()
time.sleep_ms(20)
time.sleep_us(500)
print("slept:", time.ticks_diff(time.ticks_ms(), start_ms) >= 20, time.ticks_diff(time.ticks_us(), start_us) >= 19000)
print("in range:", 0 <= time.ticks_ms() < period, 0 <= time.ticks_us() < period, 0 <= time.ticks_cpu() < period)
print("no time:", time.sleep_ms(0), time.sleep_ms(-1), time.sleep_us(0))
