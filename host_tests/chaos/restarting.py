"""The broker is stopped and started again, in the middle of traffic, with its persistence or without."""

from __future__ import annotations

from collections import Counter

from harness.broker import Mosquitto
from harness.process import LIMIT
from harness.proxy import Proxy
from harness.witness import Witness

from chaos.crashing import Tally
from chaos.wiretap import deliveries, sent_again

COUNT = 60  # messages of each QoS in a round
# With 0, unlimited, or less than is ever in flight, mosquitto 2.0.11 itself sends QoS 2 messages again, after PUBREL,
# when it has been restarted.
CONFIG = ("max_queued_messages 0", "max_inflight_messages 1000", "set_tcp_nodelay true")


class Returning(Witness):
    """A witness that comes back soon, and subscribes again to what a broker may have forgotten."""

    def __init__(self, port: int, topic: str):
        self.topic = topic
        super().__init__(port, "witness", clean=False)
        self.client.reconnect_delay_set(0.02, 0.1)
        self.wait_back(1)

    def _on_connect(self, client, userdata, flags, reason, properties) -> None:
        super()._on_connect(client, userdata, flags, reason, properties)
        client.subscribe(self.topic, 2)

    def wait_back(self, count: int) -> None:
        """Wait until it has subscribed so many times."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.acknowledged) >= count, LIMIT), "the witness is not back"


def restarts(runtime, folder, persistence: bool, rounds=8) -> Tally:
    """One restart in each round, and what came of it; `tally.broker` counts what the broker has doubled."""
    name = f"restarted-{persistence}"
    tally = Tally()
    with Mosquitto(folder / f"{name}-{runtime.name}", CONFIG, persistence=persistence) as broker:
        witness = Returning(broker.port, name)
        with Proxy(broker.port) as proxy:
            lane = proxy.lane()
            program = runtime.start("chaos_restart.run", url=lane.url, clientid=name, rounds=rounds, count=COUNT)
            for number in range(rounds):
                program.wait_until(lambda n=number: ["sending", n] in program.events, f"round {number}")
                broker.restart()
                tally.tried += 1
                witness.wait_back(tally.tried + 1)
            program.wait_until(lambda: ["sent"] in program.events, "end of sending")
            sender = Witness(broker.port)
            # Retained, for a program that is still on its way back.
            sender.publish(name, b"stop", 2, retain=True)
            program.finish()
        witness.wait_for(lambda messages: any(m.message == b"stop" for m in messages))
        for one in (witness, sender):
            one.close()
    events = {event[0]: event[1] for event in program.events if len(event) > 1}
    judge(tally, f"{runtime.name},", rounds, witness.messages, events, lane.streams)
    return tally


def judge(tally: Tally, where: str, rounds: int, messages, events: dict, streams) -> None:
    seen, heard = Counter(m.message for m in messages), Counter(payload for payload, _ in events["heard"])
    faults, due = Counter(sent_again(streams)), deliveries(streams)
    for number in range(rounds):
        for i in range(COUNT):
            for qos in (1, 2):
                payload = b"%d-%d-%d" % (number, i, qos)
                # A copy too many that the wire lays at the broker's door is not the client's.
                sent_twice = qos == 2 and payload in faults
                heard_twice = qos == 2 and heard[payload] > due[payload]
                tally.note(f"{where} subscriber {payload}", seen[payload], qos, True, sent_twice)
                tally.note(f"{where} handler {payload}", heard[payload], qos, True, heard_twice)
                if qos == 2 and not sent_twice and not heard_twice:
                    tally.broker += max(0, seen[payload] - 1) + max(0, heard[payload] - 1)
    codes = Counter(map(tuple, events["codes"]))
    if set(codes.values()) != {1} or {code for _, code in codes} != {0}:
        tally.problems.append(f"{where} callbacks {codes.most_common(3)}")
