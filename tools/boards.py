"""What the host knows of a board: the constants at the top of boards/<board>/board.py, read without running it."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOARDS = ROOT / "boards"


class Unknown(Exception):
    """There is no such board, or it does not say what it must; the text says which there are."""


def source(board, folder=BOARDS):
    """The path of a board's file."""
    path = folder / board / "board.py"
    if not board or not path.exists():
        fault = f"{board}: there is no such board, but" if board else " is missing: it is one of"
        raise Unknown(f"BOARD={fault} {', '.join(known(folder))}")
    return path


def known(folder=BOARDS):
    """The names of all boards."""
    return sorted(found.parent.name for found in folder.glob("*/board.py"))


def constant(board, name, folder=BOARDS):
    """A constant of a board's, such as HEAP (bytes for programs) or PLATFORM (its sys.platform)."""
    path = source(board, folder)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return eval(compile(ast.Expression(node.value), path, "eval"), {"__builtins__": {}})
    raise Unknown(f"BOARD={board}: {path.relative_to(folder.parent)} does not set {name}")
