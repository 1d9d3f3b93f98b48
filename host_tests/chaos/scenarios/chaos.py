# The exchange that is cut wherever it can be: QoS 0, 1 and 2 both ways, over a session that is kept.
import mqtt
from kit import emit


class Player:
    # One client that goes through the exchange and reports what it saw when it is through.
    def __init__(self, url, name, messages, options):
        self.name = name
        self.messages = messages
        self.results = []  # of attempts
        self.lost = []  # reasons
        self.answers = []  # to requests
        self.codes = []  # of messages: (what, code)
        self.delivered = []
        self.heard = []
        self.left = 0  # what to wait for before the last message
        self.client = client = mqtt.createclient()
        client.onconnect(self.results.append)
        client.onconnectionlost(self.lost.append)
        client.ondelivery(lambda message: self.delivered.append(message.message))
        client.onmessage(self._heard)
        client.connect(url, name, **options)
        client.subscribe([name, name + "/x"], [2, 1], self._subscribed)

    def _subscribed(self, code, granted):
        self.answers.append([code, granted])
        self.client.unsubscribe(self.name + "/x", self._unsubscribed)
        for payload, qos in self.messages:
            # Waited for: the callback of each, and where it can't be lost, its coming back.
            self.left += 2 if qos else 1
            self.client.publish(self.name, payload, qos, callback=self._noting(payload))

    def _unsubscribed(self, code):
        self.answers.append([code])

    def _noting(self, payload):
        def note(code):
            self.codes.append((payload, code))
            self._less(payload)

        return note

    def _heard(self, message):
        again = message.message in [payload for payload, _, _ in self.heard]
        self.heard.append((message.message, message.qos, message.dup))
        if message.qos and not again:
            self._less(message.message)

    def _less(self, payload):
        # What comes twice would be seen before the last message, which is sent when all is through.
        self.left -= 1
        if self.left == 0:
            self.left = 2
            if payload == b"end":
                self.client.disconnect(self._gone)
            else:
                self.client.publish(self.name, b"end", 2, callback=self._noting(b"end"))

    def _gone(self):
        seen = {"results": self.results, "lost": self.lost, "answers": self.answers, "codes": self.codes}
        seen["delivered"] = self.delivered
        seen["heard"] = self.heard
        seen["rest"] = [self.client.pending(), self.client.dropped]
        emit("player", self.name, seen)


def play(lanes, together, messages, **options):
    # Plays with a new client on each lane, [url, name], so many at the same time. `messages`: [payload, QoS], which
    # each publishes to the topic of its name, to which it subscribes.
    for start in range(0, len(lanes), together):
        players = [Player(url, name, messages, options) for url, name in lanes[start : start + together]]
        mqtt.run(*[player.client for player in players])
    emit("end", len(lanes))
