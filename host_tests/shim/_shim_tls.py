"""MicroPython's `SSLContext` on top of CPython's."""

import os
import tempfile

from _shim_tls_stream import TLSStream

_KEY_LABELS = {0x30: "PRIVATE KEY", 0x02: "RSA PRIVATE KEY", 0x04: "EC PRIVATE KEY"}


def _bytes(data):
    """A str is the path of a file, as in MicroPython's `ssl`."""
    if isinstance(data, str):
        with open(data, "rb") as file:
            return file.read()
    return bytes(data)


def _is_pem(data):
    return b"-----BEGIN " in data


def _der_key_label(der):
    """The PEM label of a DER key: told by what follows the outer header and the version number."""
    header = 2 if der[1] < 0x80 else 2 + (der[1] & 0x7F)
    return _KEY_LABELS[der[header + 3]]


def _key_to_pem(ssl, key):
    if _is_pem(key):
        return key
    try:
        label = _der_key_label(key)
    except (IndexError, KeyError):
        raise ValueError("invalid key") from None
    pem = ssl.DER_cert_to_PEM_cert(key)
    return pem.replace("CERTIFICATE", label).encode()


def make_context_class(ssl):
    """`ssl` is the real module."""

    class SSLContext(ssl.SSLContext):
        def __new__(cls, protocol):
            self = super().__new__(cls, protocol)
            self.check_hostname = False
            self.verify_mode = ssl.CERT_NONE
            self.maximum_version = ssl.TLSVersion.TLSv1_2  # as MicroPython's mbedTLS is built
            self.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # any certificate given may be the anchor
            self._chain_key = None
            self._chain = []
            return self

        def load_verify_locations(self, cafile=None, cadata=None):
            data = _bytes(cafile or cadata)
            try:
                super().load_verify_locations(cadata=data.decode() if _is_pem(data) else data)
            except (ssl.SSLError, ValueError):
                raise ValueError("invalid cert") from None

        def load_cert_chain(self, certfile, keyfile):
            """Called again with the same key, adds a certificate to the chain."""
            cert, key = _bytes(certfile), _key_to_pem(ssl, _bytes(keyfile))
            if key != self._chain_key:
                self._chain_key, self._chain = key, []
            self._chain.append(cert if _is_pem(cert) else ssl.DER_cert_to_PEM_cert(cert).encode())
            self._load_chain_file(b"\n".join([key, *self._chain]))

        def _load_chain_file(self, pem):
            """CPython reads keys from files only: this one is private (mode 0600) and gone at once."""
            handle, path = tempfile.mkstemp()
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(pem)
                super().load_cert_chain(path)
            except ssl.SSLError as error:
                raise ValueError("invalid key" if "KEY" in (error.reason or "") else "invalid cert") from None
            finally:
                os.unlink(path)

        def wrap_socket(self, sock, server_side=False, do_handshake_on_connect=True, server_hostname=None):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            verify = self.verify_mode != ssl.CERT_NONE and not server_side
            if verify and server_hostname is None:
                raise ValueError("CERT_REQUIRED requires server_hostname")
            self.check_hostname = verify
            try:
                engine = self.wrap_bio(incoming, outgoing, server_side, server_hostname)
            finally:
                self.check_hostname = False
            stream = TLSStream(sock, engine, incoming, outgoing)
            if do_handshake_on_connect:
                stream.handshake()
            return stream

    return SSLContext
