"""The proxy cuts after exactly so many bytes, in the way it was told, and lets later connections pass."""

import socket

import pytest
from harness import wire
from harness.net import HOST
from harness.process import LIMIT
from harness.proxy import KINDS, Cut, Proxy, packet_ends, record_ends

HELLO = wire.connect("proxy-test")


@pytest.fixture
def lane(fake_broker, request):
    """A lane to a broker that answers ten bytes to each connection, then notes all that comes."""
    heard = []

    def script(conn):
        data = b""
        while len(data) < 4:
            data += conn.sock.recv(100)
        conn.sock.sendall(b"0123456789")
        heard.append(data + conn.wait_closed())

    fake = fake_broker(script, script)
    with Proxy(fake.port) as proxy:
        lane = proxy.lane(request.param)
        lane.heard = heard
        lane.fake = fake
        yield lane


def talk(port):
    """Send HELLO, in two pieces; what comes back, and how it ended."""
    with socket.create_connection((HOST, port), LIMIT) as sock:
        sock.sendall(HELLO[:4])
        got = b""
        try:
            while len(got) < 10:
                data = sock.recv(100)
                if not data:
                    return got, "fin"
                got += data
            sock.sendall(HELLO[4:])
            sock.shutdown(socket.SHUT_WR)
            return got, "fin" if sock.recv(1) == b"" else "more"
        except ConnectionError:
            return got, "rst"


@pytest.mark.parametrize("lane", [Cut("down", 7, "fin"), Cut("down", 7, "rst")], ids=["fin", "rst"], indirect=True)
def test_cut_downwards(lane):
    got, end = talk(lane.port)
    assert end == lane.cuts[0].kind
    assert got == b"0123456"[: len(got)] and (end == "rst" or len(got) == 7)
    assert bytes(lane.streams[0]["down"]) == b"0123456"
    assert talk(lane.port) == (b"0123456789", "fin"), "the next one passes"
    lane.fake.join()
    assert sorted(lane.heard) == [HELLO[:4], HELLO]  # they may end in any order
    assert lane.fired == 1


@pytest.mark.parametrize("lane", [Cut("up", 6, "fin")], indirect=True)
def test_cut_upwards(lane):
    assert talk(lane.port)[0] == b"0123456789"
    assert talk(lane.port) == (b"0123456789", "fin")
    lane.fake.join()
    assert sorted(lane.heard) == [HELLO[:6], HELLO]


@pytest.mark.parametrize("lane", [Cut("down", 7, "silence")], indirect=True)
def test_silence(lane):
    """Nothing more comes, in either direction, and nobody is told; also not that the client has gone."""
    with socket.create_connection((HOST, lane.port), LIMIT) as sock:
        sock.sendall(HELLO[:4])
        got = b""
        while len(got) < 7:
            got += sock.recv(100)
        sock.sendall(HELLO[4:])
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert got == b"0123456"
    assert talk(lane.port) == (b"0123456789", "fin")
    assert lane.heard == [HELLO], "the first one still waits"


def test_ends_of_packets_and_records():
    assert packet_ends(HELLO + wire.PINGREQ + b"\x30") == [len(HELLO), len(HELLO) + 2]
    assert record_ends(b"\x16\x03\x03\x00\x02ab" + b"\x17\x03\x03\x00\x00" + b"\x17") == [7, 12]
    assert set(KINDS) == {"fin", "rst", "silence"}
