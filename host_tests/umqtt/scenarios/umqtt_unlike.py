# Programs that show where ours differs from umqtt.simple: see test_umqtt_differences.py, also for what the broker does.
from kit import emit
from umqtt_traced import is_ours


def results(new):
    c = new()
    c.telling = True
    c.connect()
    c.subscribe("t", 1)
    for _ in range(4):
        c.wait_msg()
    c.check_msg()
    c.disconnect()


def characters(new):
    c = new()
    c.connect()
    c.publish("Küche", "19,5 °C")
    c.disconnect()


def identifier_0(new):
    c = new()
    c.connect()
    # 65,535 messages later
    if is_ours(c):
        c.client._session._last = 65535
    else:
        c.client.pid = 65535
    c.publish("t", b"", qos=1)
    c.disconnect()


def no_answer(new):
    # The broker says nothing more, and hangs up after a second.
    c = new()
    if is_ours(c):
        c.connect(timeout=0.2)
    else:
        c.connect()
    c.publish("t", b"", qos=1)
    c.wait_msg()


def late_acknowledgement(new):
    c = new()
    c.connect()
    c.subscribe("t")
    c.publish("t", b"", qos=1)
    c.disconnect()


def no_connack(new):
    new().connect()


def hang_up_for_connack(new):
    new().connect()


def receiving_qos2(new):
    c = new()
    c.connect()
    c.subscribe("t", 2)
    c.wait_msg()
    c.disconnect()


def publishing_qos2(new):
    c = new()
    c.connect()
    c.publish("t", b"", qos=2)
    c.disconnect()


def long_filter(new):
    c = new()
    c.connect()
    c.subscribe("t" * 130)
    c.disconnect()


def user_without_password(new):
    c = new(user="me")
    c.connect()
    c.disconnect()


def empty_user(new):
    c = new(user="", password="")
    c.connect()
    c.disconnect()


def empty_client_id(new):
    c = new("")
    c.connect()
    c.disconnect()


def bad_arguments(new):
    c = new()
    c.connect()
    c.set_callback(None)
    c.subscribe("t")
    c.publish("a/#", b"")
    c.disconnect()


def bad_will(new):
    c = new()
    c.set_last_will("t", b"", qos=3)
    c.connect()


def connecting_twice(new):
    c = new()
    c.connect()
    c.connect()
    c.disconnect()


def not_connected(new):
    c = new()
    c.publish("t", b"")
    c.check_msg()
    c.disconnect()
    c.connect()
    c.disconnect()
    c.wait_msg()
    c.ping()


def reset(new):
    c = new()
    c.connect()
    c.ping()
    c.wait_msg()
    c.check_msg()


def no_recursion(new):
    # While the callback publishes, another message comes.
    def answer(topic, msg):
        c.show(topic, msg)
        c.publish("answer", msg, qos=1)
        emit("callback ends", msg)

    c = new()
    c.set_callback(answer)
    c.connect()
    c.subscribe("t", 1)
    c.wait_msg()
    c.check_msg()
    c.disconnect()


def unsubscribing(new):
    c = new()
    c.connect()
    c.subscribe("t")
    c.unsubscribe("t")
    c.disconnect()


def timeout_of_connect(new):
    c = new()
    c.connect(timeout=5)
    c.disconnect()


def idle(new):
    c = new(keepalive=1)
    c.connect()
    c.wait_msg()


def two_pings(new):
    c = new()
    c.connect()
    c.ping()
    c.ping()
    c.wait_msg()
    c.wait_msg()


class Counting:
    # A socket, or transport, that counts what is written to it.
    def __init__(self, inner):
        self.inner = inner
        self.writes = 0

    def write(self, *args):
        self.writes += 1
        return self.inner.write(*args)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def writes(new):
    c = new()
    c.connect()
    if is_ours(c):
        counting = c.client._link.transport = Counting(c.client._link.transport)
    else:
        counting = c.client.sock = Counting(c.client.sock)
    c.publish("t", b"x", qos=1)
    emit("writes", counting.writes)
    c.disconnect()
