"""Finds mosquitto, the broker of the tests and the demo, or gets it: `python -m tools.mosquitto` prints its command.

It is `$MOSQUITTO`, else the one on PATH or in an sbin folder, else the one unpacked into `build/tools/mosquitto`
before. Where there is none, Debian and Ubuntu supply it: to root by `apt-get install`, to others by unpacking
the package and the libraries it needs into that folder, which takes no rights at all.
"""

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent.parent / "build" / "tools"
UNPACKED = FOLDER / "mosquitto"
SBIN = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
HOW = (
    "mosquitto is needed. Debian, Ubuntu: apt-get install mosquitto; Fedora: dnf install mosquitto; "
    "macOS: brew install mosquitto; or set MOSQUITTO to the path of one."
)


class Mosquitto(NamedTuple):
    """What starts it: the beginning of a command, and what to add to the environment."""

    argv: list
    env: dict


class NotFound(Exception):
    """There is no mosquitto, and it could not be got; the text says how to get it."""


def find():
    """A mosquitto that runs, got first where there is none. NotFound where that fails."""
    named = os.environ.get("MOSQUITTO")
    if named:
        path = shutil.which(named)
        if not path or not runs(Mosquitto([path], {})):
            raise NotFound(f"MOSQUITTO={named}: not a mosquitto that runs")
        return Mosquitto([os.path.abspath(path)], {})
    return present() or get()


def present():
    """The mosquitto that is on this machine, or None."""
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path=os.pathsep.join(SBIN))
    for found in (path and Mosquitto([path], {}), unpacked()):
        if found and runs(found):
            return found
    return None


def unpacked():
    path = UNPACKED / "usr" / "sbin" / "mosquitto"
    libraries = sorted({str(library.parent) for library in UNPACKED.rglob("lib*.so*")})
    return Mosquitto([str(path)], {"LD_LIBRARY_PATH": os.pathsep.join(libraries)}) if path.exists() else None


def runs(found):
    try:
        probe = subprocess.run([*found.argv, "-h"], env={**os.environ, **found.env}, capture_output=True, text=True)
    except OSError:
        return False
    return "mosquitto version" in probe.stdout


def get():
    """Mosquitto from Debian's or Ubuntu's packages."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise NotFound(HOW)
    with locked():
        found = present()  # another make may have got it while this one waited
        for way in (install, unpack):
            if not found and (way is unpack or os.geteuid() == 0):
                attempt(way)
                found = present()
    if not found:
        raise NotFound(HOW)
    return found


@contextlib.contextmanager
def locked():
    """Only one process at a time gets mosquitto for this checkout."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "mosquitto.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def attempt(way):
    try:
        way()
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        say(f"that failed: {said[-1] if said else f'exit code {error.returncode}'}")


def say(text):
    print(f"mosquitto: {text}", file=sys.stderr, flush=True)


def run(*argv, check=True, **more):
    return subprocess.run(argv, check=check, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)


def update(*apt, **more):
    """Fetch the package lists. A source that can't be reached is named, but may not be the one that matters."""
    for line in run(*apt, "update", check=False, **more).stderr.splitlines():
        if line.startswith(("E:", "W: Failed to fetch")):
            return say(line)


def install():
    """As root, for the whole machine. The service that comes with the package is stopped: nobody asked for it."""
    say("installing the package with apt-get")
    options = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    update("apt-get", **options)
    run("apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "mosquitto", **options)
    for command in (("service", "mosquitto", "stop"), ("update-rc.d", "mosquitto", "disable")):
        if shutil.which(command[0]):
            run(*command, check=False)


def unpack():
    """Without root: package lists, packages and the unpacked files all go into the project's own folder."""
    say("unpacking the package into build/tools/mosquitto (without root)")
    with tempfile.TemporaryDirectory(dir=FOLDER) as work:
        lists, cache, packages, root = (Path(work, name) for name in ("lists", "cache", "packages", "root"))
        for folder in (lists / "partial", cache / "archives" / "partial", packages, root):
            folder.mkdir(parents=True)
        private = (f"Dir::State::Lists={lists}", f"Dir::Cache={cache}", "Debug::NoLocking=1")
        apt = ["apt-get", *(word for option in private for word in ("-o", option))]
        update(*apt)
        plan = run(*apt, "install", "--simulate", "--no-install-recommends", "mosquitto").stdout
        missing = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", plan, re.MULTILINE)
        run(*apt, "download", *(f"{name}={version}" for name, version in missing), cwd=packages)
        for package in packages.iterdir():
            run("dpkg", "-x", str(package), str(root))
        shutil.rmtree(UNPACKED, ignore_errors=True)
        root.rename(UNPACKED)


def main():
    try:
        found = find()
    except NotFound as error:
        sys.exit(str(error))
    setting = ["env", *(f"{name}={value}" for name, value in found.env.items())] if found.env else []
    print(shlex.join([*setting, *found.argv]))


if __name__ == "__main__":
    main()
