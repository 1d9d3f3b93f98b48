"""Receiving: messages as they arrive, acknowledgements, exactly once, handlers that do things."""

import pytest
from harness import wire
from harness.lengths import BOUNDARIES
from scenarios.pattern import pattern

END = wire.publish("end")


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_receive(runtime, broker, witness, name, qos):
    program = runtime.start("receiving.count_messages", url=broker.url, clientid=name, topic=name + "/#", count=3)
    program.expect("subscribed", 2)
    sender = witness(broker.port)
    texts = [b"", "grüße 😀".encode(), b"\x00\xff"]
    for text in texts:
        sender.publish(f"{name}/é/𝄞", text, qos)
    for text in texts:
        assert program.expect("message") == [f"{name}/é/𝄞", text, qos, 0, 0]
    program.expect("dropped", 0)
    program.finish()


def test_retained_message_says_so(runtime, broker, witness, name):
    witness(broker.port).publish(name, b"kept", 1, retain=True)
    events = runtime.run("receiving.count_messages", url=broker.url, clientid=name, topic=name, count=1)
    assert ["message", name, b"kept", 1, 1, 0] in events
    witness(broker.port).publish(name, b"", 1, retain=True)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_lengths_at_every_boundary(runtime, broker, witness, name, qos):
    topic = "L" + name
    program = runtime.start(
        "receiving.checked", url=broker.url, clientid=name, topic=topic, lengths=BOUNDARIES, qos=qos
    )
    program.expect("subscribed", qos)
    overhead = 2 + len(topic) + (2 if qos else 0)
    sender = witness(broker.port)
    for length in BOUNDARIES:
        sender.publish(topic, pattern(length - overhead), qos)
    for length in BOUNDARIES:
        assert program.expect("message") == [length - overhead, True, "bytes", "str"]
    program.finish()


def test_retained_message_before_the_suback(runtime, fake_broker):
    def script(conn):
        conn.accept()
        request = conn.read("SUBSCRIBE")
        conn.send(wire.publish("t", b"kept", 1, 7, retain=1) + wire.suback(request.pid, 1))
        assert conn.read("PUBACK").pid == 7
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("receiving.count_messages", url=fake.url, clientid="c", topic="t", count=1)
    assert events == [["message", "t", b"kept", 1, 1, 0], ["subscribed", 1], ["dropped", 0]]
    fake.join()


def test_acknowledgements_come_in_the_order_of_the_messages(runtime, fake_broker):
    """[MQTT-4.6.0]: PUBACK and PUBREC in the order of PUBLISH, PUBCOMP in the order of PUBREL."""
    mixed = [(1, 9), (2, 10), (1, 3), (2, 4), (1, 65535)]
    twos = [8, 2, 700]

    def script(conn):
        conn.accept()
        conn.send(b"".join(wire.publish("one" if qos == 1 else "two", b"", qos, pid) for qos, pid in mixed))
        got = [conn.read_packet() for _ in mixed]
        assert [(p.name, p.pid) for p in got] == [("PUBACK" if qos == 1 else "PUBREC", pid) for qos, pid in mixed]
        conn.send(wire.ack("PUBREL", 4) + wire.ack("PUBREL", 10))
        assert [conn.read("PUBCOMP").pid, conn.read("PUBCOMP").pid] == [4, 10]
        conn.send(b"".join(wire.publish("two", b"", 2, pid) for pid in twos))
        assert [conn.read("PUBREC").pid for _ in twos] == twos
        conn.send(END)
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("receiving.listen", url=fake.url, clientid="c")
    assert [event[1] for event in events] == ["one", "two", "one", "two", "one", "two", "two", "two"]
    fake.join()


def test_qos2_is_delivered_once_however_often_it_is_repeated(runtime, fake_broker):
    def script(conn):
        conn.accept()
        for dup in (0, 1, 1):
            conn.send(wire.publish("t", b"first", 2, 5, dup=dup))
            assert conn.read("PUBREC").pid == 5
        for _ in range(2):
            conn.send(wire.ack("PUBREL", 5))
            assert conn.read("PUBCOMP").pid == 5
        conn.send(wire.publish("t", b"second", 2, 5))
        assert conn.read("PUBREC").pid == 5
        conn.send(END)
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("receiving.listen", url=fake.url, clientid="c")
    assert events == [["message", "t", b"first", 2, 0, 0], ["message", "t", b"second", 2, 0, 0]]
    fake.join()


def test_qos1_is_delivered_as_often_as_it_comes(runtime, fake_broker):
    def script(conn):
        conn.accept()
        for dup in (0, 1):
            conn.send(wire.publish("t", b"x", 1, 5, dup=dup))
            assert conn.read("PUBACK").pid == 5
        conn.send(END)
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("receiving.listen", url=fake.url, clientid="c")
    assert events == [["message", "t", b"x", 1, 0, 0], ["message", "t", b"x", 1, 0, 1]]
    fake.join()


def test_acknowledgements_for_identifiers_not_in_use_are_ignored(runtime, fake_broker):
    def script(conn):
        conn.accept()
        for kind in ("PUBACK", "PUBREC", "PUBCOMP", "UNSUBACK"):
            conn.send(wire.ack(kind, 4711))
        conn.send(wire.suback(4711, 0))
        conn.send(wire.ack("PUBREL", 4711))
        assert conn.read("PUBCOMP").pid == 4711, "an unknown PUBREL is answered, nothing else is"
        conn.send(END)
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("receiving.listen", url=fake.url, clientid="c") == []
    fake.join()


def test_input_one_byte_at_a_time(runtime, fake_broker):
    def script(conn):
        conn.read("CONNECT")
        conn.send_split(wire.connack(0) + wire.publish("é", b"x" * 130, 1, 300) + wire.publish("z", b"", 2, 7) + END)
        assert [conn.read("PUBACK").pid, conn.read("PUBREC").pid] == [300, 7]
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("receiving.listen", url=fake.url, clientid="c") == [
        ["message", "é", b"x" * 130, 1, 0, 0],
        ["message", "z", b"", 2, 0, 0],
    ]
    fake.join()
