"""`make test`: the parts that tests need, the size budget, pytest, and the coverage of lib/mqtt by the CPython runs.

`python -m tools.runtests [arguments for pytest]`; with arguments, coverage is neither measured nor demanded. With
`--second` alone, the client's tests run on the second edition (`make test-next`).
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import micropython, mosquitto, size

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
COVERAGE = BUILD / "coverage"
GOAL = 95  # percent of the lines of lib/mqtt
INTERRUPTED = 2  # pytest's exit code


def parts():
    """Find, or get, what the tests run against, and say what it is."""
    try:
        broker = mosquitto.find().argv[0]
        path = micropython.find()
    except (ValueError, mosquitto.NotFound) as error:
        sys.exit(str(error))
    print("mosquitto:  ", broker)
    print("micropython:", f"{path} ({micropython.version(path)})" if path else "none for this machine: CPython alone")


def python(*arguments, **variables):
    """Run a Python module in the project's folder; its exit code. A Ctrl-C it hears itself, and cleans up."""
    environment = {**os.environ, **variables}
    with subprocess.Popen([sys.executable, "-m", "tools", *arguments], cwd=ROOT, env=environment) as child:
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return child.wait()


# Most tests wait for other processes most of the time.
TOGETHER = ["--numprocesses", str((os.cpu_count() or 1) + 1), "--dist", "worksteal"]


def pytest(arguments):
    """True if all tests pass. Coverage goes on in pytest's process and in every Python that a test starts."""
    if arguments:
        return passes(arguments)
    shutil.rmtree(COVERAGE, ignore_errors=True)
    COVERAGE.mkdir(parents=True)
    return passes(TOGETHER, COVERAGE_PROCESS_START=str(ROOT / "pyproject.toml"), COVERAGE_ROOT=str(ROOT))


def passes(arguments, **variables):
    """True if pytest passes with these arguments."""
    variables |= {"HYPOTHESIS_STORAGE_DIRECTORY": str(BUILD / "hypothesis")}
    code = python("pytest", *arguments, **variables)
    if code == INTERRUPTED:
        sys.exit("interrupted")
    return code == 0


def covered():
    """Print which lines of lib/mqtt no test ran; True if the goal is reached."""
    # Tests kill processes: one may leave a file that cannot be read. What counts is what the report says.
    python("coverage", "combine", "--quiet", COVERAGE_ROOT=str(ROOT))
    return python("coverage", "report", f"--fail-under={GOAL}", COVERAGE_ROOT=str(ROOT)) == 0


def second():
    """Run the client's tests on the second edition of the module, which is in lib/next."""
    parts()
    if not passes([*TOGETHER, "host_tests/client"], MQTT_EDITION="2"):
        sys.exit("failed: tests of the second edition")


def main(arguments):
    sys.stdout.reconfigure(line_buffering=True)  # in order with what the children print
    parts()
    failed = [] if size.check() else ["size budget"]
    if not pytest(arguments):
        failed.append("tests")
    elif not arguments and not covered():
        failed.append(f"coverage of lib/mqtt, {GOAL} % of the lines")
    if failed:
        sys.exit(f"failed: {'; '.join(failed)}")


if __name__ == "__main__":
    second() if sys.argv[1:] == ["--second"] else main(sys.argv[1:])
