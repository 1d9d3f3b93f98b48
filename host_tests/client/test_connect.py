"""Connecting: result codes, options as they arrive, the states in which calls are refused."""

import pytest
from harness import wire
from harness.broker import USERS
from harness.process import LIMIT


def attempt(runtime, url, clientid="c", limit=LIMIT, **options):
    events = runtime.run("connecting.attempt", limit=limit, url=url, clientid=clientid, **options)
    return {name: values for name, *values in events}


def test_accepted(runtime, broker, name):
    seen = attempt(runtime, broker.url, name)
    assert seen["result"] == [0]
    assert seen["state"][:2] == [True, False]
    assert seen["call"] == [None, 0, 1], "connect returns None, at once; its handler runs inside poll, once"
    assert seen["end"] == [False, 1]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_refused_by_the_server(runtime, fake_broker, code):
    fake = fake_broker(lambda conn: (conn.accept(code), conn.wait_closed()))
    seen = attempt(runtime, fake.url)
    assert seen["result"] == [code]
    assert seen["state"][0] is False
    assert seen["state"][2], "lasterror says why"
    fake.join()


@pytest.mark.parametrize("code", [6, 128, 255])
def test_any_other_code_is_malformed(runtime, fake_broker, code):
    fake = fake_broker(lambda conn: (conn.accept(code), conn.wait_closed()))
    seen = attempt(runtime, fake.url)
    assert seen["result"] == [-1]
    assert str(code) in seen["state"][2]


def test_right_credentials(runtime, broker_auth, name):
    ((username, password),) = USERS.items()
    assert attempt(runtime, broker_auth.url, name, username=username, password=password)["result"] == [0]
    assert attempt(runtime, broker_auth.url, name, username=username.encode(), password=password.encode())[
        "result"
    ] == [0]


@pytest.mark.parametrize(
    "username, password",
    [(None, None), ("imp", None), ("imp", "s3cret-word"), ("nobody", "s3cret-word")],
    ids=["none", "no password", "wrong password", "wrong user"],
)
def test_wrong_credentials(runtime, broker_auth, name, username, password):
    seen = attempt(runtime, broker_auth.url, name, username=username, password=password)
    assert seen["result"][0] in (4, 5)
    assert seen["state"][2] and "s3cret-word" not in seen["state"][2]


def test_nobody_listens(runtime, free_port):
    seen = attempt(runtime, f"tcp://127.0.0.1:{free_port}")
    assert seen["result"] == [-1]
    assert seen["state"][0] is False and seen["state"][2]
    assert seen["took"][0] < 5000


def test_unknown_host(runtime):
    seen = attempt(runtime, "tcp://nonexistent.invalid", limit=90)  # a resolver without a network takes its time
    assert seen["result"] == [-1]
    assert "host" in seen["state"][2]


@pytest.mark.parametrize("style", ["keywords", "dict", "mixed"])
def test_every_option_arrives(runtime, fake_broker, style):
    fake = fake_broker(lambda conn: (conn.accept(), conn.wait_closed()))
    options = {
        "username": "üser",
        "password": b"p\xff\x00",
        "keepalive": 65535,
        "willtopic": "gone/é",
        "willmessage": b"\x00bye",
        "willqos": 2,
        "willretain": True,
        "cleansession": False,
    }
    attempt(runtime, fake.url, "ünit", style=style, **options)
    packet = fake.connections[0].connect
    assert packet.clientid == "ünit"
    assert (packet.username, packet.password) == ("üser", b"p\xff\x00")
    assert (packet.keepalive, packet.clean) == (65535, 0)
    assert packet.will == ("gone/é", b"\x00bye", 2, 1)


def test_defaults(runtime, fake_broker):
    fake = fake_broker(lambda conn: (conn.accept(), conn.wait_closed()))
    attempt(runtime, fake.url, "x" * 255, willmessage="without a topic: ignored", willqos=1)
    packet = fake.connections[0].connect
    assert packet.clientid == "x" * 255
    assert (packet.username, packet.password, packet.will) == (None, None, None)
    assert (packet.keepalive, packet.clean) == (60, 1)


