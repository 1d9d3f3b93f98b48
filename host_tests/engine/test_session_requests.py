"""SUBSCRIBE and UNSUBSCRIBE: their answers, and making them again on another connection."""

import itertools
from types import SimpleNamespace

import pytest
from harness import wire
from harness.engine import ALL, KEEP, QOS0, REQUESTS, Client, Engine
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("code", [0, 1, 2, 128])
def test_suback_tells_the_granted_qos(code):
    engine = Engine().connect()
    engine.ask("a/+", 2)
    engine.ask(["b"], [1])
    assert engine.sent() == ["SUBSCRIBE 1 a/+:2", "SUBSCRIBE 2 b:1"]
    engine.feed(wire.suback(1, code) + wire.suback(2, code))
    assert engine.done == [("a/+", 0, code), ("b", 0, [code])], "a list for a list"
    engine.feed(wire.suback(1, code) + wire.suback(2, code))
    assert len(engine.done) == 2, "a duplicate changes nothing"


def test_one_subscribe_for_a_list():
    engine = Engine().connect()
    engine.ask(["a", "b/#", "é"], [0, 2, 1])
    assert engine.sent() == ["SUBSCRIBE 1 a:0 b/#:2 é:1"]
    engine.feed(wire.suback(1, 0, 128, 1))
    assert engine.done == [("a b/# é", 0, [0, 128, 1])]


@pytest.mark.parametrize("codes", [[], [0, 0, 0], [0], [0, 3], [0, 127], [129, 0], [0, 255]], ids=str)
def test_a_suback_that_does_not_fit_is_malformed(codes):
    engine = Engine().connect()
    engine.ask(["a", "b"], [0, 0])
    assert engine.fails(wire.suback(1, *codes))[0] == -4
    assert engine.done == []


def test_unsuback_finishes_an_unsubscribe():
    engine = Engine().connect()
    engine.ask("a")
    engine.ask(["b", "c/#"])
    assert engine.sent() == ["UNSUBSCRIBE 1 a", "UNSUBSCRIBE 2 b c/#"]
    engine.feed(wire.ack("UNSUBACK", 2) * 2 + wire.ack("UNSUBACK", 1))
    assert engine.done == [("b c/#", 0), ("a", 0)]


def test_several_requests_are_answered_in_any_order():
    answers = {1: wire.suback(1, 0), 2: wire.ack("UNSUBACK", 2), 3: wire.suback(3, 1, 2), 4: wire.ack("UNSUBACK", 4)}
    told = {1: ("a", 0, 0), 2: ("b", 0), 3: ("c d", 0, [1, 2]), 4: ("e f", 0)}
    for order in itertools.permutations(answers):
        engine = Engine().connect()
        assert [engine.ask("a", 0), engine.ask("b"), engine.ask(["c", "d"], [1, 2]), engine.ask(["e", "f"])] == [0] * 4
        for pid in order:
            engine.feed(answers[pid])
        assert engine.done == [told[pid] for pid in order]


def test_an_identifier_is_free_again_after_its_answer():
    engine = Engine().connect()
    engine.ask("a", 0)
    engine.feed(wire.suback(1, 0))
    engine.send("t", b"", 1)
    engine.feed(wire.suback(1, 0) + wire.ack("PUBACK", 2))
    assert engine.done == [("a", 0, 0), ("t", 0)]


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_subscribe_takes_a_buffer_that_the_program_uses_again(kind):
    buffer = bytearray(b"a/b")
    engine = Engine(reconnect=True).connect()
    client = Client()
    client._session = engine.session
    client._link = SimpleNamespace(active=lambda: True, push=engine.flush)
    assert client.subscribe(kind(buffer), 1, engine.note("a/b")) == 0
    buffer[0] = ord("x")
    engine.feed(wire.suback(1, 1))
    assert (engine.sent(), engine.done) == (["SUBSCRIBE 1 a/b:1"], [("a/b", 0, 1)])
    engine.lose()
    engine.connect()
    assert engine.sent() == ["SUBSCRIBE 2 a/b:1"]


def test_a_large_subscribe_leaves_whole():
    engine = Engine().connect()
    names = [f"{n:03d}" + "x" * 97 for n in range(50)]
    engine.send("before", b"", 1)
    engine.ask(names, [1] * 50)
    engine.send("after", b"", 1)
    before, request, after = engine.sent_packets()
    assert (before.topic, request.filters, after.topic) == ("before", [(name, 1) for name in names], "after")
    engine.feed(wire.suback(2, *[1] * 50))
    assert engine.done == [(" ".join(names), 0, [1] * 50)]


# -- another connection


def subscribed(**more):
    """a:2 and c:0 are subscriptions; b was ended, d refused, e is asked for, f being ended."""
    engine = Engine(**more).connect()
    engine.ask(["a", "b", "c", "d"], [1, 1, 0, 2])
    engine.ask("b")
    engine.ask("a", 2)
    engine.feed(wire.suback(1, 1, 1, 0, 128) + wire.ack("UNSUBACK", 2) + wire.suback(3, 1))
    engine.sent()
    engine.done.clear()
    return engine


