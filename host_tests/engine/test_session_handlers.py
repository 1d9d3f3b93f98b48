"""What handlers and callbacks do to the engine: they raise, and they call into it."""

import pytest
from harness import wire
from harness.engine import ALL, KEEP, QOS0, Engine


class Mistake(Exception):
    pass


def raising(*_args):
    raise Mistake


ROUND = b"".join(
    [
        wire.publish("t", b"zero"),
        wire.publish("t", b"one", 1, 9),
        wire.publish("t", b"two", 2, 8),
        wire.suback(3, 0),
        wire.ack("PUBACK", 1) + wire.ack("PUBREC", 2) + wire.ack("PUBCOMP", 2) + wire.ack("UNSUBACK", 4),
        wire.ack("PUBREL", 8) + wire.PINGRESP,
        wire.publish("t", b"end", 1, 7),
    ]
)


def waiting():
    """An engine that waits for PUBACK 1, PUBREC and PUBCOMP 2, SUBACK 3, UNSUBACK 4 and PINGRESP."""
    engine = Engine().connect()
    engine.send("a", b"", 1)
    engine.send("b", b"", 2)
    engine.ask("c", 0)
    engine.ask("d")
    engine.session.ponged = False
    engine.sent()
    return engine


def drive(engine, data=ROUND):
    """Take it all, going on after each Mistake; how many there were."""
    engine.session.space()[: len(data)] = data
    n, mistakes, did = len(data), 0, True
    while did:
        try:
            did = engine.session.process(n)
        except Mistake:
            mistakes += 1
        n = 0
    engine.flush()
    return mistakes


def test_all_handlers_raise_and_the_next_process_goes_on():
    engine = waiting()
    engine.handler = raising
    for entry in engine.session.entries:
        entry.callback = raising
    engine.session.ondelivery = raising
    assert drive(engine) == 4 + 4 + 2, "messages, callbacks, deliveries"
    assert [m[1] for m in engine.messages] == [b"zero", b"one", b"two", b"end"], "each handler had its message"
    assert engine.sent() == ["PUBREC 8", "PUBREL 2", "PUBCOMP 8"], "QoS 1 is not acknowledged, QoS 2 is"
    assert engine.session.pending() == 0 and engine.session.ponged


@pytest.mark.parametrize("place", range(4))
def test_one_handler_raises(place):
    """Only what raised is missing: the PUBACK of QoS 1."""
    engine = waiting()

    def handler(message):
        if len(engine.messages) == place + 1:
            raise Mistake

    engine.handler = handler
    assert drive(engine) == 1
    assert [m[1] for m in engine.messages] == [b"zero", b"one", b"two", b"end"]
    assert engine.done == [("c", 0, 0), ("a", 0), ("b", 0), ("d", 0)]
    sent = ["PUBACK 9", "PUBREC 8", "PUBREL 2", "PUBCOMP 8", "PUBACK 7"]
    if place in (1, 3):
        sent.remove("PUBACK 9" if place == 1 else "PUBACK 7")
    assert engine.sent() == sent


@pytest.mark.parametrize("oversize", ["close", "drop"])
def test_memory_that_ends_in_a_handler_costs_no_other_message(oversize):
    engine = Engine(oversize=oversize).connect()

    def handler(message):
        engine.handler = None
        raise MemoryError

    engine.handler = handler
    with pytest.raises(MemoryError):
        engine.feed(wire.publish("t", b"x", 1, 5) + wire.publish("t", b"y", 1, 6))
    engine.session.process(0)
    engine.flush()
    assert [m[1] for m in engine.messages] == [b"x", b"y"]
    assert engine.sent() == ["PUBACK 6"] and engine.session.dropped == 0


def test_a_message_that_a_handler_raised_for_is_delivered_again_if_it_comes_again():
    engine = Engine().connect()
    engine.handler = raising
    assert drive(engine, wire.publish("t", b"x", 1, 5) + wire.publish("t", b"y", 2, 6)) == 2
    engine.handler = None
    engine.feed(wire.publish("t", b"x", 1, 5, dup=1) + wire.publish("t", b"y", 2, 6, dup=1))
    assert [(m[1], m[4]) for m in engine.messages] == [(b"x", 0), (b"y", 0), (b"x", 1)]
    assert engine.sent() == ["PUBREC 6", "PUBACK 5", "PUBREC 6"]


def test_onconnect_raises():
    engine = Engine()
    engine.session.onconnect = raising
    engine.offer("a", b"", 1)
    engine.begin()
    assert drive(engine, wire.connack() + wire.publish("t", b"x", 1, 5)) == 1
    assert engine.session.open and len(engine.messages) == 1
    assert engine.sent() == ["CONNECT", "PUBACK 5", "PUBLISH1 a 1"]


def test_calls_are_made_one_by_one():
    """What a call adds waits for the next time; what raises is not made again."""
    engine = Engine()
    due = engine.session.due
    note = engine.note("x")
    due += [(note, 1), (raising,), (note, 2), (lambda: due.append((note, 4)),), (note, 3)]
    with pytest.raises(Mistake):
        engine.session.calls()
    assert engine.done == [("x", 1)]
    assert engine.session.calls() is True
    assert engine.done == [("x", 1), ("x", 2), ("x", 3)]
    assert engine.session.calls() is True
    assert engine.session.calls() is False
    assert engine.done[-1] == ("x", 4)


