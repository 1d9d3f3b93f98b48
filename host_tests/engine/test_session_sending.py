"""The engine sends: QoS 0, 1 and 2, whatever order acknowledgements come in; the window."""

import itertools

import pytest
from harness import wire
from harness.engine import MOST, Client, Engine
from harness.lengths import BOUNDARIES


def interleavings(sequences):
    """All orders of the elements that keep the order within each sequence."""
    labels = [i for i, sequence in enumerate(sequences) for _ in sequence]
    for order in sorted(set(itertools.permutations(labels))):
        parts = [iter(sequence) for sequence in sequences]
        yield [next(parts[i]) for i in order]


# -- QoS 1 and 2


def test_qos1_is_finished_by_its_puback():
    engine = Engine().connect()
    engine.send("a", b"x", 1, retain=1)
    assert engine.sent() == ["PUBLISH1 a 1 retain"]
    assert (engine.done, engine.session.pending()) == ([], 1)
    engine.feed(wire.ack("PUBACK", 1))
    assert (engine.done, engine.session.pending()) == ([("a", 0)], 0)
    assert engine.sent() == []


def test_qos2_is_finished_by_its_pubcomp():
    engine = Engine().connect()
    engine.send("a", b"x", 2)
    assert engine.sent() == ["PUBLISH2 a 1"]
    engine.feed(wire.ack("PUBREC", 1))
    assert (engine.sent(), engine.done, engine.session.pending()) == (["PUBREL 1"], [], 1)
    engine.feed(wire.ack("PUBCOMP", 1))
    assert (engine.sent(), engine.done, engine.session.pending()) == ([], [("a", 0)], 0)


@pytest.mark.parametrize("qos", [*itertools.product([1, 2], repeat=2), *itertools.product([1, 2], repeat=3)], ids=str)
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_acknowledgements_in_every_order(qos, times):
    """Each message is finished by its own, once; PUBRELs go out in the order of the PUBRECs [MQTT-4.6.0-4]."""
    kinds = {1: ["PUBACK"], 2: ["PUBREC", "PUBCOMP"]}
    for order in interleavings([[(kind, pid) for kind in kinds[q]] for pid, q in enumerate(qos, 1)]):
        engine = Engine().connect()
        for n, q in enumerate(qos):
            engine.send("abc"[n], b"", q)
        assert engine.sent() == [f"PUBLISH{q} {'abc'[n]} {n + 1}" for n, q in enumerate(qos)]
        for kind, pid in order:
            for _ in range(times):
                engine.feed(wire.ack(kind, pid))
                assert engine.sent() == ([f"PUBREL {pid}"] if kind == "PUBREC" else [])
        assert engine.done == [("abc"[pid - 1], 0) for kind, pid in order if kind != "PUBREC"], order
        assert engine.session.pending() == 0


def test_acknowledgements_of_another_kind_are_ignored():
    engine = Engine().connect()
    engine.send("one", b"", 1)
    engine.send("two", b"", 2)
    engine.send("released", b"", 2)
    engine.ask("a", 1)
    engine.ask("b")
    engine.feed(wire.ack("PUBREC", 3))
    engine.sent()
    right = {1: ["PUBACK"], 2: ["PUBREC"], 3: ["PUBREC", "PUBCOMP"], 4: ["SUBACK"], 5: ["UNSUBACK"]}
    for pid, kind in itertools.product(right, ["PUBACK", "PUBREC", "PUBCOMP", "SUBACK", "UNSUBACK"]):
        if kind not in right[pid]:
            engine.feed(wire.suback(pid, 0) if kind == "SUBACK" else wire.ack(kind, pid))
    assert (engine.sent(), engine.done, engine.session.pending()) == ([], [], 3)
    engine.feed(wire.ack("PUBCOMP", 3) + wire.ack("PUBREC", 2) + wire.ack("PUBCOMP", 2) + wire.ack("PUBACK", 1))
    engine.feed(wire.suback(4, 1) + wire.ack("UNSUBACK", 5))
    assert engine.done == [("released", 0), ("two", 0), ("one", 0), ("a", 0, 1), ("b", 0)]


