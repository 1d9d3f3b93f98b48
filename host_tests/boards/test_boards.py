"""The boards: each has what docs/adding-a-board.md says, computes it rightly, and is checked by `make lint`.

Whether a real board has what its file calls is for the type stubs (tools/lint.py); here modules stand in for it.
"""

import ast
import re
import shutil

import pytest
from harness.runtimes import ROOT

from tools import boards, lint

BOARDS = sorted(path.parent.name for path in (ROOT / "boards").glob("*/board.py"))
REAL = [board for board in BOARDS if board != "virtual"]
PICOS = {"rpi_pico_w": 0x40058000, "rpi_pico2_w": 0x400D8000}
# The temperature by what the scenario's hardware measures: 128 F or 53 C, and 0.7 V.
MEASURED = {"esp32": (53.3, 53), "rp2": (30.5,)}
CONSTANTS = {"NAME", "PLATFORM", "HEAP", "TLS", "FIRMWARE", "STUBS"}
INTERFACE = CONSTANTS | {"UID", "led", "temperature", "resetcause", "reset", "WiFi", "Watchdog"}


def names_of(path):
    """What a module defines or imports."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
    return found


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_has_the_interface(board):
    assert names_of(ROOT / "boards" / board / "board.py") >= INTERFACE
    assert 64 * 1024 <= boards.constant(board, "HEAP") <= 512 * 1024
    assert boards.constant(board, "PLATFORM") in ("esp32", "rp2", "linux")


def test_the_documents_name_all_of_it():
    page = (ROOT / "docs" / "adding-a-board.md").read_text()
    assert [name for name in INTERFACE if f"`{name}" not in page] == []
    table = (ROOT / "docs" / "boards.md").read_text()
    for board in BOARDS:
        (heap,) = re.findall(rf"^\| `{board}` \|.*?\| (\d+) KiB \|", table, re.MULTILINE)
        assert int(heap) * 1024 == boards.constant(board, "HEAP"), board


@pytest.mark.parametrize("board", REAL)
@pytest.mark.parametrize("cause", [1, 3])
def test_what_a_board_tells(runtime, board, cause):
    platform = boards.constant(board, "PLATFORM")
    words = {1: "power on", 3: "watchdog or reset" if platform == "rp2" else "watchdog"}
    told, reset = runtime.run("boards.board", root=str(ROOT), board=board, cause=cause)
    _, uid, temperature, why, pins, levels = told
    assert (uid, why, len(pins)) == ("01ab", words[cause], 1)
    assert temperature in MEASURED[platform]
    assert levels in ([1, 0], [0, 1])  # an LED may be lit by a low level
    assert reset == ["reset"]


def test_the_example_of_the_docs_is_a_board(runtime, tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adding-a-board.md").read_text(), re.DOTALL)
    shutil.copytree(ROOT / "boards", tmp_path / "boards", ignore=shutil.ignore_patterns("esp32*", "rpi*"))
    path = tmp_path / "boards" / "new" / "board.py"
    path.parent.mkdir()
    path.write_text(example)
    assert names_of(path) >= INTERFACE
    told, _reset = runtime.run("boards.board", root=str(tmp_path), board="new", cause=1)
    assert told == ["board", "01ab", 53, "power on", [15], [0, 1]]


@pytest.mark.parametrize("board", PICOS)
def test_a_picos_watchdog_waits_longer_than_the_chips(runtime, board):
    begins, fed, stopped = runtime.run("boards.pico_watchdog", root=str(ROOT), board=board)
    assert begins == ["begins", [8000], -1, 1000]
    assert fed == ["fed", 89]  # each second until 60 s after the program did, at 30
    assert stopped == ["stopped", False, [f"{PICOS[board] + 0x3000:x} {1 << 30:x}"]]


def test_an_esp32s_watchdog_gets_a_day_when_nobody_feeds_it(runtime):
    assert runtime.run("boards.esp32_watchdog", root=str(ROOT)) == [["log", [60000, "fed", 86_400_000, "fed"]]]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("off", "'home': no network of that name in reach (2.4 GHz?)"),
        ("refused", "'home': the password is wrong"),
        ("busy", "'home': the access point refuses the board (status -1)"),
        ("silent", "'home': no address within 0 s (status 1)"),
    ],
)
def test_joining_says_what_failed_and_goes_on(runtime, answer, problem):
    program = runtime.start("boards.wifi", root=str(ROOT), answer=answer, then="on", timeout=0.2)
    first, then = program.finish()
    assert first == ["first", problem, None, "DE", "kitchen"]
    assert then == ["then", None, -50, "", True]
    assert [line for line in program.lines if line.startswith("wifi: ")] == [
        f"wifi: {problem}",
        "wifi: on 'home' as 127.0.0.1",
    ]


def test_a_network_that_is_lost_is_joined_again_at_once(runtime):
    assert runtime.run("boards.wifi_lost", root=str(ROOT)) == [["up", False, True]]


# -- the check against type stubs


def diagnostic(path, message, line=0):
    return {"file": str(ROOT / path), "message": message, "range": {"start": {"line": line}}}


PROBED = [diagnostic("build/pyright/esp32/probe.py", "anything")] * lint.PROBED


def test_every_real_board_has_stubs_and_firmware():
    for name in ("STUBS", "FIRMWARE"):
        assert all(boards.constant(board, name) for board in REAL)
    assert all("==" in boards.constant(board, "STUBS") for board in REAL)


def test_what_a_board_lacks_is_a_complaint():
    lacking = diagnostic("boards/esp32_s3/board.py", '"raw_temperature" is not a known attribute of module "esp32"', 23)
    found = lint.complaints([*PROBED, lacking], lint.own_classes())
    assert found == ['boards/esp32_s3/board.py:24: "raw_temperature" is not a known attribute of module "esp32"']


@pytest.mark.parametrize("own", ["None", "Session", "type[Session]"])
def test_what_concerns_the_modules_own_classes_is_none(own):
    message = f'Cannot access attribute "max" for class "{own}"\n  Attribute "max" is unknown'
    assert lint.complaints([*PROBED, diagnostic("lib/mqtt/session.py", message)], lint.own_classes()) == []
    assert len(lint.complaints([*PROBED, diagnostic("lib/mqtt/session.py", message)], set())) == 1


def test_a_check_that_sees_nothing_fails():
    with pytest.raises(lint.LintError, match="has complained 0 times"):
        lint.complaints([], set())
