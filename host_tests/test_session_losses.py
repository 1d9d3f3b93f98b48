"""Connections end: what goes out again on the next one, in which order, and what is given up."""

import itertools

import pytest
from harness import wire
from harness.engine import ALL, KEEP, MOST, QOS0, REQUESTS, Engine
from hypothesis import given
from hypothesis import strategies as st

RESUMED = ["PUBLISH1 a 1 dup", "PUBLISH2 b 2 dup retain", "PUBREL 3", "PUBLISH2 e 5 dup"]


def unfinished(**more):
    """a, b in flight; c, e released, but e's PUBREC was lost; d acknowledged; f beyond the window."""
    engine = Engine(maxinflight=4, reconnect=True, **more).connect()
    for topic, qos in (("a", 1), ("b", 2), ("c", 2), ("d", 1)):
        engine.send(topic, b"x", qos, topic == "b")
    engine.feed(wire.ack("PUBREC", 3) + wire.ack("PUBACK", 4))
    engine.send("e", b"x", 2)
    engine.send("f", b"x", 1)
    sent = ["PUBLISH1 a 1", "PUBLISH2 b 2 retain", "PUBLISH2 c 3", "PUBLISH1 d 4", "PUBREL 3", "PUBLISH2 e 5"]
    assert engine.sent() == sent
    assert engine.done == [("d", 0)]
    return engine


@pytest.mark.parametrize("present", [0, 1], ids=["clean", "session"])
@pytest.mark.parametrize("how", [KEEP, REQUESTS, QOS0])
def test_what_is_unfinished_goes_out_again_before_anything_new(present, how):
    """[MQTT-4.4.0-1, 4.6.0-1, 3.3.1-1]: same order, same identifiers, DUP, PUBREL for what was released."""
    engine = unfinished()
    engine.lose(how)
    assert (engine.done, engine.session.pending()) == ([("d", 0)], 5)
    assert engine.offer("new", b"", 1) == 0
    engine.connect(present)
    engine.feed(wire.ack("PUBCOMP", 3) + wire.ack("PUBREC", 5) + wire.ack("PUBACK", 1) + wire.ack("PUBREC", 2))
    engine.feed(wire.ack("PUBCOMP", 2) + wire.ack("PUBCOMP", 5) + wire.ack("PUBACK", 6) + wire.ack("PUBACK", 7))
    sent = engine.sent()
    assert sent[:4] == RESUMED
    assert [s for s in sent[4:] if "PUBREL" not in s] == ["PUBLISH1 f 6", "PUBLISH1 new 7"]
    assert [s for s in sent[4:] if "PUBREL" in s] == ["PUBREL 5", "PUBREL 2"]
    assert engine.done == [(t, 0) for t in "dcabef"] + [("new", 0)]
    assert engine.session.pending() == 0


def test_the_window_holds_after_a_loss():
    engine = unfinished()
    engine.lose()
    engine.connect(1)
    assert engine.sent() == RESUMED, "four are in flight, that is the window"


def test_a_second_loss_at_every_byte_of_the_resumption():
    for room in range(1, 50):
        engine = unfinished()
        engine.lose()
        engine.begin()
        engine.flush()
        engine.sent()
        engine.out.room = room
        engine.feed(wire.connack(0, 1))
        engine.lose()
        engine.connect(1)
        assert engine.sent() == RESUMED, f"lost after byte {room}"


@pytest.mark.parametrize("how", [KEEP, REQUESTS, QOS0])
def test_a_failed_attempt_changes_nothing(how):
    engine = unfinished()
    engine.lose()
    for refused in (b"", wire.connack(3)[:3], wire.connack(3), wire.publish("t")):
        engine.begin()
        engine.flush()
        engine.fails(refused)
        assert engine.sent() == ["CONNECT"]
        engine.lose(how)
    engine.connect(1)
    assert engine.sent() == RESUMED
    assert engine.done == [("d", 0)]


def test_nothing_leaves_before_connack():
    engine = Engine()
    for qos in (0, 1, 2):
        assert engine.offer("a", b"", qos) == 0
    engine.ask("b", 0)
    engine.begin()
    engine.publish("c")
    engine.flush()
    assert engine.sent() == ["CONNECT"]
    engine.feed(wire.connack())
    assert engine.sent() == ["PUBLISH0 a", "PUBLISH1 a 1", "PUBLISH2 a 2", "SUBSCRIBE 3 b:0", "PUBLISH0 c"]


@given(st.permutations(["PUBCOMP 3", "PUBACK 1", "PUBREC 2", "PUBREC 5", "PUBACK 4", "PUBREC 3", "PUBACK 4711"]))
def test_late_and_duplicate_acknowledgements_after_a_loss(order):
    engine = unfinished()
    engine.lose()
    engine.connect(1)
    engine.sent()
    for ack in order:
        kind, pid = ack.split()
        engine.feed(wire.ack(kind, int(pid)))
    released = [p for p in engine.sent() if p.startswith("PUBREL")]
    due = [a for a in order if a in ("PUBREC 2", "PUBREC 5")]
    early = order.index("PUBREC 3") < order.index("PUBCOMP 3")
    assert [r for r in released if r != "PUBREL 3"] == [a.replace("PUBREC", "PUBREL") for a in due]
    assert released.count("PUBREL 3") == early, "answered while it is in use"
    assert sorted(engine.done) == [("a", 0), ("c", 0), ("d", 0)]


@pytest.mark.parametrize("how", [KEEP, REQUESTS, QOS0, ALL])
def test_what_is_given_up_with_a_connection(how):
    engine = Engine(maxinflight=1)
    assert [engine.offer(*a) for a in (("one", b"", 1), ("zero", b""), ("two", b"", 2))] == [0, 0, 0]
    assert [engine.ask("a", 0), engine.ask(["b"], [1]), engine.ask("c")] == [0, 0, 0]
    engine.lose(how)
    gone = []
    if how >= REQUESTS:
        gone += [("a", -11, None), ("b", -11, None), ("c", -11)]
    if how >= QOS0:
        gone += [("zero", -11)]
    if how >= ALL:
        gone += [("one", -11), ("two", -11)]
    assert sorted(engine.done, key=str) == sorted(gone, key=str)
    assert engine.session.pending() == 3 - (how >= QOS0) - 2 * (how >= ALL)
    engine.connect()
    acks = [wire.ack("PUBACK", 1), wire.ack("PUBREC", 2), wire.ack("PUBCOMP", 2), wire.suback(3, 0), wire.suback(4, 1)]
    for ack in [*acks, wire.ack("UNSUBACK", 5)]:
        engine.feed(ack)
    kept = {KEEP: 7, REQUESTS: 4, QOS0: 3, ALL: 0}[how]
    assert len(engine.sent()) == kept
    assert len(engine.done) == 6, "one callback each"
    assert engine.session.pending() == 0


def test_identifiers_given_up_are_free_again():
    engine = Engine().connect()
    engine.send("a", b"", 1)
    engine.ask("b", 0)
    engine.lose(ALL)
    engine.connect()
    engine.feed(wire.ack("PUBACK", 1) + wire.suback(2, 0))
    assert sorted(engine.done, key=str) == [("a", -11), ("b", -11, None)]
    assert engine.sent() == []


# -- QoS 0

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


def test_closed_on_an_engine_that_never_connected():
    engine = Engine()
    engine.offer("a", b"", 1)
    for how in (KEEP, REQUESTS, QOS0, ALL):
        engine.lose(how)
    assert engine.done == [("a", -11)]
    engine.out.room = MOST
    engine.connect().send("b", b"", 1)
    assert engine.sent() == ["PUBLISH1 b 2"]
