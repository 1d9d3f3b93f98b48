"""`mqtt.umqtt` beyond umqtt.simple: reconnecting, time limits, TLS; and that it is loaded only by who asks for it."""

import errno

import pytest
from harness import wire


def message(text, qos=1, pid=1, **more):
    return wire.publish("t", text, qos, pid, **more)


def subscribed(conn, present=0):
    conn.accept(present=present)
    conn.send(wire.suback(conn.read("SUBSCRIBE").pid, 1))


def test_mqtt_does_not_load_it(runtime, broker, name):
    assert runtime.run("umqtt_own.loading", url=broker.url, clientid=name)[0] == ["loaded", ["mqtt.client"]]


def test_what_connect_raises(runtime, free_port, fake_broker):
    def silent(conn):
        conn.read("CONNECT")
        conn.wait_closed()

    fake = fake_broker(silent, silent)
    refused, why, again, limit, slow, limit_again, v6 = runtime.run(
        "umqtt_own.failures", refused=free_port, silent=fake.port
    )
    assert refused == again == ["OSError", errno.ECONNREFUSED]
    assert "nothing listens" in why[1]
    assert limit == limit_again == ["OSError", errno.ETIMEDOUT]
    assert "timeout" in slow[1]
    assert v6[0] == "OSError"


def test_publish_waits_until_the_network_has_taken_all(runtime, fake_broker):
    size = 16_000_000  # more than all buffers between here and there

    def script(conn):
        conn.accept()
        conn.pause(0.2)  # they are full by then
        assert len(conn.read("PUBLISH").message) == size
        conn.send(wire.ack("PUBACK", conn.read("PUBLISH").pid))
        conn.wait_closed()

    fake = fake_broker(script)
    events = runtime.run("umqtt_own.large", port=fake.port, size=size, timeout=15)
    assert events == [["returned", None]] * 2
    fake.join()


def test_publish_ends_when_the_network_takes_no_more(runtime, fake_broker):
    fake = fake_broker(lambda conn: (conn.accept(), conn.hold()), receive_buffer=4096)
    program = runtime.start("umqtt_own.large", port=fake.port, size=20_000_000, timeout=0.5)
    assert program.finish() == [["OSError", -1]] * 2
    fake.release()


def test_tls_by_context_and_by_parameters(runtime, tls_broker, certificates, name):
    port = tls_broker.tls_port("ecdsa")
    events = runtime.run("umqtt_own.secure", port=port, clientid=name, topic=name, cadata=certificates.ca.der)
    topic = name.encode()
    got = [["callback", topic, b"x" * 5000], ["callback", topic, b"end"]]
    assert events == [["returned", 0], *got] * 2


def test_tls_verifies(runtime, tls_broker, certificates, name):
    none, other, why = runtime.run(
        "umqtt_own.insecure", port=tls_broker.tls_port("ecdsa"), clientid=name, cadata=certificates.other_ca.der
    )
    assert none[0] == "ValueError" and "cadata or cafile is missing" in none[1]
    assert other == ["OSError", -1]
    assert "not signed by an authority" in why[1]


def test_it_stays_connected_and_subscribed(runtime, private_broker, witness, name):
    """The broker restarts without its sessions, before each message: the program notices nothing."""
    broker = private_broker()
    program = runtime.start(
        "umqtt_own.stay", port=broker.port, clientid=name, count=3, reconnect={"min": 0.05, "max": 0.2}
    )
    program.expect("connected", 0)
    for number in range(3):
        program.expect("ready")
        if number:
            broker.restart()
            broker.wait_for_log(f" as {name} ")
        other = witness(broker.port).subscribe(f"{name}/out", 2)
        # Its subscription comes after it has connected: what is retained is there whenever that is.
        other.publish(f"{name}/in", f"go {number}", 1, retain=True)
        program.expect("callback", f"{name}/in".encode(), f"go {number}".encode())
        program.expect("callback", f"{name}/out".encode(), b"%d" % number)
        assert other.wait(1)[0].message == b"%d" % number
    program.finish()


