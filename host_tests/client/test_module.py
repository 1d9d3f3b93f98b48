"""The module: constants, texts, and mqtt.run with one client and several."""

import pytest
from harness import wire

CONSTANTS = {
    "AT_MOST_ONCE": 0,
    "AT_LEAST_ONCE": 1,
    "EXACTLY_ONCE": 2,
    "SUCCESS": 0,
    "FAILURE": -1,
    "PERSISTENCE_ERROR": -2,
    "DISCONNECTED": -3,
    "MAX_MESSAGES_INFLIGHT": -4,
    "BAD_UTF8_STRING": -5,
    "NULL_PARAMETER": -6,
    "TOPICNAME_TRUNCATED": -7,
    "BAD_STRUCTURE": -8,
    "BAD_QOS": -9,
    "NO_MORE_MSGIDS": -10,
    "OPERATION_INCOMPLETE": -11,
    "MAX_BUFFERED_MESSAGES": -12,
}


def test_constants_and_a_client_before_it_connects(runtime):
    events = runtime.run("module.look")
    assert {name: value for kind, name, *value in events if kind == "constant"} == {
        name: [value] for name, value in CONSTANTS.items()
    }
    assert events[len(CONSTANTS) :] == [
        ["error", True, -3],
        ["client", False, False, 0, 0, ""],
        ["idle", False, False, False],
        ["fresh", None],
    ]


def test_errorstring(runtime):
    events = runtime.run("module.texts")
    texts = {(kind, code): text for _, kind, code, text in events[:-1]}
    assert len(texts) == 7 + 4 + 13 + 1
    for text in texts.values():
        assert isinstance(text, str) and 0 < len(text) < 80 and "\n" not in text
    for kind in ("connect", "lost", "error"):
        own = [text for (k, _), text in texts.items() if k == kind]
        assert len(set(own)) == len(own), "a line for each code"
    assert "99" in texts["error", 99]
    assert events[-1] == ["default", True]


def test_run_with_nothing_to_do(runtime):
    assert runtime.run("module.run_nothing") == [["end"]]


@pytest.mark.parametrize("count", [1, 3])
def test_run_ends_with_the_last_client(runtime, broker, name, free_port, count):
    events = runtime.run(
        "module.run_until_disconnected",
        url=broker.url,
        clientid=name,
        refused=f"tcp://127.0.0.1:{free_port}",
        count=count,
    )
    assert events[-1] == ["end", list(range(count)), [False] * count]
    assert sorted(events[:-1]) == [*(["gone", n] for n in range(count)), ["refused", -1]]


def test_an_exception_leaves_run(runtime, broker, name):
    assert runtime.run("module.run_raising", url=broker.url, clientid=name) == [["raised", True], ["end", 1, False]]


def test_run_goes_on_when_a_handler_connects_again(runtime, fake_broker):
    fake = fake_broker(*[lambda conn: conn.accept()] * 2, lambda conn: (conn.accept(), conn.read("DISCONNECT")))
    assert runtime.run("module.run_again", url=fake.url, clientid="c") == [["results", [[0], [0], [0]]]]
    fake.join()


def test_several_clients_in_run_answer_at_once(runtime, broker, name):
    """200 messages, each waiting for the one before: run wakes up for each of its clients."""
    ((_, seen, took),) = runtime.run("module.ping_pong", url=broker.url, clientid=name, count=200)
    assert seen == 200
    assert took < 5000


def test_run_keeps_several_silent_clients_alive(runtime, fake_broker):
    def script(pings):
        def run(conn):
            conn.accept()
            for _ in range(pings):
                conn.read("PINGREQ")
                conn.send(wire.PINGRESP)

        return run

    fakes = [fake_broker(script(pings)) for pings in (2, 1, 0)]
    events = runtime.run("module.run_keeps_alive", urls=[fake.url for fake in fakes], clientid="c")
    assert events == [["lost", 2, -1], ["lost", 1, -1], ["lost", 0, -1], ["end"]]
    for fake in fakes:
        fake.join()


def test_a_handler_may_be_a_callable_that_is_false(runtime, broker, name):
    ((_, calls),) = runtime.run("module.falsy_handlers", url=broker.url, clientid=name, topic=name)
    assert calls == [[1], [1], [1], [2], [1], [1], [0]]
