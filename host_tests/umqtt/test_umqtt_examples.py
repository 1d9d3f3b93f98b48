"""Programs as they are written for umqtt.simple and umqtt.robust: with those, and with the import changed for ours."""

import shutil
from pathlib import Path

import pytest
from harness import runtimes
from harness.net import HOST
from harness.umqtt import original, robust

EXAMPLES = Path(__file__).parent / "scenarios" / "umqtt_examples"
OURS = {
    "from umqtt.simple import MQTTClient": "from mqtt.umqtt import MQTTClient",
    # The robust one is asked for where the client is made.
    "from umqtt.robust import MQTTClient": "from mqtt.umqtt import MQTTClient",
    "c = MQTTClient(client_id, server, int(port))\nc.DELAY = 0.1": (
        'c = MQTTClient(client_id, server, int(port), reconnect={"min": 0.1, "max": 0.1})'
    ),
}


def ported(text):
    """A program's text for `mqtt.umqtt`."""
    for theirs, ours in OURS.items():
        text = text.replace(theirs, ours)
    assert "umqtt.simple" not in text and "umqtt.robust" not in text
    return text


@pytest.fixture(params=["umqtt", *runtimes.available()])
def start(request, micropython, tmp_path):
    """Starts an example: with the real modules, which need MicroPython, or with `mqtt.umqtt` on either runtime."""
    if request.param == "umqtt":
        package = tmp_path / "umqtt"
        package.mkdir()
        shutil.copy(Path(original(), "umqtt", "simple.py"), package)
        shutil.copy(Path(robust(), "umqtt", "robust.py"), package)
        runtime = micropython(lib=tmp_path)
    else:
        runtime = runtimes.available()[request.param]()

    def launch(name, *arguments):
        program = tmp_path / f"{name}.py"
        text = (EXAMPLES / program.name).read_text()
        program.write_text(text if request.param == "umqtt" else ported(text))
        return runtime.launch(program, *arguments)

    yield launch
    runtime.close()


def test_pub(start, broker, witness, name):
    seen = witness(broker.port).subscribe(f"{name}/#")
    start("pub", HOST, str(broker.port), name).finish()
    assert [(m.topic, m.message, m.qos) for m in seen.wait(2)] == [
        (f"{name}/button", b"pressed", 0),
        (f"{name}/presses", b"1", 1),
    ]


def test_sub(start, broker, witness, name):
    other = witness(broker.port).subscribe(f"{name}/gone")
    program = start("sub", HOST, str(broker.port), name)
    program.expect_line("subscribed")
    texts = [b"\xff\0", b"", b"x" * 1000, b"stop"]
    for qos, text in enumerate(texts):
        other.publish(f"{name}/{qos}", text, qos % 2)
    program.finish()
    assert list(program.lines) == ["subscribed", *[f"{name}/{i} {text}" for i, text in enumerate(texts)], "end"]
    assert other.fence(f"{name}/gone") == []


def test_led(start, broker, witness, name):
    other = witness(broker.port).subscribe(f"{name}/state")
    program = start("led", HOST, str(broker.port), name)
    program.expect_line("ready")
    for command in ("on", "toggle", "toggle", "nonsense", "off"):
        other.publish(f"{name}/set", command)
    assert [m.message for m in other.wait(5)] == [b"on", b"off", b"on", b"on", b"off"]
    other.publish(f"{name}/set", "quit")
    program.finish()
    assert list(program.lines) == ["ready", "blinked"]


def test_robust(start, private_broker, witness, name):
    """The broker is restarted twice; it keeps the session, and what is sent meanwhile comes later."""
    broker = private_broker(persistence=True)
    program = start("robust", HOST, str(broker.port), name)
    program.expect_line("ready")
    for number in range(1, 4):
        other = witness(broker.port).subscribe(f"{name}/out")
        other.publish(f"{name}/in", f"message {number}", 1)
        assert other.wait(1)[0].message == b"%d" % number
        program.expect_line(f"published {number}")
        if number < 3:
            broker.restart()
    program.finish()
    got = [line for line in program.lines if "/in" in line]
    assert got == [f"{number} {name}/in {f'message {number}'.encode()}" for number in range(1, 4)]
