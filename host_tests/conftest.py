"""Fixtures and reports; `harness` says what they are made of."""

from __future__ import annotations

import itertools
import re
import signal

import pytest
from harness import runtimes
from harness.broker import USERS, Mosquitto
from harness.certificates import Certificates
from harness.fake_broker import FakeBroker
from harness.net import free_port as _free_port
from harness.tls_server import TlsBroker, TlsMosquitto
from harness.witness import Witness

RUNTIMES = runtimes.available()
# What holds for one edition of the module alone, see harness.runtimes.
collect_ignore_glob = ["client/test_waiting.py"] if runtimes.SECOND else ["client/test_*second.py"]
# Tests that run over the double of lwIP's sockets as well, see docs/lwip.md.
OVER_LWIP = () if runtimes.SECOND else ("test_publish", "test_connect", "test_disconnect")
names = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption(
        "--network",
        choices=list(runtimes.RUNNERS),
        default="host",
        help="the sockets of scenarios: the host's, or the double of lwIP's over them",
    )


def pytest_report_header():
    if "micropython" in RUNTIMES:
        return "runtimes: cpython (with the shim), micropython (Unix port)"
    return "runtimes: cpython only: NO MICROPYTHON FOR THIS MACHINE, half of the behaviour tests is missing"


def pytest_configure(config):
    if hasattr(config, "workerinput"):  # it ignores Ctrl-C, as would all that it starts: the end of pytest waits for it
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def pytest_generate_tests(metafunc):
    if "runtime" in metafunc.fixturenames:
        networks = [metafunc.config.getoption("network")]
        if metafunc.module.__name__.rpartition(".")[2] in OVER_LWIP and networks == ["host"]:
            networks.append("lwip")
        made = [(name, network) for network in networks for name in RUNTIMES]
        ids = [name if network == "host" else f"{name}-{network}" for name, network in made]
        metafunc.parametrize("runtime", made, ids=ids, indirect=True)


def pytest_collection_modifyitems(config, items):
    if "micropython" not in RUNTIMES:
        missing = [item for item in items if "micropython" in item.fixturenames]
        config.hook.pytest_deselected(items=missing)
        items[:] = [item for item in items if item not in missing]


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["ran"] = dict(runtimes.ran)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    runtimes.ran.update(getattr(node, "workeroutput", {}).get("ran", {}))


def pytest_terminal_summary(terminalreporter):
    counts = ", ".join(f"{runtimes.ran[name]} on {name}" for name in RUNTIMES)
    terminalreporter.write_sep("-", f"scenarios run: {counts}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows what brokers, witnesses and programs said."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            for part in value if isinstance(value, list) else [value]:
                if hasattr(part, "transcript"):
                    report.sections.append((name, part.transcript()))
    return report


class Factory:
    """Makes parts for one test and closes them after it."""

    def __init__(self, make):
        self.make = make
        self.made = []

    def __call__(self, *args, **kwargs):
        part = self.make(*args, **kwargs)
        self.made.append(part)
        return part

    def transcript(self) -> str:
        return "\n".join(part.transcript() for part in self.made)


@pytest.fixture
def runtime(request):
    name, network = request.param
    made = RUNTIMES[name]()
    made.network = network
    yield made
    made.close()


@pytest.fixture
def lwip(runtime):
    """`runtime`, whose scenarios run over the double of lwIP's sockets."""
    runtime.network = "lwip"
    return runtime


@pytest.fixture
def micropython():
    """The Unix port alone, for what only it can show: a factory, `micropython(heap="42k", lib=folder)`."""
    factory = Factory(RUNTIMES["micropython"])
    yield factory
    for made in factory.made:
        made.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """A mosquitto for the whole session: no authentication, unlimited queues. Use `name` for topics and client ids."""
    with Mosquitto(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture(scope="session")
def broker_auth(tmp_path_factory):
    """A mosquitto that wants a user of USERS."""
    with Mosquitto(tmp_path_factory.mktemp("broker_auth"), users=USERS) as made:
        yield made


@pytest.fixture
def private_broker(tmp_path):
    """A factory of mosquittos of this test's own; arguments as for Mosquitto, without the folder."""
    factory = Factory(lambda **options: Mosquitto(tmp_path / f"mosquitto{len(factory.made)}", **options))
    yield factory
    for made in factory.made:
        made.kill()


@pytest.fixture
def fake_broker():
    """A factory: `fake_broker(script, ...)`. After the test all scripts must have ended without an error."""
    factory = Factory(FakeBroker)
    yield factory
    for made in factory.made:
        made.close()
    for made in factory.made:
        made.check()


@pytest.fixture
def witness():
    """A factory: `witness(port)`."""
    factory = Factory(Witness)
    yield factory
    for made in factory.made:
        made.close()


@pytest.fixture
def free_port():
    return _free_port()


@pytest.fixture
def name(request) -> str:
    """A name of this test's own, for topics and client ids on a shared broker."""
    return f"{re.sub(r'[^a-zA-Z0-9]+', '-', request.node.name)[:60]}-{next(names)}"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Certificates made for this run, see harness.certificates."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def tls_broker(tmp_path_factory, certificates):
    """A mosquitto for the whole session with TLS listeners: `tls_url(kind)`."""
    with TlsMosquitto(tmp_path_factory.mktemp("tls_broker"), certificates) as made:
        yield made


@pytest.fixture
def tls_server():
    """As `fake_broker`, behind TLS: `tls_server(script, identity=certificates.server)`."""
    factory = Factory(TlsBroker)
    yield factory
    for made in factory.made:
        made.close()
    for made in factory.made:
        made.check()
