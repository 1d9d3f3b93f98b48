"""Long sessions over TLS, and sessions that go on after the connection was lost."""

import contextlib
import re
import ssl

from harness.wire import ack


def test_ten_thousand_messages(runtime, tls_broker, certificates, name):
    count = 10_000
    rate, counts = runtime.run(
        "tls_long.session",
        limit=70,
        url=tls_broker.tls_url("ecdsa"),
        clientid=name,
        topic=name,
        ssl={"cadata": certificates.ca.pem},
        count=count,
    )
    print(f"{runtime.name}: {rate[1]} messages a second, each out and back")
    assert counts == ["counts", count, count, count, 0, 0]


def test_reconnecting(runtime, tls_server, certificates):
    def loses(how):
        def script(conn):
            conn.accept(present=1)
            packet = conn.read("PUBLISH")
            assert (packet.message, packet.pid) == (b"once", 1)
            repeated.append(packet.dup)
            how(conn)

        return script

    def ends_tls(conn):
        with contextlib.suppress(ssl.SSLEOFError):  # the client does not answer close_notify
            conn.sock.unwrap()

    def answers(conn):
        conn.accept(present=1)
        packet = conn.read("PUBLISH")
        repeated.append(packet.dup)
        conn.send(ack("PUBACK", packet.pid))
        conn.read("DISCONNECT")

    repeated = []
    ends = [lambda conn: conn.reset(), lambda conn: conn.close(), ends_tls]
    server = tls_server(*map(loses, ends), answers, identity=certificates.server)
    came, lost, done = runtime.run(
        "tls_long.reconnects", url=server.url, ssl={"cadata": certificates.ca.pem}, times=len(ends)
    )
    assert came == ["came", [0, 0, 0, 0]]
    assert lost[1] == [-1, -1, -1]
    assert re.search("closed the connection", lost[2])
    assert done == ["done", [[0]]]
    assert repeated == [0, 1, 1, 1]
    server.join()


def test_a_broker_that_restarts(runtime, private_broker, certificates, name):
    listener = [f"certfile {certificates.server.chain_path}", f"keyfile {certificates.server.key_path}"]
    mosquitto = private_broker(persistence=True, listeners=[listener])
    program = runtime.start(
        "tls_long.survives",
        url=f"ssl://127.0.0.1:{mosquitto.ports[1]}",
        clientid=name,
        ssl={"cadata": certificates.ca.pem},
    )
    program.expect("subscribed", False)
    mosquitto.restart()
    program.expect("back", True)
    program.expect("got", [[b"0", 1, 0], [b"1", 1, 0]])
    program.finish()
