"""The packages: what mip and a frozen build take from this checkout, on a virtual board."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness.runtimes import ROOT
from harness.virtual import VirtualBoard

from tools import size

ALL = sorted(path.stem for path in size.SOURCE.glob("*.py"))
OPTIONAL = {"aio", "store", "tls", "umqtt"}  # imported only by who wants them
SESSION = """
import mqtt, time
got = []  # the message, and that it was acknowledged
client = mqtt.createclient()
client.onmessage(lambda message: got.append(message.message), "{name}")
client.connect("{url}", "{name}")
client.subscribe("{name}", 1)
client.publish("{name}", "hello", 1, callback=got.append)
start = time.time()
while len(got) < 2 and time.time() < start + 10:
    client.poll(100)
print(b"hello" in got, mqtt.SUCCESS in got, mqtt.errorstring(mqtt.BAD_QOS), client.lasterror)
client.disconnect()
mqtt.run(client)
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        """Nobody reads it."""


@pytest.fixture
def served():
    """The URL of this checkout, as a code host would serve it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=ROOT)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def board(micropython, tmp_path):
    with VirtualBoard(tmp_path / "board") as made:
        yield made


def imports(board, modules):
    """Import each of the modules after a reset of its own."""
    for module in modules:
        name = "mqtt" if module == "__init__" else f"mqtt.{module}"
        assert board.mpremote("exec", f"import {name}; print('imported')").strip() == "imported"


def installed(board):
    return sorted(path.stem for path in (board.flash / "lib" / "mqtt").iterdir())


@pytest.mark.parametrize("where", ["served", "local"])
def test_the_whole_module(board, served, where):
    package = f"{served}/package.json" if where == "served" else ROOT / "package.json"
    assert "Done" in board.mpremote("mip", "install", package)
    assert installed(board) == ALL
    if where == "served":
        imports(board, ALL)


def test_the_core_alone_is_enough_for_a_session(board, served, broker, name):
    board.mpremote("mip", "install", f"{served}/package-core.json")
    assert installed(board) == sorted(set(ALL) - OPTIONAL)
    imports(board, installed(board))
    said = board.mpremote("exec", SESSION.format(url=broker.url, name=name))
    assert said.startswith("True True a bad QoS")


def test_the_board_itself_can_install_it(board, served):
    board.mpremote("exec", f"import mip; mip.install('{served}/package.json')")
    there = {path.name: path.read_bytes() for path in (board.flash / "lib" / "mqtt").iterdir()}
    assert there == {path.name: path.read_bytes() for path in size.SOURCE.glob("*.py")}
    imports(board, ["__init__"])


def test_both_packages_are_of_one_version_and_name_files_that_exist():
    whole, core = (json.loads((ROOT / f"package{kind}.json").read_text()) for kind in ("", "-core"))
    assert whole["version"] == core["version"]
    assert [pair for pair in core["urls"] if pair not in whole["urls"]] == []


def test_what_manifest_freezes_can_be_imported(board):
    """A frozen build compiles what the manifest names; here it goes onto the board's flash instead of its firmware."""

    def package(name, base_path):
        size.build(ROOT / base_path / name, board.flash / "lib" / name)

    exec((ROOT / "manifest.py").read_text(), {"metadata": lambda **_known: None, "package": package})
    assert installed(board) == ALL
    imports(board, ALL)
