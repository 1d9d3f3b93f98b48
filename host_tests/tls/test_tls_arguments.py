"""What `connect` says to `ssl` options that are wrong. Nothing is ever connected, and no key is ever shown."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

BEGIN, END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"


def wrong(c):
    """Name of the case: (the `ssl` option, the exception, what its text begins with)."""
    ca, cert, key = c.ca.pem, c.client.chain, c.client.key_pem
    half = ca[: len(ca) // 2]
    return {
        "no option": (None, "ValueError", "ssl"),
        "no authority": ({}, "ValueError", "ssl"),
        "verify alone": ({"verify": True}, "ValueError", "ssl"),
        "client certificate alone": ({"cert": cert, "key": key}, "ValueError", "ssl"),
        "no dict": ("verify", "TypeError", "ssl"),
        "a number": (1, "TypeError", "ssl"),
        "a list": ([ca], "TypeError", "ssl"),
        "False": (False, "TypeError", "ssl"),
        "True": (True, "TypeError", "ssl"),
        "unknown name": ({"cadata": ca, "ca_certs": "x"}, "ValueError", "ssl option: 'ca_certs'"),
        "verify None": ({"cadata": ca, "verify": None}, "TypeError", "verify"),
        "verify 0": ({"cadata": ca, "verify": 0}, "TypeError", "verify"),
        "verify text": ({"cadata": ca, "verify": "no"}, "TypeError", "verify"),
        "cadata and cafile": ({"cadata": ca, "cafile": c.ca.pem_path}, "ValueError", "ssl"),
        "cadata empty": ({"cadata": b""}, "ValueError", "cadata"),
        "cadata number": ({"cadata": 5}, "TypeError", "cadata"),
        "cadata list": ({"cadata": [ca]}, "TypeError", "cadata"),
        "cadata garbage": ({"cadata": b"garbage"}, "ValueError", "cadata"),
        "cadata garbage in DER": ({"cadata": b"0\x82garbage"}, "ValueError", "cadata"),
        "cadata garbage in PEM": ({"cadata": BEGIN + b"Z2FyYmFnZQ==\n" + END}, "ValueError", "cadata"),
        "cadata no base64": ({"cadata": BEGIN + b"MII\n" + END}, "ValueError", "cadata"),
        "cadata cut off": ({"cadata": half}, "ValueError", "cadata"),
        "cadata one good, one bad": ({"cadata": ca + half + END}, "ValueError", "cadata"),
        "cadata a key": ({"cadata": key}, "ValueError", "cadata"),
        "cafile number": ({"cafile": 5}, "TypeError", "cafile"),
        "cafile missing": ({"cafile": "/no/such/file.pem"}, "ValueError", "cafile: the file '/no/such/file.pem'"),
        "cafile folder": ({"cafile": str(c.folder)}, "ValueError", "cafile"),
        "cafile a key": ({"cafile": c.client.key_path}, "ValueError", "cafile"),
        "cert without key": ({"cadata": ca, "cert": cert}, "ValueError", "ssl: cert and key"),
        "key without cert": ({"cadata": ca, "key": key}, "ValueError", "ssl: cert and key"),
        "cert number": ({"cadata": ca, "cert": 5, "key": key}, "TypeError", "cert"),
        "cert missing": (
            {"cadata": ca, "cert": "/no/cert.pem", "key": key},
            "ValueError",
            "cert: the file '/no/cert.pem'",
        ),
        "cert a key": ({"cadata": ca, "cert": key, "key": key}, "ValueError", "cert"),
        "cert garbage": ({"cadata": ca, "cert": b"0garbage", "key": key}, "ValueError", "cert"),
        "key number": ({"cadata": ca, "cert": cert, "key": 5}, "TypeError", "key"),
        "key list": ({"cadata": ca, "cert": cert, "key": [key]}, "TypeError", "key"),
        "key missing": (
            {"cadata": ca, "cert": cert, "key": "/no/key.pem"},
            "ValueError",
            "key: the file '/no/key.pem'",
        ),
        "key a certificate": ({"cadata": ca, "cert": cert, "key": cert}, "ValueError", "key"),
        "key garbage": ({"cadata": ca, "cert": cert, "key": b"0garbage"}, "ValueError", "cert or key"),
        "servername number": ({"cadata": ca, "servername": 5}, "ValueError", "servername"),
        "servername empty": ({"cadata": ca, "servername": ""}, "ValueError", "servername"),
        **encrypted(c),
        **slips(c),
    }


def encrypted(c):
    """Keys that want a password."""
    found = {}
    for form in ("pkcs8", "traditional"):
        locked = c.client.key(form, Encoding.PEM, b"open sesame")
        given = {"cadata": c.ca.pem, "cert": c.client.chain, "key": locked}
        found[f"encrypted key, {form}"] = (given, "ValueError", "key: is encrypted")
    given = {"cadata": c.ca.pem, "cert": c.client.der, "key": c.client.key("pkcs8", Encoding.DER, b"open sesame")}
    return found | {"encrypted key, DER": (given, "ValueError", "cert or key")}


def slips(c):
    """A key where it should not be, or in a form it should not have: what is said must not show it."""
    ca, cert, key = c.ca.pem, c.client.chain, c.client.key_pem
    text = key.decode()
    bare = "".join(text.splitlines()[1:-1])
    return {
        "key for all": (key, "TypeError", "ssl"),
        "key text for all": (text, "TypeError", "ssl"),
        "pair for all": ([key, cert], "TypeError", "ssl"),
        "key text as a path": ({"cadata": ca, "cert": cert, "key": bare}, "ValueError", "key"),
        "key text as cert": ({"cadata": ca, "cert": text, "key": key}, "ValueError", "cert"),
        "key text as cafile": ({"cafile": text}, "ValueError", "cafile"),
        "key text as cadata": ({"cadata": text}, "ValueError", "cadata"),
        "key as cafile": ({"cafile": key}, "ValueError", "cafile"),
        "key as verify": ({"cadata": ca, "verify": key}, "TypeError", "verify"),
        "key as servername": ({"cadata": ca, "servername": key}, "ValueError", "servername"),
    }


def secrets(c):
    """Pieces of the key, as an error might show them."""
    lines = c.client.key_pem.decode().splitlines()[1:-1]
    return [line[at : at + 12] for line in lines for at in range(0, len(line) - 11, 4)] + ["open sesame"]


def test_wrong_ssl_options(runtime, certificates, free_port):
    cases = wrong(certificates)
    events = runtime.run(
        "tls_sessions.refused",
        url=f"ssl://127.0.0.1:{free_port}",
        clientid="c",
        cases=[[name, given] for name, (given, _, _) in cases.items()],
    )
    assert events.pop() == ["end", False, ""]
    hidden = secrets(certificates)
    problems = []
    for name, raised in events:
        _given, kind, start = cases[name]
        if not raised or kind != raised[0] or not str(raised[1]).startswith(start):
            problems.append(f"{name}: expected {kind} {start!r}, got {raised}")
        elif any(secret in raised[1] for secret in hidden):
            problems.append(f"{name}: shows what must be kept secret: {raised}")
    assert not problems, "\n".join(problems)
    assert len(events) == len(cases)


def test_pem_in_text_is_as_good_as_in_bytes(runtime, tls_broker, certificates, name):
    c = certificates
    ssl = {"cadata": c.ca.pem.decode(), "cert": c.client.chain.decode(), "key": c.client.key_pem.decode()}
    url = tls_broker.tls_url("mutual")
    assert runtime.run("tls_sessions.greet", url=url, clientid=name, ssl=ssl) == [["connected"]]


@pytest.mark.parametrize("scheme", ["tcp", "mqtt"])
def test_ssl_options_without_tls(runtime, certificates, free_port, scheme):
    cases = [["authority", {"cadata": certificates.ca.pem}], ["unverified", {"verify": False}], ["empty", {}]]
    events = runtime.run("tls_sessions.refused", url=f"{scheme}://127.0.0.1:{free_port}", clientid="c", cases=cases)
    assert events.pop()[0] == "end"
    for (name, _), (event, raised) in zip(cases, events, strict=True):
        assert (event, raised[0]) == (name, "ValueError")
        assert raised[1].startswith("url: 'tcp://" if scheme == "tcp" else "url: 'mqtt://")
        assert "ssl" in raised[1]
