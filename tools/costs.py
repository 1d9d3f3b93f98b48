"""What the module costs, in exact counts, held against budget.json: `python -m tools.costs`.

Memory for the import, heap and system calls for each message: the same on a slow machine and on a fast one.
"""

import json
import sys
import tempfile
from pathlib import Path

from tools import size
from tools.bench import counts, rates, subjects

KINDS = {
    "import": "bytes that the import keeps",
    "heap": "bytes of heap for each message",
    "calls": "system calls for each message",
}
NO_STRACE = "system calls were not counted: there is no strace that may trace (Debian, Ubuntu: apt-get install strace)"


def measure(budget, lib=subjects.ROOT / "lib"):
    """{kind: {name: number}} of all that has a budget; without strace there are no system calls in it."""
    subject = subjects.ours(lib)
    found = {"import": {}, "heap": {}, "calls": {}}
    with tempfile.TemporaryDirectory() as folder, rates.Servers(Path(folder)) as servers:
        compiled = counts.compiled(subject, Path(folder))
        for names in budget["import"]:
            found["import"][names] = counts.imported(compiled, names.split())["kept"]
        for work in budget["heap"]:
            found["heap"][work] = counts.heap(servers, subject, work)
        for work in budget["calls"] if counts.strace() else ():
            found["calls"][work] = counts.calls(servers, subject, work)
    return found


def complaints(found, budget):
    """What is over its budget, a line for each."""
    for kind, numbers in found.items():
        for name, number in numbers.items():
            if number > budget[kind][name]:
                yield f"{name}: {number:g} {KINDS[kind]}, over the budget of {budget[kind][name]:g}"


def table(found, budget):
    for kind, numbers in found.items():
        yield f"{KINDS[kind]:<38}{'':>10}{'budget':>10}"
        for name, number in numbers.items():
            yield f"  {name:<36}{number:>10.5g}{budget[kind][name]:>10g}"
    if not found["calls"]:
        yield NO_STRACE


def check():
    """Measure, and print the table and the complaints; True if there are none."""
    budget = json.loads(size.BUDGET.read_text())["costs"]
    found = measure(budget)
    faults = [f"costs: {fault}" for fault in complaints(found, budget)]
    print("\n".join([*table(found, budget), *faults]))
    return not faults


def main():
    try:
        sys.exit(0 if check() else 1)
    except (subjects.NotFound, size.CompileError, rates.Failed) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
