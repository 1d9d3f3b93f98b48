"""QoS 0 messages when a connection ends: sent whole, lost half way, waiting, or given up; never twice."""

import itertools

import pytest
from harness import wire
from harness.engine import ALL, KEEP, QOS0, REQUESTS, Engine
from hypothesis import given
from hypothesis import strategies as st

ZEROS = [("a", b"", 0), ("bb", b"x" * 9, 1), ("c", bytes(120), 0)]
ENDS = list(itertools.accumulate(2 + 2 + len(topic) + len(message) for topic, message, _ in ZEROS))


@pytest.mark.parametrize("how", [KEEP, REQUESTS, QOS0, ALL])
def test_qos0_at_a_loss_after_every_byte(how):
    """Left whole: sent. Begun: lost (-1). Not begun: waits for the next connection, or is given up (-11)."""
    for room in range(ENDS[-1]):
        engine = Engine(reconnect=True).connect()
        engine.out.room = room
        for zero in ZEROS:
            engine.publish(*zero)
        engine.flush()
        engine.lose(how)
        before = [end <= room for end in ENDS].count(True)
        begun = room not in (0, *ENDS)
        kept = len(ZEROS) - before - begun
        assert len(engine.sent()) == before
        assert engine.session.pending() == (0 if how >= QOS0 else kept)
        assert engine.session.dropped == begun + (kept if how >= QOS0 else 0)
        if engine.session.dropped:
            assert engine.session.why == (-11 if how >= QOS0 and kept else -1)
        engine.connect()
        after = [(p.topic, p.message, p.retain) for p in engine.sent_packets()]
        assert after == ([] if how >= QOS0 else ZEROS[before + begun :]), f"lost after byte {room}"
        assert engine.session.pending() == 0


@pytest.mark.parametrize("how", [KEEP, REQUESTS, QOS0, ALL])
@pytest.mark.parametrize("large", [False, True])
def test_qos0_with_a_callback_at_a_loss_after_every_byte(how, large):
    message = bytes(1100 if large else 20)
    total = len(wire.publish("a", message))
    for room in [*range(24), total // 2, total - 1]:
        engine = Engine(reconnect=True).connect()
        engine.out.room = room
        engine.send("a", message)
        engine.send("b", message)
        engine.lose(how)
        gone = [("b", -11)] if how >= QOS0 else []
        if room:
            gone.append(("a", -1))
        elif how >= QOS0:
            gone.append(("a", -11))
        assert sorted(engine.done) == sorted(gone)
        engine.connect()
        engine.session.calls()
        assert engine.sent() == [f"PUBLISH0 {t}" for t in "ab" if (t, -11) not in gone and (t, -1) not in gone]
        assert len(engine.done) == 2
        assert (engine.session.dropped, engine.session.pending()) == (0, 0)


@given(st.lists(st.sampled_from(["zero", "one", "ack", "request"]), max_size=14), st.integers(0, 160), st.booleans())
def test_qos0_among_others_at_a_loss(kinds, room, again):
    """Nothing is taken for a QoS 0 message that is none, and each of these is sent once, or counted."""
    engine = Engine(reconnect=True).connect()
    engine.out.room = room
    first = engine.out
    for n, kind in enumerate(kinds):
        if kind == "zero":
            engine.publish(f"zero/{n}", b"0\x02", n & 1)
        elif kind == "one":
            engine.send(f"one/{n}", b"0\x02", 1)
        elif kind == "ack":
            engine.feed(wire.publish("t", b"", 1, 0x3002))
        else:
            engine.ask("0\x02")
    engine.flush()
    engine.lose(KEEP if again else QOS0)
    sent = engine.sent()
    torn = bool(first.data) and first.data[0] & 0xF6 == 0x30
    engine.connect()
    for n in range(len(kinds)):
        engine.feed(wire.ack("PUBACK", n + 1) + wire.ack("UNSUBACK", n + 1))
    sent += engine.sent()
    zeros = [f"PUBLISH0 zero/{n}" + " retain" * (n & 1) for n, kind in enumerate(kinds) if kind == "zero"]
    found = [s for s in sent if s.startswith("PUBLISH0")]
    assert [z for z in zeros if z in found] == found, "in order, none twice"
    assert len(found) + engine.session.dropped == len(zeros)
    assert engine.session.dropped == torn if again else engine.session.dropped >= torn
    assert engine.session.pending() == 0


def test_restored_qos0_messages_count_in_the_limits():
    engine = Engine(reconnect=True, maxqueued=3).connect()
    engine.out.room = 0
    for topic in "abc":
        engine.publish(topic)
    engine.flush()
    engine.lose()
    assert engine.session.pending() == 3
    assert engine.offer("d", b"", 1) == -12
    engine.connect()
    assert engine.session.pending() == 0
    assert engine.sent() == ["PUBLISH0 a", "PUBLISH0 b", "PUBLISH0 c"]
