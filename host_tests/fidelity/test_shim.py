"""The shim is as MicroPython is: each program in `fidelity/` prints on both runtimes what stands in its .exp file."""

import base64
import datetime
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from fidelity import peer

from tools.micropython import find

HERE = Path(__file__).parent
LIMIT = 60
DAY = datetime.timedelta(days=1)


def cpython():
    return [sys.executable], {"PYTHONPATH": str(HERE.parent / "shim")}


def unix_port():
    return [find(), "-X", "heapsize=16M"], {"MICROPYPATH": ".frozen"}


RUNTIMES = [cpython, unix_port] if find() else [cpython]
both = pytest.mark.parametrize("vm", RUNTIMES)


def run(runtime, program, env=(), **arguments):
    command, own_env = runtime()
    command += [HERE / program, *(f"{name}={value}" for name, value in arguments.items())]
    child = subprocess.run(
        command, env={**os.environ, **own_env, **dict(env)}, capture_output=True, text=True, timeout=LIMIT
    )
    assert not child.stderr, child.stdout + child.stderr
    assert child.returncode == 0, child.stdout
    return child.stdout


def expected(program, suffix=".exp"):
    return (HERE / program).with_suffix(suffix).read_text()


def der(blob):
    return base64.b64decode(b"".join(blob.bytes().splitlines()[1:-1]))


class Certificates:
    """A CA, another one, and what they signed; the files that programs read are in `folder`."""

    def __init__(self, folder):
        self.folder = folder
        self.ca, self.other = trustme.CA(), trustme.CA()
        self.server = self.ca.issue_cert("localhost")
        now = datetime.datetime.now(datetime.timezone.utc)
        self.expired = self.ca.issue_cert("localhost", not_before=now - 9 * DAY, not_after=now - 3 * DAY)
        self.future = self.ca.issue_cert("localhost", not_before=now + 3 * DAY, not_after=now + 9 * DAY)
        self.write("ca.der", der(self.ca.cert_pem))
        self.write("other.der", der(self.other.cert_pem))
        intermediate = self.ca.create_child_ca()
        self.chained = intermediate.issue_cert("localhost")
        self.write("intermediate.der", der(intermediate.cert_pem))
        self.client("client", self.ca)
        self.client("rsa", self.ca, key_type=trustme.KeyType.RSA)
        self.client("leaf", intermediate)
        self.client("stranger", self.other)

    def write(self, name, content):
        (self.folder / name).write_bytes(content)

    def client(self, name, ca, **options):
        """Its key in the traditional form (SEC1, PKCS#1) and in PKCS#8."""
        certificate = ca.issue_cert("client@example.org", **options)
        self.write(f"{name}.der", der(certificate.cert_chain_pems[0]))
        key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
        for suffix, form in (("key", PrivateFormat.TraditionalOpenSSL), ("pkcs8", PrivateFormat.PKCS8)):
            self.write(f"{name}.{suffix}.der", key.private_bytes(Encoding.DER, form, NoEncryption()))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def ports():
    """The peers that a program may ask for, by name, each on its own port."""
    with ExitStack() as stack:
        keeper, refused = peer.unused_port()
        stack.enter_context(keeper)
        yield {"plain": stack.enter_context(peer.Peer()).port, "refused": refused}


@pytest.fixture
def tls_ports(certificates):
    greetings = {
        "tls": peer.tls(certificates.server),
        "mutual": peer.tls(certificates.server, client_ca=certificates.ca),
        "chained": peer.tls(certificates.chained),
        "expired": peer.tls(certificates.expired),
        "future": peer.tls(certificates.future),
        "not_tls": peer.not_tls,
        "hang_up": peer.hang_up,
        "reset": peer.reset_at_hello,
    }
    with ExitStack() as stack:
        ports = {name: stack.enter_context(peer.Peer(greet)).port for name, greet in greetings.items()}
        yield {"folder": certificates.folder, **ports}


@both
@pytest.mark.parametrize(
    "program",
    ["connecting.py", "reading.py", "writing.py", "polling.py", "waiting.py", "ticks.py", "buffers.py", "modules.py"],
)
def test_prints_the_same(vm, program, ports):
    assert run(vm, program, **ports) == expected(program)


@both
@pytest.mark.parametrize("program", ["tls_talking.py", "tls_failing.py", "tls_keys.py", "tls_waiting.py"])
def test_tls_prints_the_same(vm, program, tls_ports):
    assert run(vm, program, **tls_ports) == expected(program)


@both
def test_tls_write_that_would_block_and_is_repeated_arrives(vm, tls_ports):
    assert run(vm, "tls_would_block.py", misuse="no", **tls_ports) == expected("tls_would_block.py")


@both
def test_tls_write_of_other_bytes_is_lost_by_micropython_and_refused_by_the_shim(vm, tls_ports):
    printed = run(vm, "tls_would_block.py", misuse="yes", **tls_ports).splitlines()[-1]
    assert printed == ("AssertionError: True" if vm is cpython else "arrived: False")


@both
def test_known_differences(vm):
    assert run(vm, "differences.py") == expected("differences.py", f".{vm.__name__}.exp")


def test_the_standard_library_goes_on_working(ports, tls_ports):
    assert run(cpython, "standard.py", **ports, **tls_ports) == expected("standard.py")


def test_ticks_wrap_where_a_test_wants_them_to():
    assert run(cpython, "ticks_wrap.py", env={"SHIM_TICKS_START": str(2**30 - 20)}) == expected("ticks_wrap.py")


def test_network_and_machine_stand_in_for_a_board():
    assert run(cpython, "board.py") == expected("board.py")
