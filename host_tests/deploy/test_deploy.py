"""`make deploy`, with the real mpremote, to virtual boards."""

import json
import os
import sys

import pytest
from harness.process import Child
from harness.runtimes import ROOT
from harness.virtual import VirtualBoard

from tools import base_firmware, boards, build, deploy, ports

CONFIG = {"wifi_ssid": "virtual", "url": "tcp://127.0.0.1:1", "device": "tested", "interval": 60}
MAIN = "print('the old main')\n"


@pytest.fixture
def board(micropython, tmp_path):
    files = {"main.py": MAIN, "mine.txt": "not yours", "lib/mine.py": "import gc"}
    with VirtualBoard(tmp_path / "board", files) as made:
        yield made


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    return path


@pytest.fixture
def run(config):
    """Starts the tool; a Child."""
    children = []

    def start(board="virtual", port="virtual", *arguments):
        argv = [sys.executable, "-um", "tools.deploy", board, port, *(arguments or [str(config)])]
        children.append(Child(argv, {**os.environ, "PYTHONPATH": str(ROOT)}))
        return children[-1]

    yield start
    for child in children:
        child.__exit__()


@pytest.fixture
def deployed(run, board):
    """Runs the tool to its end, which must be success; what it printed."""

    def to_the_end():
        child = run(port=board.port)
        assert child.wait() == 0, child.transcript()
        return "\n".join(child.lines)

    return to_the_end


@pytest.fixture
def refused(run):
    """Runs the tool, which must refuse; why."""

    def to_the_end(*arguments):
        child = run(*arguments)
        assert child.wait() == 1, child.transcript()
        return child.lines[-1]

    return to_the_end


def contents(board):
    """{path: bytes} of all that is on the board."""
    files = (path for path in board.flash.rglob("*") if path.is_file())
    return {path.relative_to(board.flash).as_posix(): path.read_bytes() for path in files}


def expected(config):
    """What has to be on the board after a deployment: what was built for it."""
    folder = build.BUILD / "virtual"
    files = (path for path in folder.rglob("*") if path.is_file())
    built = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    assert "lib/mqtt/client.mpy" in built
    return built | {"config.json": config.read_bytes()}


def test_an_empty_board_gets_all_and_runs_it(board, deployed, config):
    said = deployed()
    # The application has begun to use its store.
    there = {path: data for path, data in contents(board).items() if not path.startswith("tested.session")}
    assert there.pop("mine.txt") == b"not yours" and there.pop("lib/mine.py") == b"import gc"
    assert there == expected(config)
    *_, copied, restarted, hint = said.splitlines()
    assert "cp    /main.py" in copied  # last of all: it is what starts the rest
    assert restarted == "restarted" and f"PORT={board.port} shows it" in hint
    board.shows("wifi: on 'virtual'")


def test_only_what_differs_is_copied(board, deployed, config):
    deployed()
    assert "\n0 files to copy, " in deployed()
    (board.flash / "lib" / "mqtt" / "client.mpy").write_bytes(b"M damaged")
    (board.flash / "boot.py").unlink()
    config.write_text(json.dumps({**CONFIG, "interval": 30}))
    said = deployed()
    copied = [line.split()[-1] for line in said.splitlines() if " cp " in line]
    assert sorted(copied) == ["/boot.py", "/config.json", "/lib/mqtt/client.mpy"]
    assert {path: contents(board)[path] for path in expected(config)} == expected(config)


def test_what_would_hide_the_new_files_goes(board, deployed):
    for name in ("lib/mqtt/client.py", "lib/mqtt/gone.mpy", "mqtt/client.mpy", "lib/app.py", "app.py", "lib/wifi.py"):
        path = board.flash / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise SystemError('I am old')")
    deployed()
    left = contents(board)
    assert not [name for name in left if b"I am old" in left[name]]
    board.shows("wifi: on 'virtual'")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("nix", "/dev/null"), "BOARD=nix: there is no such board, but esp32, "),
        (("", "/dev/null"), "BOARD= is missing: it is one of esp32, "),
        (("virtual", "/dev/no-such-port"), "PORT=/dev/no-such-port: there is no such port"),
        (("virtual", "/dev/null"), "/dev/null: mpremote: failed to access /dev/null"),
        (("virtual", "/dev/null", "/no/config.json"), "/no/config.json: missing; copy firmware/config.example.json"),
    ],
)
def test_what_can_not_be_deployed_is_named(refused, arguments, why):
    assert why in refused(*arguments)


def test_a_bad_configuration_stays_here(refused, board, config):
    config.write_text(json.dumps({**CONFIG, "url": "ftp://there", "wifi_password": "short"}))
    child_said = refused("virtual", board.port)
    assert contents(board).keys() == {"main.py", "mine.txt", "lib/mine.py"}
    assert "wifi_password" in child_said and "short'" not in child_said


def test_the_authority_must_be_there_to_go_along(refused, board, config):
    """And in a file of a kind that is copied."""
    (config.parent / "ca.crt").touch()
    for name in ("ca.crt", "ca.der"):
        config.write_text(json.dumps({**CONFIG, "url": "ssl://127.0.0.1:1", "cafile": name}))
        assert f"cafile: there is no {name} beside it; .der and .pem" in refused("virtual", board.port)
    (config.parent / "ca.der").write_bytes(b"0")
    config.write_text(json.dumps({**CONFIG, "url": "ssl://127.0.0.1:1", "cafile": "/ca.der"}))
    deploy.check(config)
    assert deploy.certificates(config) == {"/ca.der": config.parent / "ca.der"}


