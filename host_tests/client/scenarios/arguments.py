# Bad arguments: every call must raise, naming the argument and the value.
import mqtt
from kit import emit, error_of

SECRET = "hunter2-sesame"
URL = "tcp://127.0.0.1:1"
BAD_TEXTS = ("", "a\0b", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82")
BAD_TEXTS += ("x" * 65536, "é" * 32768)
BAD_URLS = ("", "127.0.0.1", "http://h", "TCP//h", "tcp://", "tcp://:1883", "tcp:// h", "tcp://h:", "tcp://h:x")
BAD_URLS += ("tcp://h:0", "tcp://h:65536", "tcp://h:-1", "tcp://h:1e3", "tcp://h: 1", "tcp://h:1883/path")
BAD_URLS += ("tcp://[::1", "tcp://[]", "tcp://[::1]1883", None, 5, b"tcp://h")
BAD_RECONNECT = (({"mi": 1}, "mi"), ({"min": -1}, -1), ({"min": 5, "max": 1}, 1), ({"max": 0}, 0), ({"min": "1"}, "1"))


def _check(argument, value, call, *args, **kwargs):
    # `value` is what the error has to show, None where it is too long or must not be shown.
    emit("case", argument, None if value is None else str(value), error_of(call, *args, **kwargs))


def connecting():
    client = mqtt.createclient()
    for url in BAD_URLS:
        # Of a wrong type the type is shown: the value may hold a password.
        _check("url", url if isinstance(url, str) else None, client.connect, url, "c")
    _check("url", None, client.connect, "tcp://user:" + SECRET + "@h", "c", username="u", password=SECRET)
    for clientid in ("x" * 256, "a\0b", None, 7, ["c"]):
        _check("clientid", None, client.connect, URL, clientid)
    _check("clientid", None, client.connect, URL, "", cleansession=False)
    _check("clientid", None, client.connect, URL, b"\xff")
    for options in (5, "keepalive", ["keepalive"]):
        _check("options", None, client.connect, URL, "c", options)
    for name in ("keepAlive", "user", "", "qos", 5):
        _check("option", name, client.connect, URL, "c", {name: 1})
    _check("option", "wiltopic", client.connect, URL, "c", wiltopic="t")
    for name, values in OPTIONS.items():
        for value in values:
            options = {"username": "u", "willtopic": "w"}
            options[name] = value
            _check(name, value, client.connect, URL, "c", options)
    for value, shown in BAD_RECONNECT:
        _check("reconnect", shown, client.connect, URL, "c", reconnect=value)
    emit("state", client.isconnected(), error_of(client.publish, "t", "m"))


OPTIONS = {
    "keepalive": (-1, 65536, "60", 1.5, None),
    "willqos": (-1, 3, "1", None, 1.5),
    "willretain": (2, "yes", None),
    "cleansession": (2, "no", None),
    "timeout": (0, -1, "30", None),
    "maxinflight": (0, -1, "16", None, 1.5),
    "maxqueued": (0, -1, "64", None),
    "maxqueuedbytes": (0, -1, "9", None),
    "maxmessage": (0, -1, "9", None),
    "overflow": ("drop", "", None, 1),
    "oversize": ("refuse", "", 1),
    "reconnect": ("yes", 2),
    "linkup": (5, True),
    "username": (5, ["u"]),
    "willtopic": (5, "a/#", "+", ""),
    "willmessage": (5, None),
}


def texts():
    # Names and topics that are no text, wherever there are any.
    client = mqtt.createclient()
    for text in BAD_TEXTS:
        _check("topic", None, client.createmessage, text)
        _check("topic", None, client.publish, text, b"")
        _check("topics", None, client.subscribe, text)
        _check("topics", None, client.unsubscribe, ["ok", text])
        _check("topicfilter", None, client.onmessage, print, text)
        _check("willtopic", None, client.connect, URL, "c", willtopic=text)
        if text:
            _check("username", None, client.connect, URL, "c", username=text)
    _check("willmessage", None, client.connect, URL, "c", willtopic="w", willmessage=bytes(65536))


def sending():
    client = mqtt.createclient()
    for topic in ("a/#", "a+", "+", "#", "a/+/b", b"#"):
        _check("topic", topic, client.createmessage, topic)
        _check("topic", topic, client.publish, topic, "m")
        _check("topic", topic, client.publish, topic, "m", 1)
    for topic in (None, 5, ["t"], True):
        _check("topic", topic, client.createmessage, topic)
        _check("topic", topic, client.publish, topic, "m")
    for message in (None, 5, ["m"], {"a": 1}, 1.5):
        _check("message", message, client.createmessage, "t", message)
        _check("message", message, client.publish, "t", message)
    for qos in (-1, 3, 128, "1", None, 1.5):
        _check("qos", qos, client.createmessage, "t", "m", {"qos": qos})
        _check("qos", qos, client.publish, "t", "m", qos)
    for name in ("Qos", "dup", 1):
        _check("option", name, client.createmessage, "t", "m", {name: 1})
    _check("options", 5, client.createmessage, "t", "m", 5)
    message = client.createmessage("t", "m")
    for callback in (5, "print", True):
        _check("callback", callback, client.publish, "t", "m", callback=callback)
        _check("callback", callback, message.sendasync, callback)
    client.connect(URL, "c")
    for timeout in ("soon", "1", [1]):
        _check("timeout", timeout, message.sendsync, timeout)
    client.disconnect()


def requests():
    client = mqtt.createclient()
    for topic in ("a/#/b", "a+", "+a", "a#", "#/a", "a/+b", "a/b#", "##"):
        _check("topics", topic, client.subscribe, topic)
        _check("topics", topic, client.subscribe, ["ok", topic])
        _check("topics", topic, client.unsubscribe, topic)
        _check("topicfilter", topic, client.onmessage, print, topic)
    for topics in (None, 5, [], (), [5], [None], {"t": 1}):
        _check("topics", topics if topics not in ([5], [None]) else topics[0], client.subscribe, topics)
        _check("topics", topics if topics not in ([5], [None]) else topics[0], client.unsubscribe, topics)
    for qos in (-1, 3, "1", None, 1.5):
        _check("qos", qos, client.subscribe, "t", qos)
        _check("qos", qos, client.subscribe, ["t", "u"], [0, qos])
    for qos in ([], [0], [0, 1, 2]):
        _check("qos", qos, client.subscribe, ["t", "u"], qos)
    for callback in (5, "print", True):
        _check("callback", callback, client.subscribe, "t", 0, callback)
        _check("callback", callback, client.unsubscribe, "t", callback)
        _check("callback", callback, client.disconnect, callback)
    for name in ("onconnect", "onconnectionlost", "onmessage", "ondelivery"):
        for handler in (5, "print", True):
            _check(name, handler, getattr(client, name), handler)
    _check("kind", "losses", mqtt.errorstring, 0, "losses")


def secrets():
    # Passwords in errors of every kind.
    client = mqtt.createclient()
    secret = SECRET
    for options in (
        {"password": secret},
        {"username": "u", "password": 5},
        {"username": "u", "password": [secret]},
        {"username": "u\0", "password": secret},
        {"username": "u", "password": secret + "x" * 65536},
        {"username": "u", "password": secret, "keepalive": -1},
        {"username": "u", "password": secret, "nonsense": 1},
    ):
        emit("case", "", "", error_of(client.connect, URL, "c", options))
        emit("case", "", "", error_of(client.connect, URL, "c", None, **options))
    for url in ("tcp://u:" + secret + "@127.0.0.1:1883", "http://u:" + secret + "@h", "tcp://" + secret + "@h:99999"):
        emit("case", "", "", error_of(client.connect, url, "c"))


def good():
    # What looks odd and is right.
    client = mqtt.createclient()
    emit("case", error_of(client.createmessage, "$SYS/" + "é" * 10 + " /", memoryview(b"x"), {"qos": 2, "retain": 1}))
    emit("case", error_of(client.createmessage, "x" * 65535, "é", {}))
    emit("case", error_of(client.createmessage, "t", "m", None))
    for topicfilter in ("#", "+", "/", "+/+", "a/+/#", "$SYS/#", "x" * 65535, "a//b", " "):
        emit("case", error_of(client.onmessage, print, topicfilter))
        emit("case", error_of(client.onmessage, None, topicfilter))
    for handler in (client.onconnect, client.onconnectionlost, client.onmessage, client.ondelivery):
        emit("case", error_of(handler, None))
    for url in ("tcp://127.0.0.1", "mqtt://127.0.0.1:1", "tcp://[::1]:1", "tcp://[::1]"):
        emit("case", error_of(client.connect, url, "x" * 255, {}, keepalive=65535, timeout=0.5, reconnect=False))
        client.disconnect()
    emit("case", error_of(client.connect, URL, "é" * 255, {"keepalive": 0}, username="", password=b"", willtopic="w"))
    client.disconnect()
