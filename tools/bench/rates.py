"""Rates, CPU time and latency: every subject does every work once a round, in turn, so that noise hits all alike."""

import contextlib
import itertools
import json
import os
import subprocess

from tools.bench.servers import TOPICS, Broker, Burst, Delay
from tools.bench.works import WORKS, count

LIMIT = 120  # seconds for one program
numbers = itertools.count(1)


class Failed(Exception):
    """A program did not do its work; the text is what it said."""


class Servers:
    """All servers of a run; `ports` by their names in `works`.

    Where the machine has several processors, the programs have one, and the servers the others: nobody wanders.
    """

    def __init__(self, folder):
        with contextlib.ExitStack() as stack:
            processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
            if len(processors) > 1:
                # It holds for this thread, and for what it starts from then on.
                stack.callback(os.sched_setaffinity, 0, processors)
                os.sched_setaffinity(0, processors[1:])
            self.broker = stack.enter_context(Broker(folder))
            self.ports = {
                "broker": self.broker.port,
                "tls": self.broker.tls_port,
                "delay": stack.enter_context(Delay(self.broker.port)).port,
                "burst": stack.enter_context(Burst()).port,
                "others": stack.enter_context(Burst(TOPICS)).port,
            }
            if len(processors) > 1:
                os.sched_setaffinity(0, processors[:1])
            self.stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.stack.close()


def perform(servers, subject, work, number, warm, *, heap=None, prefix=()):
    """Run the program; what it reports. `heap`: gc is off, and the heap so large; `prefix`: of the command."""
    what = WORKS[work]
    ca = servers.broker.ca_pem if subject.cpython else servers.broker.ca
    task = {
        "work": what.function,
        "port": servers.ports[what.server],
        "ca": ca if what.server == "tls" else None,
        "clientid": f"{subject.name}-{next(numbers)}",
        "count": number,
        "warm": warm,
        "heap": bool(heap),
    }
    argv, env = subject.command(heap) if heap else subject.command()
    command = [*prefix, *argv, subject.program_path(), json.dumps(task)]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode:
        raise Failed(f"{subject.name}, {work}: {(done.stdout + done.stderr).strip()[-2000:]}")
    if what.server not in ("burst", "others"):
        servers.broker.drained(task["clientid"])
    return json.loads(done.stdout.splitlines()[-1])


def once(servers, subject, work, quick):
    """One round: {"us": microseconds, "cpu": microseconds of CPU time}, for each message."""
    number, warm = count(work, subject.name, quick)
    result = perform(servers, subject, work, number, warm)
    return {"us": result["us"] / number, "cpu": result["cpu"] / number}


def measure(servers, subjects, works, rounds, quick, progress):
    """{work: {subject: {"us": [of each round], "cpu": [of each round]}}}."""
    results = {work: {s.name: {"us": [], "cpu": []} for s in subjects if work in s.works} for work in works}
    for turn in range(rounds):
        for work in works:
            able = [s for s in subjects if work in s.works]
            # Who comes first is another each time: it may find the machine in another state.
            for i in range(len(able)):
                subject = able[(i + turn) % len(able)]
                progress(f"round {turn + 1} of {rounds}: {work}, {subject.name}")
                for name, value in once(servers, subject, work, quick).items():
                    results[work][subject.name][name].append(value)
    return results
