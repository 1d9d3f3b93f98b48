# Frames that MicroPython takes from the heap, see tools/frames.py.
import gc

from kit import emit


def taken():
    for count in (10, 11):
        names = ", ".join(["a%d" % n for n in range(count)])
        made = {}
        exec("def call(%s):\n    return a0()\n" % names, made)
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        inside = made["call"](*[gc.mem_alloc] * count)
        gc.enable()
        emit("taken", count, inside - before > 300)
