"""The engine takes what a server sends in any pieces, with the same result, and nothing malformed."""

import itertools

import pytest
from client.test_malformed import CASES, CONNACKS
from engine.test_packets import WELL_FORMED, octets
from harness import wire
from harness.engine import Engine, config
from hypothesis import given, settings
from hypothesis import strategies as st

STREAM = b"".join(
    [
        wire.publish("t", b"zero"),
        wire.publish("t", b"one", 1, 9, dup=1),
        wire.publish("grüße/😀", b"x" * 130, 2, 300, retain=1),
        wire.publish("grüße/😀", b"", 2, 300, dup=1),
        wire.PINGRESP,
        wire.suback(1, 1),
        wire.ack("PUBREL", 300) + wire.ack("PUBREL", 4711),
        wire.publish("grüße/😀", b"new", 2, 300),
        wire.ack("PUBACK", 2) + wire.ack("PUBREC", 3) + wire.ack("PUBCOMP", 3),
        wire.publish("large", bytes(range(256)) * 5, 1, 65535),
        wire.ack("UNSUBACK", 4) + wire.ack("PUBACK", 2),
        wire.publish("t", b"end"),
    ]
)


def expecting(**more):
    """An engine that waits for SUBACK 1, PUBACK 2, PUBREC and PUBCOMP 3, UNSUBACK 4, and for a PINGRESP."""
    engine = Engine(**more).connect()
    engine.ask("a", 2)
    engine.send("b", qos=1)
    engine.send("c", qos=2)
    engine.ask("d")
    engine.session.put(wire.PINGREQ)
    engine.session.ponged = False
    engine.flush()
    engine.sent()
    return engine


def record(engine):
    return engine.messages, engine.done, bytes(engine.out.data), engine.session.pending(), engine.session.ponged


def outcome(data, step, first=0):
    engine = expecting()
    assert engine.feed(data[:first]) == first
    assert engine.feed(data[first:], step) == len(data) - first
    return record(engine)


@pytest.fixture(scope="module")
def whole():
    messages, done, answers, pending, ponged = expected = outcome(STREAM, len(STREAM))
    assert [(m[0], m[1][:4], *m[2:]) for m in messages] == [
        ("t", b"zero", 0, 0, 0),
        ("t", b"one", 1, 0, 1),
        ("grüße/😀", b"xxxx", 2, 1, 0),
        ("grüße/😀", b"new", 2, 0, 0),
        ("large", b"\0\1\2\3", 1, 0, 0),
        ("t", b"end", 0, 0, 0),
    ]
    assert messages[4][1] == bytes(range(256)) * 5
    assert done == [("a", 0, 1), ("b", 0), ("c", 0), ("d", 0)]
    acks = [("PUBACK", 9), ("PUBREC", 300), ("PUBREC", 300), ("PUBCOMP", 300), ("PUBCOMP", 4711), ("PUBREC", 300)]
    assert answers == b"".join(wire.ack(*a) for a in [*acks, ("PUBREL", 3), ("PUBACK", 65535)])
    assert (pending, ponged) == (0, True)
    return expected


def test_input_split_at_every_byte_boundary(whole):
    for at in range(1, len(STREAM)):
        assert outcome(STREAM, len(STREAM), first=at) == whole, f"split at byte {at}"


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64, 1000, 1023])
def test_input_in_pieces_of(step, whole):
    assert outcome(STREAM, step) == whole


@given(st.lists(st.integers(1, 1500), min_size=1, max_size=20))
def test_input_in_any_pieces(sizes):
    engine = expecting()
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(STREAM):
            break
        at += engine.feed(STREAM[at : at + size])
    assert record(engine) == outcome(STREAM, len(STREAM))


GOOD = wire.publish("good", b"x", 1, 5)


def malformed(data, step, first=0, before=GOOD):
    """What the connection ends with, and what came before it, when `data` follows a good message."""
    engine = Engine().connect()
    engine.ask("a", 0)
    engine.sent()
    engine.feed(before)
    why = engine.fails(data[:first]) or engine.fails(data[first:], step)
    return why and tuple(map(str, why)), engine.messages, engine.sent()


