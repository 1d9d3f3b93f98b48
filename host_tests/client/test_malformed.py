"""Malformed and out-of-protocol packets: reason -4 (before CONNACK result -1), and `lasterror` says which it was."""

import re

import pytest
from harness import wire
from harness.runtimes import SECOND

pub = wire.publish
CASES = {  # name: (bytes, what lasterror has to mention)
    "remaining length of five bytes": (b"\x30\x80\x80\x80\x80\x01", "length"),
    "remaining length of four bytes that go on": (b"\x30\xff\xff\xff\xff", "length"),
    "type 0": (wire.packet("RESERVED0"), "type 0"),
    "type 15": (wire.packet("RESERVED15"), "type 15"),
    "CONNECT": (wire.connect(), "type 1|CONNECT"),
    "SUBSCRIBE": (wire.subscribe(1, ("a", 0)), "type 8|SUBSCRIBE"),
    "UNSUBSCRIBE": (wire.unsubscribe(1, "a"), "type 10|UNSUBSCRIBE"),
    "PINGREQ": (wire.PINGREQ, "type 12|PINGREQ"),
    "DISCONNECT": (wire.DISCONNECT, "type 14|DISCONNECT"),
    "PUBACK with a reserved flag": (wire.packet("PUBACK", b"\0\1", 1), "flag"),
    "PUBREC with a reserved flag": (wire.packet("PUBREC", b"\0\1", 2), "flag"),
    "PUBREL without its flag": (wire.packet("PUBREL", b"\0\1", 0), "flag"),
    "PUBCOMP with a reserved flag": (wire.packet("PUBCOMP", b"\0\1", 8), "flag"),
    "SUBACK with a reserved flag": (wire.packet("SUBACK", b"\0\1\0", 2), "flag"),
    "UNSUBACK with a reserved flag": (wire.packet("UNSUBACK", b"\0\1", 2), "flag"),
    "PINGRESP with a reserved flag": (wire.packet("PINGRESP", b"", 1), "flag"),
    "QoS 3": (wire.packet("PUBLISH", b"\0\1t\0\1", 6), "QoS 3"),
    "DUP with QoS 0": (wire.packet("PUBLISH", b"\0\1t", 8), "DUP|dup"),
    "identifier 0 in PUBLISH 1": (pub("t", b"", 1, 0), "identifier 0"),
    "identifier 0 in PUBLISH 2": (pub("t", b"", 2, 0), "identifier 0"),
    "identifier 0 in PUBACK": (wire.ack("PUBACK", 0), "identifier 0"),
    "identifier 0 in PUBREC": (wire.ack("PUBREC", 0), "identifier 0"),
    "identifier 0 in PUBREL": (wire.ack("PUBREL", 0), "identifier 0"),
    "identifier 0 in PUBCOMP": (wire.ack("PUBCOMP", 0), "identifier 0"),
    "identifier 0 in SUBACK": (wire.suback(0, 0), "identifier 0"),
    "identifier 0 in UNSUBACK": (wire.ack("UNSUBACK", 0), "identifier 0"),
    "topic with #": (pub("a/#"), "wildcard"),
    "topic with +": (pub("+", b"", 1, 1), "wildcard"),
    "topic that is empty": (pub(""), "topic"),
    "topic that is not UTF-8": (pub(b"a\xff"), "UTF-8|well-formed"),
    "topic with an over-long form": (pub(b"\xc0\x80"), "UTF-8|well-formed"),
    "topic with a surrogate": (pub(b"\xed\xa0\x80"), "UTF-8|well-formed"),
    "topic past U+10FFFF": (pub(b"\xf4\x90\x80\x80"), "UTF-8|well-formed"),
    "topic cut within a character": (pub(b"\xe2\x82"), "UTF-8|well-formed"),
    "topic with U+0000": (pub(b"a\0b"), r"U\+0000|well-formed"),
    "PUBLISH without a topic": (wire.packet("PUBLISH", b""), "PUBLISH"),
    "PUBLISH with half a length": (wire.packet("PUBLISH", b"\0"), "PUBLISH"),
    "PUBLISH shorter than its topic": (wire.packet("PUBLISH", b"\0\5abc"), "PUBLISH"),
    "PUBLISH without its identifier": (wire.packet("PUBLISH", b"\0\1t", 2), "PUBLISH"),
    "PUBLISH with half an identifier": (wire.packet("PUBLISH", b"\0\1t\0", 4), "PUBLISH"),
    "PUBACK too short": (wire.packet("PUBACK", b"\1"), "bytes"),
    "PUBACK empty": (wire.packet("PUBACK", b""), "bytes"),
    "PUBACK too long": (wire.packet("PUBACK", b"\0\1\0"), "bytes"),
    "PUBREC too long": (wire.packet("PUBREC", b"\0\1\0"), "bytes"),
    "PUBREL too short": (wire.packet("PUBREL", b"\0"), "bytes"),
    "PUBCOMP too long": (wire.packet("PUBCOMP", b"\0\1\0\0"), "bytes"),
    "SUBACK without a code": (wire.packet("SUBACK", b"\0\1"), "SUBACK"),
    "SUBACK too short": (wire.packet("SUBACK", b"\0"), "SUBACK"),
    "SUBACK with code 3": (wire.packet("SUBACK", b"\0\1\3"), "SUBACK.* 3"),
    "SUBACK with more codes than filters": (wire.suback(1, 0, 0), "SUBACK"),
    "UNSUBACK too long": (wire.packet("UNSUBACK", b"\0\1\0"), "bytes"),
    "UNSUBACK too short": (wire.packet("UNSUBACK", b"\1"), "bytes"),
    "PINGRESP with a body": (wire.packet("PINGRESP", b"\0"), "PINGRESP"),
    "a second CONNACK": (wire.connack(), "second CONNACK"),
}
CONNACKS = {
    "reserved flags": (b"\x20\x02\x02\x00", "CONNACK"),
    "flags in the first byte": (b"\x21\x02\x00\x00", "flag"),
    # The second edition takes the code of one that refuses and contradicts itself, see test_second.py.
    **({} if SECOND else {"session present with a refusal": (wire.connack(5, 1), "CONNACK")}),
    "unknown code": (wire.connack(6), "CONNACK.* 6"),
    "too short": (b"\x20\x01\x00", "CONNACK"),
    "too long": (b"\x20\x03\x00\x00\x00", "CONNACK"),
    "empty": (b"\x20\x00", "CONNACK"),
    "anything else first": (wire.PINGRESP, "CONNACK"),
    "an acknowledgement first": (wire.ack("PUBACK", 1), "CONNACK"),
    "a message first": (wire.publish("t", b"x"), "CONNACK"),
    "a SUBACK first": (wire.suback(1, 0), "CONNACK"),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "."),
    "TLS alert": (b"\x15\x03\x03\x00\x02\x02\x28", "."),
}