def test_a_board_of_another_kind_goes_on_with_what_it_has(refused, board):
    why = refused("rpi_pico_w", board.port)
    assert f"BOARD=rpi_pico_w is rp2, but the board at {board.port} is linux: BOARD=virtual" in why
    assert contents(board).keys() == {"main.py", "mine.txt", "lib/mine.py"}
    board.shows("the old main", 2)


def test_too_little_space(refused, board):
    (board.state / "flash").write_text(str(15 * 4096))
    assert "KiB of space left, and " in refused("virtual", board.port)
    assert contents(board).keys() == {"main.py", "mine.txt", "lib/mine.py"}


def test_space_that_the_old_files_give_back_counts(board, deployed, config):
    deployed()
    used = sum(deploy.blocks(len(data)) for data in contents(board).values())
    (board.state / "flash").write_text(str((used + 10) * 4096))
    (board.flash / "lib" / "mqtt" / "session.mpy").write_bytes(b"M" * 5700)
    assert "\n1 files to copy, " in deployed()


def test_another_version_of_mpy(micropython, board, tmp_path):
    files = {"/lib/app.mpy": tmp_path / "app.mpy"}
    files["/lib/app.mpy"].write_bytes(b"M\x05\0\x1f")
    there = deploy.inspect(board.port, files)
    with pytest.raises(deploy.Refused, match=r"which runs \.mpy files of version 6; these are of version 5"):
        deploy.suits("virtual", board.port, there, files)


def test_an_interrupted_deployment_is_completed_by_the_next(monkeypatch, board, deployed, config):
    def interrupt(text, **_options):
        if "/lib/mqtt/client.mpy" in text:
            raise KeyboardInterrupt

    monkeypatch.setattr(deploy, "print", interrupt, raising=False)
    with pytest.raises(SystemExit, match="^interrupted: "):
        deploy.main("virtual", board.port, config)
    half = board.flash / "lib" / "app.mpy"  # what a cut leaves at worst
    half.write_bytes(half.read_bytes()[:1000])
    (board.flash / "main.py").unlink(missing_ok=True)
    assert "\n0 files to copy, " not in deployed()
    assert {path: contents(board)[path] for path in expected(config)} == expected(config)
    board.shows("wifi: on 'virtual'")


def test_a_board_that_does_not_answer_is_given_up(monkeypatch, board, deployed):
    monkeypatch.setattr(deploy, "PATIENCE", 1)
    with pytest.raises(deploy.Refused, match="does not answer any more"):
        deploy.mpremote(board.port, "exec", "while True: pass")
    deployed()


def test_virtual_is_the_running_one_or_one_for_this_run(micropython, tmp_path, capsys):
    folder = tmp_path / "board"
    with pytest.raises(ports.NoBoard, match="not running"):
        ports.find("virtual", folder)
    assert capsys.readouterr().out == ""
    with ports.available("virtual", folder) as port:
        assert capsys.readouterr().out == ports.STARTED + "\n"
        assert ports.find("virtual", folder) == port == os.readlink(folder / "port")
        assert deploy.inspect(port, {})["platform"] == "linux"
    with pytest.raises(ports.NoBoard, match="not running"):
        ports.find("virtual", folder)
    with VirtualBoard(folder) as running:
        assert ports.find("virtual", folder) == running.port


LISTED = """/dev/ttyACM0 e66123 2e8a:0005 MicroPython Board in FS mode
/dev/ttyS0 None 0000:0000 None None
"""


def test_auto_is_the_only_board_there():
    assert ports.choose(LISTED) == "/dev/ttyACM0"
    with pytest.raises(ports.NoBoard, match="no board is connected"):
        ports.choose("/dev/ttyS0 None 0000:0000 None None\n")
    with pytest.raises(ports.NoBoard, match="one of /dev/ttyACM0, /dev/ttyUSB0"):
        ports.choose(LISTED + "/dev/ttyUSB0 0001 10c4:ea60 Silicon_Labs CP2102\n")


@pytest.mark.parametrize("board", sorted(path.parent.name for path in boards.BOARDS.glob("*/board.py")))
def test_every_board_can_be_built(board):
    folder, sizes = build.build(board)
    on_disk = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {name: there for name, (_, there) in sizes.items()}
    assert {"boot.py", "main.py", "lib/app.mpy", "lib/board.mpy", "lib/wifi.mpy", "lib/mqtt/client.mpy"} <= set(on_disk)
    assert "sum" in list(build.table(board, sizes))[-1]


def test_base_firmware_is_that_of_the_board():
    download, flash = base_firmware.commands("mpflash", "rpi_pico_w", "/dev/ttyACM0")
    assert download[:4] == ["mpflash", "download", "--board", "RPI_PICO_W"]
    assert flash[:4] == ["mpflash", "flash", "--board", "RPI_PICO_W"] and flash[-2:] == ["--serial", "/dev/ttyACM0"]
    with pytest.raises(boards.Unknown, match="BOARD=virtual: there is no firmware for that, but for esp32, "):
        list(base_firmware.commands("mpflash", "virtual", ""))
