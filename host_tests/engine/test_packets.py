"""The codec and its rules for text, topics and lengths, against references written apart from it."""

import itertools
import re

import pytest
from harness import wire
from harness.engine import Client, Engine, config, options, packets
from harness.lengths import BOUNDARIES
from hypothesis import given, settings
from hypothesis import strategies as st

LIMIT = 268_435_455
FILTER = re.compile(r"(?:(?:\+|[^+#/]*)/)*(?:#|\+|[^+#/]*)")
# Table 3-7 of the Unicode standard, without U+0000.
WELL_FORMED = re.compile(
    rb"(?:[\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*"
)
ILL_FORMED = [
    *(b"a\0b", b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"),
    *(b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf"),
    *(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"),
    *("\ud800", "a\udfff", "\ud83d\ude00", "x\0"),
]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
names = texts.map(lambda s: s.replace("#", "").replace("+", "")).filter(bool)
filters = st.text("a+/#é$", min_size=1, max_size=6).filter(FILTER.fullmatch)
pids = st.integers(1, 65535)
payloads = st.one_of(st.binary(max_size=300), st.sampled_from([bytes(n) for n in (16383, 16384)]))
# Sequences that are nearly well-formed are rare in random bytes.
pieces = st.sampled_from([*(s for s in ILL_FORMED if isinstance(s, bytes)), b"\xc2\x80", b"\xef\xbf\xbf", b"/", b"+"])
octets = st.one_of(st.binary(max_size=12), st.lists(st.one_of(pieces, st.binary(max_size=2)), max_size=4).map(b"".join))


def accepts(value, rule):
    try:
        found = packets.field("it", value, rule)
    except ValueError as e:
        assert str(e).startswith("it: ")
        return False
    assert bytes(found) == (value.encode() if isinstance(value, str) else bytes(value))
    return True


# -- lengths


@pytest.mark.parametrize("length", [0, *BOUNDARIES, LIMIT])
def test_remaining_length_takes_one_to_four_bytes(length):
    expected = b"\x32" + wire.length(length)
    buf = bytearray(b"." * 9)
    end = packets.header(buf, 2, 0x32, length)
    assert bytes(buf) == b".." + expected + b"." * (7 - len(expected))
    assert end == 2 + len(expected)
    assert packets.framed(length) == len(expected) + length


@given(st.integers(0, LIMIT))
def test_remaining_length_of_any_size(length):
    buf = bytearray(5)
    end = packets.header(buf, 0, 0x30, length)
    assert buf[1:end] == wire.length(length)
    assert packets.framed(length) == end + length


def test_a_packet_over_the_limit_is_refused():
    with pytest.raises(ValueError, match="268435456"):
        packets.framed(LIMIT + 1)
    most = bytes(LIMIT - 5)  # beside the topic and its length, and the identifier
    assert Client().createmessage("t", most, {"qos": 1}).size == LIMIT - 4
    with pytest.raises(ValueError, match="message"):
        Client().createmessage("tt", most, {"qos": 1})


# -- decode(encode(x)) == x


@given(names, payloads, st.integers(0, 2), pids, st.booleans(), st.booleans(), st.integers(0, 3))
def test_publish_decodes_to_what_was_encoded(topic, message, qos, pid, retain, dup, at):
    dup &= qos > 0
    pid = pid if qos else 0
    data = topic.encode()
    size = packets.framed(len(data) + len(message) + (4 if qos else 2))
    buf = bytearray(b"\xaa" * (at + size + 2))
    end = packets.publish(buf, at, pid << 8 | 0x30 | dup << 3 | qos << 1 | retain, data, message)
    assert end == at + size
    assert (buf[:at], buf[end:]) == (b"\xaa" * at, b"\xaa" * 2), "nothing around the packet is touched"
    p = wire.decode(bytes(buf[at:end]))
    assert (p.topic, p.message, p.qos, p.pid) == (topic, message, qos, pid or None)
    assert (p.retain, p.dup) == (retain, dup)


@settings(max_examples=50)
@given(st.lists(st.tuples(filters, st.integers(0, 2)), min_size=1, max_size=40))
def test_subscribe_decodes_to_what_was_encoded(wanted):
    engine = Engine().connect()
    assert engine.ask([f for f, _ in wanted], [q for _, q in wanted]) == 0
    (p,) = engine.sent_packets()
    assert (p.name, p.pid, p.filters) == ("SUBSCRIBE", 1, wanted)


@settings(max_examples=50)
@given(st.lists(filters, min_size=1, max_size=40))
def test_unsubscribe_decodes_to_what_was_encoded(wanted):
    engine = Engine().connect()
    assert engine.ask(wanted) == 0
    (p,) = engine.sent_packets()
    assert (p.name, p.pid, p.filters) == ("UNSUBSCRIBE", 1, wanted)


@given(
    st.one_of(texts, texts.map(str.encode)).filter(bool),
    st.fixed_dictionaries(
        {"keepalive": st.integers(0, 65535), "cleansession": st.booleans()},
        optional={
            "will": st.tuples(names, st.binary(max_size=200), st.integers(0, 2), st.booleans()),
            "username": st.one_of(st.none(), texts, texts.map(str.encode)),
            "password": st.one_of(st.none(), st.text("pä§ 😀"), st.binary(max_size=200)),
        },
    ),
)
def test_connect_decodes_to_what_was_asked_for(clientid, wanted):
    more = dict(wanted)
    will = more.pop("will", None)
    if will:
        more.update(zip(("willtopic", "willmessage", "willqos", "willretain"), will))
    if more.get("username") is None:
        more["password"] = None
    made = options.parse("tcp://127.0.0.1", clientid, more, {})
    p = wire.decode(bytes(made.packet))
    assert (p.keepalive, p.clean) == (wanted["keepalive"], wanted["cleansession"])
    assert p.clientid == (clientid if isinstance(clientid, str) else clientid.decode())
    assert p.will == will
    for name, found in (("username", p.username and p.username.encode()), ("password", p.password)):
        expected = more.get(name)
        assert (found or b"") == (expected.encode() if isinstance(expected, str) else expected or b"")
        assert (found is None) == (expected is None)


def test_a_will_message_without_a_topic_is_ignored():
    assert wire.decode(bytes(config(willmessage=b"x", willqos=2, willretain=True).packet)).will is None


# -- text


@given(octets)
def test_bytes_are_text_if_they_are_well_formed(data):
    good = WELL_FORMED.fullmatch(data) is not None
    assert accepts(data, 1) == good
    assert accepts(bytearray(data), 1) == accepts(memoryview(data), 1) == good
    assert accepts(data, 0), "a field of plain bytes"
    assert accepts(data, 2) == (good and bool(data) and bool(FILTER.fullmatch(data.decode() if good else "")))
    assert accepts(data, 3) == (good and bool(data) and not set(data) & set(b"#+"))


@given(st.text(st.one_of(st.characters(), st.sampled_from("\0\ud800\udfff#+/"), st.characters(categories=["Cs"]))))
def test_str_is_text_without_surrogates_and_u0000(text):
    good = not any(c == "\0" or 0xD800 <= ord(c) < 0xE000 for c in text)
    assert accepts(text, 1) == good
    assert accepts(text, 2) == (good and bool(text) and bool(FILTER.fullmatch(text)))
    assert accepts(text, 3) == (good and bool(text) and not set(text) & set("#+"))


@pytest.mark.parametrize("value", ILL_FORMED, ids=ascii)
def test_ill_formed_text_is_refused(value):
    assert [accepts(value, rule) for rule in (1, 2, 3)] == [False] * 3


@pytest.mark.parametrize(
    "text", ["\x01", "\x7f", "\x80", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff", "\ufeff"], ids=ascii
)
def test_every_length_of_character_is_text(text):
    assert accepts(text, 1) and accepts(text.encode(), 3)


@pytest.mark.parametrize("alphabet", ["a+#/", "é+#/"])
def test_wildcards_stand_only_where_they_may(alphabet):
    """[MQTT-4.7.1-2, 4.7.1-3]: every placement in up to five characters."""
    for n in range(1, 6):
        for chars in itertools.product(alphabet, repeat=n):
            text = "".join(chars)
            assert accepts(text, 2) == bool(FILTER.fullmatch(text)), text
            assert accepts(text, 3) == ("+" not in text and "#" not in text), text


@pytest.mark.parametrize("rule", [0, 1, 2, 3])
@pytest.mark.parametrize("char", ["a", "é", "€", "😀"])
def test_a_field_is_counted_in_bytes(rule, char):
    size = len(char.encode())
    most = char * (65535 // size)
    for value in (most, most.encode()):
        assert accepts(value, rule)
    for value in (most + char, most.encode() + char.encode()):
        assert not accepts(value, rule), "over 65535 bytes"


@pytest.mark.parametrize("value", [None, 1, 1.5, ["a"], object()])
def test_what_is_neither_str_nor_bytes_is_a_type_error(value):
    for rule in (0, 1, 2, 3):
        with pytest.raises(TypeError, match="it: "):
            packets.field("it", value, rule)


def test_errors_name_the_argument_and_the_value_but_no_password():
    with pytest.raises(ValueError, match=r"^topic: 'a/\+' "):
        packets.field("topic", "a/+", 3)
    with pytest.raises(ValueError, match="^topic: ''"):
        packets.field("topic", "", 3)
    with pytest.raises(ValueError) as caught:
        packets.field("topic", "a+" * 5000, 3)
    assert len(str(caught.value)) < 120
    for value in ("secret\ud800", b"secret" * 20000, ["secret"]):
        with pytest.raises((ValueError, TypeError)) as caught:
            packets.field("password", value, 0)
        assert "password" in str(caught.value) and "secret" not in str(caught.value)


def test_bytes_are_not_copied():
    for value in (b"a/b", bytearray(b"a/b"), memoryview(b"a/b")):
        assert packets.field("topic", value, 3) is value


# -- matching


def reference(topicfilter, topic):
    """[MQTT-4.7] as a regular expression."""
    pattern = "/".join("[^/]*" if level == "+" else re.escape(level) for level in topicfilter.split("/"))
    if pattern.endswith(r"/\#"):
        pattern = pattern[:-3] + "(/.*)?"
    elif pattern == r"\#":
        pattern = ".*"
    hidden = topic.startswith("$") and topicfilter[0] in "+#"
    return not hidden and re.fullmatch(pattern, topic, re.DOTALL) is not None


@pytest.mark.parametrize(
    "topicfilter, topic, expected",
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/tennis/player1/#", "sport/tennis/player12", False),
        ("#", "/", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        *(("+/+", "/finance", True), ("/+", "/finance", True), ("+", "/finance", False)),
        *(("#", "$SYS/a", False), ("+/monitor/Clients", "$SYS/monitor/Clients", False)),
        *(("$SYS/#", "$SYS", True), ("$SYS/monitor/+", "$SYS/monitor/Clients", True)),
        *(("a/+", "a/$b", True), ("a/#", "a/$b", True), ("$+", "$a", False), ("A", "a", False)),
    ],
)
def test_matches_as_the_standard_says(topicfilter, topic, expected):
    """The examples of section 4.7, and some more."""
    assert packets.matches(topicfilter, topic) is expected
    assert reference(topicfilter, topic) is expected


def test_matches_all_of_up_to_three_levels():
    levels = ["", "a", "$", "ab"]
    topics = ["/".join(t) for n in (1, 2, 3) for t in itertools.product(levels, repeat=n) if t != ("",)]
    wild = [f for n in (1, 2, 3) for f in itertools.product([*levels, "+", "#"], repeat=n) if "#" not in f[:-1]]
    for topicfilter in ("/".join(f) for f in wild if f != ("",)):
        for topic in topics:
            assert packets.matches(topicfilter, topic) is reference(topicfilter, topic), (topicfilter, topic)


@given(filters, st.text("a/é$b\n", min_size=1, max_size=8))
def test_matches_any(topicfilter, topic):
    assert packets.matches(topicfilter, topic) is reference(topicfilter, topic)
