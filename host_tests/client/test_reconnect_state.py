"""What a client that reconnects carries over: subscriptions, requests, messages offered while it was away."""

import pytest
from harness import wire


def answer(conn, packet):
    """Answer as a broker does; (name, topic or filters) of the packet."""
    if packet.name == "SUBSCRIBE":
        conn.send(wire.suback(packet.pid, *(qos for _, qos in packet.filters)))
    elif packet.name == "UNSUBSCRIBE":
        conn.send(wire.ack("UNSUBACK", packet.pid))
    elif packet.name == "PUBLISH" and packet.qos:
        conn.send(wire.ack("PUBACK" if packet.qos == 1 else "PUBREC", packet.pid))
    elif packet.name == "PUBREL":
        conn.send(wire.ack("PUBCOMP", packet.pid))
    return packet.name, getattr(packet, "filters", None) or getattr(packet, "topic", None)


def until_told(conn):
    """Answer until the program has said that it has seen enough of this connection; what came before."""
    seen = []
    while (packet := conn.read_packet()).name != "PUBLISH" or packet.topic != "told":
        seen.append(answer(conn, packet))
    answer(conn, packet)
    return seen


def to_the_end(conn):
    while conn.read_packet().name != "DISCONNECT":
        pass


@pytest.mark.parametrize("clean, present", [(0, 0), (0, 1), (1, 0)], ids=["forgotten", "present", "clean"])
def test_subscriptions_are_renewed_where_the_session_is_gone(runtime, fake_broker, clean, present):
    """In one SUBSCRIBE, without those ended, with the QoS asked for; the program is not told again."""
    def first(conn):
        assert conn.accept().clean == clean
        assert [name for name, _ in until_told(conn)] == ["SUBSCRIBE"] * 4 + ["UNSUBSCRIBE"]

    def second(conn):
        assert conn.accept(present=present).clean == clean
        seen = until_told(conn)
        if present:
            assert seen == []
        else:
            ((name, filters),) = seen
            assert (name, sorted(filters)) == ("SUBSCRIBE", [("a/+", 0), ("b", 1), ("c/#", 2)])
        to_the_end(conn)

    fake = fake_broker(first, second)
    pending, result = runtime.run(
        "reconnecting.requests",
        url=fake.url,
        clientid="c",
        topics=[["a/+", 0], ["b", 1], ["c/#", 2], ["gone", 1]],
        cleansession=bool(clean),
    )
    answers = [["a/+", 0, 0], ["b", 0, 1], ["c/#", 0, 2], ["gone", 0, 1], ["gone", 0]]
    assert result == ["answers", answers, [], bool(present), 1]
    fake.join()


def test_a_refused_subscription_is_not_renewed(runtime, fake_broker):
    def first(conn):
        conn.accept()
        for code in (128, 2):
            conn.send(wire.suback(conn.read("SUBSCRIBE").pid, code))
        until_told(conn)

    def second(conn):
        conn.accept()
        assert until_told(conn) == []
        to_the_end(conn)

    fake = fake_broker(first, second)
    _, result = runtime.run("reconnecting.requests", url=fake.url, clientid="c", topics=[["no", 1], ["gone", 2]])
    assert result[1] == [["no", 0, 128], ["gone", 0, 2], ["gone", 0]]
    fake.join()


@pytest.mark.parametrize("present", [0, 1], ids=["forgotten", "present"])
def test_requests_are_made_again_until_they_are_answered(runtime, fake_broker, present):
    """In order; of those lost with a connection, and of those that no connection has seen."""
    asked = [
        ("SUBSCRIBE", [("one", 1)]),
        ("SUBSCRIBE", [("two", 2), ("three", 2)]),
        ("UNSUBSCRIBE", ["four"]),
    ]

    def deaf(conn):
        conn.accept(present=present)
        assert [(p.name, p.filters) for p in (conn.read_packet() for _ in asked)] == asked

    def last(conn):
        conn.accept(present=present)
        assert [answer(conn, conn.read_packet()) for _ in asked] == asked
        to_the_end(conn)

    fake = fake_broker(lambda conn: conn.read("CONNECT"), deaf, deaf, last)
    assert runtime.run("reconnecting.pending_requests", url=fake.url, clientid="c") == [
        ["answers", [["one", 0, 1], ["two", 0, [2, 2]], ["four", 0]], 2]
    ]
    fake.join()


@pytest.mark.parametrize("present", [0, 1], ids=["forgotten", "present"])
def test_messages_offered_while_away_are_sent_in_order(runtime, fake_broker, present):
    """Within the limits; those over them get -12 at once."""

    def first(conn):
        conn.accept()
        until_told(conn)

    def second(conn):
        conn.accept(present=present)
        seen = until_told(conn)
        assert [topic for name, topic in seen if name == "PUBLISH"] == ["a", "b", "c"]
        assert [name for name, _ in seen].count("SUBSCRIBE") == (not present)
        to_the_end(conn)

    fake = fake_broker(first, second)
    pending, (_, _, done, _, _) = runtime.run(
        "reconnecting.requests",
        url=fake.url,
        clientid="c",
        topics=[["x", 0], ["y", 0]],
        renewed=[0, 1, 2, 0, 1],
        maxqueued=3,
        cleansession=False,
    )
    assert pending == ["pending", 3]
    assert sorted(done) == [["a", 0], ["b", 0], ["c", 0], ["d", -12], ["e", -12]]
    assert done[:2] == [["d", -12], ["e", -12]]
    fake.join()


def test_a_real_broker_that_forgot_everything(runtime, private_broker, witness, name):
    """Killed and started again without persistence: the client comes back by itself, and so do its subscriptions."""
    broker = private_broker()
    program = runtime.start("reconnecting.stays", url=broker.url, clientid=name, topic=name)
    program.expect("connected", 0, False)
    program.expect("subscribed", 0, 1)
    witness(broker.port).publish(name, b"before", 1)
    program.expect("message", name, b"before")
    broker.kill()
    program.expect("lost", -1)
    broker.start()
    program.expect("connected", 0, False)
    sender = witness(broker.port)
    program.expect("renewed")
    sender.publish(name, b"after", 1)
    program.expect("message", name, b"after")
    sender.publish(name, b"stop", 1)
    program.expect("message", name, b"stop")
    program.finish()
