"""`python -m tools <module> [arguments]`: runs somebody else's module so that Ctrl-C ends it in a line, as our own."""

import runpy
import sys

if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
