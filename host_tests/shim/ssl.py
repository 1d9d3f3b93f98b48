"""CPython's `ssl` with MicroPython's `SSLContext`, whose `wrap_socket` makes a stream that behaves as mbedTLS's does.

Everything else is the real module's. This is a module of its own, not the real one completed in place, because the
real one's functions must go on finding the real `SSLContext`.
"""

import sys

import _shim

_own = sys.modules[__name__]
_real = _shim.real("ssl")
sys.modules[__name__] = _own
globals().update({name: value for name, value in vars(_real).items() if not name.startswith("__")})

from _shim_tls import make_context_class  # noqa: E402 - it imports this module

SSLContext = make_context_class(_real)
