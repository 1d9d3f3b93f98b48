"""Acknowledgements that are late, doubled and out of order: each message goes out once, and is finished once."""

import random
from collections import Counter

import pytest
from harness import wire

COUNT = 60


def burst(conn):
    """The packets that come until the client has nothing more to say without an answer."""
    packets = [conn.read_packet()]
    while wire.whole(conn.buffer) or not conn.silent_for(0.05):
        while wire.whole(conn.buffer):
            packets.append(conn.read_packet())
    return packets


@pytest.mark.parametrize("seed", range(4))
def test_late_doubled_and_reordered(runtime, fake_broker, seed):
    rng = random.Random(seed)
    published, released = Counter(), Counter()

    def script(conn):
        conn.accept()
        told, finished = [], set()
        while len(finished) < COUNT:
            new = []
            for packet in burst(conn):
                if packet.name == "PUBLISH":
                    assert not packet.dup
                    published[packet.pid] += 1
                    kind = "PUBACK" if packet.qos == 1 else "PUBREC"
                else:
                    assert packet.name == "PUBREL" and published[packet.pid] == 1
                    released[packet.pid] += 1
                    kind = "PUBCOMP"
                if kind != "PUBREC":
                    finished.add(packet.pid)
                new.append(wire.ack(kind, packet.pid))
            # Each up to three times, and some of those that were sent long ago.
            answers = [ack for ack in new for _ in range(rng.randint(1, 3))] + rng.sample(told, min(5, len(told)))
            rng.shuffle(answers)
            told += new
            conn.send(b"".join(answers))
        while (packet := conn.read_packet()).name != "DISCONNECT":
            assert packet.name == "PUBREL" or packet.topic == "end"

    fake = fake_broker(script)
    ((_, codes, delivered),) = runtime.run("chaos_acks.publish", url=fake.url, clientid="c", count=COUNT)
    fake.join()
    assert codes == [[number, 0] for number in range(COUNT)], "one callback each"
    assert delivered == list(range(COUNT)), "ondelivery once each"
    assert set(published.values()) == {1} and len(published) == COUNT
    assert len(released) == COUNT // 2


def test_acknowledgements_of_nothing_are_ignored(runtime, fake_broker):
    """Of identifiers that are not in use, of the wrong kind, and SUBACK nobody has asked for; a PUBREL is answered."""

    def script(conn):
        conn.accept()
        first = [conn.read("PUBLISH") for _ in range(2)]
        assert [(p.pid, p.qos) for p in first] == [(1, 1), (2, 2)]
        wrong = [("PUBREC", 1), ("PUBCOMP", 1), ("UNSUBACK", 1), ("PUBACK", 2), ("PUBCOMP", 2), ("PUBACK", 77)]
        conn.send(b"".join(wire.ack(*each) for each in wrong) + wire.suback(1, 0) + wire.ack("PUBREL", 99))
        assert conn.read("PUBCOMP").pid == 99
        conn.send(wire.ack("PUBACK", 1) + wire.ack("PUBREC", 2))
        assert conn.read("PUBREL").pid == 2
        conn.send(wire.ack("PUBCOMP", 2))
        assert conn.read("PUBLISH").topic == "end"
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    ((_, codes, _),) = runtime.run("chaos_acks.publish", url=fake.url, clientid="c", count=2)
    assert codes == [[0, 0], [1, 0]]
    fake.join()
