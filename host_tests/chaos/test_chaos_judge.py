"""The judge of the chaos runs finds what is lost, doubled, out of order, or told twice."""

import pytest
from harness import wire

from chaos.cutting import repeated
from chaos.judge import LAST, MESSAGES, Verdict

PAYLOADS = [payload for payload, _ in [*MESSAGES, LAST]]
KEPT = [payload for payload, qos in [*MESSAGES, LAST] if qos]
ONE, TWO, ZERO = b"1a", b"2a", b"0a"


def seen(**more):
    """What a program reports when all went well."""
    return {
        "heard": [(payload, 0, 0) for payload in PAYLOADS],
        "answers": [[0, [2, 1]], [0]],
        "codes": [(payload, 0) for payload in PAYLOADS],
        "delivered": KEPT,
        "results": [0, -1, 0],
        "lost": [-1],
        "rest": [0, 0],
    } | more


def counted(payloads):
    verdict = Verdict(tried=1)
    verdict.count("here", payloads)
    return verdict.good, verdict.lost, verdict.doubled


def without(payload):
    return [p for p in PAYLOADS if p != payload]


def test_what_comes_once_is_good():
    assert counted(PAYLOADS) == (True, 0, 0)
    assert counted([*PAYLOADS, ONE]) == (True, 0, 0), "QoS 1 may come again"
    assert counted(without(ZERO)) == (True, 0, 0), "QoS 0 may be lost"


@pytest.mark.parametrize("payload", [ONE, TWO])
def test_what_is_lost_is_counted(payload):
    assert counted(without(payload)) == (False, 1, 0)


@pytest.mark.parametrize("payload", [ZERO, TWO])
def test_what_is_doubled_is_counted(payload):
    assert counted([*PAYLOADS, payload]) == (False, 0, 1)


def test_what_the_broker_repeats_is_its_own_fault():
    verdict = Verdict(tried=1)
    verdict.count("here", [*PAYLOADS, TWO], frozenset([TWO]))
    assert (verdict.good, verdict.doubled, verdict.broker) == (True, 0, 1)
    verdict.count("here", [*PAYLOADS, b"2c"], frozenset([TWO]))
    assert (verdict.good, verdict.doubled, verdict.broker) == (False, 1, 1)


@pytest.mark.parametrize(
    "packets, found",
    [
        ([wire.publish("t", b"x", 2, 5), wire.publish("t", b"x", 2, 5, dup=1)], False),
        ([wire.publish("t", b"x", 2, 5), wire.ack("PUBREL", 5), wire.ack("PUBREL", 5)], False),
        ([wire.publish("t", b"x", 2, 5), wire.ack("PUBREL", 5), wire.publish("t", b"y", 2, 5)], False),
        ([wire.publish("t", b"x", 2, 5), wire.ack("PUBREL", 5), wire.publish("t", b"x", 2, 6)], False),
        ([wire.publish("t", b"x", 2, 5), wire.ack("PUBREL", 5), wire.publish("t", b"x", 2, 5, dup=1)], True),
    ],
)
@pytest.mark.parametrize("cut", range(4))
def test_what_counts_as_repeated(packets, found, cut):
    """On one connection or several, whose last packet may be a part of one."""
    streams = [b"".join(packets[:cut]), b"\x34\x20", b"".join(packets[cut:])]
    assert repeated(streams) == (frozenset([b"x"]) if found else frozenset())


def test_order_and_strangers_are_problems():
    assert counted([b"2b" + b"x" * 150, *without(b"2b" + b"x" * 150)]) == (False, 0, 0)
    assert counted([*PAYLOADS, b"stranger"]) == (False, 0, 0)


@pytest.mark.parametrize(
    "more",
    [
        {"codes": [(payload, 0) for payload in [*PAYLOADS, ONE]]},
        {"codes": [(payload, 0) for payload in without(TWO)]},
        {"codes": [(payload, -1 if payload == TWO else 0) for payload in PAYLOADS]},
        {"answers": [[0, [2, 1]], [0], [0]]},
        {"delivered": [*KEPT, ONE]},
        {"results": [0, -1]},
        {"lost": []},
        {"rest": [1, 0]},
        {"heard": [(payload, 0, 0) for payload in without(TWO)]},
    ],
    ids=str,
)
def test_what_a_program_must_not_see(more):
    verdict = Verdict(tried=1)
    verdict.player("here", seen(), 3)
    assert verdict.good
    verdict.player("here", seen(**more), 3)
    assert not verdict.good


def test_nothing_tried_is_not_good():
    assert not Verdict().good