def test_the_first_connection_is_tried_once(runtime, free_port):
    assert runtime.run("umqtt_own.away", port=free_port) == [
        ["OSError", errno.ECONNREFUSED],
        ["OSError", -1],
    ]


def test_an_acknowledgement_goes_nowhere_else(runtime, fake_broker):
    """Two messages came with one read; the second waits while the program connects again, and is not acknowledged."""

    def first(conn):
        subscribed(conn)
        conn.send(message(b"1", pid=1) + message(b"2", pid=2))
        assert conn.read("PUBACK").pid == 1
        conn.read("DISCONNECT")

    def second(conn):
        conn.accept(present=1)
        conn.send(message(b"other", pid=2))
        assert conn.read("PUBACK").pid == 2
        conn.read("DISCONNECT")

    fake = fake_broker(first, second)
    assert runtime.run("umqtt_own.across", port=fake.port) == [["callback", b"t", t] for t in (b"1", b"2", b"other")]
    fake.join()


@pytest.mark.parametrize("qos, answer", [(1, "PUBACK"), (2, "PUBREC")])
def test_a_message_that_is_too_large_is_skipped(runtime, fake_broker, qos, answer):
    def script(conn):
        subscribed(conn)
        conn.send(message(b"before", 1, 6) + message(b"x" * 300_000, qos, 7))
        assert conn.read(answer).pid == 7
        assert conn.read("PUBACK").pid == 6
        conn.send(message(b"after", 1, 8))
        assert conn.read("PUBACK").pid == 8
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("umqtt_own.dropping", port=fake.port) == [["callback", b"t", t] for t in (b"before", b"after")]
    fake.join()


def test_a_message_before_the_end_is_handed_over(runtime, fake_broker):
    def script(conn):
        subscribed(conn)
        conn.send(message(b"last", 0) + wire.packet("RESERVED15"))
        conn.wait_closed()

    fake = fake_broker(script)
    got, returned, lost, why = runtime.run("umqtt_own.breaking", port=fake.port)
    assert [got, returned, lost] == [["callback", b"t", b"last"], ["returned", 0x30], ["OSError", -1]]
    assert "broke the protocol" in why[1]
    fake.join()


def test_with_reconnect_the_wait_for_an_answer_has_no_limit(runtime, fake_broker):
    def first(conn):
        conn.accept()
        conn.read("PUBLISH")

    def silent(conn):
        conn.read("CONNECT")
        conn.wait_closed()

    def last(conn):
        conn.accept(present=1)
        packet = conn.read("PUBLISH")
        assert (packet.pid, packet.dup) == (1, 1)
        conn.send(wire.ack("PUBACK", 1))
        conn.read("DISCONNECT")

    fake = fake_broker(first, silent, silent, last)
    assert runtime.run("umqtt_own.waiting", port=fake.port) == [["returned", None]]
    fake.join()


def test_a_connection_that_ends_while_the_callback_publishes(runtime, fake_broker):
    """What could not be delivered is given up, as the exception says: it does not go out again later."""

    def first(conn):
        subscribed(conn)
        conn.send(message(b"1", pid=1) + message(b"2", pid=2))
        conn.read("PUBLISH")

    def second(conn):
        conn.accept(present=1)
        packet = conn.read("PUBLISH")
        assert (packet.topic, packet.dup) == ("again", 0)
        conn.send(wire.ack("PUBACK", packet.pid))
        conn.read("DISCONNECT")

    fake = fake_broker(first, second)
    lost = ["OSError", -1]
    assert runtime.run("umqtt_own.failing_inside", port=fake.port) == [
        ["callback", b"t", b"1"],
        lost,
        ["callback", b"t", b"2"],
        lost,
        ["returned", 0x32],
        lost,
        ["returned", 1],
        ["returned", None],
    ]
    fake.join()
