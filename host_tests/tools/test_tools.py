"""The tools: what is shipped is what exists, the size budget bites, the finders refuse what is not usable."""

import ast
import builtins
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from harness.process import Child

from tools import micropython as micropython_finder
from tools import mosquitto, size

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in size.SOURCE.glob("*.py"))
BUDGET = {"core": {"modules": ["one", "two"], "bytes": 500}, "modules": {"one": 300, "two": 300}}
FITS = {"one": (900, 200), "two": (900, 300)}


def package():
    return json.loads((ROOT / "package.json").read_text())


def test_package_json_names_the_files_of_the_module():
    assert package()["urls"] == [[f"mqtt/{name}.py", f"lib/mqtt/{name}.py"] for name in MODULES]


def test_every_module_has_a_budget_and_every_budget_a_module():
    budget = json.loads(size.BUDGET.read_text())
    assert sorted(budget["modules"]) == MODULES
    assert set(budget["core"]["modules"]) <= set(MODULES)


def test_manifest_freezes_the_module_in_the_same_version():
    calls = []
    names = {
        "metadata": lambda **known: calls.append(known["version"]),
        "package": lambda name, base_path: calls.append(ROOT / base_path / name),
    }
    exec((ROOT / "manifest.py").read_text(), names)
    assert calls == [package()["version"], size.SOURCE]


def names_in(path):
    return {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}


def test_board_code_names_no_exception_that_micropython_lacks():
    kinds = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, OSError)}
    code = [path for folder in ("lib", "firmware", "boards") for path in (ROOT / folder).rglob("*.py")]
    assert size.SOURCE / "__init__.py" in code
    assert {path.name: found for path in code if (found := names_in(path) & (kinds - {"OSError"}))} == {}


def test_sizes_within_the_budget_are_no_complaint():
    assert list(size.complaints(FITS, BUDGET)) == []


@pytest.mark.parametrize(
    ("sizes", "complaint"),
    [
        ({**FITS, "one": (900, 301)}, "one: 301 bytes, 1 over its budget of 300"),
        ({"one": (900, 300), "two": (900, 300)}, "core: 600 bytes, 100 over its budget of 500"),
        ({**FITS, "new": (9, 9)}, "new: has no budget in budget.json"),
        ({"one": (900, 200)}, "two: has a budget, but there is no two.py"),
    ],
)
def test_sizes_against_the_budget_are_named(sizes, complaint):
    assert complaint in list(size.complaints(sizes, BUDGET))


def test_build_compiles_every_module_and_removes_what_is_stale(tmp_path):
    (tmp_path / "good.py").write_text("ANSWER = 42\n")
    target = tmp_path / "build"
    target.mkdir()
    (target / "gone.mpy").write_bytes(b"M")
    sizes = size.build(tmp_path, target)
    assert [path.name for path in target.iterdir()] == ["good.mpy"]
    assert sizes == {"good": (12, (target / "good.mpy").stat().st_size)}


def test_build_names_a_module_that_does_not_compile(tmp_path):
    (tmp_path / "bad.py").write_text("def\n")
    with pytest.raises(size.CompileError, match=r"bad\.py[\s\S]*SyntaxError"):
        size.build(tmp_path, tmp_path / "build")


def test_finders_refuse_what_the_environment_names_wrongly(monkeypatch, tmp_path):
    for name in ("true", str(tmp_path / "absent")):
        monkeypatch.setenv("MICROPYTHON", name)
        monkeypatch.setenv("MOSQUITTO", name)
        with pytest.raises(ValueError, match=f"MICROPYTHON={name}: not a MicroPython"):
            micropython_finder.find()
        with pytest.raises(mosquitto.NotFound, match=f"MOSQUITTO={name}: not a mosquitto that runs"):
            mosquitto.find()


@pytest.mark.parametrize(("number", "enough"), [("1.23.0", False), ("1.24.0", True), ("2.0.0", True)])
def test_an_old_micropython_on_path_is_passed_over(monkeypatch, tmp_path, number, enough):
    """A script that answers like MicroPython of that version: nobody has them all installed."""
    fake = tmp_path / "micropython"
    fake.write_text(f"#!/bin/sh\necho micropython {number}\n")
    fake.chmod(0o755)
    monkeypatch.delenv("MICROPYTHON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (micropython_finder.find() == str(fake)) is enough


def test_ctrl_c_ends_a_tool_in_a_line():
    folders = os.pathsep.join((str(ROOT), str(ROOT / "host_tests")))
    with Child([sys.executable, "-um", "chaos", "cpython"], {**os.environ, "PYTHONPATH": folders}) as child:
        child.wait_until(lambda: child.lines, "the head of the table")
        child.process.send_signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT
        assert list(child.lines)[1:] == ["interrupted"]
