"""Limits of the outgoing queue, and inbound messages that are too large for maxmessage or for memory."""

import pytest
from harness import wire
from harness.engine import MOST, Engine
from hypothesis import given
from hypothesis import strategies as st

# -- the outgoing queue


def test_maxqueued_refuses_and_keeps_what_was_accepted():
    engine = Engine(maxqueued=3)
    assert [engine.offer(t, b"", qos) for t, qos in zip("abcde", (1, 0, 2, 0, 1))] == [0, 0, 0, -12, -12]
    assert (engine.session.pending(), engine.session.dropped, engine.done) == (3, 0, [])
    engine.connect()
    assert engine.sent() == ["PUBLISH1 a 1", "PUBLISH0 b", "PUBLISH2 c 2"]
    assert engine.offer("d") == 0, "b is finished"
    assert engine.offer("e", b"", 1) == -12
    engine.feed(wire.ack("PUBACK", 1) + wire.ack("PUBREC", 2))
    assert engine.offer("f", b"", 1) == 0
    assert engine.offer("g", b"", 1) == 0, "d has left, too"
    assert engine.offer("h") == -12, "c waits for PUBCOMP"


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_maxqueuedbytes_counts_topic_and_message(qos):
    engine = Engine(maxqueuedbytes=100)
    assert [engine.offer("éé", bytes(n), qos) for n in (46, 47, 46, 0)] == [0, -12, 0, -12]
    assert engine.session.cancel(engine.session.entries[0])
    assert [engine.offer("abcd", bytes(n), qos) for n in (47, 40, 3, 2, 0)] == [-12, 0, -12, 0, -12]
    assert engine.session.pending() == 3


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_one_message_may_be_over_the_limit_of_bytes(qos):
    engine = Engine(maxqueuedbytes=100)
    assert engine.offer("a", bytes(500), qos) == 0
    assert engine.offer("b", b"", qos) == -12
    engine = Engine(maxqueuedbytes=100)
    assert engine.offer("b", b"", qos) == 0
    assert engine.offer("a", bytes(100), qos) == -12


def test_messages_in_the_transmit_buffer_count():
    """QoS 0 that was encoded and has not left is pending."""
    engine = Engine(maxqueued=4, maxqueuedbytes=40).connect()
    engine.out.room = 0
    assert engine.session.publish0(b"a", bytes(9), 0) and engine.session.publish0(b"a", bytes(9), 0)
    assert engine.session.pending() == 2
    assert not engine.session.publish0(b"a", bytes(20), 0)
    assert engine.offer("b", bytes(20), 1) == -12
    assert engine.session.publish0(b"a", b"", 0) and engine.session.publish0(b"a", b"", 0)
    assert not engine.session.publish0(b"a", b"", 0)
    assert engine.offer("b", b"", 1) == -12
    engine.out.room = MOST
    engine.flush()
    assert engine.session.pending() == 0
    assert engine.offer("b", bytes(39), 1) == 0
    assert len(engine.sent()) == 4


def test_requests_do_not_count():
    engine = Engine(maxqueued=2, maxqueuedbytes=10)
    assert [engine.ask("a" * 20, 0), engine.ask("b"), engine.ask("c", 1)] == [0, 0, 0]
    assert engine.session.pending() == 0
    assert [engine.offer("a", b"", 1) for _ in range(3)] == [0, 0, -12]
    engine.connect().feed(wire.suback(1, 0) + wire.ack("UNSUBACK", 2))
    assert engine.session.pending() == 2


@pytest.mark.parametrize("overflow", ["refuse", "dropold"])
def test_ten_thousand_messages_offered_offline(overflow):
    engine = Engine(overflow=overflow, reconnect=True)
    codes = [engine.offer("t", b"%05d" % n, 1) for n in range(10_000)]
    assert (codes.count(0), engine.session.pending()) == (64 if overflow == "refuse" else 10_000, 64)
    assert codes.count(-12) == 10_000 - codes.count(0)
    engine.connect()
    kept = [int(p.message) for p in engine.sent_packets()]
    assert kept == list(range(16)) if overflow == "refuse" else kept == list(range(9936, 9952))
    assert engine.done == [("t", -12)] * (codes.count(0) - 64)


