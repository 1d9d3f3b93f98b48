"""mqtt.aio: connections that fail, are refused, are lost, are idle, and come back."""

from pathlib import Path

import pytest
from harness import wire
from harness.proxy import Cut, Proxy


def test_refused(runtime, broker_auth, free_port, name):
    code5 = ["MQTTError", 5]
    first, error, second, then = runtime.run("aio_losing.refused", url=broker_auth.url, clientid=name)
    assert first == ["first", [code5, code5]] and second == ["second", code5]
    assert error == ["error", "connection refused: not authorised", 5]
    assert then == ["then", [["MQTTError", -3], ["MQTTError", -3], None]]
    events = runtime.run("aio_losing.refused", url=f"tcp://127.0.0.1:{free_port}", clientid=name)
    assert events[0] == ["first", [["MQTTError", -1]] * 2]


@pytest.mark.parametrize("clean", [True, False])
def test_what_waits_ends_with_the_connection(runtime, fake_broker, clean):
    def script(conn):
        conn.accept()
        pids = {p.message: p.pid for p in (conn.read("PUBLISH") for _ in range(3))}
        conn.read("SUBSCRIBE")
        conn.send(wire.publish("m", b"in time") + wire.ack("PUBREC", pids[b"released"]))
        conn.read("PUBREL")

    def again(conn):
        conn.accept(present=0 if clean else 1)
        conn.send(wire.publish("m", b"later"))
        conn.read("PUBREL")
        publish = conn.read("PUBLISH")
        assert publish.message == b"3", "what raised is not sent again"
        conn.send(wire.ack("PUBACK", publish.pid))
        conn.read("DISCONNECT")

    fake = fake_broker(script, again)
    events = runtime.run("aio_losing.lost", url=fake.url, clean=clean)
    fake.join()
    gone = ["MQTTError", -11]
    assert events == [
        ["message", b"in time"],
        ["ended", [gone, gone, gone, gone, ["MQTTError", -3], ["MQTTError", -1], -1]],
        ["pending", 1, False],
        ["message", b"later"],
        ["publish", None],
    ]


def test_what_waits_ends_with_disconnect(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.read("PUBLISH")
        conn.send(wire.publish("a", b"1") + wire.publish("b", b"2") + wire.publish("go"))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("aio_losing.disconnecting", url=fake.url)
    fake.join()
    assert sorted(events[:2]) == [["a", b"1"], ["b", b"2"]]
    end = "end of the loop"
    assert events[2] == ["ended", [end, end, ["MQTTError", -11], 0], 0, ""]


def test_it_goes_on_across_restarts_of_the_broker(runtime, private_broker, witness, name):
    broker = private_broker(persistence=True)
    program = runtime.start("aio_losing.reconnecting", url=broker.url, clientid=name, topic=name, tasks=5)
    program.expect("ready")
    for _ in range(2):
        broker.restart()
        program.expect("lost", -1)
        program.expect("back", True)
    witness(broker.port).publish(f"{name}/stop", b"", 1)
    sent, missing = program.expect("result")
    program.finish()
    assert sent >= 5 and missing == 0


def test_messages_wait_for_the_first_connection(runtime, private_broker, name):
    broker = private_broker()
    broker.kill()
    program = runtime.start("aio_losing.offline", url=broker.url, clientid=name, topic=name)
    program.expect("waiting", False, [False] * 3)
    broker.start()
    program.expect("done", 0)
    program.finish()


def test_a_connect_that_is_given_up(runtime, free_port, name):
    events = runtime.run("aio_losing.cancelled_attempts", url=f"tcp://127.0.0.1:{free_port}", clientid=name)
    assert events == [["late", False, ["MQTTError", -3]]] * 2


def cpu_ticks(pid):
    """What a process has used, user and system, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_idle(runtime, broker, name):
    """Nothing but keep alive: a timer that fires, a PINGRESP that comes, and no work between."""
    program = runtime.start("aio_losing.idle", url=broker.url, clientid=name, seconds=3.5)
    program.expect("idle")
    before = cpu_ticks(program.process.pid)
    polls, connected, _ms = program.expect("awake")
    used = cpu_ticks(program.process.pid) - before
    program.finish()
    assert connected and 4 <= polls <= 24, polls
    assert used <= 10, used


def test_linkup(runtime, broker, name):
    events = runtime.run("aio_losing.link_up", url=broker.url, clientid=name)
    assert events == [["down", False], ["up", True], ["lost", -1, "the network is down"], ["up", True]]


def test_a_store(runtime, broker, name, tmp_path):
    for present in (False, True):
        events = runtime.run("aio_losing.stored", url=broker.url, clientid=name, topic=name, path=str(tmp_path / "s"))
        assert events == [["message", b"1"], ["message", b"2"], ["present", present, 0]]


def test_a_store_that_fails(runtime, fake_broker, tmp_path):
    """Nothing is acknowledged that is not recorded."""

    def script(conn):
        conn.accept()
        conn.send(wire.publish("t", b"x", 2, 1))
        assert conn.wait_closed() == b""

    def again(conn):
        conn.accept(present=1)
        conn.send(wire.publish("t", b"x", 2, 1, dup=1))
        assert conn.read("PUBREC").pid == 1
        conn.read("DISCONNECT")

    fake = fake_broker(script, again)
    events = runtime.run("aio_losing.failing_store", url=fake.url, path=str(tmp_path / "s"))
    fake.join()
    (name, payload, error), lost = events
    assert (name, payload) == ("message", b"x") and "session store" in error
    assert lost == ["lost", -1]


def test_without_memory_for_a_while(runtime, broker, name):
    events = runtime.run("aio_losing.without_memory", url=broker.url, clientid=name, topic=name, times=20)
    assert events == [["done", True]]


def test_refused_subscriptions(runtime, fake_broker):
    def script(conn):
        conn.accept()
        for codes in [(128,), (2, 128)] * 2:
            conn.send(wire.suback(conn.read("SUBSCRIBE").pid, *codes))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("aio_losing.refused_subscriptions", url=fake.url)
    fake.join()
    refused = ["MQTTError", 128]
    assert events == [["one", refused], ["list", refused], ["one", 128], ["list", [2, 128]]]


@pytest.mark.parametrize("result", [None, ["MQTTError", -1]])
def test_qos0_waits_for_the_network(runtime, fake_broker, result):
    counted = 0

    def script(conn):
        nonlocal counted
        conn.accept()
        conn.hold()
        if result:
            return conn.reset()
        while conn.read_packet().name == "PUBLISH":
            counted += 1

    fake = fake_broker(script, receive_buffer=4096)
    program = runtime.start("aio_losing.blocked", url=fake.url)
    program.expect("blocked", True, 1)
    fake.release()
    got, count = program.expect("then")
    program.finish()
    fake.join()
    assert got == result
    assert result or counted == count


@pytest.mark.parametrize("kind", ["fin", "rst"])
def test_cut_anywhere(runtime, private_broker, name, kind):
    """Nothing is lost, and at QoS 2 nothing is doubled, wherever the connection is cut."""
    with Proxy(private_broker().port) as proxy:
        lanes = [proxy.lane(Cut(way, after, kind)) for way in ("up", "down") for after in range(3, 400, 13)]
        events = runtime.run("aio_losing.cut", urls=[lane.url for lane in lanes], clientid=name)
        assert events == [["wrong", []]]
        assert all(lane.fired for lane in lanes)
