"""paho-mqtt as an independent witness of what a broker delivers."""

from __future__ import annotations

import itertools
import threading
import time
from types import SimpleNamespace

import paho.mqtt.client as paho

from harness.net import HOST
from harness.process import LIMIT

numbers = itertools.count()


class Witness:
    """Connected when made. Keeps every message it sees in `messages`, in order."""

    def __init__(self, port: int, clientid: str | None = None, username=None, password=None, clean=True):
        self.messages: list[SimpleNamespace] = []
        self.changed = threading.Condition()
        self.connected = False
        self.acknowledged: set[int] = set()
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=clientid or f"witness-{next(numbers)}",
            clean_session=clean,
            protocol=paho.MQTTv311,
        )
        self.client.max_inflight_messages_set(1000)
        if username is not None:
            self.client.username_pw_set(username, password)
        self.client.on_message = self._on_message
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda _c, _u, mid, _codes, _p: self._acknowledge(mid)
        self.client.connect(HOST, port)
        self.client.loop_start()
        self._wait(lambda: self.connected, "CONNACK")

    def _on_connect(self, _client, _userdata, _flags, reason, _properties) -> None:
        with self.changed:
            self.connected = not reason.is_failure
            self.changed.notify_all()

    def _acknowledge(self, mid: int) -> None:
        with self.changed:
            self.acknowledged.add(mid)
            self.changed.notify_all()

    def _on_message(self, _client, _userdata, m) -> None:
        with self.changed:
            self.messages.append(
                SimpleNamespace(topic=m.topic, message=m.payload, qos=m.qos, retain=int(m.retain), dup=int(m.dup))
            )
            self.changed.notify_all()

    def _wait(self, condition, what: str, limit: float = LIMIT) -> None:
        with self.changed:
            if not self.changed.wait_for(condition, limit):
                raise AssertionError(f"the witness saw no {what} within {limit:g} s\n{self.transcript()}")

    def subscribe(self, topicfilter: str, qos: int = 2) -> Witness:
        """Returns when the broker has acknowledged it."""
        _code, mid = self.client.subscribe(topicfilter, qos)
        self._wait(lambda: mid in self.acknowledged, "SUBACK")
        return self

    def publish(self, topic: str, message: bytes | str = b"", qos: int = 0, retain: bool = False) -> None:
        """Returns when it is written (QoS 0) or acknowledged."""
        info = self.client.publish(topic, message, qos, retain)
        info.wait_for_publish(LIMIT)
        assert info.is_published(), f"the witness could not publish to {topic}"

    def publish_many(self, topic: str, messages, qos: int = 0) -> None:
        """Publish all without waiting in between; returns when the last is through."""
        infos = [self.client.publish(topic, message, qos) for message in messages]
        deadline = time.monotonic() + LIMIT
        for info in infos:
            info.wait_for_publish(max(0.01, deadline - time.monotonic()))
            assert info.is_published(), f"the witness could not publish all to {topic}"

    def wait(self, count: int, limit: float = LIMIT) -> list[SimpleNamespace]:
        """Wait until there are at least `count` messages; all of them."""
        self._wait(lambda: len(self.messages) >= count, f"{count} messages", limit)
        return list(self.messages)

    def wait_for(self, predicate, limit: float = LIMIT) -> list[SimpleNamespace]:
        """Wait until `predicate(messages)` is true; all of them."""
        self._wait(lambda: predicate(self.messages), "messages as expected", limit)
        return list(self.messages)

    def fence(self, topic: str) -> list[SimpleNamespace]:
        """Everything sent before this call has arrived: publish a last message and wait for it; all but that."""
        self.publish(topic, b"fence", 2)
        self.wait_for(lambda messages: any(m.message == b"fence" for m in messages))
        return [m for m in self.messages if m.message != b"fence"]

    def transcript(self) -> str:
        return "witness\n" + "\n".join(
            f"{m.topic} qos={m.qos} retain={m.retain} dup={m.dup} {len(m.message)} bytes {m.message[:60]!r}"
            for m in self.messages[-100:]
        )

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
