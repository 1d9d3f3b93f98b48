"""The harness itself: what the other tests rely on."""

import socket

import pytest

from harness import wire
from harness.net import HOST
from harness.process import ChildError

PACKETS = [
    wire.connect("c", username="u", password="p", will=("w", b"gone", 1, 1)),
    wire.connack(5),
    wire.publish("t/é", b"x" * 300, 2, 7, retain=1, dup=1),
    wire.ack("PUBACK", 1),
    wire.ack("PUBREC", 65535),
    wire.ack("PUBREL", 2),
    wire.ack("PUBCOMP", 3),
    wire.subscribe(4, ("a/#", 1), ("+", 2)),
    wire.suback(4, 0, 1, 128),
    wire.unsubscribe(5, "a", "b"),
    wire.ack("UNSUBACK", 5),
    wire.PINGREQ,
    wire.PINGRESP,
    wire.DISCONNECT,
]


@pytest.mark.parametrize("raw", PACKETS, ids=lambda raw: wire.NAMES[raw[0] >> 4])
def test_wire_decodes_what_it_encodes(raw):
    packet = wire.decode(raw)
    assert packet.raw == raw
    assert packet.name == wire.NAMES[raw[0] >> 4]
    assert wire.whole(raw + b"rest") == len(raw)
    assert not any(wire.whole(raw[:n]) for n in range(len(raw)))


def test_wire_fields():
    packet = wire.decode(PACKETS[0])
    assert (packet.clientid, packet.clean, packet.keepalive) == ("c", 1, 60)
    assert (packet.username, packet.password, packet.will) == ("u", b"p", ("w", b"gone", 1, 1))
    packet = wire.decode(PACKETS[2])
    assert (packet.topic, packet.pid, packet.qos, packet.retain, packet.dup) == ("t/é", 7, 2, 1, 1)
    assert wire.decode(PACKETS[7]).filters == [("a/#", 1), ("+", 2)]


@pytest.mark.parametrize(
    "raw",
    [b"\x00\x00", b"\x10\x80\x80\x80\x80\x01", b"\x62\x03\x00\x01\x00", b"\x60\x02\x00\x01", b"\x62\x02\x00\x00"],
    ids=["type 0", "five length bytes", "too long", "PUBREL flags 0", "identifier 0"],
)
def test_wire_refuses(raw):
    with pytest.raises(wire.WireError):
        wire.decode(raw)


def test_a_scenario_that_fails_says_why(runtime):
    with pytest.raises(ChildError, match="ZeroDivisionError|divide by zero"):
        runtime.run("harness_probe.fail")


def test_arguments_and_events_go_through_unchanged(runtime):
    values = ["é", 1, None, [True, b"\x00\xff"], {"key": b""}]
    assert runtime.run("harness_probe.echo", values=values) == [["echo", *values]]


def test_a_program_is_followed_and_killed(runtime):
    program = runtime.start("harness_probe.wait_for_ever")
    program.expect("started")
    with pytest.raises(ChildError, match="no event 'more' within"):
        program.expect("more", limit=0.1)
    program.kill()
    assert program.wait() == -9


def test_witness_and_broker_that_restarts_with_its_sessions(private_broker, witness):
    broker = private_broker(persistence=True, users={"u": "p"})
    first = witness(broker.port, "keeper", "u", "p", clean=False).subscribe("a/#", 1)
    first.close()
    witness(broker.port, username="u", password="p").publish("a/b", b"kept", 1)
    broker.restart()
    again = witness(broker.port, "keeper", "u", "p", clean=False)
    assert [(m.topic, m.message, m.qos) for m in again.wait(1)] == [("a/b", b"kept", 1)]


def test_a_broker_with_several_listeners(private_broker, witness):
    broker = private_broker(listeners=[["max_connections 1"], []])
    assert len(set(broker.ports)) == 3
    seen = [witness(port).subscribe("t", 0) for port in broker.ports]
    seen[0].publish("t", b"for all", 1)
    assert [one.wait(1)[0].message for one in seen] == [b"for all"] * 3


def test_fake_broker_talks_to_a_real_client(fake_broker, witness):
    def script(conn):
        conn.accept()
        request = conn.read("SUBSCRIBE")
        conn.send(wire.publish("early", b"1"))
        conn.send_split(wire.suback(request.pid, 0))
        conn.read("DISCONNECT")
        conn.wait_closed()

    fake = fake_broker(script)
    seen = witness(fake.port).subscribe("#", 0)
    assert seen.wait(1)[0].topic == "early"
    seen.close()
    fake.join()


def test_a_connection_too_many_is_told(fake_broker, witness):
    fake = fake_broker(lambda conn: (conn.accept(), conn.wait_closed()))
    witness(fake.port).close()
    with socket.create_connection((HOST, fake.port)) as second:
        assert second.recv(1) == b""
    with pytest.raises(AssertionError, match="too many"):
        fake.join()
    fake.errors.clear()


def test_an_error_in_a_script_is_told(fake_broker, witness):
    def script(conn):
        conn.accept()
        conn.send(wire.packet("RESERVED15"))
        conn.read("PUBACK")

    fake = fake_broker(script)
    witness(fake.port)
    with pytest.raises(AssertionError, match="Closed|expected PUBACK"):
        fake.join()
    fake.errors.clear()
