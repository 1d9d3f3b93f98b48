"""What the tests are built from.

- `runtimes`: CPython with the shim, and the Unix port of MicroPython. A scenario is a function in `scenarios/`, in the
  subset of Python that MicroPython has; it takes keyword arguments, runs as a child process on either, and reports
  with `kit.emit`. The fixture `runtime` makes a test of each.
- `broker`: a real mosquitto on a free port. `fake_broker`: a script for what a good broker never does.
- `witness`: paho-mqtt, independent of our code. `wire`: a codec of the tests' own, independent of it as well.
- `process`: child processes whose output is read in a thread; every wait has a limit.

The fixtures are in `conftest.py`. A failing test shows what its brokers, witnesses and programs have said.
"""
