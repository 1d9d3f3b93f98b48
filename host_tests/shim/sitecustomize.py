"""Runs when a CPython child starts with this folder on PYTHONPATH: completes the modules that no file can shadow."""

import os
import sys

if os.environ.get("COVERAGE_PROCESS_START"):
    import coverage

    coverage.process_startup()

import _shim
import _shim_builtins
import _shim_poll
import _shim_time

_shim_time.install()
_shim_poll.install()
_shim_builtins.install()

# `machine`, `network` and `ntptime` are the virtual board's.
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(_shim.FOLDER)), "tools", "virtual"))

_shim.real("sitecustomize")  # the machine's own one, which this file hides
