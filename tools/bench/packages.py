"""The packages to compare with, from PyPI."""

import shutil
import tempfile
from pathlib import Path

from tools import pypi
from tools.bench import FOLDER

UMQTT = (
    ("micropython-umqtt.simple", "1.3.4", "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"),
)  # fmt: skip
CHUMICRO = (
    ("chumicro-mqtt", "0.30.3", "9752586bb10e29389e5f5c443594ce0b5f2f1343ba9aefb3fc9909e33d234482"),
    ("chumicro-sockets", "0.21.3", "ade59b6045db5bdb03b7992748a8b1111efdda482c165d09bd6e7eb25b34f3b6"),
    ("chumicro-timing", "0.8.4", "f637c0331a30659a77d98828cf3fb9608402204059934e73c916b0f82b33703c"),
)


def folder(packages):
    """A folder with all of these packages (project, version, digest), for MICROPYPATH."""
    parts = [pypi.fetch(*package) for package in packages]
    if len(parts) == 1:
        return parts[0]
    target = FOLDER / "packages" / parts[0].name
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            whole = Path(scratch) / "whole"
            for part in parts:
                shutil.copytree(part, whole, dirs_exist_ok=True)
            whole.rename(target)
    return target
