"""The judge of the chaos runs finds what is lost, doubled, out of order, or told twice."""

import pytest
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
