"""Peers that close, reset, go silent, dribble or stop reading: poll(0) stays short, the code comes in time."""

import socket

import pytest
from harness import wire
from harness.net import HOST

# The longest poll(0) that passes, in ms: far below any stall that the scripts make, far above a slow machine's hiccup.
SHORT = 400
CONNACK, PUBLISH = wire.connack(), wire.publish("t", b"0123456789", 1, 1)


def silent(conn):
    conn.wait_closed()


def half_a_connack(conn):
    conn.read("CONNECT")
    conn.send(CONNACK[:3])


BEFORE_CONNACK = {
    "closes at once": lambda conn: conn.close(),
    "resets at once": lambda conn: conn.reset(),
    "closes after CONNECT": lambda conn: conn.read("CONNECT"),
    "resets after CONNECT": lambda conn: (conn.read("CONNECT"), conn.reset()),
    "closes within CONNACK": half_a_connack,
    "resets within CONNACK": lambda conn: (half_a_connack(conn), conn.reset()),
}


@pytest.mark.parametrize("script", BEFORE_CONNACK.values(), ids=BEFORE_CONNACK)
def test_ended_before_connack(runtime, fake_broker, script):
    fake = fake_broker(script)
    ((_, code, _took, longest, why, results, losses, connected),) = runtime.run(
        "hostile.connect_only", url=fake.url, clientid="c"
    )
    assert (code, results, losses, connected) == (-1, 1, 0, False)
    assert why
    assert longest < SHORT
    fake.join()


@pytest.mark.parametrize("script", [silent, lambda c: (half_a_connack(c), silent(c))], ids=["all", "half a CONNACK"])
def test_silent_before_connack(runtime, fake_broker, script):
    fake = fake_broker(script)
    ((_, code, took, longest, why, results, losses, _),) = runtime.run(
        "hostile.connect_only", url=fake.url, clientid="c", timeout=0.8
    )
    assert (code, results, losses) == (-1, 1, 0)
    assert 750 <= took < 800 + SHORT + 300
    assert longest < SHORT
    assert why
    fake.join()


def test_a_host_that_does_not_answer(runtime):
    """A listener whose queue is full drops what asks for more: the three-way handshake never ends."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        ((_, code, took, longest, why, *_rest),) = runtime.run(
            "hostile.connect_only", url=f"tcp://{HOST}:{listener.getsockname()[1]}", clientid="c", timeout=0.8
        )
        for filler in fillers:
            filler.close()
    assert code == -1
    assert 750 <= took < 800 + SHORT + 300
    assert longest < SHORT
    assert why


def accept_then(*actions):
    def script(conn):
        conn.accept()
        conn.read("PUBLISH")  # "ready": no reset overtakes CONNACK
        for action in actions:
            action(conn)

    return script


AFTER_CONNACK = {
    "closes": accept_then(),
    "resets": accept_then(lambda conn: conn.reset()),
    "closes within a packet": accept_then(lambda conn: conn.send(PUBLISH[:-1])),
    "resets within a packet": accept_then(lambda conn: conn.send(PUBLISH[:1]), lambda conn: conn.reset()),
    "closes within a length": accept_then(lambda conn: conn.send(b"\x30\xff")),
}


@pytest.mark.parametrize("script", AFTER_CONNACK.values(), ids=AFTER_CONNACK)
def test_ended_after_connack(runtime, fake_broker, script):
    fake = fake_broker(script)
    (_, results), (_, reasons, longest, why, connected) = runtime.run("hostile.until_lost", url=fake.url, clientid="c")
    assert (results, reasons) == ([[0]], [-1])
    assert why and not connected
    assert longest < SHORT
    fake.join()


def test_the_last_messages_before_the_end_are_delivered(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.send(b"".join(wire.publish(f"t{i}", b"x" * 300) for i in range(50)))

    fake = fake_broker(script)
    events = runtime.run("hostile.until_lost", url=fake.url, clientid="c")
    assert [event[1] for event in events if event[0] == "message"] == [f"t{i}" for i in range(50)]
    assert events[-1][:2] == ["lost", [-1]]
    fake.join()


def test_one_byte_now_and_then(runtime, fake_broker):
    """No poll(0) waits for the rest of a packet, though each byte comes later than one may take."""

    def script(conn):
        conn.read("CONNECT")
        conn.send_split(CONNACK + wire.publish("t", b"x"), pause=SHORT / 1000 + 0.1)

    fake = fake_broker(script)
    message, connect, (_, reasons, longest, *_) = runtime.run("hostile.until_lost", url=fake.url, clientid="c")
    assert message == ["message", "t", b"x", 0, 0, 0]
    assert (connect, reasons) == (["connect", [[0]]], [-1])
    assert longest < SHORT
    fake.join()


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("size", [4000, 200_000])
def test_a_peer_that_stops_reading(runtime, fake_broker, qos, size):
    def script(conn):
        conn.accept()
        conn.hold()

    fake = fake_broker(script, receive_buffer=4096)
    stalled, codes = runtime.run("hostile.stalled_write", url=fake.url, clientid="c", qos=qos, size=size, timeout=1)
    fake.release()
    _, much, reason, (since_first, since_last), longest, why = stalled
    assert much, "the queue took more than the network"
    assert reason == -1
    assert since_first >= 900 and since_last < 1000 + SHORT + 300
    assert longest < SHORT
    assert why
    _, count, by_code, pending = codes
    if qos:
        assert (by_code, pending) == ([], count), "QoS 1 waits for the next connection"
    else:
        assert [code for code, _ in by_code] in ([-11, -1, 0], [-11, 0])
        assert sum(number for _, number in by_code) == count
        assert pending == 0


def test_poll_waits_as_long_as_it_is_told(runtime, broker, name):
    connected, zero, one, more = runtime.run("hostile.poll_times", url=broker.url, clientid=name)
    assert connected == ["connected", True]
    assert [event[2] for event in (zero, one, more)] == [False, False, False]
    assert zero[3] < SHORT and one[3] < SHORT
    assert 149 <= more[3] < 150 + SHORT
