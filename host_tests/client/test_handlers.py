"""Which handler gets what, what handlers may do, and what happens when one raises."""

import pytest
from harness import wire

END = wire.publish("the/end")
ROUTES = {  # topic: the filters of FILTERS that match it, by [MQTT-4.7]
    "a": ["#", "+", "a", "a/#"],
    "a/b": ["#", "+/b", "a/#", "a/+"],
    "a/b/c": ["#", "a/#", "+/+/c"],
    "a/": ["#", "a/#", "a/+"],
    "/b": ["#", "+/b"],
    "/": ["#"],
    "b": ["#", "+"],
    "A": ["#", "+"],
    "aa": ["#", "+"],
    "$SYS/b": ["$SYS/#", "$SYS/+"],
    "$SYS": ["$SYS/#"],
    "$other": [],
    "$other/b": [],
}
FILTERS = ["#", "+", "a", "a/#", "+/b", "a/+", "+/+/c", "$SYS/#", "$SYS/+", "b/+/#"]


def routed(runtime, fake_broker, topics, filters, default):
    def script(conn):
        conn.accept()
        conn.send(b"".join(map(wire.publish, topics)) + END)
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("receiving.routing", url=fake.url, clientid="c", filters=filters, default=default)
    fake.join()
    return {t: sorted(e[2] or "" for e in events if e[:2] == ["got", t]) for t in topics}, events[-1]


@pytest.mark.parametrize("default", [True, False], ids=["with default", "without"])
def test_a_message_goes_to_every_matching_handler(runtime, fake_broker, default):
    seen, last = routed(runtime, fake_broker, list(ROUTES), FILTERS, default)
    rest = [""] if default else []
    assert seen == {topic: sorted(filters) or rest for topic, filters in ROUTES.items()}
    assert last == ["dropped", 0 if default else 2]


def test_the_handler_without_a_filter_gets_what_no_other_wants(runtime, fake_broker):
    seen, last = routed(runtime, fake_broker, ["x/1", "y/1", "$x/1"], ["x/+"], True)
    assert seen == {"x/1": ["x/+"], "y/1": [""], "$x/1": [""]}
    assert last == ["dropped", 0]


def test_setting_replaces_and_none_clears(runtime, fake_broker):
    def script(conn):
        conn.accept()
        for _ in range(7):
            conn.send(wire.publish("t") + wire.publish("step"))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("receiving.replaced", url=fake.url, clientid="c")
    assert [event[1] for event in events if event[0] == "got"] == [
        "first default",
        "second default",
        "first of t",
        "second of t",
        "second default",
    ]
    assert [event[1] for event in events if event[0] == "dropped"] == [0, 0, 0, 0, 0, 1, 2]
    fake.join()


