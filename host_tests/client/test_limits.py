"""Limits: on messages accepted, in flight and received."""

import pytest
from harness import wire


def acknowledging(conn):
    """A broker that acknowledges everything; the topics it got are in conn.topics."""
    conn.accept()
    conn.topics = []
    while (packet := conn.read_packet()).name != "DISCONNECT":
        if packet.name == "PUBLISH":
            conn.topics.append(packet.topic)
        if packet.name == "PUBLISH" and packet.qos:
            conn.send(wire.ack("PUBACK" if packet.qos == 1 else "PUBREC", packet.pid))
        elif packet.name == "PUBREL":
            conn.send(wire.ack("PUBCOMP", packet.pid))


def offer(runtime, fake_broker, sizes, **options):
    """What becomes of each message: {topic: code}, the topics sent, `pending` when all were offered, `dropped`."""
    fake = fake_broker(acknowledging)
    inside, pending, (_, done, dropped) = runtime.run(
        "limits.offered", url=fake.url, clientid="c", sizes=sizes, **options
    )
    fake.join()
    assert inside == ["inside", 0], "no callback inside the call"
    assert len(done) == len(sizes), "one callback each"
    return dict(map(tuple, done)), "".join(fake.connections[0].topics), pending[1], dropped


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_maxqueued_refuses(runtime, fake_broker, qos):
    codes, sent, pending, dropped = offer(runtime, fake_broker, [1] * 5, qos=qos, maxqueued=3)
    assert codes == {"a": 0, "b": 0, "c": 0, "d": -12, "e": -12}
    assert (sent, pending, dropped) == ("abc", 3, 0)


def test_maxqueuedbytes_refuses(runtime, fake_broker):
    """Bytes of topic and message; a small one may still fit behind a large one that did not."""
    codes, sent, pending, _ = offer(runtime, fake_broker, [40, 50, 11, 10, 1], maxqueuedbytes=100)
    assert codes == {"a": 0, "b": 0, "c": -12, "d": 0, "e": -12}
    assert (sent, pending) == ("abd", 3)


def test_one_message_over_the_limit_of_bytes(runtime, fake_broker):
    codes, sent, pending, _ = offer(runtime, fake_broker, [500, 1], maxqueuedbytes=100)
    assert codes == {"a": 0, "b": -12}
    assert (sent, pending) == ("a", 1)
    codes, sent, pending, _ = offer(runtime, fake_broker, [1, 500], maxqueuedbytes=100)
    assert codes == {"a": 0, "b": -12}


@pytest.mark.parametrize("limit", [{"maxqueued": 3}, {"maxqueuedbytes": 30}], ids=str)
def test_dropold_gives_up_the_oldest(runtime, fake_broker, limit):
    codes, sent, pending, dropped = offer(runtime, fake_broker, [10] * 5, overflow="dropold", **limit)
    assert codes == {"a": -12, "b": -12, "c": 0, "d": 0, "e": 0}
    assert (sent, pending, dropped) == ("cde", 3, 2)


def test_dropold_gives_up_qos0_first(runtime, fake_broker):
    fake = fake_broker(acknowledging)
    events = runtime.run("limits_mixed.dropold_mixed", url=fake.url, clientid="c")
    fake.join()
    assert events == [["done", {"one": 0, "zero": -12, "two": 0, "three": 0}, 1]]
    assert fake.connections[0].topics == ["one", "two", "three"]


def test_dropold_never_gives_up_what_is_in_flight(runtime, fake_broker):
    def script(conn):
        conn.accept()
        first, second = conn.read("PUBLISH"), conn.read("PUBLISH")
        assert (first.topic, second.topic) == ("a", "b")
        conn.read("SUBSCRIBE")
        conn.send(wire.suback(3, 0) + wire.ack("PUBACK", first.pid) + wire.ack("PUBACK", second.pid))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("limits_mixed.dropold_in_flight", url=fake.url, clientid="c")
    assert events == [["third", [[-12]], 2], ["done", [["a", 0], ["b", 0]]]]
    fake.join()


