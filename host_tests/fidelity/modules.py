"""gc, micropython, sys: the functions that CPython lacks."""

import gc
import io
import sys

import micropython

print(gc.mem_alloc() > 0, gc.mem_free() > 0, gc.threshold(), gc.threshold(4096), gc.threshold(), gc.collect() >= 0)


def locks():
    micropython.heap_lock()
    micropython.heap_lock()
    first = micropython.heap_unlock()
    return first, micropython.heap_unlock()


print(locks())
order = []


def outer(inner):
    micropython.schedule(inner, "inner")
    order.append("outer")


micropython.schedule(outer, order.append)
while len(order) < 2:
    pass
print(order)
print(micropython.opt_level(), micropython.opt_level(1), micropython.opt_level(), micropython.const("x"))
try:
    raise IndexError("list index out of range")
except IndexError as error:
    text = io.StringIO()
    sys.print_exception(error, text)
    print(text.getvalue().split("\n")[0], text.getvalue().split("\n")[-2])
