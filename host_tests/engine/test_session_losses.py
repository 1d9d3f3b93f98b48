"""Connections end: what goes out again on the next one, in which order, and what is given up."""


import pytest
from harness import wire
from harness.engine import ALL, KEEP, MOST, QOS0, REQUESTS, Engine, config
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


def test_all_that_was_in_flight_goes_out_again_though_the_window_is_smaller_now():
    engine = unfinished()
    engine.lose()
    engine.session.config = config(maxinflight=1)
    engine.connect(1)
    assert engine.sent() == RESUMED
    engine.feed(wire.ack("PUBCOMP", 3) + wire.ack("PUBACK", 1) + wire.ack("PUBREC", 2) + wire.ack("PUBCOMP", 2))
    assert engine.sent() == ["PUBREL 2"], "e is in flight"
    engine.feed(wire.ack("PUBREC", 5) + wire.ack("PUBCOMP", 5))
    assert engine.sent() == ["PUBREL 5", "PUBLISH1 f 6"]


def test_more_released_messages_than_fit_the_buffer_go_out_again():
    engine = Engine(maxinflight=600, maxqueued=600, reconnect=True).connect()
    pids = range(1, 601)
    for pid in pids:
        engine.send("t", b"", 2)
        engine.feed(wire.ack("PUBREC", pid))
    engine.lose()
    engine.connect(1)
    assert engine.sent() == [f"PUBREL {pid}" for pid in pids]
    for pid in pids:
        engine.feed(wire.ack("PUBCOMP", pid))
    assert engine.done == [("t", 0)] * 600


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


@pytest.mark.parametrize("how", [KEEP, REQUESTS, QOS0])
@pytest.mark.parametrize("qos", [1, 2])
def test_a_large_message_that_was_begun_goes_out_again_whole(qos, how):
    for room in (1, 3, 100, 1023, 1024, 1025, 2000, 3006):
        engine = Engine(reconnect=True).connect()
        engine.out.room = room
        engine.send("large", bytes(3000), qos)
        engine.publish("behind")
        engine.lose(how)
        engine.connect()
        found = engine.sent_packets()
        assert [(p.topic, len(p.message), p.dup) for p in found[:1]] == [("large", 3000, 1)]
        assert [p.topic for p in found[1:]] == ([] if how == QOS0 else ["behind"])
        assert engine.session.dropped == (how == QOS0)


@pytest.mark.parametrize("large", [False, True])
def test_a_subscribe_that_was_begun_goes_out_again_whole(large):
    names = [f"{n:03d}" + "x" * 97 for n in range(20 if large else 1)]
    for room in (1, 50, 100, 1024, 2000) if large else range(1, 105):
        engine = Engine(reconnect=True).connect()
        engine.out.room = room
        engine.ask(names, [1] * len(names))
        engine.lose()
        engine.connect()
        (found,) = engine.sent_packets()
        assert (found.name, found.pid, len(found.filters)) == ("SUBSCRIBE", 1, len(names))


def test_what_was_not_in_flight_keeps_its_order():
    """Messages that were go first; behind them all is as the program said it: SUBSCRIBE, then what will be answered."""
    engine = Engine(maxinflight=2, reconnect=True)
    engine.ask("reply", 1)
    engine.offer("question", b"", 1)
    for _ in range(2):
        engine.begin()
        engine.lose()
    engine.connect()
    assert engine.sent() == ["SUBSCRIBE 1 reply:1", "PUBLISH1 question 2"]
    engine.send("b", b"", 1)
    engine.send("c", b"", 1)
    engine.ask("d", 0)
    engine.send("e", b"", 1)
    for _ in range(2):
        engine.lose()
    engine.connect(1)
    assert engine.sent()[:3] == ["PUBLISH1 question 2 dup", "PUBLISH1 b 3 dup", "SUBSCRIBE 1 reply:1"]
    engine.feed(wire.ack("PUBACK", 2) + wire.ack("PUBACK", 3))
    assert engine.sent() == ["PUBLISH1 c 4", "SUBSCRIBE 5 d:0", "PUBLISH1 e 6"]


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


def test_closed_on_an_engine_that_never_connected():
    engine = Engine()
    engine.offer("a", b"", 1)
    for how in (KEEP, REQUESTS, QOS0, ALL):
        engine.lose(how)
    assert engine.done == [("a", -11)]
    engine.out.room = MOST
    engine.connect().send("b", b"", 1)
    assert engine.sent() == ["PUBLISH1 b 2"]
