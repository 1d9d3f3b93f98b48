"""Builds what a board gets, file by file as on the board, in build/<board>: `python -m tools.build <board>`.

boot.py and main.py stay as they are; everything else is compiled into lib.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from tools import boards, size

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
FIRMWARE = ROOT / "firmware"
STARTERS = ("boot.py", "main.py")  # MicroPython looks for these as source


def modules(board):
    """The source files that become modules in the board's lib, beside mqtt."""
    yield from sorted(path for path in FIRMWARE.glob("*.py") if path.name not in STARTERS)
    yield boards.source(board)
    family = boards.BOARDS / f"board_{boards.constant(board, 'PLATFORM')}.py"
    yield from (path for path in (boards.BOARDS / "wifi.py", family) if path.exists())


def build(board):
    """Build for a board: (folder, {path on the board: (bytes of source, bytes there)})."""
    target = BUILD / board
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as work:
        sources, made = Path(work, "lib"), Path(work, "made")
        sources.mkdir()
        for module in modules(board):
            shutil.copy(module, sources)
        sizes = {f"lib/{name}.mpy": both for name, both in size.build(sources, made / "lib").items()}
        mqtt = size.build(target=made / "lib" / "mqtt")
        sizes |= {f"lib/mqtt/{name}.mpy": both for name, both in mqtt.items()}
        for name in STARTERS:
            shutil.copy(FIRMWARE / name, made)
            sizes[name] = (made.joinpath(name).stat().st_size,) * 2
        publish(made, target, sizes)
    return target, sizes


def publish(made, target, names):
    """Make the target hold just these files, each moved in one step: another deployment may be reading or building."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).replace(target / name)
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(target).as_posix() not in names:
            path.unlink(missing_ok=True)


def table(board, sizes):
    yield f"{'build/' + board:<28}{'source':>8}{'there':>8}"
    for name, (before, after) in sorted(sizes.items()):
        yield f"{name:<28}{before:>8}{after:>8}"
    yield f"{'sum':<28}{sum(b for b, _ in sizes.values()):>8}{sum(a for _, a in sizes.values()):>8}"


def main(board):
    try:
        print("\n".join(table(board, build(board)[1])))
    except (boards.Unknown, size.CompileError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
