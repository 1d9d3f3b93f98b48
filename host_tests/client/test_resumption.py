"""What outlives a connection: the broker's session, unfinished messages both ways."""

import pytest
from harness import wire
from harness.runtimes import SECOND


def test_the_broker_keeps_the_session(runtime, broker, witness, name):
    arguments = {"url": broker.url, "clientid": name, "topic": f"{name}/#"}
    assert runtime.run("resuming.once", **arguments) == [["connected", 0, False], ["subscribed", 2]]
    sender = witness(broker.port)
    for qos in (1, 2):
        sender.publish(f"{name}/t", b"while away", qos)
    assert runtime.run("resuming.once", **arguments, count=2) == [
        ["connected", 0, True],
        ["message", f"{name}/t", b"while away", 1, 0, 0],
        ["message", f"{name}/t", b"while away", 2, 0, 0],
    ]
    assert runtime.run("resuming.once", **arguments, cleansession=True) == [["connected", 0, False], ["subscribed", 2]]
    assert runtime.run("resuming.once", **arguments) == [["connected", 0, False], ["subscribed", 2]]


@pytest.mark.parametrize("clean", [False, True], ids=["session", "clean"])
def test_unfinished_messages_go_out_again_in_order(runtime, fake_broker, clean):
    """[MQTT-4.4.0-1, 4.6.0-1]: a, b without an answer; c up to PUBREC; d acknowledged; e, f beyond the window of 4."""

    def first(conn):
        conn.accept()
        packets = {p.topic: p for p in (conn.read("PUBLISH") for _ in range(5 if SECOND else 4))}
        # The second edition has no window for QoS 0: g overtakes e and f.
        assert list(packets) == ["a", "b", "c", "d", "g"][: len(packets)]
        assert [p.pid for p in packets.values()][:4] == [1, 2, 3, 4]
        conn.send(wire.ack("PUBREC", 3))
        assert conn.read("PUBREL").pid == 3

    def second(conn):
        conn.accept(present=0 if clean else 1)
        got = [conn.read_packet() for _ in range(4)]
        assert [(p.name, p.pid) for p in got] == [("PUBLISH", 1), ("PUBLISH", 2), ("PUBREL", 3), ("PUBLISH", 4)]
        assert [(p.topic, p.dup) for p in got if p.name == "PUBLISH"] == [("a", 1), ("b", 1), ("d", 1)]
        conn.send(wire.ack("PUBCOMP", 3) + wire.ack("PUBACK", 1) + wire.ack("PUBREC", 2) + wire.ack("PUBACK", 4))
        topics = []
        while (p := conn.read_packet()).name != "DISCONNECT":
            if p.name == "PUBREL":
                conn.send(wire.ack("PUBCOMP", p.pid))
            elif p.qos:
                assert not p.dup
                topics.append(p.topic)
                conn.send(wire.ack("PUBACK" if p.qos == 1 else "PUBREC", p.pid))
        assert topics == ["e", "f", "new"]

    fake = fake_broker(first, second)
    events = runtime.run("resuming.lost_and_again", url=fake.url, clientid="c", cleansession=clean)
    assert events[0] == ["lost", [[-1]], 6]
    assert events[1] == ["reconnected", 0]
    done = events[2][1]
    assert done[0] == ["g", 0 if SECOND else -11], "QoS 0 that was not begun"
    assert sorted(done[1:]) == [[topic, 0] for topic in ("a", "b", "c", "d", "e", "f", "new")]
    assert sorted(events[3][1]) == ["a", "b", "c", "d", "e", "f", "new"]
    fake.join()


def test_disconnect_gives_up_what_is_unfinished_with_a_clean_session(runtime, fake_broker):
    def first(conn):
        conn.accept()
        conn.read("PUBLISH"), conn.read("PUBLISH"), conn.read("DISCONNECT")

    def second(conn):
        conn.accept()
        conn.read("DISCONNECT")

    fake = fake_broker(first, second)
    assert runtime.run("resuming.disconnected_and_again", url=fake.url, clientid="c", cleansession=True) == [
        ["disconnected", [["a", -11], ["b", -11]], 0],
        ["reconnected", 0],
        ["done", [["a", -11], ["b", -11]]],
    ]
    fake.join()


def test_disconnect_keeps_what_is_unfinished_with_a_session(runtime, fake_broker):
    def first(conn):
        conn.accept()
        conn.read("PUBLISH"), conn.read("PUBLISH"), conn.read("DISCONNECT")

    def second(conn):
        conn.accept(present=1)
        again = [conn.read("PUBLISH") for _ in range(2)]
        assert [(p.topic, p.pid, p.dup) for p in again] == [("a", 1, 1), ("b", 2, 1)]
        conn.send(wire.ack("PUBACK", 1) + wire.ack("PUBREC", 2))
        conn.read("PUBREL")
        conn.send(wire.ack("PUBCOMP", 2))
        conn.read("DISCONNECT")

    fake = fake_broker(first, second)
    assert runtime.run("resuming.disconnected_and_again", url=fake.url, clientid="c", cleansession=False) == [
        ["disconnected", [], 2],
        ["reconnected", 0],
        ["done", [["a", 0], ["b", 0]]],
    ]
    fake.join()


def test_a_failed_attempt_in_between_changes_nothing(runtime, fake_broker, free_port):
    def second(conn):
        conn.accept(present=1)
        again = conn.read("PUBLISH")
        assert (again.pid, again.dup) == (1, 1)
        conn.send(wire.ack("PUBACK", 1))
        conn.read("DISCONNECT")

    fake = fake_broker(lambda conn: (conn.accept(), conn.read("PUBLISH")), second)
    events = runtime.run(
        "resuming.refused_in_between", url=fake.url, clientid="c", refused=f"tcp://127.0.0.1:{free_port}"
    )
    assert events == [["refused", -1, 0, 1], ["accepted", 0], ["done", [[0]]]]
    fake.join()


@pytest.mark.parametrize("clean", [False, True], ids=["session", "clean"])
def test_inbound_qos2_identifiers_are_remembered_with_the_session(runtime, fake_broker, clean):
    def first(conn):
        conn.accept()
        conn.send(wire.publish("t", b"first", 2, 9))
        conn.read("PUBREC")

    def second(conn):
        conn.accept(present=0 if clean else 1)
        conn.send(wire.publish("t", b"again", 2, 9, dup=1))
        conn.read("PUBREC")
        conn.send(wire.ack("PUBREL", 9))
        conn.read("PUBCOMP")

    fake = fake_broker(first, second)
    events = runtime.run("resuming.inbound_twice", url=fake.url, clientid="c", cleansession=clean)
    expected = [b"first", b"again"] if clean else [b"first"]
    assert [event[2] for event in events if event[0] == "message"] == expected
    fake.join()


def test_qos0_offered_to_an_attempt_that_fails(runtime, fake_broker):
    def second(conn):
        conn.accept()
        assert (p := conn.read("PUBLISH")).topic == "one"
        conn.send(wire.ack("PUBACK", p.pid))
        conn.read("DISCONNECT")

    fake = fake_broker(lambda conn: conn.read("CONNECT"), second)
    assert runtime.run("resuming.offered_while_connecting", url=fake.url, clientid="c") == [
        ["failed", -1, [["zero", -11]], 1],
        ["done", [["zero", -11], ["one", 0]]],
    ]
    fake.join()
