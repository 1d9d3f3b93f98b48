"""A board without hardware: MicroPython's Unix port, with a serial port, files, resets, and sensors of its own.

`python -m tools.virtual_board [folder]` (`make board`) starts one; the folder (build/virtual_board) keeps what a
board's flash keeps. Its port is a pseudo-terminal: mpremote, and any terminal program, talks to it as to a board.
BOARD=rpi_pico_w gives it the memory of that board. It obeys lines on its standard input, see COMMANDS.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools import boards, micropython
from tools.virtual_network import Relay
from tools.virtual_port import Console, Terminal

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "virtual_board"
HARDWARE = ROOT / "tools" / "virtual"
ALLOWANCE = 20 * 1024  # bytes of heap that the simulated hardware takes, which a board has outside of it
INTERRUPT = b"\x03"
PR_SET_PDEATHSIG = 1
COMMANDS = "wifi on|off|refused|busy|silent, temperature <degrees C>, rssi <dBm>, reset, quit"
SETTINGS = {"wifi": "on|off|refused|busy|silent", "temperature": r"-?\d+(\.\d+)?", "rssi": r"-?\d+"}  # what they can be


class Unusable(Exception):
    """The virtual board can't be what was asked for; the text says why."""


def running(folder=FOLDER):
    """The port of the virtual board that keeps its files there, or None if none is running."""
    try:
        with open(folder / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.readlink(folder / "port")
    except FileNotFoundError:
        pass
    return None


def be_apart():
    """For the program: a Ctrl-C at our terminal is not for it; and, on Linux, it is killed when its parent ends."""
    os.setpgid(0, 0)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class State:
    """The state folder: what the board's surroundings are and what it shows, a small text file each."""

    SHOWN = ("wifi", "led", "temperature", "rssi")

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.seen = {name: self.get(name) for name in self.SHOWN}

    def get(self, name, default=""):
        try:
            return (self.folder / name).read_text().strip() or default
        except FileNotFoundError:
            return default

    def put(self, name, text):
        """Write a file so that nobody finds it half written."""
        new = self.folder / f".{name}"
        new.write_text(f"{text}\n")
        new.rename(self.folder / name)

    def changes(self):
        """What has another value than at the last call: (name, value)."""
        for name, before in self.seen.items():
            value = self.get(name)
            if value and value != before:
                self.seen[name] = value
                yield name, value


class VirtualBoard:
    """A board in a folder: `flash` holds its files, `state` its surroundings, `port` is a link to its serial port."""

    def __init__(self, folder, board, interpreter):
        self.folder = folder
        self.interpreter = interpreter
        self.heap = boards.constant(board, "HEAP")
        self.began = time.monotonic()
        self.flash = folder / "flash"
        self.flash.mkdir(parents=True, exist_ok=True)
        self.lock = open(folder / "lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unusable(f"the virtual board in {folder} is running already") from None
        self.state = State(folder / "state")
        self.relay = Relay(self.notice)
        self.offs = self.state.get("radio")
        self.port = Terminal()  # mpremote's
        self.console = Console()  # the program's
        self.vm = self.words = None  # the program, and where it tells how far it is
        self.ready = False  # the program takes input
        self.typed = b""  # input that came before
        self.starting = False  # it runs boot.py or main.py
        self.exiting = False  # it has called sys.exit, which is a soft reset
        self.interruptible = True  # Ctrl-C is not a character for it
        self.again_raw = False  # it has to enter the raw REPL, where it was before the soft reset
        self.line = b""  # of output, not yet shown
        self.done = asyncio.Event()
        self.fault = None

    def say(self, text, who="board"):
        print(f"{time.monotonic() - self.began:6.1f} s  {who:<6} {text}", flush=True)

    async def serve(self):
        """Be a board until the command to end."""
        loop = asyncio.get_running_loop()
        self.state.put("relay", await self.relay.start())
        self.notice()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.done.set)
        loop.add_reader(self.port.ours, self.on_typed)
        loop.add_reader(self.console.ours, self.on_output)
        self.start("power")
        link = self.folder / "port"
        link.unlink(missing_ok=True)
        link.symlink_to(self.port.name)
        with contextlib.suppress(PermissionError):  # standard input may be nothing that can be waited for
            loop.add_reader(0, self.on_command)
        watching = asyncio.ensure_future(self.watch())
        self.say(f"its port is {self.port.name}; it has {self.heap // 1024} KiB for programs")
        self.say(f"commands: {COMMANDS}")
        try:
            await self.done.wait()
        finally:
            watching.cancel()
            link.unlink()
            loop.remove_reader(self.words)  # this end is no reset
            self.vm.kill()
            self.vm.wait()
        if self.fault:
            raise Unusable(self.fault)

    # -- surroundings

    async def watch(self):
        """Notice what others write into the state folder, and show what the board does."""
        while True:
            for name, value in self.state.changes():
                self.say(f"{name}: {value}", "state")
            self.notice()
            await asyncio.sleep(0.1)

    def notice(self):
        """Let the network be what the state says; the program counts in it how often it has switched its radio off."""
        offs = self.state.get("radio")
        if offs != self.offs:
            self.offs = offs
            self.relay.drop()
        on = self.state.get("wifi", "on") == "on"
        if on != self.relay.on:
            self.relay.switch(on)

    def on_command(self):
        data = os.read(0, 4096).decode(errors="replace")
        if not data:
            return self.done.set()
        for line in data.splitlines():
            self.obey(*line.split())

    def obey(self, name="", value=None, *more):
        if value and not more and re.fullmatch(SETTINGS.get(name, ""), value):
            self.state.put(name, value)
            self.notice()
        elif (name, value) == ("reset", None):
            self.state.put("reset", "hard")
            self.vm.kill()
        elif (name, value) == ("quit", None):
            self.done.set()
        elif name:
            self.say(f"no such command; there are: {COMMANDS}")

    # -- the program

    def start(self, cause=None, until=None):
        """Start the program; without a cause it has written that itself. How far it goes: see vm/_boot.py."""
        if cause:
            self.state.put("reset", cause)
        self.ready, self.starting, self.again_raw = False, True, self.console.raw
        self.exiting, self.interruptible = False, True
        self.console.begin()
        self.vm = subprocess.Popen(
            [
                self.interpreter,
                "-X",
                f"heapsize={self.heap + ALLOWANCE}",
                "-i",
                HARDWARE / "vm" / "_boot.py",
                self.state.folder,
                self.flash,
                until or ("boot" if self.again_raw else "main"),
            ],
            env={**os.environ, "MICROPYPATH": f"{HARDWARE}:{HARDWARE / 'vm'}:.frozen"},
            stdin=self.console.theirs,
            stdout=self.console.theirs,
            stderr=subprocess.PIPE,
            preexec_fn=be_apart,
        )
        self.words = self.vm.stderr.fileno()
        os.set_blocking(self.words, False)
        asyncio.get_running_loop().add_reader(self.words, self.on_word)

    def on_word(self):
        """The program says how far it is, or, with the end of file, that it has ended."""
        words = self.vm.stderr.read()
        for word in (words or b"").decode(errors="replace").splitlines():
            if word == "@ready":
                self.ready = True
                typed, self.typed = self.typed, b""
                self.pass_on(typed)
            elif word == "@exit":
                self.exiting = True
                self.vm.kill()  # a MicroPython that is a module of CPython does not always hear a SIGTERM
            elif word.startswith("@interrupt "):
                self.interruptible = word.endswith(" 3")
            elif word == "@idle":
                if self.again_raw:
                    self.console.write(b"\x01")
            else:
                self.say(word)
        if words == b"":
            self.ended()

    def ended(self):
        asyncio.get_running_loop().remove_reader(self.words)
        self.vm.stderr.close()
        code = self.vm.wait()
        self.on_output()
        if not self.ready:
            self.fault = f"the program ended before it had started (exit code {code})"
            self.done.set()
        elif code == -signal.SIGINT:  # just when there was nothing to interrupt any more
            self.start(until="prompt")
        elif code < 0 and not self.exiting:
            self.console.raw = False
            self.say(f"reset: {self.state.get('reset')}" if code == -signal.SIGKILL else f"died of signal {-code}")
            self.start()
        else:
            self.say("soft reset")
            self.port.write(b"MPY: soft reboot\r\n")
            self.start("soft")

    def on_typed(self):
        data = self.port.read()
        if self.ready:
            self.on_word()  # what is typed may be the answer to what it did after that
        if self.ready:
            self.pass_on(data)
        else:
            self.typed += data

    def pass_on(self, data):
        """Hand input to the program."""
        if INTERRUPT in data and self.interruptible and self.console.executing():
            os.kill(self.vm.pid, signal.SIGINT)
            data = data.replace(INTERRUPT, b"")
        self.console.write(data)

    def on_output(self):
        """Hand output to the port, with line ends as a board sends them: the raw REPL writes its own."""
        raw = self.console.raw
        while data := self.console.read():
            self.port.write(data if raw else data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
            raw = self.console.raw
            if self.starting:
                self.show(data)

    def show(self, data):
        """Show what boot.py and main.py print, up to the greeting of the prompt after them."""
        *lines, self.line = (self.line + data).split(b"\n")
        for line in lines:
            if line.startswith(b"MicroPython "):
                self.starting, self.line = False, b""
                return
            if text := line.decode(errors="replace").strip():
                self.say(text, "port")


def main(folder=FOLDER):
    board = os.environ.get("BOARD") or "virtual"
    try:
        interpreter = micropython.find()
        if not interpreter:
            raise Unusable("there is no MicroPython for this machine: set MICROPYTHON to the path of one")
        asyncio.run(serve(Path(folder).resolve(), board, interpreter))
    except (Unusable, ValueError, boards.Unknown) as error:
        sys.exit(str(error))


async def serve(folder, board, interpreter):
    await VirtualBoard(folder, board, interpreter).serve()


if __name__ == "__main__":
    main(*sys.argv[1:2])
