"""The double of lwIP's sockets does what docs/lwip.md says, on both runtimes."""

import pytest
from fidelity import peer

POLLIN, POLLOUT = 1, 4


@pytest.fixture
def port():
    with peer.Peer() as made:
        yield made.port


def test_the_number_of_nodelay_and_a_warning_for_any_other(lwip, port):
    assert lwip.run("lwip_double.options", port=port) == [["option", 6, 64, 1, 0], ["warned", 1, 1]]
    assert "Warning: lwip.setsockopt() not implemented" in lwip.transcript()


def test_names(lwip):
    assert lwip.run("lwip_double.names") == [
        ["found", [[2, 1, 0, "", ["127.0.0.1", 1883]]]],
        ["failed", "error -2"],
        ["failed", "error -16"],
        ["failed", "error -16"],
    ]


def test_a_connecting_socket_of_1_24_takes_data(lwip, port):
    assert lwip.run("lwip_double.connecting", port=port, release=24) == [
        ["connect", "error 115", POLLOUT, None],
        ["early", 5, "error 114"],
        ["answer", b"hello", "error 106"],
    ]


def test_a_connecting_socket_of_1_25_does_not(lwip, port):
    assert lwip.run("lwip_double.connecting", port=port, release=25) == [
        ["connect", "error 115", 0, None],
        ["early", None, "error 114"],
        ["answer", b"hello", "error 106"],
    ]


def test_a_refused_connection_is_a_reset_one(lwip):
    keeper, port = peer.unused_port()
    with keeper:
        assert lwip.run("lwip_double.refused", port=port) == [
            ["refused", "error 115", True, False],
            ["then", "error 104", "error 104"],
            ["crash"],
            ["closed", "error 9", "error 9"],
        ]


def test_five_sockets(lwip, port):
    assert lwip.run("lwip_double.five", port=port) == [
        ["sixth", "error 12"],
        ["held", "error 12"],
        ["given up", "error 12"],
    ]


def test_nagle_collects_small_writes_until_the_delayed_acknowledgement(lwip, port):
    assert lwip.run("lwip_double.nagle", port=port) == [["written", 1], ["arrived", True, 2, 1]]


def test_an_answer_acknowledges(lwip, port):
    assert lwip.run("lwip_double.answered", port=port) == [["delayed", 0]]


def test_with_nodelay_every_write_is_a_segment(lwip, port):
    assert lwip.run("lwip_double.nodelay", port=port) == [["segments", 5, 0]]


@pytest.mark.parametrize(
    "size, writes, written, last",
    [(20, 320, 6400, None), (1000, 6, 6400, 400), (10000, 0, 6400, 6400)],
)
def test_with_nagle_a_silent_line_fills_the_buffer(lwip, port, size, writes, written, last):
    assert lwip.run("lwip_double.silent", port=port, size=size, nodelay=False, most=1000) == [
        ["full", writes, written, last, False, 0, 0],
        ["arrived", True],
    ]


@pytest.mark.parametrize("size, writes", [(20, 32), (100, 32), (300, 20), (1000, 6)])
def test_with_nodelay_memory_ends_first_and_write_blocks_and_lies(lwip, port, size, writes):
    # 32 segments, or 8000 bytes: 100 more a segment. (Six messages of 1000 bytes fill the buffer of 6400 first.)
    blocks = size < 1000
    assert lwip.run("lwip_double.silent", port=port, size=size, nodelay=True, most=1000) == [
        ["full", writes + blocks, size * (writes + 1) if blocks else 6400, size if blocks else 400]
        + [blocks, 10000 * blocks, size * blocks],
        ["arrived", True],
    ]


def test_with_nagle_too_if_the_first_segment_is_nearly_full(lwip, port):
    # 852 bytes for the first, 900 for each 800 that follow: there is no memory for the eighth of those, though the
    # buffer has room for 400 bytes. `write` tries twice, for 400 and for 350.
    assert lwip.run("lwip_double.silent", port=port, size=750, nodelay=False, most=1000) == [
        ["full", 9, 6750, 750, True, 20000, 750],
        ["arrived", True],
    ]


def test_close_sends_what_is_left_or_gives_it_up_after_10_s(lwip, port):
    assert lwip.run("lwip_double.unread", port=port, drain=True) == [
        ["closed", 0, 0, 1],
        ["before 10 s", 0, 0, 1],
        ["after 10 s", 1, 2, 0],
    ]


def test_close_with_unread_input_resets_and_drops(lwip, port):
    assert lwip.run("lwip_double.unread", port=port, drain=False) == [
        ["closed", 1, 2, 0],
        ["before 10 s", 1, 2, 0],
        ["after 10 s", 1, 2, 0],
    ]


def test_unsent_data_of_the_last_connection_makes_the_next_one_block(lwip, port):
    assert lwip.run("lwip_double.held", port=port, pause=2000) == [["written", 6000, True, True, 0], ["arrived", True]]


def test_and_after_10_s_no_more(lwip, port):
    assert lwip.run("lwip_double.held", port=port, pause=10000) == [
        ["written", 6000, False, True, 0],
        ["arrived", True],
    ]


@pytest.mark.parametrize("release, data", [(25, "error 104"), (28, 3)])
def test_a_reset_takes_what_was_not_read(lwip, port, release, data):
    assert lwip.run("lwip_double.reset", port=port, release=release) == [["read", data, "error 104", True]]


def test_the_end(lwip, port):
    assert lwip.run("lwip_double.ended", port=port) == [["data", b"\0\1\2"], ["end", 0, 0, POLLIN | POLLOUT]]


def test_tls_over_it(lwip, tls_broker, certificates, name):
    url, ssl = tls_broker.tls_url("ecdsa"), {"cadata": certificates.ca.pem}
    events = lwip.run("tls_sessions.every_qos", url=url, clientid=name, topic=name, ssl=ssl)
    assert events == [["got", [[0, True], [1, True], [2, True]]]]
