"""Publishing: what arrives, what callbacks and return values tell."""

import pytest
from harness import wire
from harness.lengths import BOUNDARIES
from scenarios.pattern import pattern


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("message", [b"", b"\x00\xff" * 50, "23 °C 😀"], ids=["empty", "bytes", "text"])
def test_publish(runtime, broker, witness, name, qos, message):
    seen = witness(broker.port).subscribe(f"{name}/#")
    topic = f"{name}/é/𝄞"
    events = runtime.run("publishing.one", url=broker.url, clientid=name, topic=topic, message=message, qos=qos)
    data = message.encode() if isinstance(message, str) else message
    assert events == [
        ["sent", "Message", 0, events[0][3]],
        ["done", 0],
        ["delivered", [[topic, data, qos, 0]] if qos else []],
        ["pending", 0],
        ["counts", 1, 1 if qos else 0, 0],
    ]
    (got,) = seen.fence(f"{name}/end")
    assert (got.topic, got.message, got.qos, got.retain) == (topic, data, qos, 0)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_retained(runtime, broker, witness, name, qos):
    runtime.run(
        "publishing.one", url=broker.url, clientid=name, topic=f"{name}/r", message="kept", qos=qos, retain=True
    )
    late = witness(broker.port).subscribe(f"{name}/#")
    (got,) = late.fence(f"{name}/end")
    assert (got.message, got.qos, got.retain) == (b"kept", qos, 1)
    late.publish(f"{name}/r", b"", 1, retain=True)


def test_what_publish_returns(runtime, broker, name):
    events = runtime.run("publishing.returns", url=broker.url, clientid=name, topic=name)
    assert [event[1:] for event in events if event[0] == "sent"] == [
        [0, False, None],
        [0, True, 0],
        [1, False, 1],
        [1, True, 1],
        [2, False, 2],
        [2, True, 2],
    ]
    assert events.count(["done", 0]) == 3


def test_createmessage_then_sendasync(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe(name)
    assert runtime.run("publishing.created", url=broker.url, clientid=name, topic=name) == [
        ["message", name, "grüße".encode(), 1, 1],
        ["message", name, b"", 0, 0],
        ["sendasync", None],
        ["done", 0],
    ]
    assert [(m.message, m.qos) for m in seen.wait(2)] == [("grüße".encode(), 1), (b"", 0)]
    seen.publish(name, b"", 1, retain=True)


def test_sendsync(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe(name)
    events = runtime.run("publishing.synchronous", url=broker.url, clientid=name, topic=name)
    assert events == [["result", 0, 0]] * 6
    assert [(m.message, m.qos) for m in seen.wait(6)] == [(t, q) for q in (0, 1, 2) for t in (b"a", b"b")]


def test_sendsync_that_times_out_leaves_the_message_on_its_way(runtime, fake_broker):
    def script(conn):
        conn.accept()
        slow, following = conn.read("PUBLISH"), conn.read("PUBLISH")
        assert (slow.topic, following.topic) == ("slow", "next")
        conn.send(wire.ack("PUBACK", slow.pid) + wire.ack("PUBACK", following.pid))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("publishing.synchronous_without_answer", url=fake.url, clientid="c") == [
        ["timeout", -11, 1],
        ["next", 0],
        ["cancel", False],
    ]
    fake.join()


def test_cancelling_what_is_in_flight(runtime, fake_broker):
    def script(conn):
        conn.accept()
        first, second = conn.read("PUBLISH"), conn.read("PUBLISH")
        assert (second.topic, second.dup) == ("second", 0)
        conn.send(wire.ack("PUBACK", first.pid) + wire.ack("PUBACK", second.pid))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("publishing.cancelled_in_flight", url=fake.url, clientid="c") == [
        ["cancel", True, 0],
        ["done", -11],
        ["again", False, 0],
        ["next", 0],
        ["count", 1],
    ]
    fake.join()


def test_cancelling_what_waits(runtime, fake_broker):
    topics = []

    def script(conn):
        conn.accept()
        while (packet := conn.read_packet()).name == "PUBLISH":
            topics.append(packet.topic)
            conn.send(wire.ack("PUBACK", packet.pid))
        assert packet.name == "DISCONNECT"

    fake = fake_broker(script)
    assert runtime.run("publishing.cancelled_in_the_queue", url=fake.url, clientid="c") == [
        ["pending", 3],
        ["cancel", True, 2],
        ["done", [0, -11, 0]],
        ["finished", False],
    ]
    fake.join()
    assert topics == ["m0", "m2"]


def test_without_a_callback_a_failure_is_counted_and_named(runtime, fake_broker):
    fake = fake_broker(lambda conn: (conn.accept(), conn.read("PUBLISH"), conn.read("DISCONNECT")))
    (end,) = runtime.run("publishing.unfinished_at_the_end", url=fake.url, clientid="c")
    assert end[1:3] == [0, 1]
    assert end[3]
    fake.join()


def test_order_with_every_qos_mixed(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe(name)
    assert runtime.run("publishing.many_in_order", url=broker.url, clientid=name, topic=name, count=300) == [
        ["codes", 0],
        ["ordered", [True, True, True], [100, 100, 100]],
    ]
    got = seen.wait(300)
    for qos in (0, 1, 2):  # the broker delivers QoS 2 later than it accepts QoS 0 and 1
        assert [int(m.message) for m in got if m.qos == qos] == list(range(qos, 300, 3))


def test_lengths_at_every_boundary(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe("L" + name)
    events = runtime.run("publishing.sizes", url=broker.url, clientid=name, topic="L" + name, lengths=BOUNDARIES)
    assert events == [["sent", length, 0] for length in BOUNDARIES]
    for length, got in zip(BOUNDARIES, seen.wait(len(BOUNDARIES)), strict=True):
        assert got.message == pattern(length - 4 - len("L" + name)), f"remaining length {length}"


def test_every_kind_of_bytes(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe("é" + name)
    runtime.run("publishing.kinds_of_bytes", url=broker.url, clientid=name, topic="é" + name)
    got = seen.wait(32)
    for qos in (0, 1):
        assert [m.message for m in got if m.qos == qos] == ["é".encode(), b"\xff", b"\x00a", b"xyz"] * 4


def test_a_buffer_may_be_reused_after_the_call(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe(name)
    runtime.run("publishing.reused_buffer", url=broker.url, clientid=name, topic=name)
    assert [m.message for m in seen.wait(3)] == [b"before"] * 3


def test_sendsync_inside_a_handler(runtime, broker, name):
    assert runtime.run("publishing.misuse", url=broker.url, clientid=name, topic=name) == [
        ["in callback", ["MQTTError", -1]],
        ["in handler", ["MQTTError", -1]],
        ["outside", 0],
    ]


def test_publish_writes_in_the_call_itself(runtime, fake_broker):
    def script(conn):
        conn.accept()
        first, second = conn.read("PUBLISH"), conn.read("PUBLISH")
        assert first.message == second.message == pattern(1000)
        assert (first.qos, second.qos) == (0, 1)
        assert conn.wait_closed() == b""

    fake = fake_broker(script)
    assert runtime.run("publishing.without_poll", url=fake.url, clientid="c") == [["sent"]]
    fake.join()
