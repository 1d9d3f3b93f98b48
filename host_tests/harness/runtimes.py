"""The two runtimes, and scenarios that run on both as child processes.

A scenario is a function in host_tests/<subject>/scenarios/<file>.py, beside the tests of that subject. It takes
keyword arguments and reports with `emit`.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections import Counter, deque
from pathlib import Path

from harness.process import LIMIT, Child
from tools import micropython as finder

ROOT = Path(__file__).resolve().parents[2]
HOST_TESTS = ROOT / "host_tests"
# The second edition of the module is in lib/next until it has all that the first one has; see docs/testing.md.
SECOND = os.environ.get("MQTT_EDITION") == "2"
LIB = ROOT / "lib" / "next" if SECOND else ROOT / "lib"
# Runs a scenario; by the network that it finds.
RUNNERS = {"host": HOST_TESTS / "scenarios" / "run.py", "lwip": HOST_TESTS / "lwip" / "over_lwip.py"}
MARK = "EVENT "  # starts the lines that `emit` prints
COUNTS = "LWIP "  # starts the line of what the double of lwIP's sockets has counted
ran: Counter[str] = Counter()  # scenarios started, by runtime; the summary prints it


find_micropython = functools.cache(finder.find)


def pack(value):
    """JSON with bytes in it."""
    if isinstance(value, (bytes, bytearray)):
        return {"hex": value.hex()}
    raise TypeError(f"{value!r} can not be sent to a scenario")


def unpack(fields: dict):
    return bytes.fromhex(fields["hex"]) if list(fields) == ["hex"] else fields


class Program(Child):
    """A running scenario or program. `events` holds all it has emitted; `expect` takes them in order."""

    def __init__(self, argv, env, text):
        self.events: list[list] = []
        self.counts: dict[str, int] = {}
        self.fresh: deque[list] = deque()
        super().__init__(argv, {**os.environ, **env}, text)

    def on_line(self, line: str) -> None:
        if line.startswith(MARK):
            event = json.loads(line[len(MARK) :], object_hook=unpack)
            self.events.append(event)
            self.fresh.append(event)
        elif line.startswith(COUNTS):
            self.counts = json.loads(line[len(COUNTS) :])

    def expect(self, name: str, *values, limit: float = LIMIT) -> list:
        """Wait for the next event, which must be called `name` and, if given, start with `values`; its values."""
        event = self.wait_until(lambda: list(self.fresh[0]) if self.fresh else None, f"event {name!r}", limit)
        if event[: 1 + len(values)] != [name, *values]:
            self.fail(f"expected event {[name, *values]!r}, got {event!r}")
        self.fresh.popleft()
        return event[1:]

    def expect_line(self, text: str, limit: float = LIMIT) -> None:
        """Wait until a line of output holds `text`."""
        self.wait_until(lambda: any(text in line for line in self.lines), f"line with {text!r}", limit)

    def finish(self, limit: float = LIMIT) -> list[list]:
        """Wait for the end, which must be exit code 0; all events."""
        code = self.wait(limit)
        if code:
            self.fail(f"exit code {code}")
        return self.events


class Runtime:
    """Base of the two: `run` a scenario to its end, or `start` it and go along with it."""

    name = ""
    network = "host"  # or "lwip": scenarios run over the double of lwIP's sockets

    def command(self, program: str, *args: str) -> tuple[list[str], dict]:
        raise NotImplementedError

    def __init__(self):
        self.programs: list[Program] = []

    def launch(self, program: Path | str, *args: str, text: str = "") -> Program:
        """Start a program file (or "-m" and a module); `text` is its standard input."""
        ran[self.name] += 1
        argv, env = self.command(str(program), *args)
        child = Program(argv, env, text)
        self.programs.append(child)
        return child

    def start(self, scenario: str, **arguments) -> Program:
        """Start a scenario, named "file.function": no two subjects have a file of the same name."""
        file = scenario.partition(".")[0]
        found = list(HOST_TESTS.glob(f"*/scenarios/{file}.py"))
        assert len(found) == 1, f"{scenario}: there must be one such file, and there is {found}"
        text = json.dumps(arguments, default=pack, ensure_ascii=False)
        return self.launch(RUNNERS[self.network], str(found[0].parent), scenario, text=text)

    def run(self, scenario: str, *, limit: float = LIMIT, **arguments) -> list[list]:
        """Run a scenario to its end; all its events, each a list [name, *values]."""
        return self.start(scenario, **arguments).finish(limit)

    def transcript(self) -> str:
        return "\n".join(program.transcript() for program in self.programs)

    def close(self) -> None:
        for program in self.programs:
            program.__exit__()

    def __repr__(self):
        return self.name


class CPython(Runtime):
    """The Python that runs pytest, with the shim for what it lacks."""

    name = "cpython"

    def command(self, program, *args):
        path = os.pathsep.join((str(HOST_TESTS / "shim"), str(LIB)))
        return [sys.executable, "-u", program, *args], {"PYTHONPATH": path}


class MicroPython(Runtime):
    """The Unix port. `heap` is as for -X heapsize; `lib` may be a folder of compiled .mpy files."""

    name = "micropython"

    def __init__(self, heap: str = "64M", lib: Path | None = None):
        super().__init__()
        self.heap = heap
        self.lib = lib or LIB

    def command(self, program, *args):
        command = [find_micropython(), "-X", f"heapsize={self.heap}", program, *args]
        return command, {"MICROPYPATH": f"{self.lib}:.frozen"}


def available() -> dict[str, type[Runtime]]:
    """The runtimes this machine has."""
    found = {"cpython": CPython}
    if find_micropython():
        found["micropython"] = MicroPython
    return found