sizes = st.integers(0, 12).map(lambda n: n * 5)
offers = st.lists(st.tuples(st.integers(0, 2), sizes), max_size=20)


@given(offers, st.integers(2, 6), st.sampled_from([30, 60, 1000]))
def test_dropold_gives_up_the_oldest_qos0_first_and_none_in_flight(offered, maxqueued, maxbytes):
    """No more than needed, and none if that would not make room."""
    engine = Engine(maxinflight=2, maxqueued=maxqueued, maxqueuedbytes=maxbytes, overflow="dropold").connect()
    kept = [("fly0", 1, 4), ("fly1", 1, 4)]
    for name, qos, _ in kept:
        engine.send(name, b"", qos)
    expected = []
    for n, (qos, size) in enumerate(offered):
        name = f"{n:02d}"
        old, rest = [], list(kept)

        def fits(rest=rest, more=size + 2):
            return len(rest) < maxqueued and sum(size for _, _, size in rest) + more <= maxbytes

        while not fits() and len(rest) > 2:
            old.append(min(rest[2:], key=lambda q: q[1] > 0))
            rest.remove(old[-1])
        code = engine.offer(name, bytes(size), qos)
        assert code == (0 if fits() else -12)
        if not code:
            kept = [*rest, (name, qos, size + 2)]
            expected += [(victim, -12) for victim, _, _ in old]
    engine.session.calls()
    assert engine.done == expected
    assert engine.session.dropped == len(expected)
    assert engine.session.pending() == len(kept)
    for _ in kept:
        engine.feed(b"".join(wire.ack(kind, pid) for pid in range(1, 30) for kind in ("PUBACK", "PUBREC", "PUBCOMP")))
    assert [s.split()[1] for s in engine.sent() if "PUBLISH" in s] == [name for name, _, _ in kept]


@pytest.mark.parametrize("large", [False, True])
def test_dropold_does_not_give_up_a_qos0_message_that_is_being_sent(large):
    engine = Engine(maxqueued=2, overflow="dropold").connect()
    engine.out.room = 1
    engine.send("begun", bytes(1100 if large else 9))
    assert [engine.offer("old"), engine.offer("new")] == [0, 0]
    engine.session.calls()
    assert engine.done == [("old", -12)]
    engine.out.room = MOST
    engine.flush()
    engine.session.calls()
    assert engine.done == [("old", -12), ("begun", 0), ("new", 0)]
    assert engine.sent() == ["PUBLISH0 begun", "PUBLISH0 new"]


# -- inbound messages over maxmessage


def big_between_small(size, qos):
    """`size` bytes of body."""
    big = wire.publish("big", bytes(size - 5 - 2 * (qos > 0)), qos, qos and 7)
    return wire.publish("small", b"x", 1, 1), big, wire.publish("after", b"y", 1, 2)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_oversize_drop_at_every_split(qos):
    """Skipped, acknowledged as its QoS asks, counted; before and after it all is as ever."""
    data = b"".join(big_between_small(300, qos))
    for first in range(len(data) + 1):
        for step in (MOST, 1) if first in (0, 20) else (MOST,):
            engine = Engine(maxmessage=299, oversize="drop").connect()
            engine.feed(data[:first])
            engine.feed(data[first:], step)
            assert [m[0] for m in engine.messages] == ["small", "after"], f"split at byte {first}"
            answer = [[], ["PUBACK 7"], ["PUBREC 7"]][qos]
            assert engine.sent() == ["PUBACK 1", *answer, "PUBACK 2"]
            assert engine.session.dropped == 1


