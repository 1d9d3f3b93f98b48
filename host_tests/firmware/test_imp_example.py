"""The example of the imp documentation, firmware/examples/imp_pings.py, as a program on both runtimes."""

from pathlib import Path

import pytest
from harness import wire
from harness.broker import USERS

PROGRAM = Path(__file__).resolve().parents[2] / "firmware" / "examples" / "imp_pings.py"
TOPIC = "imp.mqtt.test.pings"
((USER, PASSWORD),) = USERS.items()


def test_it_prints_each_message(runtime, broker_auth, witness):
    program = runtime.launch(PROGRAM, broker_auth.url, USER, PASSWORD)
    program.expect_line(f"Connected to {broker_auth.url}")
    program.expect_line(f"Subscribed to '{TOPIC}'")
    sender = witness(broker_auth.port, username=USER, password=PASSWORD)
    for text in ("ping", "zweiter Gruß 😀", ""):
        sender.publish(TOPIC, text, 1)
        program.expect_line(f"Message '{text}' received under topic '{TOPIC}'")
    program.kill()


def test_it_prints_why_it_was_refused(runtime, broker_auth):
    program = runtime.launch(PROGRAM, broker_auth.url, USER, "wrong")
    program.finish()
    assert list(program.lines) == [f"Failed to connect to {broker_auth.url}. Error: Not authorized"]


@pytest.mark.parametrize(
    "code, text",
    [
        (1, "Unsupported MQTT version"),
        (2, "Client ID rejected"),
        (3, "Server unavailable"),
        (4, "Invalid username/password"),
        (5, "Not authorized"),
    ],
)
def test_every_refusal_has_its_text(runtime, fake_broker, code, text):
    fake = fake_broker(lambda conn: conn.accept(code))
    program = runtime.launch(PROGRAM, fake.url, "u", "p", "imp.mqtt.test.me")
    program.finish()
    assert list(program.lines) == [f"Failed to connect to {fake.url}. Error: {text}"]
    packet = fake.connections[0].connect
    assert (packet.clientid, packet.username, packet.password) == ("imp.mqtt.test.me", "u", b"p")


def test_nobody_listens(runtime, free_port):
    program = runtime.launch(PROGRAM, f"tcp://127.0.0.1:{free_port}")
    program.finish()
    assert list(program.lines) == [f"Failed to connect to tcp://127.0.0.1:{free_port}. Error: Socket Error"]


def test_a_refused_subscription(runtime, fake_broker):
    def script(conn):
        conn.accept()
        request = conn.read("SUBSCRIBE")
        assert request.filters == [(TOPIC, 0)]
        conn.send(wire.suback(request.pid, 128) + wire.publish(TOPIC, b"not for us"))

    fake = fake_broker(script)
    program = runtime.launch(PROGRAM, fake.url)
    program.finish()
    assert list(program.lines) == [f"Connected to {fake.url}", f"Not subscribed to '{TOPIC}'"]
