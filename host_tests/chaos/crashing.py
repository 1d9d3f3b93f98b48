"""A program with a session store is killed (kill -9) and started again with the same store, broker and subscriber."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field

numbers = itertools.count(1)
QOS = [2, 1, 2, 1, 1, 2, 2, 1]


@dataclass
class Tally:
    """Sums over many sessions of a program."""

    tried: int = 0  # kills
    lost: int = 0
    doubled: int = 0
    interrupted: int = 0  # inbound QoS 2 messages whose handler the kill forestalled: stated, not promised
    broker: int = 0  # copies that the broker has made
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.tried > 0 and not (self.lost or self.doubled or self.problems)

    def note(self, where, times, qos, needed, once):
        """A message came so many times; `needed`: it must come; `once`: and not twice."""
        if needed and not times:
            self.lost += 1
            self.problems.append(f"{where} (QoS {qos}) lost")
        if once and times > 1:
            self.doubled += 1
            self.problems.append(f"{where} (QoS {qos}) came {times} times")


class Crashing:
    """One session: `live` goes through one life of the program after the other."""

    def __init__(self, arena, runtime, folder):
        self.arena = arena
        self.runtime = runtime
        self.name = f"crash{next(numbers)}"
        self.path = str(folder / f"{self.name}.store")
        self.left = [(b"m%d" % i, qos) for i, qos in enumerate(QOS)]
        self.qos = dict(self.left)
        self.lives = 0
        self.events: list[list] = []

    def live(self, kill_after: int | None = None, number=0, after=False) -> bool:
        """Start the program; kill it after so many events, or where it stands. False: it came to its end before."""
        self.lives += 1
        end = b"end%d" % self.lives
        self.qos[end] = 2
        program = self.runtime.start(
            "chaos_crash.run",
            url=self.arena.broker.url,
            clientid=self.name,
            path=self.path,
            messages=self.left,
            end=end,
            number=number,
            after=after,
        )

        def due():
            names = [event[0] for event in program.events]
            return "standing" in names or "records" in names or kill_after is not None and len(names) >= kill_after

        program.wait_until(due, "place to be killed at, or end")
        killed = not any(event[0] == "records" for event in program.events)
        if killed:
            program.kill()
        else:
            program.finish()
        self.events += program.events
        offered = {event[1] for event in program.events if event[0] == "offer"}
        self.left = [(payload, qos) for payload, qos in self.left if payload not in offered]
        return killed

    def judge(self, tally: Tally, kills: int, where: str) -> None:
        """After the last life, which came to its end."""
        self.arena.witness.fence("chaos/fence")
        seen = Counter(m.message for m in self.arena.witness.messages if m.topic == self.name)
        self.arena.witness.messages.clear()
        heard = Counter(event[1] for event in self.events if event[0] == "heard")
        accepted = {event[1] for event in self.events if event[0] == "accepted"}
        tally.tried += kills
        interrupted = 0
        for payload, qos in self.qos.items():
            if payload not in {event[1] for event in self.events if event[0] == "offer"}:
                continue
            here = f"{where} {payload}"
            tally.note(f"{here}, subscriber", seen[payload], qos, payload in accepted, qos == 2)
            # What came while the program was dead comes later; what was stored but not handled does not.
            tally.note(f"{here}, handler", heard[payload], qos, qos == 1 and seen[payload] > 0, qos == 2)
            interrupted += qos == 2 and seen[payload] > 0 and not heard[payload]
        tally.interrupted += interrupted
        if interrupted > kills:  # one handler runs at a time
            tally.problems.append(f"{where} {interrupted} inbound QoS 2 messages lost by {kills} kills")
        codes = Counter(event[1] for event in self.events if event[0] == "code")
        if codes and max(codes.values()) > 1:
            tally.problems.append(f"{where}: callbacks {codes}")
        if any(event[2] for event in self.events if event[0] == "code"):
            tally.problems.append(f"{where}: results {[e for e in self.events if e[0] == 'code' and e[2]]}")


def records(arena, runtime, folder) -> int:
    """How many records a session writes that is not killed."""
    session = Crashing(arena, runtime, folder)
    assert not session.live()
    session.judge(Tally(), 0, "not killed")
    return session.events[-1][1]


def at_every_record(arena, runtime, folder, step=1) -> Tally:
    """Killed once before and once after each record, of every so many."""
    tally = Tally()
    for number in range(1, records(arena, runtime, folder) + 1, step):
        for after in (False, True):
            session = Crashing(arena, runtime, folder)
            killed = session.live(number=number, after=after)
            session.live()
            session.judge(tally, killed, f"{runtime.name}, killed {'after' if after else 'before'} record {number}:")
    return tally


def at_random(arena, runtime, folder, sessions: int, seed=4) -> Tally:
    """Killed three times, each after a random number of its events: whatever it does just then."""
    tally, rng = Tally(), random.Random(seed)
    for count in range(sessions):
        session = Crashing(arena, runtime, folder)
        kills = sum(session.live(kill_after=rng.randint(0, 30)) for _ in range(3))
        session.live()
        session.judge(tally, kills, f"{runtime.name}, session {count} killed at random:")
    return tally
