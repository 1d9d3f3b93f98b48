"""The virtual board, through the real mpremote: what a board does, it does."""

import os
import socket
import sys

import pytest
import serial
from harness.process import LIMIT, Child
from harness.runtimes import ROOT
from harness.virtual import VirtualBoard

from tools import boards

LOOP = """
import time
print("main runs")
while True:
    time.sleep(1)
"""


@pytest.fixture
def make(micropython, tmp_path):
    """A factory of virtual boards, see harness.virtual."""
    made = []

    def start(**options):
        made.append(VirtualBoard(tmp_path / f"board{len(made)}", **options))
        return made[-1]

    yield start
    for board in made:
        board.__exit__()


@pytest.fixture
def board(make):
    return make()


@pytest.fixture
def line(board):
    """The board's port, as a terminal program has it."""
    with serial.Serial(board.port, 115200, timeout=LIMIT) as port:
        yield port


def says(line, text):
    """Read until that text comes."""
    data = line.read_until(text)
    assert data.endswith(text), data
    return data


# -- files and programs


def test_files(board, tmp_path):
    here = tmp_path / "here.bin"
    here.write_bytes(bytes(range(256)) * 20)
    back = tmp_path / "back.bin"
    board.mpremote("mkdir", ":data", "+", "cp", here, ":data/there.bin", "+", "cp", ":/data/there.bin", back)
    assert back.read_bytes() == here.read_bytes() == (board.flash / "data" / "there.bin").read_bytes()
    assert "5120 there.bin" in board.mpremote("ls", ":data")
    board.mpremote("rm", "-r", ":data")
    assert "data" not in board.mpremote("ls")


def test_the_host_is_out_of_reach(board):
    root = board.mpremote("exec", "import os; print(os.getcwd(), os.listdir('/'))")
    assert root.strip() == "/ []"
    assert "ENOENT" in board.mpremote("exec", "open('/etc/passwd')", fails=True)


def test_space_is_that_of_a_small_flash(make):
    board = make(state={"flash": str(20 * 4096)}, files={"some": "x" * 5000})
    assert board.mpremote("exec", "import os; print(os.statvfs('/')[:5])").strip() == "(4096, 4096, 20, 18, 18)"


