"""What the second edition adds to the contract: the lines of api.md that are marked ++."""

import pytest
from harness import wire


def test_a_burst_in_a_handler_is_as_one_outside(runtime, fake_broker):
    def script(conn):
        conn.accept()
        assert [conn.read("PUBLISH").message for _ in range(100)] == [b"%d" % n for n in range(100)]
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("second.burst", url=fake.url, clientid="c", count=100) == [["done", [], 0, 0]]
    fake.join()


@pytest.mark.parametrize("inside", [False, True])
def test_what_was_accepted_leaves_before_disconnect(runtime, fake_broker, inside):
    def script(conn):
        conn.accept()
        conn.send(wire.suback(conn.read("SUBSCRIBE").pid, 0))
        names = [conn.read_packet().name for _ in range(5)]
        assert names == ["PUBLISH", "PUBLISH", "UNSUBSCRIBE", "PUBLISH", "DISCONNECT"]

    fake = fake_broker(script)
    assert runtime.run("second.parting", url=fake.url, clientid="c", inside=inside) == [["gone", 1]]
    fake.join()


def test_puback_ends_a_qos2_message_and_is_told(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.send(wire.ack("PUBACK", conn.read("PUBLISH").pid))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    ((_, done, pending, why),) = runtime.run("second.downgraded", url=fake.url, clientid="c")
    assert (done, pending) == ([0], 0) and "QoS 1 only" in why
    fake.join()


@pytest.mark.parametrize("qos, kind", [(1, "PUBREC"), (1, "PUBCOMP"), (2, "PUBCOMP"), (1, "UNSUBACK")])
def test_the_wrong_acknowledgement_breaks_the_protocol(runtime, fake_broker, qos, kind):
    def script(conn):
        conn.accept()
        conn.send(wire.ack(kind, conn.read("PUBLISH").pid))
        conn.wait_closed()

    fake = fake_broker(script)
    ((_, reason, why),) = runtime.run("second.lost", url=fake.url, clientid="c", qos=qos)
    assert reason == [-4] and kind in why
    fake.join()


def test_a_refusal_that_contradicts_itself_is_told_by_its_code(runtime, fake_broker):
    fake = fake_broker(lambda conn: (conn.read("CONNECT"), conn.send(wire.connack(5, 1)), conn.wait_closed()))
    assert 5 in runtime.run("connecting.attempt", url=fake.url, clientid="c")[0]
    fake.join()


def test_an_identifier_stays_in_use_until_its_handshake_has_ended(runtime, fake_broker):
    """[MQTT-2.3.1-4]: PUBREC of a message that was given up is answered."""

    def script(conn):
        conn.accept()
        given = conn.read("PUBLISH")
        other = conn.read("PUBLISH")
        assert (given.pid, other.pid) == (1, 2)
        conn.send(wire.ack("PUBREC", 1))
        assert conn.read("PUBREL").pid == 1
        conn.send(wire.ack("PUBCOMP", 1) + wire.ack("PUBACK", 2))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("second.cancelled", url=fake.url, clientid="c")
    assert events == [["cancel", True, False, 0, []], ["told", [[-11]], [[0]]]]
    fake.join()


def test_renewal_in_eights_and_what_is_refused_then(runtime, fake_broker):
    """What unsubscribe has ended is not asked for again; whoever asked for a refused filter is told."""
    filters = [f"f{n}" for n in range(12)]

    def first(conn):
        conn.accept()
        conn.send(wire.suback(conn.read("SUBSCRIBE").pid, *[1] * 12))
        conn.send(wire.ack("UNSUBACK", conn.read("UNSUBSCRIBE").pid))
        conn.close()

    def second(conn):
        conn.accept()
        asked = [conn.read("SUBSCRIBE") for _ in range(2)]
        assert [len(p.filters) for p in asked] == [8, 3]
        assert sorted(name for p in asked for name, _ in p.filters) == sorted(filters[1:])
        refused = [128 if name == "f11" else 1 for name, _ in asked[1].filters]
        conn.send(wire.suback(asked[0].pid, *[1] * 8) + wire.suback(asked[1].pid, *refused))
        conn.read("DISCONNECT")

    fake = fake_broker(first, second)
    ((_, told, why),) = runtime.run("second.renewed", url=fake.url, clientid="c", filters=filters)
    assert told == [[0, [1] * 12], [0, 128]] and "f11" in why
    fake.join()


def test_each_attempt_takes_the_next_url(runtime, fake_broker, free_port):
    def script(conn):
        conn.accept()
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    urls = [f"tcp://127.0.0.1:{free_port}", fake.url]
    assert runtime.run("second.several", urls=urls, clientid="c") == [["results", [-1, 0]]]
    fake.join()


def test_acknowledging_by_hand_keeps_the_order(runtime, fake_broker):
    """[MQTT-4.6.0-2]: the one that is not held waits, too."""

    def script(conn):
        conn.accept()
        topics = ("held/1", "plain", "held/2")
        conn.send(b"".join(wire.publish(topic, b"", 1, 11 + n) for n, topic in enumerate(topics)))
        got = [conn.read_packet() for _ in range(5)]
        order = [p.message if p.name == "PUBLISH" else p.pid for p in got]
        assert [n for n in order if isinstance(n, int)] == [11, 12, 13]
        assert order.index(b"second") < order.index(11)
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    runtime.run("second.by_hand", url=fake.url, clientid="c")
    fake.join()


def test_unfinished_messages_can_be_looked_at(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.wait_closed()

    fake = fake_broker(script)
    assert runtime.run("second.unfinished", url=fake.url, clientid="c") == [["unfinished", ["t1", "t2"], 2]]
    fake.join()


def test_a_payload_may_change_after_publish(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe("t", 2)
    runtime.run("second.changed", url=broker.url, clientid=name)
    assert sorted(m.message for m in seen.wait(6)) == [b"after!"] * 3 + [b"before"] * 3


def test_slow_handlers_are_acknowledged_one_after_the_other(runtime, fake_broker):
    count = 6

    def script(conn):
        conn.accept()
        conn.send(b"".join(wire.publish("t", b"x", 1, n + 1) for n in range(count)))
        assert [conn.read("PUBACK").pid for _ in range(count)] == list(range(1, count + 1))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("second.slow", url=fake.url, clientid="c", count=count, ms=60)
    assert events == [["waiting", [False] * count]], "no PUBACK waits when a handler begins"
    fake.join()


def test_identifiers_that_never_get_pubrel(runtime, fake_broker):
    """60,000 of them: nothing is doubled, and the client goes on."""
    count = 60000

    def script(conn):
        conn.accept()
        for start in range(1, count + 1, 500):
            batch = range(start, start + 500)
            conn.send(b"".join(wire.publish("t", b"", 2, pid) for pid in batch))
            assert [conn.read("PUBREC").pid for _ in batch] == list(batch)
        conn.send(wire.publish("t", b"", 2, 7, dup=1) + wire.publish("end"))
        assert conn.read("PUBREC").pid == 7
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("receiving.counted", url=fake.url, clientid="c", limit=120)
    assert events == [["count", count]]
    fake.join()
