"""OpenSSL's failures in the words and numbers that a MicroPython program sees: those of mbedTLS."""

BAD_INPUT = (-0x7100, "MBEDTLS_ERR_SSL_BAD_INPUT_DATA")
CONN_EOF = (-0x7280, "MBEDTLS_ERR_SSL_CONN_EOF")
VERIFY_FAILED = (-0x2700, "MBEDTLS_ERR_X509_CERT_VERIFY_FAILED")

_FATAL_ALERT = (-0x7780, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE")
_INVALID_RECORD = (-0x7200, "MBEDTLS_ERR_SSL_INVALID_RECORD")
_INVALID_MAC = (-0x7180, "MBEDTLS_ERR_SSL_INVALID_MAC")

_NUMBERS = {
    "WRONG_VERSION_NUMBER": _INVALID_RECORD,
    "HTTP_REQUEST": _INVALID_RECORD,
    "UNEXPECTED_MESSAGE": (-0x7700, "MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE"),
    "UNSUPPORTED_PROTOCOL": (-0x6E80, "MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION"),
    "NO_SHARED_CIPHER": (-0x6E00, "MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE"),
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": _INVALID_MAC,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (-0x7480, "MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE"),
}

_VERIFY_TEXTS = {
    9: "The certificate validity starts in the future",
    10: "The certificate validity has expired",
    62: "The certificate Common Name (CN) does not match with the expected CN",
    64: "The certificate Common Name (CN) does not match with the expected CN",
}


def verify_text(error):
    """mbedTLS goes on after the first thing it finds wrong and lists all; OpenSSL tells the first."""
    text = _VERIFY_TEXTS.get(error.verify_code, "The certificate is not correctly signed by the trusted CA")
    return f"\n{text}\n"


def as_micropython(error):
    reason = error.reason or ""
    if "ALERT" in reason:
        return OSError(*_FATAL_ALERT)
    return OSError(*_NUMBERS.get(reason, (-0x6C00, reason)))
