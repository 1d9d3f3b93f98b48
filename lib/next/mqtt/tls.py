"""TLS set-up: from the `ssl` option to a context that verifies. In memory only while `connect` needs it."""

import binascii
import ssl

from .packets import bad

_NAMES = ("cadata", "cafile", "cert", "key", "servername", "verify")


def setup(given, host):
    """Return (context, server name) for the `ssl` option: an SSLContext, or a dict as api.md describes it.

    Raises ValueError or TypeError for what does not make a verified connection, unless `verify` is False.
    """
    if hasattr(given, "wrap_socket"):
        return given, host
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise TypeError("ssl: is neither an SSLContext nor a dict but %s" % type(given))
    for name in given:
        if name not in _NAMES:
            raise bad("ssl option", name, "is unknown")
    verify = given.get("verify", True)
    if verify is not True and verify is not False:
        raise TypeError("verify: is neither True nor False but %s" % type(verify))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authorities = _authorities(given)
    if verify:
        if not authorities:
            raise ValueError("ssl: cadata or cafile is missing; without one only verify=False connects, unverified")
        context.verify_mode = ssl.CERT_REQUIRED
        for der in authorities:
            _load("cadata or cafile", context.load_verify_locations, None, der)
    else:
        context.verify_mode = ssl.CERT_NONE
    _identity(context, given)
    servername = given.get("servername", host)
    if not isinstance(servername, str) or not servername or len(servername) > 253:
        raise ValueError("servername: is not the name of a server")
    return context, servername


def _authorities(given):
    data = given.get("cadata")
    path = given.get("cafile")
    if data is not None and path is not None:
        raise ValueError("ssl: cadata and cafile are given, one is enough")
    if data is not None:
        return _der("cadata", data, "CERTIFICATE")
    return None if path is None else _der("cafile", path, "CERTIFICATE")


def _identity(context, given):
    # The client's certificate, with those between it and its authority, and its key.
    cert = given.get("cert")
    key = given.get("key")
    if (cert is None) != (key is None):
        raise ValueError("ssl: cert and key go together, one of them is missing")
    if cert is not None:
        keys = _der("key", key, "PRIVATE KEY")
        for der in _der("cert", cert, "CERTIFICATE"):
            _load("cert or key", context.load_cert_chain, der, keys[0])


def _load(name, load, first, second):
    # Neither the value nor the cause is shown: there may be a key in it.
    try:
        load(first, second)
    except (ValueError, OSError):
        raise ValueError("%s: is not valid, or not of a kind this TLS library knows" % name)


def _der(name, value, kind):
    # The DER forms of what `value`, bytes or a path, holds as DER or PEM. PEM text may come as str. No error shows it.
    if isinstance(value, str) and "-----BEGIN" in value:
        value = value.encode()
    if isinstance(value, str):
        try:
            with open(value, "rb") as f:
                value = f.read()
        except OSError as e:
            path = value if len(value) < 80 else ""
            raise ValueError("%s: the file %r cannot be read (error %s)" % (name, path, e.args[0]))
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("%s: is neither bytes nor a path" % name)
    value = bytes(value)
    if value[:1] == b"0":  # how each DER form begins
        return (value,)
    found = []
    for block in value.split(b"-----BEGIN ")[1:]:
        label, _, rest = block.partition(b"-----")
        if label.startswith(b"ENCRYPTED") or b"Proc-Type" in rest:
            raise ValueError("%s: is encrypted" % name)
        if label.endswith(kind.encode()):
            try:
                found.append(binascii.a2b_base64(rest.partition(b"-----END")[0]))
            except ValueError:
                raise ValueError("%s: holds PEM that is damaged" % name)
    if not found:
        raise ValueError("%s: holds no %s in PEM or DER" % (name, kind.lower()))
    return found
