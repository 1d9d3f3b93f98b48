"""CPython's `asyncio`, completed with what MicroPython's has beyond it."""

import sys

import _shim

_asyncio = _shim.real("asyncio")

import _shim_asyncio  # noqa: E402 - it imports the real one

_shim_asyncio.install(_asyncio, sys.modules)