@pytest.mark.parametrize("reconnect", [False, True])
@pytest.mark.parametrize("present", [0, 1], ids=["clean", "session"])
def test_subscriptions_are_made_again_in_one_subscribe(present, reconnect):
    """With the QoS asked for, if the client reconnects by itself and the broker has no session."""
    engine = subscribed(reconnect=reconnect)
    for pid in (4, 5):
        engine.lose(KEEP if reconnect else QOS0)
        engine.connect(present)
        expected = [f"SUBSCRIBE {pid} a:2 c:0"] if reconnect and not present else []
        assert engine.sent() == expected
        engine.feed(wire.suback(pid, 2, 0))
        assert engine.done == []


def test_subscriptions_are_made_again_after_what_is_unfinished_and_before_what_is_new():
    engine = subscribed(reconnect=True)
    engine.send("one", b"", 1)
    engine.send("two", b"", 2)
    engine.feed(wire.ack("PUBREC", 5))
    engine.lose()
    engine.offer("new", b"", 1)
    engine.sent()
    engine.connect()
    assert engine.sent() == ["PUBLISH1 one 4 dup", "PUBREL 5", "SUBSCRIBE 7 a:2 c:0", "PUBLISH1 new 6"]


def test_subscriptions_come_before_what_is_new_if_something_was_given_up():
    engine = subscribed(reconnect=True)
    entry = engine.send("one", b"", 1)
    engine.sent()
    engine.lose()
    assert engine.session.cancel(entry)
    engine.offer("new", b"", 1)
    engine.connect()
    assert engine.sent() == ["SUBSCRIBE 6 a:2 c:0", "PUBLISH1 new 5"]


def test_messages_in_flight_go_out_before_a_request_that_is_made_again():
    """[MQTT-4.4.0-1]: right after CONNACK, whatever was asked for before them."""
    engine = subscribed(reconnect=True)
    engine.ask("e", 1)
    engine.send("one", b"", 1)
    engine.sent()
    engine.lose()
    engine.connect()
    sent = engine.sent()
    assert sorted(sent) == ["PUBLISH1 one 5 dup", "SUBSCRIBE 4 e:1", "SUBSCRIBE 6 a:2 c:0"]
    assert sent.index("SUBSCRIBE 6 a:2 c:0") > sent.index("PUBLISH1 one 5 dup")


def test_a_renewal_that_was_lost_is_made_once():
    engine = subscribed(reconnect=True)
    for pid in (4, 5, 6):
        engine.lose()
        engine.connect()
        assert engine.sent() == [f"SUBSCRIBE {pid} a:2 c:0"]
    engine.lose()
    engine.connect(1)
    assert engine.sent() in (["SUBSCRIBE 6 a:2 c:0"], []), "the broker may have had it or not"
    engine.feed(wire.suback(6, 128, 0))
    assert engine.done == []


def test_a_request_without_an_answer_is_made_again_and_answered_once():
    engine = Engine(reconnect=True).connect()
    engine.ask("e", 1)
    engine.ask("f")
    expected = ["SUBSCRIBE 1 e:1", "UNSUBSCRIBE 2 f"]
    assert engine.sent() == expected
    for present in (0, 1):
        engine.lose()
        engine.connect(present)
        assert engine.sent() == expected
    engine.feed(wire.suback(1, 1) + wire.ack("UNSUBACK", 2) + wire.suback(1, 1) + wire.ack("UNSUBACK", 2))
    assert engine.done == [("e", 0, 1), ("f", 0)]
    engine.lose()
    engine.connect()
    assert engine.sent() == ["SUBSCRIBE 3 e:1"]


@pytest.mark.parametrize("how", [REQUESTS, QOS0, ALL])
def test_a_request_without_an_answer_is_given_up_without_reconnect(how):
    engine = Engine().connect()
    engine.ask("e", 1)
    engine.ask(["f", "g"], [1, 1])
    engine.ask("h")
    engine.sent()
    engine.lose(how)
    assert engine.done == [("e", -11, None), ("f g", -11, None), ("h", -11)]
    engine.connect()
    assert engine.sent() == [] and engine.session.dropped == 0


names = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)
actions = st.lists(st.tuples(names, st.sampled_from([None, 0, 1, 2]), st.booleans()), max_size=12)


@given(actions)
def test_what_is_renewed_is_what_was_granted_and_not_ended(actions):
    engine = Engine(reconnect=True).connect()
    expected = {}
    for pid, (filters, qos, granted) in enumerate(actions, 1):
        engine.ask(filters, qos if qos is None else [qos] * len(filters))
        if qos is None:
            engine.feed(wire.ack("UNSUBACK", pid))
            for name in filters:
                expected.pop(name, None)
        else:
            engine.feed(wire.suback(pid, *[qos if granted else 128] * len(filters)))
            expected.update(dict.fromkeys(filters, qos) if granted else {})
    engine.lose()
    engine.connect()
    found = engine.sent_packets()
    assert [dict(p.filters) for p in found if p.name == "SUBSCRIBE"] == ([expected] if expected else [])
