"""A whole run: everything about every subject, as one dict that report, plot and JSON are made of."""

import os
import platform
import subprocess

from tools import size
from tools.bench import board, counts, rates
from tools.bench.subjects import HEAP, executable
from tools.bench.works import COUNTED, RATED

VERSION = "import sys; print('MicroPython', '.'.join(str(part) for part in sys.implementation.version if part != ''))"
LIBRARIES = ("ours", "umqtt", "chumicro")


def everything(folder, subjects, rounds, quick, progress):
    """Rates, counts, sizes and, unless it has to be quick, what a board pays."""
    chosen = list(subjects.values())
    with rates.Servers(folder) as servers:
        found = {
            "about": about(servers, rounds, quick),
            "rates": rates.measure(servers, chosen, RATED, rounds, quick, progress),
            "heap": {},
            "calls": {},
            "import": {},
            "smallest": {},
            "mpy": {},
        }
        for subject in chosen:
            if not subject.cpython:
                count(servers, subject, found, progress)
        for name in LIBRARIES:
            weigh(servers, subjects[name], found, progress)
    found["mpy"]["everything"] = sum(compiled for _source, compiled in size.build().values())
    found["board"] = {} if quick else board.measure(progress)
    return found


def about(servers, rounds, quick):
    mosquitto = servers.broker.mosquitto

    def first_line(*argv):
        env = {**os.environ, **mosquitto.env}
        return subprocess.run(argv, env=env, capture_output=True, text=True).stdout.splitlines()[0]

    return {
        "rounds": rounds,
        "quick": quick,
        "heap": HEAP,
        "machine": f"{platform.machine()} {platform.system()}",
        "cpython": platform.python_version(),
        "micropython": first_line(executable(), "-c", VERSION),
        "mosquitto": first_line(*mosquitto.argv[:-2], "-h"),
        "strace": counts.strace() is not None,
    }


def count(servers, subject, found, progress):
    for work in COUNTED:
        if work in subject.works:
            progress(f"counting: {work}, {subject.name}")
            found["heap"].setdefault(work, {})[subject.name] = counts.heap(servers, subject, work)
            if counts.strace():
                found["calls"].setdefault(work, {})[subject.name] = counts.calls(servers, subject, work)


def weigh(servers, subject, found, progress):
    progress(f"memory: {subject.name}")
    lib = counts.compiled(subject)
    imported = counts.imported(lib, subject.modules)
    found["import"][subject.name] = {"kept": imported["kept"], "peak": counts.import_peak(lib, subject.modules)}
    found["mpy"][subject.name] = sum((lib.parent / file).stat().st_size for file in imported["files"])
    found["smallest"][subject.name] = counts.smallest(servers, subject, lib)
