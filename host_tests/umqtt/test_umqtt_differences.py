"""Where `mqtt.umqtt` differs from umqtt.simple on purpose: a table that must be exactly what is seen.

Each difference has a program in scenarios/umqtt_unlike.py, which may need a broker that misbehaves, and the lines of
its trace that differ: "-" is umqtt.simple, "+" is ours. A difference that is no longer there fails, too.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from harness import wire
from harness.umqtt import differences, hang_up, hang_up_if_silent, reset, send, usual
from umqtt.test_umqtt_same import CASES, message

MIGRATING = Path(__file__).resolve().parents[2] / "docs" / "migrating.md"
SCENARIOS = Path(__file__).parent / "scenarios"


class Difference(NamedTuple):
    name: str
    reason: str
    lines: str
    case: dict = {}


DIFFERENCES = {
    "no_answer": Difference(
        "blocking for ever",
        "Where an answer is due, `connect`'s timeout (30 s by default) ends the wait; umqtt.simple waits until the "
        "broker hangs up.",
        """
        - publish: 'OSError', -1
        + publish: 'OSError', 110
        """,
        {"PUBLISH": [hang_up_if_silent(1)]},
    ),
    "no_recursion": Difference(
        "a callback that publishes",
        "While the callback waits for an answer, messages that come wait, too: it is not called inside itself. In "
        "umqtt.simple the inner call swallows the answer that the outer one is waiting for.",
        """
        + publish: None
        + callback ends: b'1'
        + wait_msg
        - publish: 'OSError', -1
        - callback ends: b'1'
        - wait_msg
        - check_msg: 'OSError', -1
        + check_msg
        + connection 0: PUBACK(pid=1)
        + connection 0: DISCONNECT()
        """,
        {
            "SUBSCRIBE": [send(usual, message(b"1", 1, 1))],
            "PUBLISH": [send(message(b"2", 1, 2), usual)],
            "PUBACK": [hang_up_if_silent(1)],
        },
    ),
    "writes": Difference(
        "40 ms a QoS 1 message",
        "One write a packet: several small ones meet the broker's delayed acknowledgements.",
        """
        - writes: 5
        + writes: 1
        """,
    ),
    "late_acknowledgement": Difference(
        "desynchronised stream",
        "A packet that is not expected is passed over as a whole, not byte by byte as if it were others.",
        """
        - subscribe: 'AssertionError'
        + subscribe: None
        """,
        {"SUBSCRIBE": [send(wire.ack("PUBACK", 0x9003), usual)]},
    ),
    "identifier_0": Difference(
        "identifier 0",
        "After 65535 comes 1: 0 is not allowed.",
        """
        - publish: 'OSError', -1
        + publish: None
        - connection 0: malformed: packet identifier 0
        + connection 0: PUBLISH(dup=0, qos=1, retain=0, topic='t', pid=1, message=b'')
        + connection 0: DISCONNECT()
        """,
    ),
    "characters": Difference(
        "characters counted as bytes",
        "Text is encoded before it is measured.",
        r"""
        - connection 0: PUBLISH(dup=0, qos=0, retain=0, topic='Küch', pid=None, message=b'e19,5 \xc2')
        + connection 0: PUBLISH(dup=0, qos=0, retain=0, topic='Küche', pid=None, message=b'19,5 \xc2\xb0C')
        + connection 0: DISCONNECT()
        """,
    ),
    "long_filter": Difference(
        "long filters",
        "A SUBSCRIBE may have more than 127 bytes.",
        """
        - subscribe: 'OSError', -1
        + subscribe: None
        - connection 0: malformed: body ends 33393 bytes early
        + connection 0: SUBSCRIBE(pid=1, filters=[('%s', 0)])
        + connection 0: DISCONNECT()
        """
        % ("t" * 130),
    ),
    "no_connack": Difference(
        "assert on what a peer sends",
        "What a peer sends is no error of the program: OSError, and `lasterror` has the words.",
        """
        - connect: 'AssertionError'
        + connect: 'OSError', -1
        """,
        {"CONNECT": [hang_up(wire.suback(1, 0))]},
    ),
    "hang_up_for_connack": Difference(
        "end of stream for an answer",
        "A connection that ends is an OSError wherever it ends.",
        """
        - connect: 'IndexError'
        + connect: 'OSError', 104
        """,
        {"CONNECT": [hang_up()]},
    ),
    "reset": Difference(
        "a lost connection is -1",
        "End of stream, reset or another failure: OSError(-1) once the connection was open; `lasterror` has the words.",
        """
        - wait_msg: 'OSError', 104
        + wait_msg: 'OSError', -1
        """,
        {"PINGREQ": [reset]},
    ),
    "not_connected": Difference(
        "not connected",
        "Before `connect` and after `disconnect` a call raises what it raises after a lost connection; `disconnect` "
        "raises nothing.",
        """
        - publish: 'AttributeError'
        - check_msg: 'AttributeError'
        - disconnect: 'AttributeError'
        + publish: 'OSError', -1
        + check_msg: 'OSError', -1
        + disconnect: None
        - wait_msg: 'OSError', 9
        - ping: 'OSError', 9
        + wait_msg: 'OSError', -1
        + ping: 'OSError', -1
        """,
    ),
    "bad_arguments": Difference(
        "bad arguments",
        "ValueError or TypeError names the argument; a will is checked by `connect`, and a topic to publish to has no "
        "wildcard.",
        """
        - subscribe: 'AssertionError'
        - publish: None
        + subscribe: 'ValueError'
        + publish: 'ValueError'
        - connection 0: malformed: topic 'a/#'
        + connection 0: DISCONNECT()
        """,
    ),
    "bad_will": Difference(
        "bad arguments",
        "As above.",
        """
        - set_last_will: 'AssertionError'
        - connect: 0
        - connection 0: CONNECT(clean=1, keepalive=0, clientid='c', will=None, username=None, password=None)
        + set_last_will: None
        + connect: 'ValueError'
        """,
    ),
    "empty_client_id": Difference(
        "empty client id",
        "One to 255 characters: a broker need not take others.",
        """
        - connect: 0
        + connect: 'ValueError'
        - connection 0: CONNECT(clean=1, keepalive=0, clientid='', will=None, username=None, password=None)
        - connection 0: DISCONNECT()
        """,
    ),
    "user_without_password": Difference(
        "user without password",
        "The protocol allows it.",
        """
        - connect: 'TypeError'
        + connect: 0
        + connection 0: CONNECT(clean=1, keepalive=0, clientid='c', will=None, username='me', password=None)
        """,
    ),
    "empty_user": Difference(
        "empty user",
        "Counts as none, as in umqtt.simple 1.8.",
        """
        - connection 0: CONNECT(clean=1, keepalive=0, clientid='c', will=None, username='', password=b'')
        + connection 0: CONNECT(clean=1, keepalive=0, clientid='c', will=None, username=None, password=None)
        """,
    ),
    "results": Difference(
        "result of wait_msg",
        "The first byte of the message's packet, as in umqtt.simple 1.8; 1.3.4 returned None.",
        """
        - wait_msg: None
        + wait_msg: 48
        - wait_msg: None
        + wait_msg: 50
        - wait_msg: None
        + wait_msg: 58
        - wait_msg: None
        + wait_msg: 49
        """,
        {
            "SUBSCRIBE": [
                send(usual, message(b"0"), message(b"1", 1, 1), message(b"2", 1, 2, dup=1), message(b"3", retain=1))
            ]
        },
    ),
    "timeout_of_connect": Difference(
        "timeout of connect",
        "As in umqtt.simple 1.8.",
        """
        - connect: 'TypeError'
        - disconnect: 'AttributeError'
        + connect: 0
        + disconnect: None
        + connection 0: CONNECT(clean=1, keepalive=0, clientid='c', will=None, username=None, password=None)
        + connection 0: DISCONNECT()
        """,
    ),
    "unsubscribing": Difference(
        "unsubscribe",
        "umqtt.simple's documentation has it, its code has not.",
        """
        - unsubscribe: 'AttributeError'
        + unsubscribe: None
        + connection 0: UNSUBSCRIBE(pid=2, filters=['t'])
        """,
    ),
    "publishing_qos2": Difference(
        "QoS 2",
        "The engine has it.",
        """
        - publish: 'AssertionError'
        + publish: None
        + connection 0: PUBREL(pid=1)
        """,
    ),
    "receiving_qos2": Difference(
        "QoS 2",
        "As above.",
        """
        - wait_msg: 'AssertionError'
        + wait_msg
        + connection 0: PUBREC(pid=1)
        """,
        {"SUBSCRIBE": [send(usual, message(b"2", 2, 1))]},
    ),
    "idle": Difference(
        "keep alive",
        "While `wait_msg` waits, and with each `check_msg`, PINGREQ is sent when it is due.",
        "+ connection 0: PINGREQ()",
        {"CONNECT": [hang_up_if_silent(4, usual)], "PINGREQ": [hang_up(usual)]},
    ),
    "two_pings": Difference(
        "several pings",
        "Answers that come together end one `wait_msg`, not several.",
        """
        - wait_msg
        + wait_msg: 'OSError', -1
        """,
        {"PINGREQ": [send(), hang_up(wire.PINGRESP * 2)]},
    ),
    "connecting_twice": Difference(
        "connecting again",
        "The connection before is closed with DISCONNECT, so without its will, and not left to the garbage collector.",
        "+ connection 0: DISCONNECT()",
    ),
}


@pytest.mark.parametrize("program", DIFFERENCES)
def test_each_difference_is_as_described(micropython, runtime, program):
    difference = DIFFERENCES[program]
    expected = [line.strip() for line in difference.lines.strip().splitlines()]
    assert differences(micropython, runtime, f"umqtt_unlike.{program}", difference.case) == expected


def test_every_program_is_run():
    for file, table in (("umqtt_alike", CASES), ("umqtt_unlike", DIFFERENCES)):
        programs = re.findall(r"^def (\w+)\(new\):", (SCENARIOS / f"{file}.py").read_text(), re.M)
        assert sorted(programs) == sorted(table)


def test_the_page_lists_every_difference():
    """The page has the same table: | name | reason |."""
    rows = [line.split("|")[1:3] for line in MIGRATING.read_text().splitlines() if line.count("|") == 3]
    listed = {name.strip(): reason.strip() for name, reason in rows}
    for name, reason, *_ in DIFFERENCES.values():
        assert reason in ("As above.", listed.get(name)), name