def test_acknowledgements_for_identifiers_not_in_use_are_ignored():
    engine = Engine().connect()
    engine.send("a", b"", 1)
    engine.sent()
    for pid in (2, 256, 257, 65535):
        for kind in ("PUBACK", "PUBREC", "PUBCOMP", "UNSUBACK"):
            engine.feed(wire.ack(kind, pid))
        engine.feed(wire.suback(pid, 0) + wire.suback(pid, 128, 2))
    assert (engine.sent(), engine.done, engine.session.pending()) == ([], [], 1)


def test_ondelivery_tells_of_acknowledged_messages():
    """Of QoS 1 and 2 alone, once, in the order in which they are finished."""
    engine = Engine().connect()
    entries = [engine.send(topic, b"", qos) for topic, qos in (("zero", 0), ("one", 1), ("two", 2), ("given up", 1))]
    delivered = []
    engine.session.ondelivery = delivered.append
    engine.session.cancel(entries[3])
    engine.ask("a", 0)
    engine.feed(wire.ack("PUBREC", 2) + wire.ack("PUBCOMP", 2) * 2 + wire.ack("PUBACK", 1) * 2 + wire.suback(4, 0))
    assert delivered == [entries[2], entries[1]]
    assert engine.done == [("zero", 0), ("given up", -11), ("two", 0), ("one", 0), ("a", 0, 0)]


def test_a_message_object_says_what_is_to_be_sent():
    message = Client().createmessage("é", bytearray(b"xy"), {"qos": 2, "retain": True})
    assert (message.topic, message.message, message.size) == ("é", b"xy", 4)
    assert (message.qos, message.retain, message.pid) == (2, 1, 0)


# -- QoS 0


def test_qos0_is_finished_when_its_last_byte_was_taken():
    engine = Engine().connect()
    engine.out.room = 3 + 2 + 100 - 1
    engine.send("a", bytes(100), 0, retain=1)
    engine.session.calls()
    assert (engine.done, engine.session.pending()) == ([], 1)
    engine.out.room = 1
    engine.flush()
    assert engine.done == [], "no callback inside of flush"
    engine.session.calls()
    assert (engine.done, engine.session.pending()) == ([("a", 0)], 0)
    assert engine.sent() == ["PUBLISH0 a retain"]


def test_publish0_puts_many_into_one_write():
    engine = Engine().connect()
    for n in range(50):
        assert engine.session.publish0(b"t", b"%d" % n, n & 1)
    assert engine.session.pending() == 50 and engine.session.waiting()
    before = engine.out.writes
    engine.flush()
    assert engine.out.writes == before + 1
    packets = engine.sent_packets()
    assert [(p.topic, int(p.message), p.qos, p.retain) for p in packets] == [("t", n, 0, n & 1) for n in range(50)]
    assert engine.session.pending() == 0 and not engine.session.waiting()


def test_publish0_keeps_the_order_with_what_is_queued():
    """What does not fit behind what is waiting, or would overtake it, has to queue."""
    engine = Engine(maxinflight=1, maxqueued=9).connect()
    engine.out.room = 0
    engine.send("a", b"", 1)
    engine.publish("b")
    engine.send("c", b"", 1)
    assert not engine.session.publish0(b"d", b"", 0)
    engine.publish("d")
    engine.out.room = MOST
    engine.flush()
    assert engine.session.pending() == 3
    engine.feed(wire.ack("PUBACK", 1))
    engine.feed(wire.ack("PUBACK", 2))
    assert engine.sent() == ["PUBLISH1 a 1", "PUBLISH0 b", "PUBLISH1 c 2", "PUBLISH0 d"]
    assert engine.session.pending() == 0


@pytest.mark.parametrize("topic", [b"", b"a/#", b"+", b"a\0", b"\xff", b"\xc0\x80"])
@pytest.mark.parametrize("before", [[], [b"good"]], ids=["first", "later"])
def test_a_bad_topic_is_refused(topic, before):
    engine = Engine().connect()
    for good in before:
        engine.publish(good.decode())
    for _ in range(2):
        with pytest.raises(ValueError, match="topic"):
            engine.session.field(topic)
    engine.flush()
    assert engine.sent() == ["PUBLISH0 good"] * len(before)