@pytest.mark.parametrize("size", [301, 1024, 1030, 5000, 70_000])
@pytest.mark.parametrize("step", [MOST, 1000, 7])
def test_oversize_drop_of_any_size(size, step):
    engine = Engine(maxmessage=300, oversize="drop").connect()
    engine.feed(b"".join(big_between_small(size, 1)) * 2, step)
    assert [m[0] for m in engine.messages] == ["small", "after"] * 2
    assert engine.sent() == ["PUBACK 1", "PUBACK 7", "PUBACK 2"] * 2
    assert engine.session.dropped == 2


@pytest.mark.parametrize("topic", [1, 255, 256, 600, 2000, 65_535])
def test_oversize_drop_with_a_topic_of_any_length(topic):
    data = wire.publish("t" * topic, bytes(70_000), 1, 0x0107) + wire.publish("after")
    for step in (MOST, 500):
        engine = Engine(maxmessage=300, oversize="drop").connect()
        engine.feed(data, step)
        assert engine.sent() == ["PUBACK 263"]
        assert [m[0] for m in engine.messages] == ["after"] and engine.session.dropped == 1


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_oversize_drop_of_a_message_that_is_all_topic(qos):
    engine = Engine(maxmessage=300, oversize="drop").connect()
    engine.feed(wire.publish("t" * 400, b"", qos, 7) + wire.publish("after", b"", 1, 8))
    assert engine.sent() == [*[[], ["PUBACK 7"], ["PUBREC 7"]][qos], "PUBACK 8"]
    assert [m[0] for m in engine.messages] == ["after"] and engine.session.dropped == 1


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_oversize_close_at_every_split(qos):
    small, big, after = big_between_small(300, qos)
    data = small + big + after
    for first in range(len(data)):
        engine = Engine(maxmessage=299, oversize="close").connect()
        why = engine.fails(data[:first]) or engine.fails(data[first:])
        assert (why[0], why[3]) == (-3, 300), f"split at byte {first}"
        assert [m[0] for m in engine.messages] == ["small"]
        assert engine.session.dropped == 0


@pytest.mark.parametrize("oversize", ["drop", "close"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_body_of_maxmessage_bytes_is_not_too_large(qos, oversize):
    for size in (300, 1018, 1019, 1020, 5000):
        engine = Engine(maxmessage=size, oversize=oversize).connect()
        engine.feed(b"".join(big_between_small(size, qos)))
        assert [m[0] for m in engine.messages] == ["small", "big", "after"]
        assert engine.session.dropped == 0


def test_a_qos2_message_that_is_too_large_counts_once_however_often_it_is_repeated():
    engine = Engine(maxmessage=100, oversize="drop").connect()
    for dup in (0, 1, 1):
        engine.feed(wire.publish("t", bytes(200), 2, 7, dup=dup))
    engine.feed(wire.ack("PUBREL", 7) + wire.publish("t", bytes(200), 2, 7))
    assert engine.session.dropped == 2
    assert engine.sent() == ["PUBREC 7"] * 3 + ["PUBCOMP 7", "PUBREC 7"]


@pytest.mark.parametrize(
    "data",
    [
        wire.packet("PUBLISH", b"\0\1t\0\1" + bytes(200), 6),
        wire.packet("PUBLISH", b"\0\1t" + bytes(200), 8),
        wire.publish("t", bytes(200), 1, 0),
        wire.publish("t", bytes(200), 2, 0),
        wire.packet("PUBLISH", b"\1\0" + bytes(200), 2),
        wire.packet("PUBLISH", b"\0\xc8" + bytes(200), 2),
    ],
    ids=["QoS 3", "DUP with QoS 0", "identifier 0, QoS 1", "identifier 0, QoS 2", "topic too long", "no identifier"],
)
def test_a_malformed_message_is_not_dropped_for_its_size(data):
    for step in (MOST, 1):
        engine = Engine(maxmessage=100, oversize="drop").connect()
        why = engine.fails(data, step)
        assert why and why[0] == -4
        assert engine.sent() == [] and engine.session.dropped == 0