def test_the_window_slides(runtime, fake_broker):
    """Never more than maxinflight without an acknowledgement, and each acknowledgement lets one more go."""

    def script(conn):
        conn.accept()
        waiting = [conn.read("PUBLISH").pid for _ in range(4)]
        assert conn.silent_for(0.3), "the window is full"
        for _ in range(8):
            conn.send(wire.ack("PUBACK", waiting.pop(0)))
            waiting.append(conn.read("PUBLISH").pid)
            assert not conn.buffer
        for pid in waiting:
            conn.send(wire.ack("PUBACK", pid))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("limits.window", url=fake.url, clientid="c", count=12, maxinflight=4)
    assert events == [["offered", 12], ["done", [[chr(97 + i), 0] for i in range(12)]]]
    fake.join()


def test_the_window_is_16_and_the_queue_64_by_default(runtime, fake_broker):
    def script(conn):
        conn.accept()
        waiting = [conn.read("PUBLISH").pid for _ in range(16)]
        assert conn.silent_for(0.3)
        for n in range(64):
            conn.send(wire.ack("PUBACK", waiting[n]))
            if n < 48:
                waiting.append(conn.read("PUBLISH").pid)
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("limits.window", url=fake.url, clientid="c", count=65)
    assert events[0] == ["offered", 64]
    assert sorted(code for _, code in events[1][1]) == [-12] + [0] * 64
    fake.join()


def test_a_refused_message_without_a_callback(runtime, fake_broker):
    def script(conn):
        conn.accept()
        first = conn.read("PUBLISH")
        conn.read("SUBSCRIBE")
        conn.send(wire.ack("PUBACK", first.pid))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    returned, full, sync = runtime.run("limits.refused_without_callback", url=fake.url, clientid="c")
    assert returned == ["returned", "Message", "Message"]
    assert full[1:3] == [1, 1]
    assert full[3], "lasterror names it"
    assert sync == ["sendsync", -12]
    fake.join()


def big_between_small(qos, size):
    def script(conn):
        conn.accept()
        assert conn.read("PUBLISH").topic == "ready"
        big = wire.publish("big", bytes(size - 5 - 2 * (qos > 0)), qos, 7)  # `size` bytes of body
        conn.send(wire.publish("small", b"x") + big + wire.publish("after", b"y") + wire.publish("end"))
        packets = [conn.read_packet()]
        while packets[-1].name != "DISCONNECT":
            packets.append(conn.read_packet())
        assert [(p.name, p.pid) for p in packets[:-1]] == ([("PUBACK" if qos == 1 else "PUBREC", 7)] if qos else [])

    return script


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("size", [1001, 300_000])
def test_oversize_drop_skips_and_acknowledges(runtime, fake_broker, qos, size):
    fake = fake_broker(big_between_small(qos, size))
    small, after, end = runtime.run("limits.inbound", url=fake.url, clientid="c", maxmessage=1000, oversize="drop")
    assert (small, after) == (["message", "small", 1], ["message", "after", 1])
    assert end[:3] == ["end", [], 1]
    fake.join()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_body_of_maxmessage_bytes_is_not_too_large(runtime, fake_broker, qos):
    fake = fake_broker(big_between_small(qos, 1000))
    events = runtime.run("limits.inbound", url=fake.url, clientid="c", maxmessage=1000)
    assert [event[1] for event in events] == ["small", "big", "after", []]
    fake.join()


@pytest.mark.parametrize("options", [{"oversize": "close"}, {}], ids=["close", "default"])
def test_oversize_close_ends_with_reason_3(runtime, fake_broker, options):
    def script(conn):
        conn.accept()
        conn.read("PUBLISH")
        conn.send(wire.publish("small", b"x") + wire.publish("big", bytes(1001), 1, 7))
        assert conn.wait_closed() == b""

    fake = fake_broker(script)
    small, end = runtime.run("limits.inbound", url=fake.url, clientid="c", maxmessage=1000, **options)
    assert small == ["message", "small", 1]
    assert end[1:3] == [[-3], 0]
    assert "1008" in end[3], "lasterror says how large"
    fake.join()


def test_maxmessage_is_262144_by_default(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.read("PUBLISH")
        conn.send(wire.publish("most", bytes(262144 - 6)) + wire.publish("more", bytes(262145 - 6)))
        conn.wait_closed()

    fake = fake_broker(script)
    most, end = runtime.run("limits.inbound", url=fake.url, clientid="c")
    assert most == ["message", "most", 262138]
    assert end[1] == [-3]
    fake.join()
