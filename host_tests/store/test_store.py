"""The session store: a power cut at any byte, files it must refuse, a full file system, a store of another kind."""

from harness import wire

KEPT = [
    b"me",
    5,
    [],
    [
        [2, True, 2, b"topic", b"payload of a message" * 2],
        [4, False, 5, b"t\xc3\xa9", b""],
        [5, False, 2, b"last", b"payload of a message"],
    ],
]


def test_a_power_cut_at_any_byte(runtime, tmp_path):
    """What was whole counts, whatever stands behind it, and the store goes on from there."""
    ((_, size, states, wrong, last),) = runtime.run("chaos_store.torn", path=str(tmp_path / "store"))
    assert wrong == []
    assert (size > 250, states) == (True, 14)
    assert last == KEPT


def test_a_bit_that_has_flipped(runtime, tmp_path):
    ((_, tried, wrong),) = runtime.run("chaos_store.flipped", path=str(tmp_path / "store"))
    assert (tried > 30, wrong) == (True, [])


def test_the_log_stays_short(runtime, tmp_path):
    ((_, most, kept, files),) = runtime.run("chaos_store.compacted", path=str(tmp_path / "store"), count=600)
    assert most < 9000, "8 KiB, and what is written until it is noticed"
    assert kept == [b"me", 599, [5], [[1, True, 4, b"kept", b"payload of a message"]]]
    assert files == ["store"]


def test_files_that_are_not_its_own_are_refused(runtime, tmp_path):
    paths = [str(tmp_path / name) for name in ("store", "other", "newer")]
    stranger, other, newer = runtime.run("chaos_store.refused", path=paths[0], other=paths[1], newer=paths[2])
    for (_, (kind, text), untouched), named in ((stranger, "somebody else"), (other, paths[1]), (newer, paths[2])):
        assert kind == "ValueError" and named in text
        assert untouched
    assert "9" in newer[1][1]


def test_a_store_that_cannot_be_made(runtime, tmp_path):
    for path in (tmp_path / "no folder" / "store", tmp_path):
        assert runtime.run("chaos_store.unwritable", path=str(path)) == [["error", ["MQTTError", -2]]]


def test_a_full_file_system(runtime, tmp_path, monkeypatch):
    """A message that can't be stored gets -2 and is not accepted; those before it are kept, and none is torn."""
    command = runtime.command
    shell = ["sh", "-c", 'trap "" XFSZ; ulimit -f 8; exec "$@"', "sh"]

    def limited(*arguments):
        argv, env = command(*arguments)
        return [*shell, *argv], env

    monkeypatch.setattr(runtime, "command", limited)
    (_, codes, pending, why), (_, kept) = runtime.run("chaos_store.full", path=str(tmp_path / "store"), most=60)
    accepted = codes.count(0)
    assert 10 < accepted < 60
    assert codes == [0] * accepted + [-2] * (60 - accepted)
    assert (pending, kept) == (accepted, accepted)
    assert why == "", "a callback was told"


def test_a_store_of_another_kind(runtime, fake_broker):
    """Written in the test, kept in memory: offered before the first connection, sent by the next client."""

    def script(conn):
        assert not conn.accept(present=1).clean
        a, b = conn.read("PUBLISH"), conn.read("PUBLISH")
        assert [(p.topic, p.message, p.qos, p.retain, p.pid) for p in (a, b)] == [
            ("a", b"1", 1, 1, 1),
            ("b", b"2", 2, 0, 2),
        ]
        conn.send(wire.ack("PUBACK", 1) + wire.ack("PUBREC", 2))
        conn.read("PUBREL")
        conn.send(wire.ack("PUBCOMP", 2) + wire.publish("x", b"in", 2, 8))
        conn.read("PUBREC")
        conn.send(wire.ack("PUBREL", 8))
        conn.read("PUBCOMP")
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    offered, kept, through = runtime.run("chaos_store.another", url=fake.url, clientid="me")
    assert offered == ["offered", 2, [[-2]], ["MQTTError", -3]]
    assert kept == ["kept", 2]
    assert through[:3] == ["through", [[b"in"]], 0]
    assert through[4] == b"me"
    fake.join()
