# Runs one scenario as host_tests/scenarios/run.py does, over the double of lwIP's sockets. At the end it prints what
# the double has counted, as JSON after "LWIP ".
import asyncio  # noqa: F401 - the standard library of CPython gets the host's sockets
import json
import ssl  # noqa: F401
import sys

sys.path.insert(1, __file__.rpartition("/")[0] + "/../scenarios")

import lwip_socket
from lwip_stack import stack

lwip_socket.install()
try:
    import run  # noqa: F401
finally:
    stack.drain()
    print("LWIP " + json.dumps(stack.counts))
