"""Brings a board up to date: `python -m tools.deploy <board> <port> [config.json]` (`make deploy BOARD=... PORT=...`).

Builds for the board, looks what is on it, and, if all of it will fit and run there, copies with mpremote what differs,
removes what would hide it, and restarts the board. What an interrupted run has left undone, the next one does.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import serial

from tools import boards, build, ports, size

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "firmware" / "config.json"
BLOCK = 4096  # bytes; the unit in which a board's file system gives space away
PATIENCE = 60  # seconds that a board may take for one step
RESERVE = 4  # blocks: folders, and what the application stores
# What runs on the board: tells what it is and what it has. WANTED are the paths whose contents matter.
INSPECT = """
import gc, json, os, sys
try:
    from hashlib import sha256
except ImportError:
    sha256 = None
def digest(path):
    known = sha256()
    with open(path, "rb") as file:
        while part := file.read(512):
            known.update(part)
    return "".join("%02x" % byte for byte in known.digest())
def look(folder):
    try:
        for name, kind, *_ in os.ilistdir(folder or "/"):
            path = folder + "/" + name
            if kind & 0x4000:
                yield path, -1, ""
            else:
                yield path, os.stat(path)[6], digest(path) if sha256 and path in WANTED else ""
    except OSError:
        pass
gc.collect()
space = os.statvfs("/")
print(json.dumps({"platform": sys.platform, "version": "%d.%d.%d" % sys.implementation[1][:3],
    "mpy": getattr(sys.implementation, "_mpy", 0) & 255, "free": space[0] * space[4],
    "found": [item for folder in FOLDERS for item in look(folder)]}))
"""
FOLDERS = ("", "/lib", "/lib/mqtt", "/mqtt")


class Refused(Exception):
    """The board can't be deployed, or was not to the end; the text says why."""


class Plan(NamedTuple):
    """What is to be done on a board; paths are the board's."""

    copy: list
    before: list  # what comes before that: (command, path)
    blocks: int  # what it takes of the board's space


def check(config):
    """Raise Refused if the configuration is missing or not what the application wants."""
    name = config.relative_to(ROOT) if config.is_relative_to(ROOT) else config
    if not config.exists():
        raise Refused(f"{name}: missing; copy firmware/config.example.json there and fill it in")
    path = os.pathsep.join((str(ROOT / "host_tests" / "shim"), str(ROOT / "lib")))
    argv = [sys.executable, build.FIRMWARE / "config.py", config]
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"{name}:\n{(done.stdout + done.stderr).strip()}")
    cafile = json.loads(config.read_bytes()).get("cafile")
    if cafile and f"/{cafile.lstrip('/')}" not in certificates(config):
        raise Refused(f"{name}: cafile: there is no {cafile} beside it; .der and .pem files there go to the board, too")


def certificates(config):
    """{path on the board: file here} of what lies beside the configuration."""
    found = (path for pattern in ("*.der", "*.pem") for path in config.parent.glob(pattern))
    return {f"/{path.name}": path for path in sorted(found)}


def collect(board, config):
    """Build; {path on the board: file here}, in the order in which they go: main.py is last."""
    folder, _ = build.build(board)
    files = certificates(config) | {"/config.json": config}
    compiled = sorted(folder.rglob("*.mpy"))
    files |= {f"/{path.relative_to(folder).as_posix()}": path for path in compiled}
    return files | {f"/{name}": folder / name for name in build.STARTERS}


def mpremote(port, *arguments, each_line=None):
    """Run mpremote; what it prints. Raises Refused with the reason if it fails, or prints nothing for too long."""
    argv = ports.mpremote("connect", port, *arguments)
    lines = []
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(argv, text=True, errors="replace", **pipes) as run:
        timer = patience(run)
        try:
            for line in run.stdout:
                timer.cancel()
                timer = patience(run)
                lines.append(line.rstrip())
                if each_line:
                    each_line(lines[-1])
        except BaseException:
            run.kill()
            raise
        finally:
            timer.cancel()
    if run.returncode == -signal.SIGKILL:
        raise Refused(f"{port}: the board does not answer any more; try again, or reset it by hand first")
    if run.returncode:
        raise Refused(f"{port}: {next((line for line in reversed(lines) if line), 'mpremote failed')}")
    return "\n".join(lines)


