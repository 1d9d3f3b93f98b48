"""What leaves is the same bytes in whatever pieces the network takes them; packet identifiers."""

import itertools

import pytest
from harness import wire
from harness.engine import MOST, Engine, Out, config
from hypothesis import given
from hypothesis import strategies as st

MANY = {"maxqueued": 100_000, "maxqueuedbytes": 1 << 24}


def program(most=MOST, pieces=None):
    """Send some of everything; return all bytes that left. `pieces`: how much the network takes each time it can."""
    engine = Engine(maxinflight=20, **MANY)
    engine.begin()
    engine.flush()
    engine.feed(wire.connack())
    engine.out.most = most
    if pieces:
        engine.out.room = 0
    engine.publish("a", b"zero")
    engine.send("b", b"one", 1)
    engine.send("c", bytes(1200), 2, retain=1)
    engine.ask(["d/#", "e/" + "x" * 30], [0, 2])
    engine.publish("a", b"zero again")
    engine.send("f", b"with a callback", 0)
    engine.send("g", bytes(1200), 0)
    engine.session.put(wire.PINGREQ)
    for n in range(3):
        engine.send("h", bytes(400), 1 + n % 2)
    engine.ask(["x" * 300 + str(n) for n in range(5)])
    engine.publish("i", b"last")
    engine.flush()
    if pieces:
        for room in itertools.cycle(pieces):
            if not engine.session.waiting():
                break
            engine.out.room = room
            engine.flush()
    engine.session.calls()
    assert engine.done == [("f", 0), ("g", 0)]
    return bytes(engine.out.data)


@pytest.fixture(scope="module")
def whole():
    return program()


def packets(data):
    while data:
        size = wire.whole(data)
        yield wire.decode(data[:size])
        data = data[size:]


def test_everything_leaves_in_order(whole):
    names = [(p.name, getattr(p, "topic", "")) for p in packets(whole) if p.name not in ("CONNECT", "PINGREQ")]
    order = ["a", "b", "c", "", "a", "f", "g", "h", "h", "h", "", "i"]
    assert [topic for _, topic in names] == order
    assert [name for name, topic in names if not topic] == ["SUBSCRIBE", "UNSUBSCRIBE"]


@pytest.mark.parametrize("most", [1, 2, 3, 7, 100, 1000, 1023, 1024, 1025])
def test_short_writes_change_nothing(whole, most):
    assert program(most) == whole


def same_but_for_ping(data, whole):
    """PINGREQ takes its place behind what is waiting when it is put; all else has its order."""
    one, other = ([p.raw for p in packets(d) if p.name != "PINGREQ"] for d in (data, whole))
    return one == other


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 64, 500, 1023, 1024])
def test_a_network_that_takes_little_changes_nothing(whole, piece):
    """After each piece it would block; then it is offered the same bytes again, see harness.engine.Out."""
    data = program(pieces=[piece])
    assert len(data) == len(whole)
    assert same_but_for_ping(data, whole)


def test_a_network_that_blocks_after_every_byte_position(whole):
    for at in range(1, len(whole)):
        data = program(pieces=[at, MOST])
        assert len(data) == len(whole) and same_but_for_ping(data, whole), f"blocked after byte {at}"


@given(st.lists(st.integers(1, 1500), min_size=1, max_size=10), st.integers(1, 600))
def test_any_pieces_change_nothing(pieces, most):
    data = program(most, pieces)
    assert same_but_for_ping(data, program())


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 9))
def test_answers_never_tear_a_packet(rooms, most):
    """Acknowledgements and PINGREQ come while a packet is under way: they wait for its end, and all stays in order."""
    engine = Engine(**MANY).connect()
    engine.out.most = most
    engine.out.room = 0
    engine.send("large", bytes(1100), 1)
    for n, room in enumerate(rooms):
        engine.out.room = room
        engine.feed(wire.publish("t", b"", 1 + n % 2, n + 1))
        engine.send("small", b"%d" % n, 1)
        if n == 5:
            engine.session.put(wire.PINGREQ)
    engine.out.room = MOST
    engine.flush()
    found = engine.sent_packets()
    assert engine.out.data == b""
    answers = [(p.name, p.pid) for p in found if p.name in ("PUBACK", "PUBREC")]
    assert answers == [("PUBREC" if n % 2 else "PUBACK", n + 1) for n in range(len(rooms))]
    published = [p.pid for p in found if p.name == "PUBLISH"]
    assert published == list(range(1, min(16, len(rooms) + 1) + 1))
    assert [p.name for p in found].count("PINGREQ") == (len(rooms) > 5)


def test_nothing_is_written_without_a_need():
    engine = Engine().connect()
    writes = engine.out.writes
    for _ in range(3):
        engine.flush()
    assert engine.out.writes == writes


def test_pingreq_and_disconnect_always_find_room():
    """A full transmit buffer: acknowledgements up to the last, and still both packets of two bytes."""
    for step in range(1, 8):
        engine = Engine(**MANY).connect()
        engine.out.room = 0
        while engine.session.publish0(b"t", b"x" * step, 0):
            pass
        engine.feed(b"".join(wire.publish("t", b"", 2, pid) for pid in range(1, 20)))
        assert engine.session.put(wire.PINGREQ)
        engine.session.stop()
        assert engine.session.put(wire.DISCONNECT)
        engine.out.room = MOST
        engine.flush()
        names = [p.name for p in engine.sent_packets()]
        assert names[-2:] == ["PINGREQ", "DISCONNECT"] and engine.out.data == b""


