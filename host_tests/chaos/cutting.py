"""Runs the exchange once for each of many cuts, many in one child process, against one broker."""

from __future__ import annotations

import contextlib
import itertools
import random

import trustme
from harness import wire
from harness.broker import UNLIMITED, Mosquitto
from harness.process import ChildError
from harness.proxy import DOWN, UP, Cut, Proxy, packet_ends, record_ends
from harness.witness import Witness

from chaos.judge import MESSAGES, Verdict

TOGETHER = 16  # clients of one child that are connected at the same time
BATCH = 320  # clients of one child, one after the other
LIMIT = 90  # seconds for a batch
OPTIONS = {"cleansession": False, "reconnect": {"min": 0.005, "max": 0.02}, "maxinflight": 3}
SILENT = {"keepalive": 1, "timeout": 1}  # how soon a silent link is found

numbers = itertools.count(10000)


class Field:
    """A broker with a plain and a TLS port, and a subscriber of its own session that sees everything."""

    def __init__(self, folder):
        self.stack = contextlib.ExitStack()
        authority = trustme.CA()
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        self.authority = authority.cert_pem.bytes()
        tls = [f"certfile {folder}/server.pem", f"keyfile {folder}/server.pem"]
        self.broker = self.stack.enter_context(Mosquitto(folder / "broker", UNLIMITED, listeners=[tls]))
        self.witness = Witness(self.broker.port, "chaos-witness", clean=False).subscribe("#")
        self.stack.callback(self.witness.close)

    def __enter__(self):
        return self

    def __exit__(self, *_exc) -> None:
        self.stack.close()

    def play(self, runtime, cuts: list[tuple[Cut, ...]], tls=False, together=TOGETHER, limit=LIMIT, **more):
        """One run of the exchange for each element, a sequence of cuts; (verdict, the lanes)."""
        verdict, lanes = Verdict(), []
        for start in range(0, len(cuts), BATCH):
            lanes += self._batch(runtime, cuts[start : start + BATCH], tls, together, limit, more, verdict)
        return verdict, lanes

    def _batch(self, runtime, cuts, tls, together, limit, more, verdict):
        options = {**OPTIONS, **more}
        if tls:
            options["ssl"] = {"cadata": self.authority, "servername": "localhost"}
        with Proxy(self.broker.ports[tls]) as proxy:
            lanes = {f"c{next(numbers)}": proxy.lane(*each) for each in cuts}
            program = runtime.start(
                "chaos.play",
                lanes=[[lane.url.replace("tcp", "ssl" if tls else "tcp"), name] for name, lane in lanes.items()],
                together=together,
                messages=MESSAGES,
                **options,
            )
            try:
                program.finish(limit)
            except ChildError as error:
                verdict.problems.append(str(error)[-3000:])
                program.kill()
            # How much a resumed connection or TLS says is not quite the same in every run.
            self._judge(program, lanes, verdict, tls, exact=not tls and max(map(len, cuts)) < 2)
        return list(lanes.values())

    def _judge(self, program, lanes, verdict, tls, exact):
        self.witness.fence("chaos/fence")
        heard = {name: [] for name in lanes}
        for message in self.witness.messages:
            if message.topic in heard:
                heard[message.topic].append(message.message)
        self.witness.messages.clear()
        played = {event[1]: event[2] for event in program.events if event[0] == "player"}
        for name, lane in lanes.items():
            where = f"{program.argv[0].split('/')[-1]} {name} {' '.join(map(str, lane.cuts)) or 'uncut'}"
            verdict.tried += lane.fired
            if name in played:
                again = frozenset() if tls else repeated([stream[DOWN] for stream in lane.streams])
                verdict.player(where, played[name], len(lane.streams), again)
            else:
                verdict.problems.append(f"{where}: did not come to its end")
            verdict.count(f"{where}, subscriber", heard[name])
            if exact:
                verdict.expect(f"{where}: cuts made", lane.fired, len(lane.cuts))


def repeated(streams: list[bytes]) -> frozenset[bytes]:
    """Payloads that a broker has published again after it had sent PUBREL for them [MQTT-4.3.3-1].

    mosquitto 2.0.11 does so when two connections in a row break before it gets PUBCOMP.
    """
    sent, released, again = {}, set(), set()
    for stream in streams:
        start = 0
        for end in packet_ends(stream):
            packet = wire.decode(bytes(stream[start:end]))
            start = end
            if packet.name == "PUBREL":
                released.add(packet.pid)
            elif packet.name == "PUBLISH" and packet.qos == 2:
                if packet.pid in released and sent.get(packet.pid) == packet.message:
                    again.add(packet.message)
                released.discard(packet.pid)
                sent[packet.pid] = packet.message
    return frozenset(again)


def uncut(field: Field, runtime, tls=False) -> dict[str, bytes]:
    """What goes over the line when nothing goes wrong: {direction: bytes}."""
    verdict, (lane,) = field.play(runtime, [()], tls)
    assert not verdict.problems, verdict.problems
    return {way: bytes(stream) for way, stream in lane.streams[0].items()}


def every_byte(streams, kind: str, step=1, first=0) -> list[tuple[Cut, ...]]:
    """A cut after each byte in either direction, or after every `step`-th from the `first` on."""
    return [(Cut(way, at, kind),) for way in (UP, DOWN) for at in range(first, len(streams[way]) + 1, step)]


def every_packet(streams, kind: str) -> list[tuple[Cut, ...]]:
    """A cut at each packet boundary but the last, after which there is nothing to say."""
    return [(Cut(way, at, kind),) for way in (UP, DOWN) for at in packet_ends(streams[way])[:-1]]


def every_record(streams, kind: str) -> list[tuple[Cut, ...]]:
    """A cut at each boundary of TLS records, and one byte before and after it."""
    return [
        (Cut(way, at, kind),)
        for way in (UP, DOWN)
        for end in record_ends(streams[way])
        for at in (end - 1, end, end + 1)
        if at <= len(streams[way])
    ]


def pairs(streams, count: int, seed=4) -> list[tuple[Cut, ...]]:
    """`count` pairs: the connection that resumes is cut as well."""
    rng = random.Random(seed)

    def cut(most):
        way = rng.choice((UP, DOWN))
        return Cut(way, rng.randint(0, min(most, len(streams[way]))), rng.choice(("fin", "rst")))

    # What is left to say after the first cut is less than the whole: the second comes early.
    return [(cut(10**6), cut(120)) for _ in range(count)]

