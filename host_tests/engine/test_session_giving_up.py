"""Messages are given up: one by one, or with the end that the program asks for."""

from harness import wire
from harness.engine import ALL, MOST, Engine
from hypothesis import given
from hypothesis import strategies as st


def test_cancel_what_was_not_sent():
    engine = Engine(maxinflight=1).connect()
    entries = [engine.send(topic, b"", qos) for topic, qos in (("a", 1), ("b", 1), ("c", 0), ("d", 2))]
    assert [engine.session.cancel(e) for e in entries[1:3]] == [True, True]
    assert [engine.session.cancel(e) for e in entries[1:3]] == [False, False]
    engine.session.calls()
    assert engine.done == [("b", -11), ("c", -11)]
    engine.feed(wire.ack("PUBACK", 1))
    assert engine.sent() == ["PUBLISH1 a 1", "PUBLISH2 d 3"]
    assert engine.session.cancel(entries[0]) is False, "finished"


def test_cancel_what_is_in_flight():
    """It is not sent again, makes room in the window, and its late acknowledgement is ignored."""
    engine = Engine(maxinflight=2).connect()
    one, two, _ = (engine.send(topic, b"", qos) for topic, qos in (("a", 1), ("b", 2), ("c", 1)))
    assert engine.session.cancel(one) and engine.session.cancel(two)
    engine.feed(wire.ack("PUBACK", 1) + wire.ack("PUBREC", 2) + wire.ack("PUBCOMP", 2))
    assert engine.sent() == ["PUBLISH1 a 1", "PUBLISH2 b 2", "PUBLISH1 c 3"]
    assert engine.done == [("a", -11), ("b", -11)]
    engine.lose()
    engine.connect(1)
    assert engine.sent() == ["PUBLISH1 c 3 dup"]


def test_a_released_message_can_not_be_cancelled():
    engine = Engine().connect()
    entry = engine.send("a", b"", 2)
    engine.feed(wire.ack("PUBREC", 1))
    assert engine.session.cancel(entry) is False
    engine.feed(wire.ack("PUBCOMP", 1))
    assert engine.done == [("a", 0)]


def test_a_qos0_message_that_is_being_sent_can_not_be_cancelled():
    engine = Engine().connect()
    engine.out.room = 1
    entry = engine.send("a", b"x" * 50)
    assert engine.session.cancel(entry) is False
    engine.out.room = MOST
    engine.flush()
    assert engine.sent() == ["PUBLISH0 a"]


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=8), st.integers(1, 4), st.integers(0, 60))
def test_after_stop_only_what_is_on_its_way_and_disconnect(offered, window, room):
    """What was queued does not leave; what was begun does, and DISCONNECT is the last."""
    engine = Engine(maxinflight=window).connect()
    engine.out.room = room
    for qos, large in offered:
        engine.send("t", bytes(1500 if large else 1), qos)
    begun = len(engine.out.data)
    engine.session.stop()
    assert not engine.session.open
    engine.session.put(wire.DISCONNECT)
    engine.out.room = MOST
    engine.flush()
    *packets, last = engine.sent_packets()
    assert (last.name, engine.out.data) == ("DISCONNECT", b"")
    assert len(packets) <= window + sum(qos == 0 for qos, _ in offered)
    assert begun <= sum(len(p.raw) for p in packets), "what was begun is whole"
    engine.lose(ALL)
    assert engine.session.pending() == 0
    assert [code for _, code in engine.done].count(-11) + [code for _, code in engine.done].count(0) == len(offered)
