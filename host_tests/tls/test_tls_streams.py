"""TLS as a stream of bytes: records of any size, slow and stopping servers. Nothing waits, is lost or comes twice."""

import hashlib
import socket

import pytest
from harness import wire
from harness.tls_server import relay
from scenarios.pattern import pattern

RECORD = 16384  # the most that fits a TLS record


def packets(count, size):
    """PUBLISH packets with QoS 1, and the SHA-256 of their messages together."""
    messages = [pattern(size + number) for number in range(count)]
    stream = b"".join(wire.publish("t", message, 1, 1 + number) for number, message in enumerate(messages))
    return stream, hashlib.sha256(b"".join(messages)).digest()


def expect_acknowledgements(conn, count):
    assert [conn.read("PUBACK").pid for _ in range(count)] == list(range(1, count + 1))
    conn.read("DISCONNECT")


def test_poll_stays_short_while_the_server_takes_its_time(runtime, tls_server, fake_broker, certificates):
    pause = 1.0

    def script(conn):
        conn.read("CONNECT")
        conn.pause(pause)
        conn.send(wire.connack())
        conn.send(wire.ack("PUBACK", conn.read("PUBLISH").pid))
        conn.read("DISCONNECT")

    server = tls_server(script, identity=certificates.chained)
    # The server's first words come in pieces, with a long silence in the middle of a certificate.
    slow = fake_broker(relay(server.port, size=90, pauses={0: 0.1, 7: pause, 9: 0.1}))
    result, took = runtime.run(
        "tls_streams.slow_server", url=f"ssl://127.0.0.1:{slow.port}", ssl={"cadata": certificates.ca.pem}
    )
    assert result == ["result", 0, 0]
    _, longest, whole = took
    assert whole > 2000 * pause
    assert longest < 950 * pause, "a poll waited for the server"


def reads_on_when_released(sizes, inbound):
    """A script that stops reading, and then takes what has queued up: each message once, in order, as it was."""
    sent = [("first", b"before", 1), *(("long", pattern(size), 1) for size in sizes), ("second", b"behind", 1)]
    sent.append(("last", b"QoS 0", 0))

    def script(conn):
        conn.accept()
        packets = [conn.read("PUBLISH")]
        conn.send(b"".join(wire.publish("in", b"x" * number, 1, number) for number in range(1, inbound + 1)))
        conn.hold()
        while len(packets) < len(sent) + inbound:
            packet = conn.read_packet()
            if packet.name == "PINGREQ":
                conn.send(wire.PINGRESP)
            else:
                packets.append(packet)
        arrived = [p for p in packets if p.name == "PUBLISH"]
        assert [(p.topic, p.message, p.qos) for p in arrived] == sent
        assert not any(p.dup for p in arrived)
        assert [p.pid for p in packets if p.name == "PUBACK"] == list(range(1, inbound + 1))
        conn.send(b"".join(wire.ack("PUBACK", p.pid) for p in arrived if p.qos))
        while (packet := conn.read_packet()).name == "PINGREQ":
            conn.send(wire.PINGRESP)
        assert packet.name == "DISCONNECT"

    return script


@pytest.mark.parametrize("sizes", [[200_000], [600] * 300], ids=["one long message", "many short ones"])
def test_a_server_that_stops_reading(runtime, tls_server, certificates, sizes):
    inbound = 20
    script = reads_on_when_released(sizes, inbound)
    server = tls_server(script, identity=certificates.server, receive_buffer=4096)
    program = runtime.start(
        "tls_streams.stalled",
        url=server.url,
        cadata=certificates.ca.der,
        option=[socket.SOL_SOCKET, socket.SO_SNDBUF],
        sizes=sizes,
        inbound=inbound,
    )
    program.expect("stuck", 0, 0)
    server.release()
    program.expect("done", 0, len(sizes), [[0]])
    program.finish()
    server.join()


def in_records_of(size, data):
    return [data[at : at + size] for at in range(0, len(data), size)]


SENT = {
    # messages, bytes in each, bytes in a record
    "bytes": (20, 30, 1),
    "short records": (30, 500, 7),
    "many packets in each": (2000, 40, RECORD),
    "long messages over full records": (4, 100_000, RECORD),
    "long messages over short records": (1, 20_000, 100),
    "full and almost": (3, RECORD - 9, RECORD),
}


@pytest.mark.parametrize("kind", SENT)
def test_records_in(runtime, tls_server, certificates, kind):
    count, size, record = SENT[kind]
    stream, digest = packets(count, size)

    def script(conn):
        conn.connect = conn.read("CONNECT")
        for part in in_records_of(record, wire.connack() + stream):
            conn.sock.sendall(part)
        expect_acknowledgements(conn, count)

    server = tls_server(script, identity=certificates.server)
    events = runtime.run("tls_streams.receive", url=server.url, ssl={"cadata": certificates.ca.pem}, count=count)
    assert events == [["connected", 0], ["received", count, digest]]
    server.join()


def test_records_in_with_run(runtime, tls_server, certificates):
    count = 500
    stream, _ = packets(count, 60)

    def script(conn):
        conn.accept()
        for part in in_records_of(RECORD, stream):
            conn.sock.sendall(part)
        conn.wait_closed()

    server = tls_server(script, script, identity=certificates.server)
    *told, ran = runtime.run(
        "tls_streams.run_two", urls=[server.url] * 2, ssl={"cadata": certificates.ca.pem}, count=count
    )
    assert told == [["all"]] * 2
    assert ran[1] < 8000
    assert ran[2] == ["", ""]
    server.join()


@pytest.mark.parametrize(
    ("scenario", "sizes"),
    [
        ("byte_by_byte", [0, 1, 300]),
        ("send_all", [RECORD, RECORD - 8, 4096, 4088, 100_000, 1]),
    ],
)
def test_records_out(runtime, tls_server, certificates, scenario, sizes):
    def script(conn):
        conn.accept()
        for size in sizes:
            packet = conn.read("PUBLISH")
            assert packet.message == pattern(size)
            conn.send(wire.ack("PUBACK", packet.pid))
        conn.read("DISCONNECT")

    server = tls_server(script, identity=certificates.server)
    ssl = {"cadata": certificates.ca.pem}
    assert [["sent"]] == runtime.run(f"tls_streams.{scenario}", url=server.url, ssl=ssl, messages=sizes)
    server.join()