def test_run_and_exec(board, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint('hello from', sys.path)\n")
    assert board.mpremote("run", program).strip() == "hello from ['', '.frozen', '/lib']"
    assert board.mpremote("exec", "print(6 * 7)").strip() == "42"
    assert "ZeroDivisionError" in board.mpremote("exec", "1 / 0", fails=True)


def test_a_folder_of_the_host_can_be_mounted(board, tmp_path):
    (tmp_path / "there.py").write_text("ANSWER = 10\n")
    os.utime(tmp_path / "there.py", (0x03030303, 0x03030303))  # in the answers, a Ctrl-C is a byte like any other
    assert board.mpremote("mount", tmp_path, "exec", "import there; print(there.ANSWER)").split()[-1] == "10"
    board.mpremote("exec", "--no-follow", "while True: pass")
    assert board.mpremote("resume", "exec", "print('got in')").strip() == "got in"


# -- memory


def test_the_heap_is_that_of_the_board_it_plays(make):
    free = {}
    for name in ("virtual", "rpi_pico_w"):
        free[name] = int(make(board=name).mpremote("exec", "import gc; gc.collect(); print(gc.mem_free())"))
        assert 0.95 < free[name] / boards.constant(name, "HEAP") < 1.05
    assert free["rpi_pico_w"] < free["virtual"]


# -- starting


def test_boot_and_main_run_in_order(make):
    board = make(files={"boot.py": "x = 1; print('boot', __name__)", "main.py": "print('main', x)"})
    board.shows("main 1")
    shown = [line for line in board.lines if "boot" in line or "main" in line]
    assert "boot __main__" in shown[0] and "main 1" in shown[1]
    with serial.Serial(board.port, timeout=LIMIT) as line:
        line.write(b"print(x + 1)\r")
        says(line, b"\r\n2\r\n>>> ")


def test_main_does_not_run_after_a_failed_boot(make):
    board = make(files={"boot.py": "raise OSError(5)", "main.py": "open('ran', 'w').close()"})
    board.shows("OSError: [Errno 5] EIO")
    assert board.mpremote("ls").split() == ["ls", ":", "16", "boot.py", "24", "main.py"]


def test_ctrl_d_runs_boot_and_main_again(make):
    board = make(files={"main.py": "import machine; print('cause', machine.reset_cause() == machine.SOFT_RESET)"})
    board.shows("cause False")
    with serial.Serial(board.port, timeout=LIMIT) as line:
        line.write(b"\x04")
        says(line, b"MPY: soft reboot\r\n")
        says(line, b"cause True\r\n")
        says(line, b">>> ")
    board.shows("cause True")


def test_the_raw_repls_soft_reset_runs_boot_alone(make):
    board = make(files={"boot.py": "print('boot')", "main.py": LOOP})
    board.shows("main runs")
    assert board.mpremote("soft-reset", "exec", "print(3)").strip() == "3"
    board.shows("boot", 2)
    assert sum("main runs" in line for line in board.lines) == 1


def test_ctrl_c_ends_main_and_leaves_the_prompt(make):
    board = make(files={"main.py": LOOP})
    board.shows("main runs")
    with serial.Serial(board.port, timeout=LIMIT) as line:
        line.write(b"\x03")
        said = says(line, b"KeyboardInterrupt: \r\n")
        assert b'File "main.py", line ' in said and b"_boot" not in said
        says(line, b">>> ")
        line.write(b"print(time.__name__)\r")
        says(line, b"\r\ntime\r\n")


def test_ctrl_c_at_the_prompt_is_a_character(board, line):
    line.write(b"\r")
    says(line, b"\r\n>>> ")
    line.write(b"print('never')\x03")
    says(line, b"print('never')\r\n>>> ")
    line.write(b"print(1)\r")
    says(line, b"print(1)\r\n1\r\n>>> ")


def test_mpremote_interrupts_a_busy_main(make):
    board = make(files={"main.py": "print('busy')\nwhile True:\n    pass\n"})
    board.shows("busy")
    assert board.mpremote("exec", "print('got in')").strip() == "got in"


def test_ctrl_c_ends_what_mpremote_has_started(board):
    board.mpremote("exec", "--no-follow", "while True: pass")
    assert board.mpremote("resume", "exec", "print('got in')").strip() == "got in"


def test_sys_exit_in_main_is_a_soft_reset(make):
    board = make(files={"main.py": "import machine, sys\nif machine.reset_cause() == 1:\n    sys.exit()\n"})
    board.shows("soft reset")
    assert board.mpremote("exec", "print('alive')").strip() == "alive"


def test_typing_before_the_program_is_there_is_not_lost(board, line):
    line.write(b"\x04")
    says(line, b"soft reboot\r\n")
    line.write(b"print(7 * 6)\r")
    says(line, b"\r\n42\r\n")


# -- hard resets


def test_a_hard_reset_kills_whatever_runs(make):
    board = make(files={"main.py": "import machine\nprint('cause', machine.reset_cause())\nwhile True:\n    pass\n"})
    board.shows("cause 1")
    board.type("reset")
    board.shows("cause 2")
    assert board.mpremote("exec", "print('alive')").strip() == "alive"


def test_a_program_can_reset_the_board(make):
    board = make(files={"boot.py": "print('boot')"})
    board.shows("boot")
    board.mpremote("reset")
    board.shows("boot", 3)  # the second is mpremote's soft reset
    board.shows("reset: hard")


def test_the_watchdog_bites(make):
    program = "import machine\nprint('cause', machine.reset_cause())\nmachine.WDT(timeout=200)\nwhile True:\n    pass\n"
    board = make(files={"main.py": program})
    board.shows("cause 3")


# -- what can't be


def test_what_can_not_be_a_board_is_named(micropython, tmp_path):
    broken = tmp_path / "micropython"
    broken.write_text('#!/bin/sh\n[ "$1" = -c ] && echo micropython 1.28.0 || exit 3\n')
    broken.chmod(0o755)
    for settings, why in (
        ({"BOARD": "nix"}, "BOARD=nix: there is no such board, but esp32, "),
        ({"MICROPYTHON": "/no/such"}, "MICROPYTHON=/no/such: not a MicroPython"),
        ({"MICROPYTHON": str(broken)}, "the program ended before it had started (exit code 3)"),
    ):
        argv = [sys.executable, "-m", "tools.virtual_board", str(tmp_path / "board")]
        with Child(argv, {**os.environ, "PYTHONPATH": str(ROOT), "BOARD": "virtual", **settings}, text=None) as child:
            assert child.wait() == 1
            assert why in child.lines[-1]


def test_a_folder_holds_one_board(board):
    argv = [sys.executable, "-m", "tools.virtual_board", str(board.folder)]
    with Child(argv, {**os.environ, "PYTHONPATH": str(ROOT)}, text=None) as second:
        assert second.wait() == 1
        assert "is running already" in second.lines[-1]


def test_ctrl_c_at_its_terminal_is_not_for_its_program(board):
    """A terminal sends it to all of a process group: the program, the parent of this shell, leads one of its own."""
    assert board.mpremote("exec", "import os; print(os.system('kill -s 0 -- -$PPID'))").strip() == "0"


def test_its_terminal_obeys(board):
    board.type("temperature 40.5")
    board.shows("temperature: 40.5")
    for count, bad in enumerate(("dance", "wifi", "wifi maybe", "temperature warm", "rssi -5.5", "reset now"), 1):
        board.type(bad)
        board.shows("no such command; there are: wifi on|off", count)
    board.type("quit")
    assert board.wait() == 0


# -- the network


def test_without_wifi_there_is_no_address(board):
    board.type("wifi off")
    board.shows("wifi: off")
    for host in ("127.0.0.1", "localhost"):
        said = board.mpremote("exec", f"import socket; socket.getaddrinfo('{host}', 80)", fails=True)
        assert "OSError: -2" in said


def test_a_refused_connection_ends(board, free_port):
    program = f"""
import socket
s = socket.socket()
s.connect(socket.getaddrinfo('127.0.0.1', {free_port})[0][-1])
print(s.read(1))"""
    assert "ECONNRESET" in board.mpremote("exec", program, fails=True)


def test_data_waits_while_the_radio_is_off(board, line):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT)
        line.write(b"import socket; s = socket.socket()\r")
        line.write(b"s.connect(socket.getaddrinfo('127.0.0.1', %d)[0][-1])\r" % server.getsockname()[1])
        there, _ = server.accept()
        with there:
            there.settimeout(LIMIT)
            line.write(b"s.write(b'one')\r")
            assert there.recv(10) == b"one"
            board.type("wifi off")
            board.shows("wifi: off")
            line.write(b"print('sent', s.write(b'two'))\r")
            says(line, b"sent 3")
            there.setblocking(False)
            with pytest.raises(BlockingIOError):
                there.recv(10)
            there.settimeout(LIMIT)
            board.type("wifi on")
            assert there.recv(10) == b"two"
            there.sendall(b"answer")
            line.write(b"print(s.read(6))\r")
            says(line, b"b'answer'")
            line.write(b"s.close()\r")
            assert there.recv(10) == b""


def test_a_radio_that_is_switched_off_ends_all_connections(board, line):
    """As on a board; and the other side is told nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT)
        line.write(b"import network, socket; s = socket.socket(); w = network.WLAN(); w.active(True)\r")
        line.write(b"s.connect(socket.getaddrinfo('127.0.0.1', %d)[0][-1])\r" % server.getsockname()[1])
        there, _ = server.accept()
        with there:
            line.write(b"w.active(False); print(s.read(1))\r")
            says(line, b"ECONNRESET")
            there.setblocking(False)
            with pytest.raises(BlockingIOError):
                there.recv(10)
