"""CPython's `socket`, whose sockets are MicroPython streams as well: `readinto`, `read`, `readline`, `write`."""

import _shim
import _shim_stream

_shim_stream.install(_shim.real("socket"))
