"""`python -m tools.lint`: every call in lib/, firmware/ and boards/ exists on every board, as far as type stubs tell.

pyright reads the code once for each board, with that board's stubs (STUBS in its board.py) and its board.py. And no
module of the second edition (lib/next) uses a private name of another one.
"""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tools import boards

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements-stubs.txt"
STUBS = ROOT / "build" / "stubs"
CONFIG = ROOT / "build" / "pyright"
RULES = (
    "reportAttributeAccessIssue",
    "reportCallIssue",
    "reportIndexIssue",
    "reportMissingImports",
    "reportUndefinedVariable",
)
# A file of each run, to see that pyright would complain: none of these exists on any board.
PROBE = """import machine

machine.no_such_call()
machine.WDT(seconds=1)
import no_such_module
"""
PROBED = 3  # complaints about it
# What the stubs don't know or don't see: part of a file's name, part of the message.
WRONG = [
    ("transport.py", "Expected 1 positional argument"),  # a stream's write(buf, offset, length)
    ("aio.py", '"core" is unknown import symbol'),  # MicroPython's asyncio has it
    # What is in a list or a dict it guesses from what is there first.
    ("/lib/", 'No overloads for "get" match'),
    ("/lib/", 'No overloads for "__setitem__" match'),
    ("/lib/", 'for class "list"'),
]


class LintError(Exception):
    """The check itself does not work."""


def install(board, stubs):
    """Install a board's stubs, unless they are there; their folder."""
    folder = STUBS / board
    stamp = folder / "installed"
    wanted = f"{stubs}\n{REQUIREMENTS.read_text()}"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing {stubs} into {folder.relative_to(ROOT)}", flush=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-deps", "--upgrade"]
        if subprocess.run([*pip, "--target", folder, stubs, "-r", REQUIREMENTS]).returncode:
            raise LintError(f"{stubs} could not be installed, for the reason above")
        stamp.write_text(wanted)
    return folder


def sources(board):
    """The files and folders that run on this board."""
    shared = [ROOT / "boards" / "wifi.py", ROOT / "boards" / f"board_{boards.constant(board, 'PLATFORM')}.py"]
    return [ROOT / "lib", ROOT / "firmware", ROOT / "boards" / board, *filter(Path.exists, shared)]


def configuration(board, stubs):
    """What pyright has to know. Paths to check must be relative to the file that says so."""
    folder = CONFIG / board
    return {
        "include": ["probe.py", *(os.path.relpath(path, folder) for path in sources(board))],
        "stubPath": str(stubs),
        "typeshedPath": str(stubs),
        "extraPaths": [str(ROOT / path) for path in ("lib", "firmware", f"boards/{board}", "boards")],
        "typeCheckingMode": "off",
        "reportMissingModuleSource": "none",
        **dict.fromkeys(RULES, "error"),
    }


def run(board, stubs):
    """pyright's diagnostics for one board."""
    folder = CONFIG / board
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "probe.py").write_text(PROBE)
    (folder / "pyrightconfig.json").write_text(json.dumps(configuration(board, stubs)))
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "-p", folder], capture_output=True, text=True
    )
    try:
        return json.loads(done.stdout)["generalDiagnostics"]
    except (ValueError, KeyError):
        raise LintError(f"pyright: {done.stdout}{done.stderr}") from None


def own_classes():
    """The names of the classes of lib/, and None, with which their attributes begin."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "lib").rglob("*.py")]
    return {"None"} | {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def complaints(diagnostics, own):
    """The lines to print: what concerns boards. The module's own classes are the tests' business, since pyright takes
    an attribute that begins as None for one that stays so. LintError if the probe was not found out."""
    found = []
    probed = 0
    for item in diagnostics:
        path, message = item["file"], item["message"].splitlines()[0]
        of_class = re.search(r'for class "(?:type\[)?(\w+)', message)
        if path.endswith("probe.py"):
            probed += 1
        elif not (of_class and of_class[1] in own) and not any(p in path and m in message for p, m in WRONG):
            line = item["range"]["start"]["line"] + 1
            found.append(f"{os.path.relpath(path, ROOT)}:{line}: {message}")
    if probed != PROBED:
        raise LintError(f"pyright has complained {probed} times about {PROBE!r}: it does not see what a board lacks")
    return found


def strangers(folder):
    """Where a module uses a private name of somebody else's: `thing._name`, but for self and cls."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
                if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.attr} is private to another object"


def main():
    own = own_classes()
    found = list(strangers(ROOT / "lib" / "next"))
    print(f"lib/next: {len(found) or 'no'} private name(s) of others", *found, sep="\n  ", flush=True)
    failed = bool(found)
    for board in boards.known():
        stubs = boards.constant(board, "STUBS")
        if not stubs:
            continue
        try:
            found = complaints(run(board, install(board, stubs)), own)
        except LintError as error:
            sys.exit(f"{board}: {error}")
        print(f"{board}: {len(found) or 'no'} call(s) that it lacks", *found, sep="\n  ", flush=True)
        failed = failed or bool(found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
