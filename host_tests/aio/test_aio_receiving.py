"""The consumers of mqtt.aio, packet by packet: who gets what, and when it is acknowledged."""

import pytest
from harness import wire


def publishes(*messages, qos=1, dup=0):
    """(topic, payload, packet identifier) each; all in one segment."""
    return b"".join(wire.publish(topic, payload, qos, pid, dup=dup) for topic, payload, pid in messages)


def acks(conn, kind, *pids):
    assert [(p.name, p.pid) for p in (conn.read_packet() for _ in pids)] == [(kind, pid) for pid in pids]


def the_end(conn):
    conn.read("DISCONNECT")
    conn.wait_closed()


def payloads(events, name):
    return [event[2] for event in events if event[0] == name]


def test_acknowledgements_leave_in_the_order_of_the_messages(runtime, fake_broker):
    """[MQTT-4.6.0-2] across consumers: what one has finished waits for what another still has."""

    def script(conn):
        conn.accept()
        conn.send(publishes(("a/x", b"1", 1), ("b", b"2", 2), ("a/y", b"3", 3), ("b", b"4", 4)))
        assert conn.read("PUBLISH").topic == "seen", "the second of b has been taken, so the first was finished"
        assert conn.silent_for(0.1)
        conn.send(wire.publish("go"))
        acks(conn, "PUBACK", 1, 2, 3, 4)
        conn.send(publishes(("a/z", b"end", 5)))
        the_end(conn)

    fake = fake_broker(script)
    events = runtime.run("aio_receiving.acknowledge_in_order", url=fake.url)
    fake.join()
    assert payloads(events, "a") == [b"1", b"3", b"end"] and payloads(events, "b") == [b"2", b"4"]


