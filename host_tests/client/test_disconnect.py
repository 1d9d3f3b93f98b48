"""The ends of a connection: disconnect() with its promises, and the will of those who can't say goodbye."""

import pytest
from harness import wire


def test_only_its_own_callback_is_called(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.read("DISCONNECT")
        assert conn.wait_closed() == b""

    fake = fake_broker(script)
    assert runtime.run("disconnecting.counts", url=fake.url, clientid="c") == [
        ["nothing to close, inside", 0],
        ["inside", 0, False],
        ["counts", 0, 0, 4, False],
    ]
    fake.join()


@pytest.mark.parametrize("count", [1, 200])
def test_what_is_on_its_way_is_written_first(runtime, fake_broker, count):
    def script(conn):
        conn.accept()
        packets = [conn.read_packet()]
        while packets[-1].name == "PUBLISH":
            packets.append(conn.read_packet())
        assert packets.pop().name == "DISCONNECT"
        assert [p.message for p in packets] == [b"%d" % i for i in range(count)]
        assert conn.wait_closed() == b""

    fake = fake_broker(script)
    runtime.run("disconnecting.behind_messages", url=fake.url, clientid="c", topic="t", count=count)
    fake.join()


def test_a_large_message_is_finished_first(runtime, fake_broker):
    def script(conn):
        conn.accept()
        assert len(conn.read("PUBLISH").message) == 8 << 20
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("disconnecting.behind_a_large_message", url=fake.url, clientid="c", topic="t", size=8 << 20) == [
        ["done", [[0]]]
    ]
    fake.join()


def test_disconnect_in_a_handler(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.send(wire.publish("first") + wire.publish("second"))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("disconnecting.in_a_handler", url=fake.url, clientid="c") == [
        ["message", "first"],
        ["end", False, 1],
    ]
    fake.join()


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "in a handler"])
def test_connect_right_behind_disconnect(runtime, fake_broker, inside):
    def script(conn):
        conn.accept()
        conn.read("DISCONNECT")
        assert conn.wait_closed() == b""

    fake = fake_broker(script, script)
    assert runtime.run("disconnecting.then_connect_at_once", url=fake.url, clientid="c", inside=inside) == [
        ["results", [[0]], 0, 1, True]
    ]
    fake.join()


def test_a_peer_that_stopped_reading_does_not_keep_the_client(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.hold()

    fake = fake_broker(script, receive_buffer=4096)
    events = runtime.run("disconnecting.to_a_peer_that_stopped_reading", url=fake.url, clientid="c", timeout=0.7)
    fake.release()
    assert events == [["end", [[-1]], 1, False]]
    fake.join()


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [False, True], ids=["", "retained"])
def test_the_will_of_a_program_that_is_killed(runtime, broker, witness, name, qos, retain):
    seen = witness(broker.port).subscribe(f"{name}/#")
    program = runtime.start(
        "disconnecting.wait_to_be_killed",
        url=broker.url,
        clientid=name,
        willtopic=f"{name}/gone",
        willmessage=b"\x00\xff",
        willqos=qos,
        willretain=retain,
    )
    program.expect("connected")
    program.kill()
    (will,) = seen.wait(1)
    assert (will.topic, will.message, will.qos, will.retain) == (f"{name}/gone", b"\x00\xff", qos, 0)
    late = witness(broker.port).subscribe(f"{name}/#").fence(f"{name}/end")
    assert [(m.message, m.retain) for m in late] == ([(b"\x00\xff", 1)] if retain else [])
    seen.publish(f"{name}/gone", b"", 1, retain=True)


def test_no_will_after_disconnect(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe(f"{name}/#")
    options = {"url": broker.url, "clientid": name, "willtopic": f"{name}/gone", "willmessage": "gone"}
    runtime.run("disconnecting.leave", **options)
    runtime.run("disconnecting.counts", **options)
    runtime.run("disconnecting.then_connect_at_once", inside=True, **options)
    assert seen.fence(f"{name}/end") == []


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_two_programs_talk(runtime, broker, witness, name, qos):
    """Each sends 200 messages to the other through mosquitto; paho sees the same."""
    topics = [f"{name}/left", f"{name}/right"]
    seen = [witness(broker.port).subscribe(topic, qos) for topic in topics]
    programs = [
        runtime.start("disconnecting.talk", url=broker.url, clientid=mine, mine=mine, theirs=theirs, count=200, qos=qos)
        for mine, theirs in (topics, topics[::-1])
    ]
    for program in programs:
        program.expect("ready")
        program.expect("subscribed")
    for topic in topics:
        seen[0].publish(f"{topic}/start", b"", 1)
    for program in programs:
        program.expect("got", list(range(200)))
        program.finish()
    for one in seen:
        assert [(m.message, m.qos) for m in one.wait(201)[:200]] == [(b"%d" % i, qos) for i in range(200)]
