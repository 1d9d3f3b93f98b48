"""The example of the README, run as it stands there, with another address."""

import re

from harness.runtimes import ROOT

ADDRESS = "tcp://192.168.1.10:1883"


def test_the_example(runtime, broker, witness, tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example.count("\n") == 20 and example.count(ADDRESS) == 1
    program = tmp_path / "example.py"
    program.write_text(example.replace(ADDRESS, broker.url))
    seen = witness(broker.port).subscribe("kitchen/temperature")
    child = runtime.launch(program)
    child.expect_line("connected")
    ((message, qos),) = [(m.message, m.qos) for m in seen.wait(1)]
    assert (message, qos) == (b"21.5", 2)
    for command in ("hello", "stop"):
        seen.publish("kitchen/command", command, 1)
        child.expect_line(f"kitchen/command: b'{command}'")
    child.finish()
