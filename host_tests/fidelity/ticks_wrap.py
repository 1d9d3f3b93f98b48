"""Runs on the shim with SHIM_TICKS_START a little before the wrap: waits for it."""

import time

start = time.ticks_ms()
print("before:", start == 2**30 - 20)
while time.ticks_ms() >= start:
    pass
print("after:", time.ticks_diff(time.ticks_ms(), start) >= 20)
