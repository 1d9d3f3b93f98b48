"""Where memory ends: no room for a message that comes, for its copy, for another packet, for one to send."""

import pytest
from engine.test_session_limits import big_between_small
from harness import wire
from harness.engine import MOST, Engine, session


def fails_from(size):
    def make(value):
        if (value if isinstance(value, int) else len(value)) >= size:
            raise MemoryError
        return bytearray(value)

    return make


@pytest.mark.parametrize("step", [MOST, 1, 100, 1023])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_no_memory_for_a_message_drop(monkeypatch, qos, step):
    engine = Engine(oversize="drop").connect()
    monkeypatch.setattr(session, "bytearray", fails_from(2000), raising=False)
    engine.feed(b"".join(big_between_small(5000, qos)), step)
    assert [m[0] for m in engine.messages] == ["small", "after"]
    assert engine.sent() == ["PUBACK 1", *[[], ["PUBACK 7"], ["PUBREC 7"]][qos], "PUBACK 2"]
    assert engine.session.dropped == 1
    monkeypatch.undo()
    engine.feed(wire.ack("PUBREL", 7) + b"".join(big_between_small(5000, qos)), step)
    assert [m[0] for m in engine.messages[2:]] == ["small", "big", "after"], "when there is memory again"


@pytest.mark.parametrize("step", [MOST, 1, 1023])
def test_no_memory_for_a_message_close(monkeypatch, step):
    engine = Engine(oversize="close").connect()
    monkeypatch.setattr(session, "bytearray", fails_from(2000), raising=False)
    why = engine.fails(b"".join(big_between_small(5000, 1)), step)
    assert (why[0], why[3]) == (-3, 5000)
    engine.lose()
    engine.connect().feed(b"".join(big_between_small(500, 1)))
    assert [m[0] for m in engine.messages] == ["small", "small", "big", "after"]


@pytest.mark.parametrize("oversize", ["drop", "close"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_no_memory_for_the_copy_that_is_delivered(monkeypatch, qos, oversize):
    """The receive buffer holds it, the program can't have it."""
    engine = Engine(oversize=oversize).connect()

    def make(value):
        if len(value) > 100:
            raise MemoryError
        return bytes(value)

    monkeypatch.setattr(session, "bytes", make, raising=False)
    why = engine.fails(b"".join(big_between_small(300, qos)))
    if oversize == "close":
        assert why[0] == -3
        assert [m[0] for m in engine.messages] == ["small"]
    else:
        assert why is None
        assert [m[0] for m in engine.messages] == ["small", "after"]
        assert engine.sent() == ["PUBACK 1", *[[], ["PUBACK 7"], ["PUBREC 7"]][qos], "PUBACK 2"]
        engine.feed(wire.publish("big", bytes(200), 2, 7, dup=1))
        assert engine.session.dropped == (2 if qos < 2 else 1), "a repeated QoS 2 message counts once"


@pytest.mark.parametrize("oversize", ["drop", "close"])
@pytest.mark.parametrize("name", ["SUBACK", "a long topic"])
def test_no_memory_for_other_packets_ends_the_connection(monkeypatch, name, oversize):
    """Not with a MemoryError: the driver would get that again with each poll."""
    data = {"SUBACK": wire.suback(1, *[0] * 5000), "a long topic": wire.publish("t" * 5000, b"x", 1, 1)}[name]
    for step in (MOST, 1000):
        engine = Engine(oversize=oversize).connect()
        engine.ask("a", 0)
        monkeypatch.setattr(session, "bytearray", fails_from(2000), raising=False)
        why = engine.fails(data, step)
        monkeypatch.undo()
        assert why is None or why[0] in (-3, -4)
        assert why or engine.session.dropped == 1


def test_a_suback_over_maxmessage_ends_the_connection():
    """maxmessage: "bytes of an inbound packet's body"; a server must not make a board allocate what it likes."""
    for oversize in ("drop", "close"):
        engine = Engine(maxmessage=5000, oversize=oversize).connect()
        engine.ask("a", 0)
        why = engine.fails(b"\x90" + wire.length(200_000_000))
        assert why and why[0] in (-3, -4)


def test_no_memory_for_a_packet_to_send(monkeypatch):
    """The failure leaves from flush; nothing is lost by it, and nothing overtakes."""
    engine = Engine().connect()
    monkeypatch.setattr(session, "bytearray", fails_from(2000), raising=False)
    for topic, qos in (("a", 1), ("b", 0)):
        assert engine.offer(topic, bytes(3000), qos) == 0
        assert engine.offer(topic * 2, b"", qos) == 0
        for _ in range(2):
            with pytest.raises(MemoryError):
                engine.flush()
        monkeypatch.setattr(session, "bytearray", bytearray)
        engine.flush()
        monkeypatch.setattr(session, "bytearray", fails_from(2000))
    assert engine.sent() == ["PUBLISH1 a 1", "PUBLISH1 aa 2", "PUBLISH0 b", "PUBLISH0 bb"]


@pytest.mark.parametrize("oversize", ["drop", "close"])
def test_no_memory_to_remember_a_message_of_qos_2(oversize):
    """It is not lost: with no memory even to drop it, it is taken again later."""

    class Short(set):
        def add(self, pid):
            raise MemoryError

    engine = Engine(oversize=oversize).connect()
    inbound, engine.session._inbound = engine.session._inbound, Short()
    data = wire.publish("a", b"x", 2, 7) + wire.publish("b", b"y", 1, 8)
    if oversize == "close":
        assert engine.fails(data)[0] == -3
    else:
        for n in (len(data), 0):
            engine.session.space()[:n] = data[:n]
            with pytest.raises(MemoryError):
                engine.session.process(n)
        engine.session._inbound = inbound
        engine.feed(b"", 0)
        assert [m[0] for m in engine.messages] == ["a", "b"]
        assert engine.sent() == ["PUBREC 7", "PUBACK 8"]


def test_no_memory_to_keep_messages_of_a_lost_connection(monkeypatch):
    """`closed` is called again: nothing is kept twice, the order stays, and until then nothing can be sent."""
    engine = Engine().connect()
    engine.out.room = 20
    engine.send("a", b"begun", 1)
    engine.flush()
    for n in range(4):
        engine.publish(f"t{n}", bytes(20))
    engine.flush()
    engine.send("z", b"later", 1)
    real, calls = session.Received, []

    def short(*args):
        calls.append(args)
        if len(calls) in (2, 4):
            raise MemoryError
        return real(*args)

    monkeypatch.setattr(session, "Received", short)
    for _ in range(2):
        with pytest.raises(MemoryError):
            engine.session.closed(0)
        assert not engine.session.open
    engine.lose()
    engine.connect(1)
    assert engine.sent() == ["PUBLISH1 a 1 dup", "PUBLISH0 t1", "PUBLISH0 t2", "PUBLISH0 t3", "PUBLISH1 z 2"]
    assert engine.session.dropped == 1, "t0 was begun"
    assert engine.session.pending() == 2


def test_no_memory_to_tell_that_a_message_has_left():
    """It does not leave twice."""
    engine = Engine().connect()
    due = engine.session.due

    class Short(list):
        def append(self, call):
            raise MemoryError

    engine.session.due = Short()
    with pytest.raises(MemoryError):
        engine.send("a", b"x")
    engine.session.due = due
    engine.flush()
    engine.session.calls()
    assert engine.sent() == ["PUBLISH0 a"]
    assert engine.done == [("a", 0)]
