"""The benchmark: every program does its work, the servers do what they promise, the table says what was measured."""

import socket

import pytest
from harness import wire

from tools.bench import packages, plot, rates, report, subjects, targets
from tools.bench.servers import DELAY, TOPICS, Burst
from tools.bench.works import COUNTED, RATED, WORKS, count

HERE = [subjects.raw(), subjects.ours(), subjects.paho()]
PAIRS = [(subject, work) for subject in HERE for work in WORKS if work in subject.works]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with rates.Servers(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.mark.parametrize(("subject", "work"), PAIRS, ids=[f"{subject.name}-{work}" for subject, work in PAIRS])
def test_every_program_does_its_works(micropython, servers, subject, work):
    number = 40
    result = rates.perform(servers, subject, work, number, 20)
    assert result["us"] > 0
    if work == "delay":
        assert result["us"] >= 2 * 2 * DELAY * 1e6  # twice twenty messages, a round trip each


def test_a_program_that_fails_is_quoted(micropython, servers):
    with pytest.raises(rates.Failed, match="(?s)ours, packed: .*KeyError"):
        rates.perform(servers, subjects.ours(), "packed", 1, 1)


def test_rounds_are_interleaved_and_complete(micropython, servers):
    order = []
    found = rates.measure(servers, HERE[:2], ["publish0", "packed"], 2, True, order.append)
    assert [text.partition(": ")[2] for text in order] == [
        "publish0, raw", "publish0, ours", "packed, raw", "publish0, ours", "publish0, raw", "packed, raw",
    ]  # fmt: skip
    assert {work: {name: len(row["us"]) for name, row in rows.items()} for work, rows in found.items()} == {
        "publish0": {"raw": 2, "ours": 2},
        "packed": {"raw": 2},
    }


@pytest.mark.parametrize("qos", [0, 1])
def test_a_burst_is_the_messages_asked_for(qos):
    with Burst(TOPICS) as burst, socket.create_connection(("127.0.0.1", burst.port)) as conn:
        conn.sendall(wire.connect() + wire.subscribe(1, ("#", qos)) + wire.publish("go", b"3"))
        wanted = wire.connack() + wire.suback(1, qos)
        for n in range(3):
            wanted += wire.publish(TOPICS[n % 2], b"a message that has 32 bytes.....", qos, n + 1)
        with conn.makefile("rb") as stream:
            assert stream.read(len(wanted)) == wanted


def made_up(**ours):
    """A result in which all is well, but for `ours`: {work: messages a second}."""
    speeds = {"raw": 1e6, "ours": 1e6, "umqtt": 1e5, "chumicro": 1e5, "paho": 1e5}
    found = {
        "about": {
            "rounds": 5, "quick": False, "heap": "512k", "machine": "x", "cpython": "3", "micropython": "1",
            "mosquitto": "2", "strace": True,
        },
        "rates": {
            work: {
                name: {"us": [1e6 / (ours.get(work, speed) if name == "ours" else speed)] * 5, "cpu": [1.0] * 5}
                for name, speed in speeds.items()
            }
            for work in RATED
        },
        "heap": {work: {"ours": 0} for work in COUNTED},
        "calls": {work: {"ours": 0.1} for work in COUNTED},
        "import": {"ours": {"kept": 19000, "peak": 20000}},
        "smallest": {"ours": 30 * 1024},
        "mpy": {"ours": 10000, "everything": 25000},
        "board": {},
    }  # fmt: skip
    return found


def verdicts(found):
    return {row.title: row.met(found) for row in targets.ROWS if row.met}


def test_targets_that_are_met_and_missed():
    assert set(verdicts(made_up()).values()) == {True}
    missed = {"publish0": 199e3, "publish1": 899e3, "window": 24e3, "delay": 249, "publish2": 849e3, "tls": 149e3}
    found = made_up(**missed, receive0=299e3, receive1=199e3)
    found["heap"]["publish0"]["ours"] = 1
    wrong = {title for title, met in verdicts(found).items() if not met}
    assert wrong == {WORKS[work].title for work in [*missed, "receive0", "receive1"]} | {"heap: publish QoS 0"}


def test_what_was_not_counted_has_no_verdict():
    found = {**made_up(), "calls": {}}
    [line] = [line for line in report.main_table(found, HERE) if line.startswith("| system calls: publish QoS 0")]
    assert [text.strip() for text in line.split("|")[2:-1]] == ["–", "–", "–", "1", ""]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.111, "0.11"),
        (3.0, "3"),
        (22.7, "22.7"),
        (295.1, "295"),
        (9999, "9999"),
        (10449, "10.4k"),
        (1.5e7, "15M"),
    ],
)
def test_numbers_have_the_digits_that_count(value, text):
    assert report.short(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(27100, "/s", "27.1k/s"), (22500, "B", "22.5 kB"), (106, "µs", "106 µs"), (3, "", "3")]
)
def test_numbers_have_their_unit(value, unit, text):
    assert report.shown(value, unit) == text


def test_the_document_gets_its_tables_and_keeps_its_words(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    lines = list(report.tables(made_up(), HERE))
    for _twice in range(2):
        report.rewrite(page, lines)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert text.count("| publish QoS 0 ") == 2


def test_quick_is_a_quarter_but_not_of_what_is_slow():
    assert count("publish0", "ours", True)[0] * 4 == count("publish0", "ours", False)[0]
    assert count("publish1", "umqtt", True) == count("publish1", "umqtt", False)


def test_several_packages_are_one_folder(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name / "shared").mkdir(parents=True)
        (tmp_path / name / "shared" / f"{name}.py").write_text(name)
    monkeypatch.setattr(packages, "FOLDER", tmp_path / "build")
    monkeypatch.setattr(packages.pypi, "fetch", lambda project, version, digest: tmp_path / project)
    assert packages.folder([("one", "1", "")]) == tmp_path / "one"
    for _ in range(2):
        both = packages.folder([("one", "1", ""), ("two", "1", "")])
        assert sorted(path.name for path in both.glob("shared/*")) == ["one.py", "two.py"]


def test_the_plot_has_a_value_for_each_work():
    assert [plot.rate(made_up()["rates"][work]["umqtt"]) for work in plot.SHOWN] == [100000] * len(plot.SHOWN)
