"""TLS sessions that go well: every way to say who is trusted and who one is, on a real mosquitto."""

import getpass
import os
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from harness import wire
from harness.net import HOST
from harness.process import Child

from tools import mosquitto

ALL = [["got", [[0, True], [1, True], [2, True]]]]


@pytest.mark.parametrize("scheme", ["ssl", "mqtts"])
def test_every_qos_both_ways(runtime, tls_broker, certificates, witness, name, scheme):
    seen = witness(tls_broker.port).subscribe(name)
    assert ALL == runtime.run(
        "tls_sessions.every_qos",
        url=tls_broker.tls_url("ecdsa", scheme),
        clientid=name,
        topic=name,
        ssl={"cadata": certificates.ca.pem},
    )
    assert sorted(m.qos for m in seen.wait(3)) == [0, 1, 2]


AUTHORITIES = {
    "pem": lambda c: {"cadata": c.ca.pem},
    "pem with Windows line ends": lambda c: {"cadata": c.ca.pem.replace(b"\n", b"\r\n")},
    "pem with comments": lambda c: {"cadata": b"Our authority\n" + c.ca.pem + b"\nend"},
    "der": lambda c: {"cadata": c.ca.der},
    "file with pem": lambda c: {"cafile": c.ca.pem_path},
    "file with der": lambda c: {"cafile": c.ca.der_path},
    "the last of several": lambda c: {"cadata": c.other_ca.pem + c.rsa_ca.pem + c.ca.pem},
    "the one in the middle": lambda c: {"cadata": c.other_ca.pem + c.ca.pem + c.rsa_ca.pem},
}


@pytest.mark.parametrize("kind", AUTHORITIES)
def test_authorities(runtime, tls_broker, certificates, name, kind):
    url = tls_broker.tls_url("ecdsa")
    ssl = AUTHORITIES[kind](certificates)
    assert runtime.run("tls_sessions.greet", url=url, clientid=name, ssl=ssl) == [["connected"]]


def test_several_authorities_in_a_file(runtime, tls_broker, certificates, name, tmp_path):
    path = tmp_path / "authorities.pem"
    path.write_bytes(certificates.rsa_ca.pem + certificates.other_ca.pem + certificates.ca.pem)
    ssl = {"cafile": str(path)}
    for kind in ("rsa", "ecdsa"):
        runtime.run("tls_sessions.greet", url=tls_broker.tls_url(kind), clientid=name, ssl=ssl)


def test_rsa(runtime, tls_broker, certificates, name):
    assert ALL == runtime.run(
        "tls_sessions.every_qos",
        url=tls_broker.tls_url("rsa"),
        clientid=name,
        topic=name,
        ssl={"cadata": certificates.rsa_ca.der},
    )


def test_a_server_whose_certificate_has_an_intermediate_one(runtime, tls_broker, certificates, name):
    assert ALL == runtime.run(
        "tls_sessions.every_qos",
        url=tls_broker.tls_url("chained"),
        clientid=name,
        topic=name,
        ssl={"cadata": certificates.ca.pem},
    )


def bye(conn):
    conn.accept()
    conn.read("DISCONNECT")


def test_a_self_signed_certificate_that_is_trusted_itself(runtime, tls_server, certificates):
    server = tls_server(bye, identity=certificates.self_signed)
    ssl = {"cadata": certificates.self_signed.der}
    assert runtime.run("tls_sessions.greet", url=server.url, clientid="c", ssl=ssl) == [["connected"]]
    server.join()


CLIENTS = {
    "pem": lambda c: (c.client.chain, c.client.key_pem),
    "pem, key first in the same bytes": lambda c: (c.client.key_pem + c.client.chain,) * 2,
    "pem, other form of key": lambda c: (c.client.chain, c.client.key("pkcs8", Encoding.PEM)),
    "der": lambda c: (c.client.der, c.client.key("traditional")),
    "der, other form of key": lambda c: (c.client.der, c.client.key("pkcs8")),
    "pem files": lambda c: (c.client.chain_path, c.client.key_path),
    "one pem file": lambda c: (c.client.path, c.client.path),
    "der files": lambda c: (c.client.der_path, c.client.key_der_path),
    "pem certificate, der key": lambda c: (c.client.chain, c.client.key("pkcs8")),
    "rsa pem": lambda c: (c.rsa_client.chain, c.rsa_client.key_pem),
    "rsa der": lambda c: (c.rsa_client.der, c.rsa_client.key("traditional")),
    "rsa der, other form of key": lambda c: (c.rsa_client.der, c.rsa_client.key("pkcs8")),
    "chain": lambda c: (c.chained_client.chain, c.chained_client.key_pem),
    "chain in a file": lambda c: (c.chained_client.chain_path, c.chained_client.key_path),
}