def test_a_handler_set_by_another_sees_the_next_packet():
    engine = Engine()
    seen = []

    def connected(code):
        seen.append(code)
        engine.handler = seen.append

    engine.session.onconnect = connected
    engine.begin()
    engine.flush()
    engine.feed(wire.connack() + wire.publish("t", b"retained", retain=1))
    code, message = seen
    assert (code, message.message) == (0, b"retained")


def test_callbacks_come_before_the_packets_after_theirs():
    engine = waiting()
    engine.handler = lambda message: engine.done.append(message.message)
    drive(engine)
    assert engine.done == [b"zero", b"one", b"two", ("c", 0, 0), ("a", 0), ("b", 0), ("d", 0), b"end"]


def test_a_handler_sends():
    """All kinds, from the handler of each kind of message: what it sends leaves after, in order."""
    engine = Engine().connect()

    def handler(message):
        n = len(engine.messages)
        engine.publish(f"zero{n}")
        assert engine.offer(f"one{n}", b"", 1) == 0
        assert engine.session.request([b"f"], [0], None, False) == 0

    engine.handler = handler
    engine.feed(wire.publish("t") + wire.publish("t", b"", 1, 5) + wire.publish("t", b"", 2, 6))
    sent = engine.sent()
    assert [s for s in sent if s.startswith(("PUBACK", "PUBREC"))] == ["PUBACK 5", "PUBREC 6"]
    rest = [s for s in sent if not s.startswith(("PUBACK", "PUBREC"))]
    assert rest == [
        *("PUBLISH0 zero1", "PUBLISH1 one1 1", "SUBSCRIBE 2 f:0"),
        *("PUBLISH0 zero2", "PUBLISH1 one2 3", "SUBSCRIBE 4 f:0"),
        *("PUBLISH0 zero3", "PUBLISH1 one3 5", "SUBSCRIBE 6 f:0"),
    ]


def test_a_handler_that_fills_the_buffer_leaves_room_for_the_answer():
    engine = Engine(maxqueued=10_000).connect()
    counts = []

    def handler(message):
        n = 0
        while engine.session.publish0(b"t", b"", 0):
            n += 1
        counts.append(n)

    engine.handler = handler
    engine.feed(b"".join(wire.publish("t", b"", 1 + pid % 2, pid) for pid in range(1, 31)))
    sent = engine.sent()
    answers = [f"PUB{'REC' if pid % 2 else 'ACK'} {pid}" for pid in range(1, 31)]
    assert [s for s in sent if "PUBLISH" not in s] == answers
    assert sent.count("PUBLISH0 t") == sum(counts) and counts[0] > 100


def test_a_callback_sends_the_next_message():
    """A window of one that a chain of callbacks goes through, 500 deep."""
    engine = Engine(maxinflight=1).connect()

    def following(code):
        engine.done.append(code)
        if len(engine.done) < 500:
            assert engine.offer("t", b"", 1, callback=False) == 0
            engine.session.entries[-1].callback = following

    engine.send("t", b"", 1).callback = following
    while sent := engine.sent_packets():
        assert len(sent) == 1
        engine.feed(wire.ack("PUBACK", sent[0].pid))
    assert engine.done == [0] * 500


def test_a_handler_cancels_what_is_about_to_be_finished():
    engine = waiting()
    entry = engine.session.entries[0]
    engine.handler = lambda message: engine.session.cancel(entry)
    drive(engine)
    assert [d for d in engine.done if d[0] == "a"] == [("a", -11)]


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_handler_stops(place):
    """It had its message, which is acknowledged; no more is taken, and DISCONNECT follows what was on its way."""
    engine = waiting()
    engine.session.put(wire.ack("PUBACK", 1111))

    def handler(message):
        if len(engine.messages) == place:
            engine.offer("never", b"", 1)
            engine.session.stop()
            engine.session.put(wire.DISCONNECT)

    engine.handler = handler
    drive(engine)
    assert len(engine.messages) == place and engine.done == []
    sent = engine.sent()
    assert sorted(sent) == sorted(["PUBACK 1111", "PUBACK 9", "PUBREC 8"][:place] + ["DISCONNECT"])
    assert not engine.session.open


@pytest.mark.parametrize("how", [KEEP, QOS0, ALL])
@pytest.mark.parametrize("kind", ["zero", "one", "two", "callback"])
def test_a_handler_ends_the_connection(kind, how):
    """Nothing more is taken of what had come, and no answer goes to another connection."""
    engine = waiting()

    def end(*_args):
        engine.session.closed(how)
        engine.begin()

    engine.handler = lambda m: end() if m.message == kind.encode() else None
    engine.session.entries[2].callback = end if kind == "callback" else None
    drive(engine)
    seen = {"zero": 1, "one": 2, "two": 3, "callback": 3}[kind]
    assert [m[1] for m in engine.messages] == [b"zero", b"one", b"two"][:seen]
    assert engine.sent() == ["CONNECT"]
    engine.session.calls()
    engine.feed(wire.connack(0, 1))
    assert "PUBACK 9" not in engine.sent()
    assert engine.session.pending() == (0 if how == ALL else 2)
    engine.handler = None
    engine.feed(wire.publish("t", b"next", 1, 4))
    assert engine.messages[-1][1] == b"next" and engine.sent() == ["PUBACK 4"]


def test_a_handler_ends_the_connection_while_a_large_packet_is_under_way():
    engine = Engine().connect()
    engine.out.room = 100
    engine.send("large", bytes(3000))
    engine.handler = lambda message: engine.session.closed(KEEP)
    engine.feed(wire.publish("t", b"", 1, 5))
    engine.session.calls()
    assert engine.done == [("large", -1)]
    engine.handler = None
    engine.connect()
    assert engine.sent() == []