def test_an_acknowledgement_does_not_wait_for_the_next(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.send(publishes(("t", b"1", 1), ("t", b"2", 2)))
        acks(conn, "PUBACK", 1)
        conn.send(wire.publish("go"))
        acks(conn, "PUBACK", 2)
        the_end(conn)

    fake = fake_broker(script)
    runtime.run("aio_receiving.slow", url=fake.url)
    fake.join()


def test_more_acknowledgements_than_fit_behind_a_packet_that_is_stuck(runtime, fake_broker):
    """Reading stops until they fit, without spinning; none is lost."""
    size, count = 6_000_000, 1000

    def script(conn):
        conn.accept()
        conn.send(publishes(*(("t", b"%d" % pid, pid) for pid in range(1, count)), ("t", b"end", count)))
        conn.hold()
        assert len(conn.read("PUBLISH").message) == size
        acks(conn, "PUBACK", *range(1, count))
        the_end(conn)

    fake = fake_broker(script, receive_buffer=4096)
    program = runtime.start("aio_receiving.crowded", url=fake.url, size=size)
    sent, polls, taken, more = program.expect("waits")
    assert not sent and polls < 10 and 250 < taken < 500 and not more
    fake.release()
    program.finish()
    fake.join()


def test_a_consumer_that_fails_does_not_stop_the_others(runtime, fake_broker):
    """What it has not finished is not acknowledged, and holds up nobody else's."""

    def script(conn):
        conn.accept()
        lost = [("fails", b"x", 1), ("fails", b"y", 2), ("waits", b"x", 3), ("leaves", b"x", 4), ("leaves", b"y", 5)]
        conn.send(publishes(*lost, ("good", b"1", 6), ("good", b"2", 7)))
        acks(conn, "PUBACK", 6, 7)
        conn.send(publishes(("fails", b"z", 8), ("good", b"3", 9)))
        the_end(conn)

    fake = fake_broker(script)
    events = runtime.run("aio_receiving.one_fails", url=fake.url)
    fake.join()
    assert payloads(events, "good") == [b"1", b"2", b"3"]
    error = ["ValueError", "as it should"]
    assert events[1] == ["ended", ["CancelledError"], error, error]
    assert events[-1] == ["dropped", 5]


@pytest.mark.parametrize("maxsize", [1, 5])
def test_a_full_queue_drops_qos0_only(runtime, fake_broker, maxsize):
    def script(conn):
        conn.accept()
        for number in range(10):
            conn.send(wire.publish("t", b"zero %d" % number))
        conn.send(publishes(*(("t", b"one %d" % pid, pid) for pid in range(1, 10))))
        conn.send(wire.publish("t", b"zero 10") + wire.publish("fence"))
        acks(conn, "PUBACK", *range(1, 10))
        conn.send(wire.publish("t", b"end"))
        the_end(conn)

    fake = fake_broker(script)
    events = runtime.run("aio_receiving.limited", url=fake.url, maxsize=maxsize)
    fake.join()
    assert events[1] == ["dropped", 11 - maxsize]
    zeros, ones = [b"zero %d" % n for n in range(maxsize)], [b"one %d" % n for n in range(1, 10)]
    assert payloads(events, "message") == [*zeros, *ones, b"end"]


def test_who_gets_what(runtime, fake_broker):
    """What comes before there is a consumer waits for one; what nobody wants is acknowledged and counted."""

    def script(conn):
        conn.accept()
        early = publishes(("a", b"1", 1), ("b", b"2", 2), ("a", b"3", 3), ("b", b"4", 4), ("c", b"5", 5))
        conn.send(early)
        pid = conn.read("SUBSCRIBE").pid
        # With the answer comes the first message, before the program can have a consumer for it.
        conn.send(wire.suback(pid, 2) + publishes(("a", b"6", 6)))
        acks(conn, "PUBACK", 1, 2, 3)
        assert conn.read("PUBLISH").topic == "more"
        conn.send(publishes(("a", b"7", 7)))
        assert conn.read("PUBLISH").topic == "end"
        acks(conn, "PUBACK", 4)
        conn.send(publishes(("a/b", b"8", 8)))
        acks(conn, "PUBACK", 5, 6)
        the_end(conn)

    fake = fake_broker(script)
    events = runtime.run("aio_receiving.unclaimed", url=fake.url)
    fake.join()
    assert payloads(events, "a") == [b"1", b"3", b"6", b"7"]
    assert payloads(events, "both") == [b"7"]
    assert payloads(events, "rest") == [b"4", b"5", b"8"]
    assert ["dropped", 1] in events and ["same", True, True, False] in events


@pytest.mark.parametrize("present", [1, 0])
def test_exactly_once_is_acknowledged_when_taken(runtime, fake_broker, present):
    """Two are taken, two wait when the connection is lost: what has no PUBREC comes again, if the session lives."""

    def script(conn):
        conn.accept()
        conn.send(publishes(*(("t", b"%d" % pid, pid) for pid in (1, 2, 3, 4)), qos=2))
        acks(conn, "PUBREC", 1, 2)
        assert conn.read("PUBLISH").topic == "ready"
        conn.send(wire.ack("PUBREL", 1))
        acks(conn, "PUBCOMP", 1)

    def again(conn):
        conn.accept(present=present)
        if present:
            # PUBREC 2 was lost.
            conn.send(publishes(*(("t", b"%d" % pid, pid) for pid in (2, 3, 4)), qos=2, dup=1))
            acks(conn, "PUBREC", 2, 3, 4)
            conn.send(wire.ack("PUBREL", 2) + wire.ack("PUBREL", 3))
            acks(conn, "PUBCOMP", 2, 3)
        conn.send(publishes(("t", b"end", 5), qos=2))
        acks(conn, "PUBREC", 5)
        the_end(conn)

    fake = fake_broker(script, again)
    events = runtime.run("aio_receiving.exactly_once", url=fake.url, taken=2)
    fake.join()
    assert payloads(events, "message") == [b"1", b"2", b"3", b"4", b"end"]
    assert events[-1] == ["dropped", 0]


def test_exactly_once_what_was_taken_and_not_acknowledged(runtime, fake_broker):
    """The program has had it, so it does not come again, though no PUBREC had left."""

    def script(conn):
        conn.accept()
        conn.send(publishes(("held", b"1", 1)) + publishes(*(("t", b"%d" % pid, pid) for pid in (2, 3, 4, 5)), qos=2))
        assert conn.read("PUBLISH").topic == "ready"

    def again(conn):
        conn.accept(present=1)
        conn.send(publishes(("held", b"1", 1), dup=1))
        conn.send(publishes(*(("t", b"%d" % pid, pid) for pid in (2, 3, 4, 5)), qos=2, dup=1))
        conn.send(publishes(("t", b"end", 6), qos=2))
        acks(conn, "PUBACK", 1)
        acks(conn, "PUBREC", 2, 3, 4, 5, 6)
        the_end(conn)

    fake = fake_broker(script, again)
    events = runtime.run("aio_receiving.taken_and_not_acknowledged", url=fake.url)
    fake.join()
    assert payloads(events, "held") == [b"1", b"1"]
    assert [event[2] for event in events if event[0] != "held"] == [b"2", b"3", b"4", b"5", b"end"]


@pytest.mark.parametrize("present", [1, 0])
def test_what_was_not_finished_comes_again(runtime, fake_broker, present):
    def script(conn):
        conn.accept()
        conn.send(publishes(*(("t", b"%d" % pid, pid) for pid in (1, 2, 3, 4))))
        acks(conn, "PUBACK", 1)
        assert conn.read("PUBLISH").topic == "ready"

    def again(conn):
        conn.accept(present=present)
        pids = ()
        if present:
            pids = (2, 3, 4)
            conn.send(publishes(*(("t", b"%d" % pid, pid) for pid in pids), dup=1))
        conn.send(publishes(("t", b"end", 5)))
        acks(conn, "PUBACK", *pids, 5)
        the_end(conn)

    fake = fake_broker(script, again)
    events = runtime.run("aio_receiving.redelivered", url=fake.url)
    fake.join()
    again_2 = [b"2"] if present else []
    assert payloads(events, "message") == [b"1", b"2", *again_2, b"3", b"4", b"end"]
    dups = [event[5] for event in events if event[0] == "message"]
    assert dups == ([0, 0, 1, 1, 1, 0] if present else [0] * 5)


def test_what_is_too_large_is_acknowledged_in_its_turn(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.send(publishes(("t", b"1", 1), ("t", bytes(200), 2)) + publishes(("t", bytes(200), 3), qos=2))
        conn.send(publishes(("t", b"4", 4), ("t", b"end", 5)))
        acks(conn, "PUBACK", 1, 2)
        acks(conn, "PUBREC", 3)
        acks(conn, "PUBACK", 4, 5)
        the_end(conn)

    fake = fake_broker(script)
    events = runtime.run("aio_receiving.too_large", url=fake.url)
    fake.join()
    assert events == [["message", 1, 1], ["message", 1, 1], ["message", 3, 1], ["dropped", 2]]


def test_a_consumer_may_await_a_publish(runtime, fake_broker):
    """Its acknowledgements come behind more messages for it, which are read all the time."""

    def script(conn):
        conn.accept()
        conn.send(publishes(("in", b"1", 1)))
        for number in (1, 2):
            pid = conn.read("SUBSCRIBE").pid
            conn.send(wire.publish("other", bytes(600)) + wire.suback(pid, 1))
            out = conn.read("PUBLISH")
            assert (out.message, out.qos) == (b"%d" % number, 2)
            if number == 1:
                conn.send(publishes(("in", b"2", 2), ("in", b"end", 3)))
            conn.send(wire.ack("PUBREC", out.pid))
            acks(conn, "PUBREL", out.pid)
            conn.send(wire.ack("PUBCOMP", out.pid))
            acks(conn, "PUBACK", number)
        acks(conn, "PUBACK", 3)
        the_end(conn)

    fake = fake_broker(script)
    events = runtime.run("aio_receiving.answering", url=fake.url)
    fake.join()
    assert events == [["granted", 1]] * 2


def test_a_consumer_may_wait_with_a_limit(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.send(publishes(("t", b"1", 1)))
        acks(conn, "PUBACK", 1)
        assert conn.read("PUBLISH").topic == "late"
        conn.send(publishes(("t", b"2", 2), ("t", b"end", 3)))
        acks(conn, "PUBACK", 2, 3)
        the_end(conn)

    fake = fake_broker(script)
    events = runtime.run("aio_receiving.patient", url=fake.url)
    fake.join()
    assert events == [["message", b"1"], ["message", b"2"], ["message", b"end"], ["late", True]]


def test_not_more_than_64_messages_wait_for_somebody(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.read("PUBLISH")
        conn.send(publishes(*(("t", b"", pid) for pid in range(1, 101))))
        acks(conn, "PUBACK", *range(1, 37))

    fake = fake_broker(script)
    events = runtime.run("aio_receiving.nobody", url=fake.url)
    fake.join()
    assert events == [["ended", ["MQTTError", -1], 36], ["waited", 64]]


def test_a_consumer_that_is_left_gives_way(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.send(publishes(("held", b"1", 1), ("t", b"2", 2)))
        assert conn.read("PUBLISH").topic == "finished"
        acks(conn, "PUBACK", 2)
        conn.send(wire.publish("go"))
        the_end(conn)

    fake = fake_broker(script)
    runtime.run("aio_receiving.gives_way", url=fake.url)
    fake.join()