def test_a_message_nobody_wants_is_acknowledged_and_counted(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.send(wire.publish("lost", b"", 1, 1) + wire.publish("lost", b"", 2, 2) + wire.publish("lost"))
        assert [conn.read("PUBACK").pid, conn.read("PUBREC").pid] == [1, 2]
        conn.send(wire.ack("PUBREL", 2))
        conn.read("PUBCOMP")
        conn.send(END)
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("receiving.routing", url=fake.url, clientid="c", filters=["t"], default=False) == [
        ["dropped", 3]
    ]
    fake.join()


def test_a_handler_may_call_any_method(runtime, fake_broker):
    def first(conn):
        conn.accept()
        conn.send(wire.publish("publish", b"", 1, 99))
        packets = [conn.read_packet() for _ in range(5)]
        sent = {p.topic: p for p in packets if p.name == "PUBLISH"}
        assert sorted(sent) == ["p0", "p1", "p2", "p3"]
        assert [p.pid for p in packets if p.name == "PUBACK"] == [99]
        conn.send(wire.ack("PUBACK", sent["p1"].pid) + wire.ack("PUBREC", sent["p2"].pid))
        conn.read("PUBREL")
        conn.send(wire.ack("PUBCOMP", sent["p2"].pid) + wire.ack("PUBACK", sent["p3"].pid))
        conn.send(wire.publish("subscribe", b"", 2, 99))
        packets = {p.name: p for p in (conn.read_packet() for _ in range(3))}
        assert packets["SUBSCRIBE"].filters == [("a", 1), ("b", 1)]
        assert packets["UNSUBSCRIBE"].filters == ["a"]
        conn.send(wire.suback(packets["SUBSCRIBE"].pid, 1, 128) + wire.ack("UNSUBACK", packets["UNSUBSCRIBE"].pid))
        conn.send(wire.ack("PUBREL", packets["PUBREC"].pid))
        conn.read("PUBCOMP")
        conn.send(wire.publish("look") + wire.publish("disconnect"))
        conn.read("DISCONNECT")

    def second(conn):
        conn.accept()
        conn.send(wire.publish("again"))
        conn.read("DISCONNECT")

    fake = fake_broker(first, second)
    assert runtime.run("receiving.busy_handler", url=fake.url, clientid="c") == [
        ["look", True, 0, True, 0],
        ["poll", None, ["MQTTError", -1]],
        ["called", False, 0],
        ["done", [[0], [0], [0], [0], [0, [1, 128]], [0]]],
        ["disconnects", 1],
    ]
    fake.join()


def test_calls_come_in_the_order_of_the_packets(runtime, fake_broker):
    """A handler set in the callback of SUBACK gets the message right behind it, in the same segment."""

    def script(conn):
        conn.read("CONNECT")
        conn.send(wire.connack(0, 1) + wire.publish("t", b"early"))
        request = conn.read("SUBSCRIBE")
        conn.send(wire.suback(request.pid, 1) + wire.publish("t", b"right behind", 1, 1))
        late = conn.read_packet(), conn.read_packet()
        sent = next(p for p in late if p.name == "PUBLISH")
        conn.send(wire.ack("PUBACK", sent.pid) + wire.publish("t", b"last") + wire.publish("t", b"after that"))

    fake = fake_broker(script)
    assert runtime.run("receiving.order_of_calls", url=fake.url, clientid="c") == [
        ["connect", 0],
        ["message", b"early"],
        ["subscribed", 0, 1],
        ["message", b"right behind"],
        ["published", 0],
        ["message", b"last"],
        ["message", b"after that"],
        ["lost", -1],
    ]
    fake.join()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_an_exception_leaves_poll_and_the_next_poll_goes_on(runtime, broker, witness, name, qos):
    program = runtime.start("receiving.raising", url=broker.url, clientid=name, topic=name)
    program.expect("subscribed")
    witness(broker.port).publish_many(name, [b"bad", b"good"], qos)
    program.expect("raised", 1, True, [b"bad", b"good"], 0)
    program.finish()


def test_a_qos1_message_whose_handler_raised_is_delivered_again(runtime, broker, witness, name):
    program = runtime.start("receiving.raising", url=broker.url, clientid=name, topic=name, cleansession=False)
    program.expect("subscribed")
    witness(broker.port).publish_many(name, [b"bad", b"good"], 1)
    program.finish()
    assert runtime.run("receiving.redelivered", url=broker.url, clientid=name) == [
        ["present", True],
        ["again", [[b"bad", 1, 1]]],
    ]


def test_acknowledgements_around_a_handler_that_raises(runtime, fake_broker):
    """QoS 1 is not acknowledged, QoS 2 is, and neither is the end of the connection."""

    def script(conn):
        conn.accept()
        conn.send(wire.suback(conn.read("SUBSCRIBE").pid, 2))
        assert conn.read("PUBLISH").topic == "ready"
        conn.send(wire.publish("t", b"bad", 1, 1) + wire.publish("t", b"bad", 2, 2))
        assert conn.read("PUBREC").pid == 2
        conn.send(wire.publish("t", b"bad", 2, 2, dup=1))
        assert conn.read("PUBREC").pid == 2
        conn.send(wire.publish("t", b"good", 1, 3))
        assert conn.read("PUBACK").pid == 3
        conn.wait_closed()

    fake = fake_broker(script)
    events = runtime.run("receiving.raising", url=fake.url, clientid="c", topic="t")
    assert events[1] == ["raised", 2, True, [b"bad", b"bad", b"good"], 0]
    fake.join()


def test_every_callback_may_raise(runtime, broker, name):
    events = runtime.run("receiving.raising_callbacks", url=broker.url, clientid=name, topic=name)
    reached = ["onconnect", "subscribe", "publish", "ondelivery", "unsubscribe", "disconnect"]
    assert [event[1] for event in events if event[0] == "raised"] == reached
    assert events[-1] == ["reached", reached]
