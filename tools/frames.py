"""Which functions have frames too large for MicroPython's C stack: `python -m tools.frames [module…]`.

A function with more than 11 words of arguments, locals, temporaries and exception handlers gets its frame from the
heap (`VM_MAX_STATE_ON_STACK` in py/objfun.c) and gives it back, at every call. On a heap in use that costs several
times the call itself, the more the fuller the heap is. So no function that every message passes may have such a frame.
"""

import ast
import sys
from typing import NamedTuple

from tools import size

WORDS_ON_STACK = 11
WORDS_PER_HANDLER = 3
KIND_TUPLE = 10
KINDS_WITH_DATA = range(5, 10)  # str, bytes, int, float, complex; the first two have a zero behind them


class Frame(NamedTuple):
    """The frame of a function, in machine words."""

    function: str
    words: int

    @property
    def on_heap(self):
        return self.words > WORDS_ON_STACK


class Reader:
    """Reads the pieces of a `.mpy` file of version 6 in their order."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    def skip_name(self):
        length = self.number()
        if not length & 1:  # else it is only the number of a name that every firmware has
            self.at += (length >> 1) + 1

    def skip_constant(self):
        kind = self.byte()
        if kind == KIND_TUPLE:
            for _ in range(self.number()):
                self.skip_constant()
        elif kind in KINDS_WITH_DATA:
            length = self.number()
            self.at += length + (kind < KINDS_WITH_DATA[2])

    def frames(self):
        """The words of the frame of a function, then those of the functions in it."""
        head = self.number()
        end = self.at + (head >> 3)
        yield self.words()
        self.at = end
        if head & 4:
            for _ in range(self.number()):
                yield from self.frames()

    def words(self):
        """What a function's prelude asks for; its numbers are spread over the bits (py/bc.h)."""
        byte = self.byte()
        state, handlers, shift = byte >> 3 & 15, byte >> 2 & 1, 0
        while byte & 0x80:
            byte = self.byte()
            state |= (byte & 0x30) << (2 * shift)
            handlers |= (byte & 0x02) << shift
            shift += 1
        return state + 1 + handlers * WORDS_PER_HANDLER


def functions(node, name="the module"):
    """The names of what is compiled to a function of its own, in the order of the source."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.GeneratorExp)
    yield name
    children = list(ast.iter_child_nodes(node))
    while children:
        child = children.pop(0)
        if isinstance(child, scopes):
            inner = getattr(child, "name", type(child).__name__)
            yield from functions(child, inner if name == "the module" else f"{name}.{inner}")
        else:
            children[:0] = ast.iter_child_nodes(child)


def frames(source, compiled):
    """The frames of all functions of a module (paths of .py and .mpy), the module's own first."""
    reader = Reader(compiled.read_bytes())
    if reader.data[:2] != b"M\x06":
        raise ValueError(f"{compiled}: is not .mpy of version 6")
    reader.at = 4
    names, constants = reader.number(), reader.number()
    for _ in range(names):
        reader.skip_name()
    for _ in range(constants):
        reader.skip_constant()
    return [Frame(*pair) for pair in zip(functions(ast.parse(source.read_text())), reader.frames(), strict=True)]


if __name__ == "__main__":
    size.build()
    for source in sorted(size.SOURCE.glob("*.py")):
        if source.stem in (sys.argv[1:] or source.stem):
            for frame in frames(source, size.TARGET / f"{source.stem}.mpy"):
                print(f"{source.stem:<12}{frame.function:<32}{frame.words:>4}{' words, on the heap' * frame.on_heap}")