@pytest.mark.parametrize("kind", CLIENTS)
def test_client_certificates(runtime, tls_broker, certificates, name, kind):
    cert, key = CLIENTS[kind](certificates)
    ssl = {"cadata": certificates.ca.pem, "cert": cert, "key": key}
    url = tls_broker.tls_url("mutual")
    assert runtime.run("tls_sessions.greet", url=url, clientid=name, ssl=ssl) == [["connected"]]


def test_the_server_is_told_the_name_it_is_wanted_under(runtime, tls_server, certificates):
    server = tls_server(bye, bye, identity=certificates.server)
    ssl = {"cadata": certificates.ca.pem}
    runtime.run("tls_sessions.greet", url=f"ssl://localhost:{server.port}", clientid="c", ssl=ssl)
    runtime.run("tls_sessions.greet", url=server.url, clientid="c", ssl={**ssl, "servername": "localhost"})
    server.join()
    assert server.names == ["localhost", "localhost"]


def test_servername_is_what_the_certificate_must_be_for(runtime, tls_server, certificates):
    server = tls_server(bye, identity=certificates.wrong_host)
    ssl = {"cadata": certificates.ca.pem, "servername": "other.example"}
    assert runtime.run("tls_sessions.greet", url=server.url, clientid="c", ssl=ssl) == [["connected"]]
    server.join()


def test_a_ready_context(runtime, tls_broker, tls_server, certificates, name):
    bad = tls_server(bye, identity=certificates.wrong_host)
    assert [*ALL, ["other", -1]] == [
        event[:2]
        for event in runtime.run(
            "tls_sessions.with_context",
            url=tls_broker.tls_url("ecdsa"),
            clientid=name,
            topic=name,
            cadata=certificates.ca.der,
            twice=bad.url,
        )
    ]


@pytest.mark.parametrize("identity", ["self_signed", "expired", "wrong_host"])
def test_unverified_only_when_that_is_written_out(runtime, tls_server, certificates, identity):
    def script(conn):
        assert conn.accept().password == b"in good faith"
        conn.send(wire.publish("t", b"x", 1, 7))
        assert conn.read("PUBACK").pid == 7
        conn.read("DISCONNECT")

    server = tls_server(script, identity=getattr(certificates, identity))
    assert [["got", b"x"]] == runtime.run("tls_sessions.unverified", url=server.url, password="in good faith")
    server.join()


def test_mosquittos_configuration_in_the_recipe(runtime, certificates, free_port, tmp_path, name):
    """As it stands in docs/tls.md, but for the port and the folder."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "tls.md").read_text()
    (recipe,) = re.findall(r"^`mosquitto.conf`.*?\n\n((?:    .*\n)+)", page, re.MULTILINE)
    recipe = recipe.replace("listener 8883", f"listener {free_port} {HOST}")
    recipe = recipe.replace("/etc/mosquitto/broker.pem", certificates.server.chain_path)
    recipe = recipe.replace("/etc/mosquitto/broker.key", certificates.server.key_path)
    (tmp_path / "mosquitto.conf").write_text(f"user {getpass.getuser()}\nlog_dest stderr\n{recipe}")
    argv, env = mosquitto.find()
    with Child([*argv, "-c", str(tmp_path / "mosquitto.conf")], {**os.environ, **env}) as broker:
        broker.wait_until(lambda: any(" running" in line for line in broker.lines), "mosquitto")
        url, ssl = f"ssl://{HOST}:{free_port}", {"cafile": certificates.ca.der_path}
        assert runtime.run("tls_sessions.greet", url=url, clientid=name, ssl=ssl) == [["connected"]]