@pytest.mark.parametrize("topic", [None, 0, 5, False, ["a"]])
def test_a_topic_of_another_type_is_refused(topic):
    """By the first message of a client, too."""
    with pytest.raises(TypeError, match="topic: "):
        Engine().session.field(topic)


def test_a_topic_that_changes_in_place_is_checked_again():
    engine = Engine().connect()
    topic = bytearray(b"a/b")
    assert engine.session.field(topic) == engine.session.field(topic) == b"a/b"
    topic[1] = ord("+")
    with pytest.raises(ValueError, match="topic"):
        engine.session.field(topic)


def test_a_topic_is_encoded_once():
    engine = Engine().connect()
    encoded = engine.session.field("é")
    assert encoded == "é".encode() and engine.session.field("é") is encoded
    assert engine.session.field("é".encode()) == encoded and engine.session.field("e") == b"e"


# -- lengths


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("length", [*BOUNDARIES, 985, 1000, 1001, 1003, 1005, 1006, 1008, 1009, 1020, 1024])
def test_lengths_at_every_boundary(length, qos):
    """Of the remaining length's field, and of what fits the transmit buffer."""
    engine = Engine(maxqueuedbytes=1 << 24).connect()
    size = length - 2 - 3 - (2 if qos else 0)
    message = bytes(i % 251 for i in range(min(size, 5000))) + bytes(size)
    engine.send("a/b", message[:size], qos)
    if not qos:
        engine.publish("a/b", message[:size])
        engine.flush()
    engine.send("next", b"", 1)
    *found, last = engine.sent_packets()
    assert len(found) == (1 if qos else 2)
    for p in found:
        assert (p.topic, p.qos, p.message == message[:size]) == ("a/b", qos, True)
        assert len(p.raw) == length + 1 + len(wire.length(length))
    assert last.topic == "next"


def test_topics_are_counted_in_bytes():
    engine = Engine(maxqueuedbytes=1 << 24).connect()
    for topic in ("é" * 62, "€" * 41, "😀" * 31, "é" * 32767):
        for qos in (0, 1):
            engine.send(topic, b"x", qos)
        engine.publish(topic, b"x")
        engine.flush()
        assert [p.topic for p in engine.sent_packets()] == [topic] * 3


# -- the window


@pytest.mark.parametrize("limit", [1, 2, 3, 16])
def test_never_more_than_maxinflight_without_acknowledgement(limit):
    engine = Engine(maxinflight=limit).connect()
    for n in range(20):
        engine.send(f"t{n}", b"", 1 + n % 2)
    waiting = [p.pid for p in engine.sent_packets()]
    assert waiting == list(range(1, limit + 1))
    for n in range(20):
        pid = waiting.pop(0)
        if pid % 2:
            engine.feed(wire.ack("PUBACK", pid))
        else:
            engine.feed(wire.ack("PUBREC", pid))
            assert engine.sent() == [f"PUBREL {pid}"], "PUBREC does not open the window"
            engine.feed(wire.ack("PUBCOMP", pid))
        more = [p.pid for p in engine.sent_packets()]
        assert more == ([n + limit + 1] if n + limit < 20 else []), "each acknowledgement lets one more go"
        waiting += more
    assert len(engine.done) == 20


def test_requests_take_no_place_in_the_window():
    """maxinflight: "QoS 1/2 messages sent and not yet acknowledged", before and after requests are answered."""
    engine = Engine(maxinflight=2).connect()
    engine.ask("x", 0)
    for topic in "abc":
        engine.send(topic, b"", 1)
    engine.ask("y")
    assert engine.sent()[:3] == ["SUBSCRIBE 1 x:0", "PUBLISH1 a 2", "PUBLISH1 b 3"]
    engine.feed(wire.suback(1, 0))
    assert [s for s in engine.sent() if "PUBLISH" in s] == []
    for pid in (2, 3):
        engine.feed(wire.ack("PUBACK", pid))
    engine.feed(wire.ack("UNSUBACK", 5))
    for topic in "def":
        engine.send(topic, b"", 1)
    assert [s for s in engine.sent() if "PUBLISH" in s] == ["PUBLISH1 c 4", "PUBLISH1 d 6"]
    engine.lose()
    engine.connect(1)
    assert engine.sent() == ["PUBLISH1 c 4 dup", "PUBLISH1 d 6 dup"]
