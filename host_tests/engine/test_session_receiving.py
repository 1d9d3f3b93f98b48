"""The engine takes messages: in order, QoS 2 once, and acknowledges them; what a loss does to that."""

import itertools

import pytest
from harness import wire
from harness.engine import Engine
from hypothesis import given
from hypothesis import strategies as st

# -- QoS 1 and 2


def test_qos1_is_acknowledged_after_the_handler():
    engine = Engine().connect()
    engine.handler = lambda message: engine.session.put(wire.packet("PUBREL", b"\0\1"))
    engine.feed(wire.publish("t", b"", 1, 5))
    assert engine.sent() == ["PUBREL 1", "PUBACK 5"]


def test_qos2_is_acknowledged_before_the_handler():
    engine = Engine().connect()
    engine.handler = lambda message: engine.session.put(wire.packet("PUBREL", b"\0\1"))
    engine.feed(wire.publish("t", b"", 2, 5))
    assert engine.sent() == ["PUBREC 5", "PUBREL 1"]


@pytest.mark.parametrize("dup", [0, 1])
def test_qos2_is_delivered_once_however_often_it_is_repeated(dup):
    engine = Engine().connect()
    for n in range(4):
        engine.feed(wire.publish("t", b"a", 2, 5, dup=dup and n) + wire.publish("t", b"b", 2, 6))
    assert [m[1] for m in engine.messages] == [b"a", b"b"]
    assert engine.sent() == ["PUBREC 5", "PUBREC 6"] * 4
    engine.feed(wire.ack("PUBREL", 5) * 2 + wire.publish("t", b"c", 2, 5) + wire.publish("t", b"b", 2, 6, dup=1))
    assert [m[1] for m in engine.messages] == [b"a", b"b", b"c"]
    assert engine.sent() == ["PUBCOMP 5", "PUBCOMP 5", "PUBREC 5", "PUBREC 6"]


def test_qos1_is_delivered_as_often_as_it_comes():
    engine = Engine().connect()
    engine.feed(wire.publish("t", b"a", 1, 5) + wire.publish("t", b"a", 1, 5, dup=1))
    assert engine.messages == [("t", b"a", 1, 0, 0), ("t", b"a", 1, 0, 1)]
    assert engine.sent() == ["PUBACK 5", "PUBACK 5"]


def test_a_qos1_and_a_qos2_message_may_have_the_same_identifier():
    engine = Engine().connect()
    engine.feed(wire.publish("t", b"1", 1, 5) + wire.publish("t", b"2", 2, 5) + wire.publish("t", b"1", 1, 5))
    assert [m[1] for m in engine.messages] == [b"1", b"2", b"1"]
    assert engine.sent() == ["PUBACK 5", "PUBREC 5", "PUBACK 5"]


steps = st.lists(st.tuples(st.sampled_from([0, 1, 2, "PUBREL"]), st.sampled_from([1, 2, 65535])), max_size=25)


@given(steps, st.integers(1, 30))
def test_answers_come_in_the_order_of_what_they_answer(taken, step):
    """[MQTT-4.6.0]: PUBACK, PUBREC and PUBCOMP, whatever is mixed; delivered is what is new."""
    engine = Engine().connect()
    answers, delivered, known = [], [], set()
    data = b""
    for n, (kind, pid) in enumerate(taken):
        if kind == "PUBREL":
            data += wire.ack("PUBREL", pid)
            answers.append(f"PUBCOMP {pid}")
            known.discard(pid)
            continue
        data += wire.publish("t", b"%d" % n, kind, pid)
        if kind:
            answers.append(f"{'PUBREC' if kind == 2 else 'PUBACK'} {pid}")
        if kind < 2 or pid not in known:
            delivered.append(b"%d" % n)
        if kind == 2:
            known.add(pid)
    engine.feed(data, step)
    assert engine.sent() == answers
    assert [m[1] for m in engine.messages] == delivered


def test_input_waits_for_room_for_its_acknowledgements():
    """A server that sends but does not read: what the engine holds is bounded, and nothing is lost."""
    engine = Engine().connect()
    engine.out.room = 0
    pids = range(1, 1001)
    data = b"".join(wire.publish("t", b"%d" % pid, 1 + pid % 2, pid) for pid in pids)
    took = engine.feed(data)
    assert took < len(data) and engine.session.space() is None
    assert 200 < len(engine.messages) < 300
    assert not engine.session.process(0)
    engine.out.room = 100
    engine.flush()
    assert engine.session.space() is None, "part of them is not enough"
    engine.out.room = 1 << 30
    engine.flush()
    engine.feed(b"")
    assert engine.feed(data[took:]) == len(data) - took
    assert [int(m[1]) for m in engine.messages] == list(pids)
    assert engine.sent() == [f"{'PUBREC' if pid % 2 else 'PUBACK'} {pid}" for pid in pids]


def test_a_message_keeps_its_own_bytes():
    """The receive buffer is used again at once."""
    engine = Engine().connect()
    engine.feed(wire.publish("topic/a", b"first"))
    engine.feed(wire.publish("topic/b", b"secnd"))
    engine.feed(wire.publish("topic/b", b"third"))
    assert engine.messages == [
        ("topic/a", b"first", 0, 0, 0),
        ("topic/b", b"secnd", 0, 0, 0),
        ("topic/b", b"third", 0, 0, 0),
    ]
    assert type(engine.messages[0][1]) is bytes