@pytest.mark.parametrize("name", CASES)
def test_malformed_input_fails_alike_in_any_pieces(name):
    data = CASES[name][0]
    why, messages, answers = expected = malformed(data, len(data))
    assert why[0] == "-4"
    assert (messages, answers) == ([("good", b"x", 1, 0, 0)], ["PUBACK 5"])
    for first in range(1, len(data)):
        assert malformed(data, len(data), first) == expected, f"split at byte {first}"
    assert malformed(data, 1) == expected, "one byte at a time"
    assert malformed(data, len(data), before=b"") == (why, [], []), "as the first packet"


@pytest.mark.parametrize("name", CONNACKS)
def test_malformed_connack_fails_alike_in_any_pieces(name):
    def fails(step, first=0):
        engine = Engine()
        engine.begin()
        why = engine.fails(data[:first]) or engine.fails(data[first:], step)
        assert not engine.session.open
        return why

    data = CONNACKS[name][0]
    assert fails(len(data))[0] == -4
    for first in range(1, len(data)):
        assert fails(len(data), first) == fails(len(data)), f"split at byte {first}"
    assert fails(1) == fails(len(data)), "one byte at a time"


@pytest.mark.parametrize("first", bytes.fromhex("20 40 50 62 70 b0 d0 00 10 36 37 38 39 3e 3f 41 82 91 c0 e0 f0"))
def test_a_header_alone_can_be_malformed(first):
    """No body is waited for, or room made for, that can't be right."""
    engine = Engine().connect()
    assert engine.fails(bytes([first]) + wire.length(100))[0] == -4


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_a_refusal_is_the_result(code):
    engine = Engine()
    engine.begin()
    assert engine.fails(wire.connack(code))[0] == code
    assert not engine.session.open


# -- random bytes

kinds = st.integers(0, 15).map(lambda n: wire.NAMES[n])
odd = st.builds(wire.packet, kinds, st.binary(max_size=12), st.one_of(st.none(), st.integers(0, 15)))
pids = st.integers(0, 5)
right = st.one_of(
    st.builds(wire.publish, st.sampled_from(["t", "é", "u"]), st.binary(max_size=40)),
    st.builds(wire.publish, st.just("t"), st.binary(max_size=9), st.integers(1, 2), st.integers(1, 3)),
    st.builds(wire.ack, st.sampled_from(["PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "UNSUBACK"]), st.integers(1, 5)),
    st.builds(wire.suback, pids, st.sampled_from([0, 1, 2, 128, 3])),
    st.just(wire.publish("t", bytes(1500), 2, 7)),
    st.just(wire.PINGRESP),
)
noise = st.lists(st.one_of(right, right, odd, st.binary(max_size=6)), max_size=8).map(b"".join)


@settings(max_examples=300)
@given(noise, st.integers(1, 40), st.booleans(), st.sampled_from([1, 20, 100, 5000]), st.booleans())
def test_random_bytes_raise_nothing_but_broken(data, step, is_open, maxmessage, skip):
    engine = Engine(maxmessage=maxmessage, oversize="drop" if skip else "close")
    if is_open:
        engine = expecting(maxmessage=maxmessage, oversize="drop" if skip else "close")
    why = engine.fails(data, step)
    assert why is None or why[0] in (-3, -4)
    engine.lose()
    engine.session.config = config()
    engine.connect().feed(wire.publish("next", b"connection", 1, 9))
    assert engine.messages[-1] == ("next", b"connection", 1, 0, 0)
    assert engine.sent()[-1] == "PUBACK 9"


@given(octets, st.integers(0, 2))
def test_a_topic_of_any_bytes(topic, qos):
    """Delivered if it is well-formed, not empty and without wildcards; else it ends the connection."""
    engine = Engine().connect()
    why = engine.fails(wire.publish(topic, b"x", qos, 1))
    good = topic and WELL_FORMED.fullmatch(topic) and not set(topic) & set(b"#+")
    assert (why and why[0]) == (None if good else -4)
    assert [m[0].encode() for m in engine.messages] == ([topic] if good else [])


@given(st.integers(0, len(STREAM) - 1), st.integers(0, 255), st.sampled_from(["change", "insert", "delete"]))
def test_one_wrong_byte_raises_nothing_but_broken(at, byte, how):
    rest = STREAM[at + (how != "insert") :]
    data = STREAM[:at] + (b"" if how == "delete" else bytes([byte])) + rest
    engine = expecting()
    why = engine.fails(data)
    again = expecting()
    whys = again.fails(data, 1)
    assert (why and why[:2]) == (whys and whys[:2])
    assert again.messages == engine.messages
