"""Disconnecting and connecting again, as the second edition promises it."""

import pytest
from harness import wire

ANSWERS = {
    1: lambda pid: wire.ack("PUBACK", pid),
    2: lambda pid: wire.ack("PUBREC", pid),
    "PUBREL": lambda pid: wire.ack("PUBCOMP", pid),
    "SUBSCRIBE": lambda pid: wire.suback(pid, 1),
    "UNSUBSCRIBE": lambda pid: wire.ack("UNSUBACK", pid),
}


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "in a handler"])
def test_what_is_sent_behind_disconnect_and_connect(runtime, fake_broker, inside):
    """It is for the new connection, which begins when the old one is closed."""
    sent = [], []

    def script(n):
        def run(conn):
            conn.accept()
            while (packet := conn.read_packet()).name != "DISCONNECT":
                sent[n].append(getattr(packet, "topic", packet.name))
                if answer := ANSWERS.get(packet.name if packet.name != "PUBLISH" else packet.qos):
                    conn.send(answer(packet.pid))
            assert conn.wait_closed() == b""

        return run

    fake = fake_broker(script(0), script(1))
    events = runtime.run("disconnecting.then_connect_and_send", url=fake.url, clientid="c", inside=inside)
    state, cancel, done = events
    assert state == ["state", False, state[2], ["MQTTError", -1]]
    assert cancel == ["cancel", True, 3 + inside, 3 + inside], "in a handler, the old one has not left yet"
    zeros = [[str(qos), [0]] for qos in (0, 1, 2)]
    others = [["never", [-11]], ["old", [0]], ["subscribed", [0, 1]], ["unsubscribed", [0]]]
    assert done == ["done", zeros + others, 0]
    fake.join()
    assert sent == (["old"], ["new0", "new1", "new2", "SUBSCRIBE", "UNSUBSCRIBE", "PUBREL"])
