"""What must not happen over lwIP's sockets, and does with a transport that takes them for Linux's.

Not among the tests that run by themselves: `pytest host_tests/lwip/faults.py` runs it.
"""

import pytest
from harness import wire


def test_the_port_prints_no_warning(lwip, broker, name):
    lwip.run("lwip_faults.one_by_one", url=broker.url, clientid=name, topic=name, size=10, count=1)
    assert lwip.programs[-1].counts["warnings"] == 0


@pytest.mark.parametrize("size", [10, 600, 1000])
def test_a_message_does_not_wait_for_a_delayed_acknowledgement(lwip, broker, name, size):
    events = lwip.run("lwip_faults.one_by_one", url=broker.url, clientid=name, topic=name, size=size, count=10)
    assert events == [["delayed", 0]]


def test_nor_one_behind_a_message_without_an_answer(lwip, broker, name):
    assert lwip.run("lwip_faults.in_pairs", url=broker.url, clientid=name, topic=name, count=10) == [["delayed", 0]]


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("size", [10, 100, 300, 740, 1000, 3000])
def test_a_silent_line_does_not_make_write_block(lwip, broker, name, size, qos):
    (event,) = lwip.run("lwip_faults.silent", url=broker.url, clientid=name, topic="silent", size=size, qos=qos)
    _, _pending, blocked, dropped = event
    assert (blocked, dropped) == (0, 0)


def test_disconnect_and_the_last_message_arrive_in_spite_of_unread_input(lwip, fake_broker):
    def script(conn):
        conn.accept()
        conn.read("PUBLISH")
        conn.send(wire.publish("unread", b""))
        assert conn.read("PUBLISH").topic == "last"
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert lwip.run("lwip_faults.leaving", url=fake.url, clientid="c") == [["gone", 0, 0]]
    fake.join()


def test_no_attempt_within_10_s_of_a_connection_that_ended_with_unsent_data(lwip, broker, name):
    events = lwip.run("lwip_faults.again", url=broker.url, clientid=name, topic=name)
    assert events == [["soon", 1, False], ["later", 0]]


def test_a_refused_connection_is_called_so(lwip, free_port):
    ((_, code, words),) = lwip.run("lwip_faults.refused", url=f"tcp://127.0.0.1:{free_port}", clientid="c")
    assert code == -1 and "refused" in words
