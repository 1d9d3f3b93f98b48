"""Client certificates: each form of a DER key, a chain given certificate by certificate; none where one is required."""

import socket
import ssl
import sys

given = dict(arg.split("=") for arg in sys.argv[1:])


def content(name):
    with open(given["folder"] + "/" + name, "rb") as file:
        return file.read()


def talk(*chain, key=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=content("other.der"))
    context.load_verify_locations(cadata=content("ca.der"))
    for certificate in chain:
        context.load_cert_chain(content(certificate), content(key))
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", int(given["mutual"]), 0, socket.SOCK_STREAM)[0][-1])
    try:
        stream = context.wrap_socket(sock, server_hostname="localhost")
        stream.write(b"say 5\n")
        print(chain, key, stream.read(5))
        stream.close()
    except OSError:
        print(chain, key, "OSError")
    sock.close()


talk("client.der", key="client.key.der")
talk("client.der", key="client.pkcs8.der")
talk("rsa.der", key="rsa.key.der")
talk("rsa.der", key="rsa.pkcs8.der")
talk("leaf.der", "intermediate.der", key="leaf.key.der")
talk("leaf.der", key="leaf.key.der")
talk("stranger.der", key="stranger.key.der")
talk()
