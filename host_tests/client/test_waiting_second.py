"""`poll` sleeps when there is nothing to do, and only then; what it had no memory for, it goes on with."""

import pytest
from harness import wire


def test_packets_that_had_to_wait_for_room(runtime, fake_broker):
    """Answers fill the transmit buffer before all packets are taken: the rest of them is, as soon as that has left."""
    count = 12  # packets, which are one piece

    def script(conn):
        conn.accept()
        conn.read("PUBLISH")
        conn.send(b"".join(wire.publish("ask", b"x", 1, n + 1) for n in range(count)))
        names = [conn.read_packet().name for _ in range(8 + count)]
        assert sorted(names) == ["PUBACK"] * count + ["PUBLISH"] * 8
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    runtime.run("waiting_second.echo", url=fake.url, clientid="c", count=count)
    fake.join()


def test_packets_behind_one_that_was_dropped(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.read("PUBLISH")
        conn.send(b"".join(wire.publish("a", text) for text in (b"one", b"two", b"three")))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("waiting_second.dropping", url=fake.url, clientid="c")
    assert events == [["heard", [[b"one"], [b"three"]], 1]]
    fake.join()


def test_cancelling_lets_the_next_one_go(runtime, fake_broker):
    def script(conn):
        conn.accept()
        assert conn.read("PUBLISH").topic == "first"
        second = conn.read("PUBLISH")
        assert second.topic == "second"
        conn.send(wire.ack("PUBACK", second.pid))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("waiting_second.cancelling", url=fake.url, clientid="c") == [["cancelled", True], ["done", [0]]]
    fake.join()


def test_what_a_callback_sent_before_it_raised(runtime, broker, name):
    assert runtime.run("waiting_second.raising", url=broker.url, clientid=name) == [["raised"], ["done", [0]]]


def test_run_and_sendsync_end_without_handlers(runtime, fake_broker):
    def script(conn):
        conn.read("CONNECT")
        conn.wait_closed()

    fake = fake_broker(script, script)
    why = "no answer within the timeout"
    events = runtime.run("waiting_second.running", url=fake.url, clientid="c", timeout=0.2)
    assert events == [["run", why], ["sendsync", -11, why]]
    fake.join()


def test_closing_waits_for_the_way_out_only(runtime, fake_broker):
    """What still comes in is not read any more, and must not keep it from sleeping."""

    def script(conn):
        conn.accept()
        conn.send(wire.publish("a", bytes(2000)))
        conn.hold()

    fake = fake_broker(script, receive_buffer=4096)
    (event,) = runtime.run("waiting_second.closing", url=fake.url, clientid="c")
    assert event[1] < 50
    fake.released.set()


def test_keep_alive_of_a_client_that_is_never_idle(runtime, fake_broker):
    """Nothing has come for one second, and nothing comes then."""

    def script(conn):
        conn.accept()
        assert wire.PINGREQ in conn.wait_closed()

    fake = fake_broker(script)
    assert runtime.run("waiting_second.busy", url=fake.url, clientid="c") == [["lost", -1]]
    fake.join()


@pytest.mark.parametrize("failures", [1, 1000])
def test_no_memory_for_what_is_to_be_sent(runtime, fake_broker, failures):
    """Once does no harm; if it stays so, the connection fails, and tells why."""

    def script(conn):
        conn.accept()
        if failures == 1:
            conn.send(wire.ack("PUBACK", conn.read("PUBLISH").pid))
            conn.read("DISCONNECT")
        else:
            assert conn.wait_closed() == b""

    fake = fake_broker(script)
    events = runtime.run("waiting_second.writing", url=fake.url, clientid="c", failures=failures)
    if failures == 1:
        assert events == [["ended", [], [[0]], ""]]
    else:
        assert events == [["ended", [[-1]], [], "not enough memory for the connection"]]
    fake.join()


@pytest.mark.parametrize("n", [1, 2])
def test_no_memory_to_tell_what_ends_with_disconnect(runtime, fake_broker, n):
    """The next poll goes on: each callback comes once, that of `disconnect` too."""

    def script(conn):
        conn.accept()
        for _ in range(3):
            conn.read("PUBLISH")
        conn.send(wire.suback(conn.read("SUBSCRIBE").pid, 0))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("waiting_second.giving_up", url=fake.url, clientid="c", n=n)
    assert events[-1] == ["gone", [[]], [[-11]] * 3, 0]
    fake.join()


def test_no_memory_to_tell_what_ends_with_the_connection(runtime, fake_broker):
    """The next poll goes on: each callback comes once."""

    def script(conn):
        conn.accept()
        conn.close()

    fake = fake_broker(script)
    events = runtime.run("waiting_second.losing", url=fake.url, clientid="c")
    assert events == [
        ["raised", 1, False],
        ["publish", ["MQTTError", -3]],
        ["ended", [[-1]], [[0]], [[-11]] * 3],
    ]
    fake.join()