def patience(process):
    """A timer that kills the process: mpremote waits for a board for ever."""
    timer = threading.Timer(PATIENCE, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def inspect(port, files):
    """What a board is and has."""
    setting = f"WANTED = {set(files)!r}\nFOLDERS = {FOLDERS!r}"
    text = mpremote(port, "exec", setting + INSPECT)
    try:
        return json.loads(text[text.index("{") :])
    except ValueError:
        raise Refused(f"{port}: what is there does not answer like MicroPython: {text[-200:]}") from None


def suits(board, port, there, files):
    """Raise Refused if the board is not one that can run these files."""
    platform = boards.constant(board, "PLATFORM")
    if there["platform"] != platform:
        alike = [name for name in boards.known() if boards.constant(name, "PLATFORM") == there["platform"]]
        hint = f": BOARD={' or '.join(alike)}" if alike else ""
        raise Refused(f"BOARD={board} is {platform}, but the board at {port} is {there['platform']}{hint}")
    version = next(path for name, path in files.items() if name.endswith(".mpy")).read_bytes()[1]
    if there["mpy"] != version:
        raise Refused(
            f"the board at {port} has MicroPython {there['version']}, which runs .mpy files of version {there['mpy']}; "
            f"these are of version {version}: make base-firmware installs a MicroPython that runs them"
        )


def hides(path, files):
    """Whether a module on the board would be found before one of ours, or has once been one."""
    folder, _, name = path.rpartition("/")
    stem, _, kind = name.rpartition(".")
    if kind not in ("py", "mpy") or path in files:
        return False
    return folder in ("/mqtt", "/lib/mqtt") or f"/lib/{stem}.mpy" in files


def blocks(number):
    return -(-number // BLOCK)


def compare(there, files):
    """The plan that makes what is there like the files."""
    sizes = {path: number for path, number, _ in there["found"]}
    digests = {path: digest for path, _, digest in there["found"]}
    copy = [p for p, file in files.items() if digests.get(p) != hashlib.sha256(file.read_bytes()).hexdigest()]
    remove = [path for path, number in sizes.items() if number >= 0 and hides(path, files)]
    steps = [("mkdir", folder) for folder in ("/lib", "/lib/mqtt") if folder not in sizes]
    steps += [("rm", path) for path in remove] + [("rmdir", "/mqtt")] * ("/mqtt" in sizes)
    needed = [blocks(files[path].stat().st_size) for path in copy]
    freed = sum(blocks(sizes.get(path, 0)) for path in (*copy, *remove))
    # A file system may keep the old contents of a file until the new ones are complete.
    return Plan(copy, steps, sum(needed) - freed + max(needed, default=0) + RESERVE)


def fits(port, there, plan):
    """Raise Refused if there is too little space."""
    if plan.copy and plan.blocks * BLOCK > there["free"]:
        raise Refused(
            f"the board at {port} has {there['free'] // 1024} KiB of space left, and {plan.blocks * BLOCK // 1024} KiB "
            "are needed: remove files of yours from it (mpremote rm)"
        )


def carry_out(port, plan, files):
    """Do what the plan says, in one run of mpremote, which tells each step as it begins."""
    steps = [(command, f":{path}") for command, path in plan.before]
    steps += [("cp", "-f", files[path], f":{path}") for path in plan.copy]
    done = 0

    def progress(line):
        nonlocal done
        if line.startswith(("cp ", "rm ", "rmdir ", "mkdir ")):
            done += 1
            verb, path = line.split()[0], line.split(":")[-1]
            print(f"  {done:>2}/{len(steps)} {verb:<5} {path}", flush=True)

    chained = [word for step in steps for word in (*step, "+")]
    mpremote(port, "resume", *chained, each_line=progress)


def restart(port):
    """Soft reset: Ctrl-D at the prompt; boot.py and main.py run."""
    with serial.Serial(port, 115200, timeout=5) as line:
        line.write(b"\r\x03\x02\x04")
        if not line.read_until(b"soft reboot").endswith(b"soft reboot"):
            raise Refused(f"{port}: the board does not restart; reset it by hand")


def deploy(board, port, config):
    check(config)
    files = collect(board, config)
    print(f"build/{board}: {len(files)} files, {sum(path.stat().st_size for path in files.values())} bytes")
    there = inspect(port, files)
    print(f"{port}: MicroPython {there['version']} for {there['platform']}, {there['free'] // 1024} KiB free")
    try:
        suits(board, port, there, files)
        plan = compare(there, files)
        fits(port, there, plan)
    except Refused:
        with contextlib.suppress(Refused):
            restart(port)  # it goes on with what it has
        raise
    print(f"{len(plan.copy)} files to copy, {len(files) - len(plan.copy)} are there")
    if plan.copy or plan.before:
        carry_out(port, plan, files)
    restart(port)
    print("restarted")


def main(board, port, config=CONFIG):
    try:
        boards.source(board)
        with ports.available(port) as found:
            deploy(board, found, Path(config))
        if os.path.exists(found):
            print(f"make repl PORT={found} shows it: Ctrl-C and Ctrl-D there start it once more, Ctrl-] leaves")
    except (Refused, boards.Unknown, ports.NoBoard, size.CompileError, OSError) as error:
        sys.exit(f"not deployed: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: the board may hold some of the new files; make deploy again completes it")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main(*sys.argv[1:])
