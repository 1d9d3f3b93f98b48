"""Traffic for long over connections that are cut all the time."""

from __future__ import annotations

import random

from harness.proxy import DOWN, UP, Cut, Proxy


def soak(arena, runtime, seconds: int, seed=4) -> dict:
    """What the program saw: heap before and after (bytes), rounds, sum of the result codes, losses."""
    rng = random.Random(seed)
    cuts = [Cut(rng.choice((UP, DOWN)), rng.randint(2000, 60000), rng.choice(("fin", "rst"))) for _ in range(5000)]
    with Proxy(arena.broker.port) as proxy:
        lane = proxy.lane(*cuts)
        program = runtime.start("chaos_soak.soak", url=lane.url, clientid=f"soak-{runtime.name}", seconds=seconds)
        (event,) = program.finish(seconds + 40)
        arena.witness.messages.clear()
        return dict(zip(("before", "after", "rounds", "codes", "losses"), event[1:]))


def good(runtime, seen: dict) -> bool:
    """Whether all was delivered and the heap is what it was.

    On MicroPython to a few objects: what an exception of the last loss holds. CPython's figure is that of the process.
    """
    slack = 512 if runtime.name == "micropython" else 4_000_000
    return not seen["codes"] and seen["losses"] > 0 and seen["after"] <= seen["before"] + slack
