# Programs for umqtt.simple's MQTTClient that do the same with ours. What the broker does is in test_umqtt_same.py.
from kit import emit


def publishing(new):
    c = new(b"bytes as id")
    c.connect()
    for size in (0, 1, 122, 123, 124, 2000, 20000):
        c.publish("t", b"x" * size)
    c.publish(b"bytes/topic", "text")
    c.publish("retained", bytearray(b"on"), True)
    c.publish("retained", b"", retain=True, qos=0)
    c.disconnect()


def publishing_qos1(new):
    c = new()
    c.connect()
    for size in (0, 1, 120, 121, 2000, 20000):
        c.publish(b"t", b"x" * size, qos=1)
    c.publish("retained", "text", True, 1)
    c.disconnect()


def introducing(new):
    # All that CONNECT may hold, one connection after the other.
    plain = new("a much longer client id, which no broker has to accept but most do accept")
    plain.connect()
    plain.disconnect()
    users = new(user="me", password=b"\xff\0secret", keepalive=65535)
    users.connect(False)
    users.disconnect()
    for qos, retain in ((0, False), (1, True), (2, False)):
        wills = new(keepalive=256, user=b"me", password="")
        wills.set_last_will("will/topic", b"gone", retain, qos)
        wills.connect(clean_session=True)
        wills.disconnect()
    empty = new(password="without a user")
    empty.set_last_will(b"will", b"")
    empty.connect()
    empty.disconnect()


def resuming(new):
    c = new()
    c.connect(False)
    c.wait_msg()
    c.disconnect()


def refused(new):
    for _ in range(5):
        new().connect()


def refused_subscription(new):
    c = new()
    c.connect()
    c.subscribe("secret")
    c.subscribe(b"public", 1)
    c.publish("t", "", qos=1)
    c.disconnect()


def receiving(new):
    c = new()
    c.connect()
    c.subscribe(b"t/#", qos=1)
    for _ in range(5):
        c.wait_msg()
    c.disconnect()


def receiving_at_once(new):
    # Four messages in one segment, then the end of the stream: one for each call.
    c = new()
    c.connect()
    c.subscribe("t")
    for _ in range(5):
        c.wait_msg()


def receiving_while_sending(new):
    # What comes before the answer is handed over in the call, what comes after it is not.
    c = new()
    c.connect()
    c.subscribe("t", 1)
    c.wait_msg()
    c.publish("t", b"mine", qos=1)
    c.wait_msg()
    c.disconnect()


def checking(new):
    c = new()
    c.telling = True
    c.connect()
    c.check_msg()
    c.check_msg()
    c.ping()
    c.wait_msg()
    c.check_msg()
    c.disconnect()


def answering(new):
    # The callback publishes, QoS 1 too; the acknowledgement of what it was called with comes after that.
    def answer(topic, msg):
        c.show(topic, msg)
        c.publish(b"answer", msg)
        c.publish(b"answer", msg, False, 1)
        c.check_msg()
        c.subscribe(b"more")
        emit("callback ends")

    c = new()
    c.set_callback(answer)
    c.connect()
    c.subscribe(b"question", 1)
    c.wait_msg()
    c.publish("after", "", qos=1)
    c.disconnect()


def waiting_inside(new):
    # The callback waits for another message.
    def ask(topic, msg):
        c.show(topic, msg)
        if topic == b"first":
            c.wait_msg()
            emit("callback ends")

    c = new()
    c.set_callback(ask)
    c.connect()
    c.subscribe(b"#")
    c.wait_msg()
    c.wait_msg()
    c.disconnect()


def raising(new):
    # What the callback raises comes out; that message is not acknowledged, and the next one is as usual.
    def fail(topic, msg):
        c.show(topic, msg)
        if msg == b"bad":
            raise ZeroDivisionError

    c = new()
    c.set_callback(fail)
    c.connect()
    c.subscribe("t", 1)
    c.wait_msg()
    c.wait_msg()
    c.disconnect()


def other_identifier(new):
    # An acknowledgement of something else is passed over.
    c = new()
    c.connect()
    c.publish("t", b"", qos=1)
    c.publish("t", b"", qos=1)
    c.disconnect()


def coming_back(new):
    # The broker hangs up; the program connects again. Identifiers go on.
    c = new()
    c.connect()
    c.subscribe("t", 1)
    c.wait_msg()
    c.connect(False)
    c.subscribe("t", 1)
    c.publish("t", b"back", qos=1)
    c.disconnect()


def pinging_between(new):
    # The answer to ping comes while the client waits for another: wait_msg then waits for a message.
    c = new()
    c.connect()
    c.subscribe("t")
    c.ping()
    c.publish("t", b"", qos=1)
    c.wait_msg()
    c.publish("t", b"")
    c.wait_msg()
    c.disconnect()


def answering_at_length(new):
    # The callback publishes much while the client waits.
    def answer(topic, msg):
        c.show(topic, msg)
        c.publish("answer", b"x" * 20000)

    c = new()
    c.set_callback(answer)
    c.connect()
    c.publish("t", b"", qos=1)
    c.disconnect()


def large(new):
    c = new()
    c.connect()
    c.subscribe("t")
    c.wait_msg()
    c.disconnect()
