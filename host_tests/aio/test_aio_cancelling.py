"""mqtt.aio: cancelled at every step, each operation leaves a whole packet or none, and a client as good as new."""

import functools

import pytest
from harness import wire

OPERATIONS = [
    *(f"publish {size} {qos}" for qos in range(3) for size in ("small", "big")),
    "subscribe",
    "unsubscribe",
    "drained",
]


def each_completes(events, names):
    """All came to their end, after some steps, and until then ended with nothing but the cancellation."""
    assert [event[0] for event in events] == names
    for name, steps, others in events:
        assert steps and not others, name


def test_every_operation(runtime, broker, name):
    events = runtime.run("aio_cancelling.operations", url=broker.url, clientid=name, topic=name, big=40000)
    assert events.pop() == ["pending", 0]
    each_completes(events, OPERATIONS)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_waiting_for_a_message(runtime, broker, name, qos):
    events = runtime.run("aio_cancelling.receiving", url=broker.url, clientid=name, topic=name, qos=qos)
    assert events == [["taken", True, 60]]


def test_connecting(runtime, broker, name):
    events = runtime.run("aio_cancelling.connecting", url=broker.url, clientid=name)
    each_completes(events, ["connect", "disconnect", "waits"])


def test_connecting_with_tls(runtime, tls_broker, certificates, name):
    ssl = {"cadata": certificates.ca.pem}
    events = runtime.run("aio_cancelling.connecting", url=tls_broker.tls_url("ecdsa"), clientid=name, ssl=ssl)
    each_completes(events, ["connect", "disconnect", "waits"])


def half_written(runtime, serve, qos, **options):
    """A packet that is half written is written to its end, and what is behind it goes on."""
    size = 6_000_000

    def script(conn):
        conn.accept()
        conn.hold()
        big = conn.read("PUBLISH")
        assert (big.topic, big.qos, len(big.message)) == ("big", qos, size)
        small = conn.read("PUBLISH"), conn.read("PUBLISH")
        assert [(p.qos, p.message) for p in small] == [(0, b"0"), (2, b"2")]
        conn.send(wire.ack("PUBREC", small[1].pid))
        assert conn.read("PUBREL").pid == small[1].pid
        conn.send(wire.ack("PUBCOMP", small[1].pid))
        conn.read("DISCONNECT")

    fake = serve(script, receive_buffer=4096)
    program = runtime.start("aio_cancelling.half_written", url=fake.url, size=size, qos=qos, **options)
    program.expect("waits", False, [False] * 3)
    program.expect("cancelled", ["CancelledError"])
    program.expect("cancelled", ["CancelledError"])
    program.expect("release")
    fake.release()
    program.expect("behind", None, None)
    program.finish()
    fake.join()


@pytest.mark.parametrize("qos", [0, 1])
def test_a_packet_that_is_half_written(runtime, fake_broker, qos):
    half_written(runtime, fake_broker, qos)


def test_a_packet_that_is_half_written_over_tls(runtime, tls_server, certificates):
    serve = functools.partial(tls_server, identity=certificates.server)
    half_written(runtime, serve, 1, ssl={"cadata": certificates.ca.pem})