def test_topics_that_differ_little_are_not_mixed_up():
    engine = Engine().connect()
    topics = ["a", "ab", "a", "b", "é", "e\u0301", "ab", "abc", "abc"]
    for step in (1, 1000):
        engine.messages.clear()
        engine.feed(b"".join(wire.publish(topic) for topic in topics), step)
        assert [m[0] for m in engine.messages] == topics


def test_a_topic_that_failed_is_not_remembered():
    engine = Engine()
    for topic in ("a/b", b"a/\xff", "a/b", "a/#", "a/b", b"a/\xff"):
        engine.connect()
        why = engine.fails(wire.publish(topic))
        assert (why is None) == (topic == "a/b")
        engine.lose()
    assert [m[0] for m in engine.messages] == ["a/b"] * 3


@pytest.mark.parametrize("size", [255, 256, 257, 300, 1019, 1020, 65_534, 65_535])
def test_a_topic_of_any_length(size):
    engine = Engine().connect()
    topics = ["a" * size, "é" * (size // 2)]
    engine.feed(b"".join(wire.publish(topic, b"payload", 1, 0x0203) for topic in topics))
    assert [m[:3] for m in engine.messages] == [(topic, b"payload", 1) for topic in topics]
    assert engine.sent() == ["PUBACK 515"] * 2


def test_large_messages_one_after_the_other():
    engine = Engine().connect()
    sizes = [1016, 1017, 1018, 1019, 1020, 5000, 3, 200_000, 1500, 1500, 0]
    data = b"".join(wire.publish("t", bytes([n]) * size, 1, n + 1) for n, size in enumerate(sizes))
    for step in (1021, 1 << 20):
        engine.messages.clear()
        assert engine.feed(data, step) == len(data)
        assert [m[1] for m in engine.messages] == [bytes([n]) * size for n, size in enumerate(sizes)]
        assert engine.sent() == [f"PUBACK {n + 1}" for n in range(len(sizes))]


# -- losses


@pytest.mark.parametrize("size", [20, 3000])
@pytest.mark.parametrize("maxmessage", [1000, 5000])
def test_a_part_of_a_packet_is_forgotten_at_a_loss(size, maxmessage):
    """Also of one that is being skipped, or that needed a larger buffer."""
    data = wire.publish("t", bytes(size), 1, 5)
    for cut in [*range(1, min(len(data), 40)), 1023, 1024, 1025, len(data) - 1]:
        engine = Engine(maxmessage=maxmessage, oversize="drop").connect()
        assert engine.feed(data[:cut]) == min(cut, len(data))
        engine.lose()
        engine.messages.clear()
        engine.connect(1).feed(wire.publish("t", b"whole", 1, 6))
        assert [m[1] for m in engine.messages] == [b"whole"], f"cut after byte {cut}"
        assert engine.sent() == ["PUBACK 6"]


def test_acknowledgements_are_not_for_another_connection():
    engine = Engine().connect()
    engine.out.room = 1
    engine.feed(wire.publish("t", b"", 1, 5) + wire.publish("t", b"", 2, 6) + wire.ack("PUBREL", 7))
    engine.session.put(wire.PINGREQ)
    engine.session.ponged = False
    engine.lose()
    assert engine.session.ponged and not engine.session.open and not engine.session.waiting()
    engine.connect(1)
    assert engine.sent() == []


@pytest.mark.parametrize("present", [0, 1], ids=["clean", "session"])
def test_inbound_qos2_identifiers_are_remembered_with_the_session(present):
    engine = Engine().connect()
    engine.feed(wire.publish("t", b"first", 2, 9) + wire.publish("t", b"other", 2, 8) + wire.ack("PUBREL", 8))
    engine.lose()
    engine.connect(present)
    engine.sent()
    engine.feed(wire.publish("t", b"again", 2, 9, dup=1) + wire.publish("t", b"new", 2, 8))
    assert [m[1] for m in engine.messages] == [b"first", b"other"] + [b"again"] * (not present) + [b"new"]
    engine.feed(wire.ack("PUBREL", 9))
    assert engine.sent() == ["PUBREC 9", "PUBREC 8", "PUBCOMP 9"]
    assert engine.session.present is bool(present)


def test_inbound_qos2_identifiers_survive_attempts_that_fail():
    engine = Engine().connect()
    engine.feed(wire.publish("t", b"first", 2, 9))
    for refused in (b"", wire.connack(5), b"\x20\x02\x01"):
        engine.lose()
        engine.begin()
        engine.fails(refused)
    engine.lose()
    engine.connect(1).feed(wire.publish("t", b"again", 2, 9, dup=1))
    assert [m[1] for m in engine.messages] == [b"first"]


def test_topics_in_any_order():
    """A topic that comes twice in a row is known by its bytes from then on: no message gets another one's."""
    names = ["a", "b", "ab"]
    for order in itertools.product(names, repeat=6):
        engine = Engine().connect()
        engine.feed(b"".join(wire.publish(name, b"%d!" % n) for n, name in enumerate(order)))
        assert [(m[0], m[1]) for m in engine.messages] == [(name, b"%d!" % n) for n, name in enumerate(order)]


@pytest.mark.parametrize("rest", [b"", b"\0"])
def test_a_topic_that_is_known_without_the_identifier_behind_it(rest):
    engine = Engine().connect()
    engine.feed(wire.publish("a/b", b"x") * 3)
    body = b"\0\3a/b" + rest
    why = engine.fails(bytes((0x32, len(body))) + body + wire.publish("a/b", b"x"))
    assert why[0] == -4
    assert len(engine.messages) == 3
