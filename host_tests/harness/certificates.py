"""Certificates made at run time: two small authorities and what they have signed, the good and the bad."""

from __future__ import annotations

import base64
import datetime
import ipaddress
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HOSTS = ("127.0.0.1", "localhost")
DAY = datetime.timedelta(days=1)
FORMS = {"pkcs8": PrivateFormat.PKCS8, "traditional": PrivateFormat.TraditionalOpenSSL}  # SEC1 and PKCS#1


def der(pem: bytes) -> bytes:
    """The first certificate or key in `pem`."""
    return base64.b64decode(pem.partition(b"-----END")[0].partition(b"-----\n")[2])


class Authority:
    """A certificate authority, as clients and servers need it."""

    def __init__(self, folder: Path, name: str, ca: trustme.CA):
        self.ca = ca
        self.pem = ca.cert_pem.bytes()
        self.der = der(self.pem)
        self.pem_path = write(folder / f"{name}.pem", self.pem)
        self.der_path = write(folder / f"{name}.der", self.der)


class Identity:
    """A certificate (`chain`: with those between it and its authority) and its key."""

    def __init__(self, folder: Path, name: str, key: bytes, *chain: bytes):
        self.leaf = chain[0]
        self.chain = b"".join(chain)
        self.der = der(chain[0])
        self.key_pem = key
        self.private = load_pem_private_key(key, None)
        self.path = write(folder / f"{name}.key+chain.pem", key + self.chain)
        self.chain_path = write(folder / f"{name}.chain.pem", self.chain)
        self.key_path = write(folder / f"{name}.key.pem", key)
        self.der_path = write(folder / f"{name}.der", self.der)
        self.key_der_path = write(folder / f"{name}.key.der", self.key("pkcs8"))

    def key(self, form: str, encoding: Encoding = Encoding.DER, password: bytes | None = None) -> bytes:
        """The key in one of FORMS, encrypted if there is a password."""
        lock = BestAvailableEncryption(password) if password else NoEncryption()
        return self.private.private_bytes(encoding, FORMS[form], lock)


class Certificates:
    """All of them, each made when this is: servers for HOSTS unless they are bad because of the host, and clients."""

    def __init__(self, folder: Path):
        self.folder = folder
        ca, rsa, other = trustme.CA(), trustme.CA(key_type=trustme.KeyType.RSA), trustme.CA()
        self.ca, self.rsa_ca, self.other_ca = (
            Authority(folder, name, made) for name, made in (("ca", ca), ("rsa-ca", rsa), ("other-ca", other))
        )
        now = datetime.datetime.now(datetime.timezone.utc)
        intermediate = ca.create_child_ca()

        self.server = self._issue("server", ca, *HOSTS)
        self.rsa = self._issue("rsa", rsa, *HOSTS, key_type=trustme.KeyType.RSA)
        self.chained = self._issue("chained", intermediate, *HOSTS)
        self.unchained = Identity(folder, "unchained", self.chained.key_pem, self.chained.leaf)
        self.expired = self._issue("expired", ca, *HOSTS, not_before=now - 9 * DAY, not_after=now - 3 * DAY)
        self.future = self._issue("future", ca, *HOSTS, not_before=now + 3 * DAY, not_after=now + 9 * DAY)
        self.wrong_host = self._issue("wrong-host", ca, "other.example")
        self.name_only = self._issue("name-only", ca, "localhost")
        self.self_signed = Identity(folder, "self-signed", *self_signed(now))

        self.client = self._issue("client", ca, "client@example.org")
        self.rsa_client = self._issue("rsa-client", ca, "client@example.org", key_type=trustme.KeyType.RSA)
        self.chained_client = self._issue("chained-client", intermediate, "client@example.org")
        self.stranger = self._issue("stranger", other, "client@example.org")

    def _issue(self, name: str, ca: trustme.CA, *hosts: str, **options) -> Identity:
        made = ca.issue_cert(*hosts, **options)
        return Identity(
            self.folder, name, made.private_key_pem.bytes(), *(blob.bytes() for blob in made.cert_chain_pems)
        )


def self_signed(now: datetime.datetime) -> tuple[bytes, bytes]:
    """A key, and a certificate for HOSTS that vouches for itself."""
    hosts = [x509.IPAddress(ipaddress.ip_address(HOSTS[0])), x509.DNSName(HOSTS[1])]
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, made.public_bytes(Encoding.PEM)


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)
