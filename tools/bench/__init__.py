"""`make bench`: rates, exact counts and sizes of this module beside others; `python -m tools.bench --help`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).with_name("programs")
FOLDER = ROOT / "build" / "bench"

# The broker that the tests start is the one to measure with, too.
sys.path.append(str(ROOT / "host_tests"))
