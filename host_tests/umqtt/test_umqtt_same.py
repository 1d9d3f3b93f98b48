"""`mqtt.umqtt` does what umqtt.simple does: the same programs and broker, the same calls, results and packets."""

import pytest
from harness import wire
from harness.umqtt import differences, hang_up, send, usual


def message(text, qos=0, pid=None, topic="t", **more):
    return wire.publish(topic, text, qos, pid, **more)


CASES = {
    "publishing": {},
    "publishing_qos1": {},
    "introducing": {},
    "resuming": {"CONNECT": [send(wire.connack(present=1), message(b"kept", 1, 9))]},
    "refused": {"CONNECT": [hang_up(wire.connack(code)) for code in range(1, 6)]},
    "refused_subscription": {"SUBSCRIBE": [lambda conn, packet: conn.send(wire.suback(packet.pid, 128))]},
    "receiving": {
        "SUBSCRIBE": [send(usual, message(b"1"), message(b"2", 1, 65535, "t/ü", retain=1))],
        "PUBACK": [send(message(b"", 1, 1, dup=1), message(b"4"), message(b"5", retain=1))],
    },
    "receiving_at_once": {"SUBSCRIBE": [hang_up(usual, *[message(b"%d" % i) for i in range(4)])]},
    "receiving_while_sending": {
        "SUBSCRIBE": [send(message(b"before SUBACK"), usual, message(b"after SUBACK"))],
        "PUBLISH": [send(message(b"before PUBACK", 1, 4), usual, message(b"after PUBACK", 1, 5))],
    },
    "checking": {},
    "answering": {"SUBSCRIBE": [send(usual, message(b"?", 1, 7, "question"))]},
    "waiting_inside": {"SUBSCRIBE": [send(usual, *[message(b"", 0, None, t) for t in ("first", "second", "third")])]},
    "raising": {"SUBSCRIBE": [send(usual, message(b"bad", 1, 5), message(b"good", 1, 6))]},
    "other_identifier": {"PUBLISH": [send(wire.ack("PUBACK", 77), usual), send(wire.ack("PUBACK", 1), usual)]},
    "coming_back": {"SUBSCRIBE": [hang_up(usual)]},
    "pinging_between": {
        "PINGREQ": [send()],
        "PUBLISH": [send(wire.PINGRESP, usual, message(b"after")), send(message(b"later"))],
    },
    "answering_at_length": {"PUBLISH": [send(message(b"?")), send(wire.ack("PUBACK", 1))]},
    "large": {"SUBSCRIBE": [send(usual, message(b"x" * 100_000))]},
}


@pytest.mark.parametrize("program", CASES)
def test_the_same(micropython, runtime, program):
    assert differences(micropython, runtime, f"umqtt_alike.{program}", CASES[program]) == []
