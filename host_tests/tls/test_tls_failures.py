"""TLS that fails: the result is -1, `lasterror` tells a person what to do, and no credentials have left."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness.proxy import Cut, Proxy, record_ends
from harness.tls_server import take_nothing

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "tls.md"
DATE = re.compile(r"\d{4}-\d\d-\d\d")
PASSWORD = "the word nobody else may see"
TIMEOUT = 1.0
SLACK = 10_000  # ms; for a slow machine
APPLICATION_DATA = 23  # the type of TLS records that hold what was written


def answers_in_clear(conn):
    conn.sock.recv(65536)
    conn.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    conn.wait_closed()


def hangs_up(conn):
    conn.sock.recv(65536)


def silent(conn):
    conn.wait_closed()


def trusting(authority="ca"):
    return lambda c: {"cadata": getattr(c, authority).pem}


def known_as(identity):
    return lambda c: {"cadata": c.ca.pem, "cert": getattr(c, identity).chain, "key": getattr(c, identity).key_pem}


# What fails: (the server, the `ssl` option, where the connection is cut). A server is the name of an identity, a script
# without TLS, or one of those that `reached` knows by name. docs/tls.md has the same names and what is printed.
FAILURES = {
    "signed by an unknown authority": ("server", trusting("other_ca")),
    "an intermediate certificate that the server does not send": ("unchained", trusting()),
    "self-signed": ("self_signed", trusting()),
    "for another host name": ("wrong_host", trusting()),
    "for a name, where the URL has an address": ("name_only", trusting()),
    "expired": ("expired", trusting()),
    "not yet valid": ("future", trusting()),
    "a client certificate is wanted and none is given": ("mutual", trusting()),
    "a client certificate of an authority the server does not know": ("mutual", known_as("stranger")),
    "a server that speaks only TLS 1.3": ("modern", trusting()),
    "a broker's port without TLS": ("plain", trusting()),
    "another server's port without TLS": (answers_in_clear, trusting()),
    "a server that hangs up in the handshake": (hangs_up, trusting()),
    "a server that resets the connection in the handshake": ("ecdsa", trusting(), Cut("down", 300, "rst")),
    "a server that accepts and stays silent": (silent, trusting()),
    "a server that falls silent in the handshake": ("ecdsa", trusting(), Cut("down", 300, "silence")),
}


@pytest.fixture
def reached(broker, tls_broker, tls_server, fake_broker, certificates):
    """Makes a server and returns a lane of a proxy that leads to it."""

    def port_of(server):
        if callable(server):
            return fake_broker(server).port
        if server == "plain":
            return broker.port
        if server in ("mutual", "ecdsa"):
            return tls_broker.tls_port(server)
        modern = server == "modern"
        identity = certificates.server if modern else getattr(certificates, server)
        return tls_server(take_nothing, identity=identity, modern=modern).port

    with ExitStack() as stack:
        yield lambda server, *cuts: stack.enter_context(Proxy(port_of(server))).lane(*cuts)


def records(stream):
    """The types of the TLS records in it."""
    starts = [0, *record_ends(stream)]
    return {stream[at] for at in starts if at < len(stream)}


def documented():
    """The table in docs/tls.md: {failure: what is printed}, without dates."""
    rows = re.findall(r"^\| ([^|`]+) \| `([^`]+)` \|$", DOCUMENT.read_text(), re.MULTILINE)
    return {name: DATE.sub("date", text) for name, text in rows}


@pytest.mark.parametrize("failure", FAILURES)
def test_failure(runtime, reached, certificates, failure):
    server, ssl, *cuts = FAILURES[failure]
    lane = reached(server, *cuts)
    (event,) = runtime.run(
        "tls_failing.attempt",
        url=f"ssl://127.0.0.1:{lane.port}",
        ssl=ssl(certificates),
        password=PASSWORD,
        timeout=TIMEOUT if "silent" in failure else 18,
    )
    _, code, text, ms = event
    print(f"| {failure} | {runtime.name} | `{text}` |")
    assert code == -1
    said = bytes(lane.streams[0]["up"])
    assert said, "the client never spoke to the server"
    assert APPLICATION_DATA not in records(said), "data left before the server was verified"
    assert PASSWORD.encode() not in said and b"MQTT" not in said
    assert DATE.sub("date", text) == documented()[failure]
    if "silent" in failure:
        assert TIMEOUT * 1000 <= ms < TIMEOUT * 1000 + SLACK
    else:
        assert ms < SLACK, "it waited for the timeout"


@pytest.mark.parametrize("failure", [name for name, (server, *_) in FAILURES.items() if server in ("mutual", "plain")])
def test_failure_straight_from_mosquitto(runtime, broker, tls_broker, certificates, failure):
    """It closes right behind its refusal, and a reset may overtake that; `test_failure` has a proxy in between."""
    server, ssl = FAILURES[failure]
    port = broker.port if server == "plain" else tls_broker.tls_port(server)
    ((_, code, text, _ms),) = runtime.run("tls_failing.attempt", url=f"ssl://127.0.0.1:{port}", ssl=ssl(certificates))
    assert code == -1
    reset = documented()["a server that resets the connection in the handshake"]
    assert text in (documented()[failure], reset)


def test_the_watch_sees_what_leaves_after_the_handshake(runtime, reached, certificates):
    """That `test_failure` can fail."""
    lane = reached("ecdsa")
    url = f"ssl://127.0.0.1:{lane.port}"
    runtime.run("tls_sessions.greet", url=url, clientid="c", ssl={"cadata": certificates.ca.pem})
    assert APPLICATION_DATA in records(bytes(lane.streams[0]["up"]))


def test_silence_after_the_handshake_is_not_put_down_to_it(runtime, tls_server, certificates):
    server = tls_server(lambda conn: (conn.read("CONNECT"), conn.wait_closed()), identity=certificates.server)
    ((_, code, text, _ms),) = runtime.run(
        "tls_failing.attempt", url=server.url, ssl={"cadata": certificates.ca.pem}, timeout=TIMEOUT
    )
    assert (code, text) == (-1, "no answer within the timeout")


def test_out_of_memory(runtime, fake_broker):
    """A board alone can show this really: here the context says what mbedTLS says there."""
    fake = fake_broker(*[take_nothing] * 5)
    events = runtime.run("tls_failing.without_memory", url=f"ssl://127.0.0.1:{fake.port}")
    assert events == [["result", -1, documented()["too little memory"]]] * 5


def test_no_file_stays_open(runtime, tls_server, fake_broker, certificates):
    rounds = 6
    verified = {"cadata": certificates.ca.pem}
    attempts = [
        # The first one in each round is also given up half way.
        [tls_server(*[take_nothing] * 2 * rounds, identity=certificates.server), {"cadata": certificates.other_ca.pem}],
        [tls_server(*[take_nothing] * rounds, identity=certificates.wrong_host), verified],
        [fake_broker(*[answers_in_clear] * rounds), verified],
        [fake_broker(*[hangs_up] * rounds), verified],
        [fake_broker(*[silent] * rounds), verified],
    ]
    attempts = [[f"ssl://127.0.0.1:{server.port}", ssl] for server, ssl in attempts]
    first, last = runtime.run("tls_failing.many_attempts", attempts=attempts, rounds=rounds)
    assert first == last
    assert first[1] == [-1] * len(attempts)