def test_the_buffers_keep_their_size():
    """One of each for ever, whatever passes through: a board has no other block of that size."""
    engine = Engine(**MANY).connect()
    room = len(engine.session.space())
    seen = set()

    def tapped(buf, at, n):
        if n != len(buf):  # else it is a packet that is too large for the transmit buffer
            seen.add((id(buf), len(buf)))
        return Out.write(engine.out, buf, at, n)

    engine.out.write = tapped
    for size in range(960, 1030):
        for qos in (1, 0, "zero"):
            engine.out.room = 0
            if qos == "zero":
                engine.publish("t", bytes(size))
            else:
                engine.send("t", bytes(size), qos)
            engine.flush()
            engine.session.put(wire.PINGREQ)
            engine.feed(wire.publish("t", bytes(size * 2), 2, 1))
            engine.session.put(wire.DISCONNECT)
            engine.out.room = MOST
            engine.flush()
            engine.feed(b"".join(wire.ack("PUBACK", e.pid) for e in engine.session.entries))
            assert len(engine.session.space()) == room
    assert len(seen) == 1 and engine.session.pending() == 0


# -- packet identifiers


def test_identifiers_count_up_from_1_over_messages_and_requests():
    engine = Engine().connect()
    engine.send("a", b"", 1)
    engine.ask("b", 0)
    engine.send("zero", b"", 0)
    engine.send("c", b"", 2)
    engine.ask("d")
    assert engine.sent() == ["PUBLISH1 a 1", "SUBSCRIBE 2 b:0", "PUBLISH0 zero", "PUBLISH2 c 3", "UNSUBSCRIBE 4 d"]


def test_identifiers_go_on_counting_on_the_next_connection():
    engine = Engine().connect()
    engine.send("a", b"", 1)
    engine.feed(wire.ack("PUBACK", 1))
    engine.lose()
    engine.connect()
    engine.send("b", b"", 1)
    assert engine.sent()[-1] == "PUBLISH1 b 2"


def test_identifiers_wrap_and_skip_those_in_use():
    engine = Engine(**MANY).connect()
    engine.send("first", b"", 1)
    engine.send("second", b"", 2)
    engine.ask("third", 0)
    engine.feed(wire.ack("PUBREC", 2))
    engine.sent()
    expected = 4
    for _ in range(65_535 + 10):
        entry = engine.send("t", b"", 1)
        assert entry.pid == expected
        engine.feed(wire.ack("PUBACK", expected))
        expected = expected + 1 if expected < 65535 else 4
    engine.feed(wire.ack("PUBCOMP", 2))
    assert engine.session.pending() == 1
    while engine.send("t", b"", 1).pid != 65535:
        engine.feed(wire.ack("PUBACK", engine.session.entries[-1].pid))
    assert [engine.send("t", b"", 1).pid for _ in range(3)] == [2, 4, 5], "2 is free again, 1, 3 are not"


def test_no_more_identifiers():
    engine = Engine(maxqueued=70_000, maxqueuedbytes=1 << 24).connect()
    for _ in range(65_535):
        assert engine.offer("t", b"", 1, callback=False) == 0
    assert engine.offer("refused", b"", 1) == -10
    assert engine.ask("refused", 0) == -10 and engine.ask("refused") == -10
    assert engine.session.pending() == 65_535
    assert engine.offer("zero", b"") == 0, "QoS 0 needs none"
    for pid in (40_000, 65_535, 17):
        assert engine.session.cancel(engine.session.entries[pid - 1 - (pid == 65_535)])
    assert [engine.offer("t", b"", 2) for _ in range(3)] == [0, 0, 0]
    assert [e.pid for e in engine.session.entries[-3:]] == [17, 40_000, 65_535]
    assert engine.offer("refused", b"", 1) == -10
    assert engine.session.dropped == 3, "the cancelled ones, which had no callback"
    assert engine.done == []


def test_no_more_identifiers_gives_up_nothing_old():
    """overflow "dropold" makes room only for a message that is accepted."""
    engine = Engine(**MANY)
    for _ in range(65_535):
        assert engine.offer("t", b"", 1) == 0
    assert engine.offer("zero") == 0
    engine.session.config = config(maxqueued=65_536, maxqueuedbytes=1 << 24, overflow="dropold")
    assert engine.offer("refused", b"", 1) == -10
    assert engine.session.pending() == 65_536 and engine.session.dropped == 0
    assert engine.offer("new") == 0, "in the place of the old one"
    engine.session.calls()
    assert engine.done == [("zero", -12)]


def test_dropold_makes_room_for_an_identifier_as_well():
    engine = Engine(**MANY)
    for _ in range(65_535):
        assert engine.offer("t", b"", 1) == 0
    engine.session.config = config(maxqueued=65_535, maxqueuedbytes=1 << 24, overflow="dropold")
    assert engine.offer("new", b"", 1) == 0
    assert engine.session.entries[-1].pid == 1, "that of the oldest, which was given up"
    engine.session.calls()
    assert engine.done == [("t", -12)]
