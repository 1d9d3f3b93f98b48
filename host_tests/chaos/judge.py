"""What a run of the exchange must have led to, as the program and an independent subscriber saw it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

LONG = b"x" * 150  # of the messages whose remaining length takes two bytes
LAST = (b"end", 2)  # the scenario sends it when all others are through

# What each player publishes, in this order.
MESSAGES = [
    (b"2a", 2),
    (b"1a", 1),
    (b"0a", 0),
    (b"1b" + LONG, 1),
    (b"2b" + LONG, 2),
    (b"0b" + LONG, 0),
    (b"1c", 1),
    (b"2c", 2),
]


@dataclass
class Verdict:
    """Sums over many runs. `problems` says what else was wrong, and where."""

    tried: int = 0
    lost: int = 0
    doubled: int = 0
    again: int = 0  # QoS 1 messages that came more than once, as they may
    broker: int = 0  # QoS 2 messages that the broker has sent twice, as it must not
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.tried > 0 and not (self.lost or self.doubled or self.problems)

    def count(self, where: str, payloads: list[bytes], repeated: frozenset[bytes] = frozenset()) -> None:
        """Take what one side saw of one run, in which the broker repeated these messages against the standard."""
        seen = Counter(payloads)
        for payload, qos in [*MESSAGES, LAST]:
            times = seen.pop(payload, 0)
            if qos and not times:
                self.lost += 1
                self.problems.append(f"{where}: QoS {qos} message {payload[:2]!r} lost")
            if qos != 1 and times > 1 and payload in repeated:
                self.broker += 1
            elif qos != 1 and times > 1:
                self.doubled += 1
                self.problems.append(f"{where}: QoS {qos} message {payload[:2]!r} came {times} times")
            self.again += qos == 1 and times > 1
        if seen:
            self.problems.append(f"{where}: unknown messages {list(seen)}")
        for level in (0, 1, 2):
            # [MQTT-4.6.0]: in order, looking at each one's first coming.
            expected = [payload for payload, qos in [*MESSAGES, LAST] if qos == level]
            came = [payload for payload in dict.fromkeys(payloads) if payload in expected]
            self.expect(f"{where}: order of QoS {level}", came, [p for p in expected if p in came])

    def expect(self, what: str, got, expected) -> None:
        if got != expected:
            self.problems.append(f"{what}: {got}, not {expected}")

    def player(self, where: str, seen: dict, attempts: int, repeated: frozenset[bytes] = frozenset()) -> None:
        """Take what the program saw in one run, in which so many connections were made; `repeated`: see `count`."""
        self.count(f"{where}, handler", [payload for payload, _, _ in seen["heard"]], repeated)
        self.expect(f"{where}: answers to requests", seen["answers"], [[0, [2, 1]], [0]])
        sent = [*MESSAGES, LAST]
        called = Counter(payload for payload, _ in seen["codes"])
        self.expect(f"{where}: calls of callbacks", called, Counter(payload for payload, _ in sent))
        for payload, code in seen["codes"]:
            allowed = (0, -1) if (payload, 0) in sent else (0,)
            if code not in allowed:
                self.problems.append(f"{where}: {payload[:2]!r} ended with {code}")
        self.expect(f"{where}: ondelivery", sorted(seen["delivered"]), sorted(payload for payload, qos in sent if qos))
        self.expect(f"{where}: calls of onconnect", len(seen["results"]), attempts)
        self.expect(f"{where}: reasons of losses", seen["lost"], [-1] * (seen["results"].count(0) - 1))
        self.expect(f"{where}: pending, dropped", seen["rest"], [0, 0])
