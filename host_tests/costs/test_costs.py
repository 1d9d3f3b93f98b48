"""What the module costs stays within tools/budget.json: exact counts, the same on every machine."""

import json

import pytest

from tools import costs, size
from tools.bench import counts, subjects

BUDGET = {"import": {"mqtt": 100}, "heap": {"publish0": 0}, "calls": {"publish0": 1.5}}
FOUND = {"import": {"mqtt": 100}, "heap": {"publish0": 0}, "calls": {"publish0": 1.5}}
GREEDY = """

def waste(publish):
    def wasteful(self, *args):
        self.log = bytes(100)
        return publish(self, *args)

    return wasteful


Client.publish = waste(Client.publish)
"""


def test_the_costs_are_within_their_budget(micropython):
    budget = json.loads(size.BUDGET.read_text())["costs"]
    found = costs.measure(budget)
    print("\n".join(costs.table(found, budget)))
    assert list(costs.complaints(found, budget)) == []
    assert found.keys() == budget.keys()
    for kind in found if counts.strace() else ("import", "heap"):
        assert found[kind].keys() == budget[kind].keys()


def test_a_module_that_allocates_more_is_found_out(micropython, tmp_path):
    """The measurement itself can fail: a publish that keeps a hundred bytes."""
    lib = tmp_path / "lib" / "mqtt"
    lib.mkdir(parents=True)
    for module in size.SOURCE.glob("*.py"):
        text = module.read_text()
        (lib / module.name).write_text(text + GREEDY if module.stem == "client" else text)
    budget = {"import": {"mqtt": 1}, "heap": {"publish0": 0}, "calls": {}}
    found = costs.measure(budget, lib.parent)
    assert found["heap"]["publish0"] >= 128
    assert len(list(costs.complaints(found, budget))) == 2


@pytest.mark.parametrize(
    ("kind", "name", "number", "complaint"),
    [
        ("import", "mqtt", 101, "mqtt: 101 bytes that the import keeps, over the budget of 100"),
        ("heap", "publish0", 0.5, "publish0: 0.5 bytes of heap for each message, over the budget of 0"),
        ("calls", "publish0", 2, "publish0: 2 system calls for each message, over the budget of 1.5"),
    ],
)
def test_what_is_over_its_budget_is_named(kind, name, number, complaint):
    assert list(costs.complaints(FOUND, BUDGET)) == []
    assert list(costs.complaints({**FOUND, kind: {name: number}}, BUDGET)) == [complaint]


def test_without_micropython_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(subjects.micropython, "find", lambda: None)
    subjects.executable.cache_clear()
    try:
        with pytest.raises(SystemExit, match="no MicroPython of version 1.24 or newer: set MICROPYTHON"):
            costs.main()
    finally:
        subjects.executable.cache_clear()


def test_without_strace_the_report_says_so(micropython, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    counts.strace.cache_clear()
    try:
        assert counts.strace() is None
        lines = list(costs.table({**FOUND, "calls": {}}, BUDGET))
    finally:
        counts.strace.cache_clear()
    assert lines[-1] == costs.NO_STRACE
