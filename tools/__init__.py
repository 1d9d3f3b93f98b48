"""What runs on the host around the module: finders, the build, the tests' runner, the demo.

Ctrl-C ends each of them in a line, not in a traceback.
"""

import sys


def excepthook(kind, error, trace):
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = excepthook
