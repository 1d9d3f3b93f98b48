"""Who is measured: a program in programs/ with the library it needs."""

import functools
import sys
from pathlib import Path
from typing import NamedTuple

from tools import micropython
from tools.bench import PROGRAMS, ROOT, packages

HEAP = "512k"
COMMON = {"publish0", "publish1", "receive0", "receive1", "others", "tls", "latency"}
ALL = {*COMMON, "window", "publish2", "delay"}


class NotFound(Exception):
    """MicroPython is not there; the text says how to get it."""


class Subject(NamedTuple):
    """`works`: what it can do. `lib`: the folder of its library, of which programs import `modules`."""

    name: str
    title: str
    program: str
    works: set
    lib: Path | None = None
    modules: tuple = ()
    cpython: bool = False

    def command(self, heap=HEAP):
        """The beginning of a command, and what to add to the environment."""
        if self.cpython:
            return [sys.executable], {}
        return micropython_command(self.lib, heap)

    def program_path(self):
        return str(PROGRAMS / self.program)


@functools.cache
def executable():
    found = micropython.find()
    if not found:
        raise NotFound("no MicroPython of version 1.24 or newer: set MICROPYTHON to the path of one")
    return found


def micropython_command(lib, heap):
    return [executable(), "-X", f"heapsize={heap}"], {"MICROPYPATH": f"{lib}:.frozen" if lib else ".frozen"}


def raw():
    return Subject("raw", "raw", "raw.py", {*ALL, "packed"})


def ours(lib=ROOT / "lib", name="ours"):
    return Subject(name, name, "ours.py", ALL, Path(lib).resolve(), ("mqtt",))


def paho():
    return Subject("paho", "paho-mqtt (CPython)", "with_paho.py", ALL - {"others"}, cpython=True)


def umqtt():
    lib = packages.folder(packages.UMQTT)
    return Subject("umqtt", "umqtt.simple 1.3.4", "with_umqtt.py", COMMON, lib, ("umqtt.simple",))


def chumicro():
    lib = packages.folder(packages.CHUMICRO)
    modules = ("chumicro_mqtt.client", "chumicro_sockets._adapters.mp", "chumicro_timing.ticks")
    works = {*COMMON, "window", "delay"}
    return Subject("chumicro", "chumicro-mqtt 0.30.3", "with_chumicro.py", works, lib, modules)


def known(libs):
    """All subjects by name. `libs`: other folders than lib to measure as ours, {name: folder}."""
    mine = [ours(folder, name) for name, folder in libs.items()] or [ours()]
    every = [raw(), *mine, umqtt(), chumicro(), paho()]
    return {subject.name: subject for subject in every}
