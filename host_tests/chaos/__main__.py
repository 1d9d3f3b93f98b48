"""`make chaos`: every cut, kill and restart there is, on both runtimes, as a table. Exit code 1 if anything is amiss.

`python -m chaos [--quick] [micropython] [cpython]` takes these runtimes only; --quick: every few of all.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from harness import runtimes

from chaos import crashing, cutting, restarting, soaking

COLUMNS = "{:<12} {:<40} {:>6} {:>5} {:>8} {:>6} {:>8}"


class Effort(NamedTuple):
    """How much of all there is."""

    step: int = 1  # every byte, record and kill, or every so many
    pairs: int = 500
    sessions: int = 60  # killed at random
    soak: int = 120  # seconds

    def each(self, what):
        return f"every {what}" if self.step == 1 else f"every {self.step}th {what}"


QUICK = Effort(step=9, pairs=60, sessions=6, soak=10)


def cutting_modes(arena, runtime, _folder, effort):
    """(name, function that returns a verdict) of the cuts."""
    plain = cutting.uncut(arena, runtime)
    tls = cutting.uncut(arena, runtime, tls=True)
    silent = cutting.every_packet(plain, "silence")
    for kind, name in (("fin", "FIN"), ("rst", "RST")):
        cuts = cutting.every_byte(plain, kind, effort.step)
        yield f"{name} after {effort.each('byte')}", lambda cuts=cuts: arena.play(runtime, cuts)[0]
    yield (
        "silence after every packet",
        lambda: arena.play(runtime, silent, together=len(silent), **cutting.SILENT)[0],
    )
    yield "pairs of cuts, a sample", lambda: arena.play(runtime, cutting.pairs(plain, effort.pairs))[0]
    for kind, name in (("fin", "FIN"), ("rst", "RST")):
        cuts = cutting.every_record(tls, kind)[:: effort.step]
        around = f"TLS: {name} around {effort.each('record')}'s end"
        yield around, lambda cuts=cuts: arena.play(runtime, cuts, tls=True)[0]
    sample = cutting.every_byte(tls, "rst", 13 * effort.step)
    yield f"TLS: RST after every {13 * effort.step}th byte", lambda: arena.play(runtime, sample, tls=True)[0]


def crashing_modes(arena, runtime, folder, effort):
    """The same of kills and restarts."""
    around = f"kill -9 around {effort.each('store record')}"
    yield around, lambda: crashing.at_every_record(arena, runtime, folder, effort.step)
    yield "kill -9 at random", lambda: crashing.at_random(arena, runtime, folder, effort.sessions)
    yield "broker restarted, persistent", lambda: restarting.restarts(runtime, folder, persistence=True)


def show(runtime, name, run) -> bool:
    """Run one mode and print its row; whether all was well."""
    start = time.monotonic()
    verdict = run()
    took = f"{time.monotonic() - start:.1f} s"
    tried = verdict.tried
    print(
        COLUMNS.format(runtime.name, name, tried, verdict.lost, verdict.doubled, len(verdict.problems), took),
        flush=True,
    )
    if stated := getattr(verdict, "interrupted", 0):
        print(f"    of inbound QoS 2 messages, {stated} kills came between storing and handling (stated, not promised)")
    if copies := getattr(verdict, "broker", 0):
        print(f"    {copies} copies were the broker's: PUBLISH sent again after PUBREL")
    for problem in verdict.problems[:10]:
        print("   ", problem[:2000])
    return verdict.good


def soaked(arena, runtime, seconds) -> bool:
    seen = soaking.soak(arena, runtime, seconds)
    print(
        f"{runtime.name}: {seconds} s of traffic, {seen['rounds'] * 36} messages each way, {seen['losses']} losses:"
        f" heap {seen['before']} before, {seen['after']} after",
        flush=True,
    )
    return soaking.good(runtime, seen)


def all_of(runtime, folder, effort) -> bool:
    good = True
    with cutting.Field(folder) as arena:
        for modes in (cutting_modes, crashing_modes):
            for name, run in modes(arena, runtime, folder, effort):
                good = show(runtime, name, run) and good
        seen = restarting.restarts(runtime, folder, persistence=False)
        print(f"{runtime.name}: broker restarted without persistence: {seen.tried} times, {seen.lost} lost,", end=" ")
        print(f"{seen.doubled} doubled (measured, not promised)", flush=True)
        return soaked(arena, runtime, effort.soak) and good


def main(names) -> None:
    found = runtimes.available()
    effort = QUICK if "--quick" in names else Effort()
    names = [name for name in names if name != "--quick"]
    unknown = set(names) - set(found)
    if unknown:
        sys.exit(f"no such runtime here: {', '.join(sorted(unknown))}; there is {', '.join(found)}")
    print(COLUMNS.format("runtime", "what is done to the exchange", "times", "lost", "doubled", "other", "took"))
    good = True
    for name in names or sorted(found, reverse=True):
        with tempfile.TemporaryDirectory() as folder:
            runtime = found[name]()
            try:
                good = all_of(runtime, Path(folder), effort) and good
            finally:
                runtime.close()
    sys.exit(None if good else "not all was well: see above")


if __name__ == "__main__":
    main(sys.argv[1:])