def table(runtime, fake_broker, cases, scenario, script):
    """Run all cases through one program, a connection each; what it said, by case."""
    fake = fake_broker(*(script(data) for data, _says in cases.values()))
    events = runtime.run(scenario, url=fake.url, count=len(cases))
    seen = dict(zip(cases, (event[1:] for event in events)))
    assert len(events) == len(cases), f"stuck at {list(seen)[-1]!r}"
    fake.join()
    return seen


def wrong(cases, seen, expected):
    return [
        (name, outcome)
        for (name, (_data, says)), outcome in zip(cases.items(), seen.values(), strict=True)
        if outcome[:2] != expected or not re.search(says, outcome[2])
    ]


def test_malformed_packets_end_the_connection(runtime, fake_broker):
    def script(data):
        def run(conn):
            conn.accept()
            assert conn.read("SUBSCRIBE").pid == 1
            conn.send(data)
            assert conn.wait_closed() == b"", "the connection is closed without another word"

        return run

    seen = table(runtime, fake_broker, CASES, "malformed.after_connack", script)
    assert wrong(CASES, seen, [[0], [-4]]) == []


@pytest.mark.parametrize("cases", [CONNACKS, CASES], ids=["CONNACK", "every malformed packet"])
def test_malformed_before_connack_is_a_failed_attempt(runtime, fake_broker, cases):
    def script(data):
        def run(conn):
            conn.read("CONNECT")
            conn.send(data)
            assert conn.wait_closed() == b""

        return run

    cases = {name: (data, says if cases is CONNACKS else ".") for name, (data, says) in cases.items()}
    cases.pop("a second CONNACK", None)  # the first one here
    seen = table(runtime, fake_broker, cases, "malformed.before_connack", script)
    assert wrong(cases, seen, [[-1], []]) == []


def test_messages_before_a_malformed_packet_are_delivered(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.read("PUBLISH")
        conn.send(wire.publish("t", b"good", 1, 1) + b"\xff\x00" + wire.publish("t", b"never"))
        assert conn.wait_closed() in (b"", wire.ack("PUBACK", 1))

    fake = fake_broker(script)
    events = runtime.run("hostile.until_lost", url=fake.url, clientid="c")
    assert [event for event in events if event[0] == "message"] == [["message", "t", b"good", 1, 0, 0]]
    assert events[-1][1] == [-4]
    fake.join()