def test_will_and_user_alone(runtime, fake_broker):
    fake = fake_broker(lambda conn: (conn.accept(), conn.wait_closed()))
    attempt(runtime, fake.url, willtopic="w", username="u")
    packet = fake.connections[0].connect
    assert packet.will == ("w", b"", 0, 0)
    assert (packet.username, packet.password) == ("u", None)


def test_mqtt_scheme_is_tcp(runtime, broker, name):
    assert attempt(runtime, broker.url.replace("tcp:", "mqtt:"), name)["result"] == [0]


def test_connect_is_the_only_packet_before_connack(runtime, fake_broker):
    def script(conn):
        conn.read("CONNECT")
        assert conn.silent_for(0.2)
        conn.send(wire.connack())
        conn.send(wire.suback(conn.read("SUBSCRIBE").pid, 1))
        early = conn.read("PUBLISH")
        assert not early.dup
        conn.send(wire.ack("PUBACK", early.pid) + wire.publish("t", b"early", 1, 9))
        conn.read("PUBACK")
        conn.read("DISCONNECT")
        assert conn.wait_closed() == b""

    fake = fake_broker(script)
    runtime.run("connecting.requests_while_connecting", url=fake.url, clientid="c", topic="t")
    fake.join()


def test_requests_while_connecting_wait_for_the_connection(runtime, broker, name):
    events = runtime.run("connecting.requests_while_connecting", url=broker.url, clientid=name, topic=name)
    assert events == [
        ["subscribe", 0],
        ["pending", 1, 0, 0],
        ["granted", 0, 1],
        ["done", 0],
        ["got", name, b"early", 1],
        ["pending", 0],
    ]


def test_misuse_of_state(runtime, broker, name):
    assert runtime.run("connecting.misuse", url=broker.url, clientid=name) == [
        ["subscribe", ["MQTTError", -3]],
        ["unsubscribe", ["MQTTError", -3]],
        ["publish", ["MQTTError", -3]],
        ["publish 1", ["MQTTError", -3]],
        ["sendasync", ["MQTTError", -3]],
        ["sendsync", ["MQTTError", -3]],
        ["connect while connecting", ["MQTTError", -1]],
        ["connect while connected", ["MQTTError", -1]],
        ["still connected", True],
        ["publish after", ["MQTTError", -3]],
        ["connect after", 0],
    ]


def test_connecting_again_from_the_handlers(runtime, fake_broker, free_port):
    fake = fake_broker(
        lambda conn: conn.accept(),
        lambda conn: (conn.accept(), conn.read("DISCONNECT"), conn.wait_closed()),
    )
    events = runtime.run(
        "connecting.again_from_handler", refused=f"tcp://127.0.0.1:{free_port}", url=fake.url, clientid="c"
    )
    assert events == [["lost", -1, False], ["results", [-1, 0, 0]]]
    fake.join()


def test_disconnect_while_connecting(runtime, fake_broker):
    fake = fake_broker(lambda conn: conn.wait_closed())
    assert runtime.run("connecting.disconnect_while_connecting", url=fake.url, clientid="c") == [
        ["inside", 0],
        ["counts", 0, 0, 1],
        ["done", -11],
        ["state", False, 0],
    ]
    fake.join()


def test_twenty_connections_one_after_the_other(runtime, broker, name):
    events = runtime.run("connecting.many_times", url=broker.url, clientid=name, count=20)
    assert events == [["result", 0]] * 20


def test_no_handler_is_needed(runtime, broker, name, free_port):
    refused = f"tcp://127.0.0.1:{free_port}"
    assert runtime.run("connecting.no_handlers", url=broker.url, refused=refused, clientid=name) == [["connected"]]


def test_two_clients_in_one_program(runtime, broker, name):
    assert runtime.run("connecting.two_clients", url=broker.url, clientid=name) == [["states", False, True]]
