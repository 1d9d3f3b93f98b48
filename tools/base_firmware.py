"""Stock MicroPython onto an empty board, with mpflash: `python -m tools.base_firmware <mpflash> <board> <port>`.

It needs a board, so no test runs it to its end. What it installs is the newest stable version.
"""

import os
import subprocess
import sys

from tools import boards, build, ports


def commands(mpflash, board, port):
    """The two commands: fetch the firmware, and put it onto the board."""
    name = boards.constant(board, "FIRMWARE")
    if not name:
        real = [each for each in boards.known() if boards.constant(each, "FIRMWARE")]
        raise boards.Unknown(f"BOARD={board}: there is no firmware for that, but for {', '.join(real)}")
    # A Pico W that waits for firmware is a drive, and has no port.
    where = ["--serial", port] if port else []
    yield [mpflash, "download", "--board", name, "--version", "stable"]
    yield [mpflash, "flash", "--board", name, "--version", "stable", *where]


def main(mpflash, board, port=""):
    folder = build.BUILD / "firmware"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for command in commands(mpflash, board, ports.find(port) if port == "auto" else port):
            print("$", *command, flush=True)
            if subprocess.run(command, env={**os.environ, "MPFLASH_FIRMWARE": str(folder)}).returncode:
                sys.exit("the board has no new firmware: see above")
    except (boards.Unknown, ports.NoBoard) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
