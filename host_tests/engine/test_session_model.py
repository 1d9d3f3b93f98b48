"""The engine and an honest broker that keeps the session, on a network that ends anywhere.

QoS 1 arrives at least once, QoS 2 exactly once, both ways and in order; each callback comes once; QoS 0 is sent once,
or counted.
"""

import itertools

import pytest
from harness import wire
from harness.engine import KEEP, MOST, QOS0, REQUESTS, Engine
from harness.model_broker import ModelBroker
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule


class Mistake(Exception):
    pass


class Pair:
    """A client's engine and a broker; bytes get from one to the other when they are told to."""

    def __init__(self, **options):
        self.engine = Engine(reconnect=True, maxqueuedbytes=1 << 20, **options)
        self.engine.handler = self.handle
        self.broker = ModelBroker()
        self.online = False
        self.raising = False
        self.count = 0
        self.offered = {}  # payload: its QoS, or "zero" for QoS 0 without a callback
        self.given = {}  # payload to the client: QoS
        self.handled = []  # payloads whose handler did not raise
        self.handed = []  # payloads of QoS 0 that the network took whole

    def handle(self, message):
        if self.raising:
            self.raising = False
            raise Mistake
        self.handled.append(message.message)

    def connect(self):
        self.engine.begin()
        self.online = True
        self.taken = bytearray()

    def payload(self, size):
        self.count += 1
        return b"%05d" % self.count + bytes(size)

    def send(self, qos, size=0):
        payload = self.payload(size)
        engine = self.engine
        if qos == "zero":
            if not engine.session.publish0(b"t", payload, 0) and engine.offer("t", payload, callback=False):
                return
        elif engine.offer("t", payload, qos):
            return
        elif qos != "zero":
            engine.session.entries[-1].callback = engine.note(payload)
        self.offered[payload] = qos

    def give(self, qos, size=0):
        payload = self.payload(size)
        self.given[payload] = qos
        self.broker.publish(payload, qos)

    def write(self, room):
        """The network takes `room` more bytes from the client."""
        self.engine.out.room += room
        self.engine.flush()

    def up(self, n):
        """`n` bytes of what the network took reach the broker."""
        data = bytes(self.engine.out.data[:n])
        del self.engine.out.data[:n]
        self.taken += data
        self.broker.take(data)

    def down(self, n):
        """`n` bytes of the broker reach the client."""
        session, data = self.engine.session, self.broker.down
        while True:
            space = session.space()
            k = min(n, len(space), len(data)) if space else 0
            if k:
                space[:k] = data[:k]
                del data[:k]
                n -= k
            try:
                did = session.process(k)
            except Mistake:
                did = True
            self.engine.flush()
            if not k and not did:
                return

    def lose(self, how=KEEP):
        self.taken += self.engine.out.data
        while size := wire.whole(self.taken):
            packet = wire.decode(bytes(self.taken[:size]))
            del self.taken[:size]
            if packet.name == "PUBLISH" and not packet.qos:
                self.handed.append(packet.message)
        self.engine.lose(how)
        self.broker.lost()
        self.online = False

    def settle(self):
        """What a network that works again makes of it."""
        self.raising = False
        for _ in range(2):
            if not self.online:
                self.connect()
            while True:
                self.write(MOST)
                if not self.engine.out.data and not self.broker.down:
                    break
                self.up(MOST)
                self.down(MOST)
            assert not self.engine.session.waiting()
            self.lose()  # a message whose handler raised comes again on the next connection

    def check(self):
        """All promises, when all is settled."""
        self.settle()
        session = self.engine.session
        assert session.pending() == 0 and session.entries == [] and self.broker.finished()
        received = self.broker.received
        assert set(received) <= set(self.offered)
        codes = dict(self.engine.done)
        assert len(codes) == len(self.engine.done), "a callback came twice"
        assert set(codes) == {payload for payload, qos in self.offered.items() if qos != "zero"}
        for payload, qos in self.offered.items():
            times = received.count(payload)
            if qos in (1, 2):
                assert codes[payload] == 0
                assert times == 1 if qos == 2 else times >= 1, f"{payload[:5]} came {times} times"
            else:
                assert times <= self.handed.count(payload) <= 1
                assert qos or (codes[payload] == 0) == (payload in self.handed)
        zeros = [payload for payload, qos in self.offered.items() if qos == "zero"]
        assert sum(payload in self.handed for payload in zeros) + session.dropped == len(zeros)
        for qos in (1, 2):
            first = [p for p in dict.fromkeys(received) if self.offered[p] == qos]
            assert first == [p for p in self.offered if self.offered[p] == qos], "out of order"
            got = [m[1] for m in self.engine.messages if m[2] == qos]
            assert list(dict.fromkeys(got)) == [p for p in self.given if self.given[p] == qos], "out of order"
            assert qos == 1 or len(set(got)) == len(got), "doubled"
            assert qos == 2 or set(got) <= set(self.handled), "not handled"


# -- every place


def staged(window):
    """A bit of everything to send, both ways, some of it when the connection is there."""
    pair = Pair(maxinflight=window)
    for qos in (1, 0, 2, "zero", 1):
        pair.send(qos, 7)
    for qos in (1, 2, 2, 1):
        pair.give(qos, 5)

    def more(_code):
        pair.engine.session.onconnect = None
        pair.give(0)
        for qos in ("zero", 2, "zero", 1):
            pair.send(qos, 2)

    pair.engine.session.onconnect = more
    return pair


def connection(pair, up=MOST, down=MOST, room=MOST):
    """A connection that carries no more than this many bytes; how many each way it did."""
    pair.connect()
    pair.engine.out.room = room
    ups = downs = 0
    moved = True
    while moved:
        pair.engine.flush()
        n = min(up - ups, len(pair.engine.out.data))
        m = min(down - downs, len(pair.broker.down))
        pair.up(n)
        pair.down(m)
        ups += n
        downs += m
        moved = n or m
    pair.lose()
    return {"up": ups, "down": downs, "room": ups}


@pytest.mark.parametrize("place", ["up", "down", "room"])
@pytest.mark.parametrize("window", [16, 2])
def test_a_loss_after_every_byte(place, window):
    """Of what reaches the broker, of what reaches the client, of what the network takes."""
    total = connection(staged(window))[place]
    assert total > 110
    for n in range(total + 1):
        pair = staged(window)
        assert connection(pair, **{place: n})[place] == n
        pair.check()


@pytest.mark.parametrize("places", [("up", "down"), ("down", "room"), ("room", "up")], ids="-".join)
def test_two_losses(places):
    total = connection(staged(16))
    for cuts in itertools.product(*(range(1, total[place], 6) for place in places)):
        pair = staged(16)
        for place, n in zip(places, cuts):
            connection(pair, **{place: n})
        pair.check()


# -- any course of events


sizes = st.sampled_from([0, 0, 9, 300, 1100])
few = st.integers(0, 60)
some = st.one_of(few, st.just(5000))


class Conversation(RuleBasedStateMachine):
    pair = None

    @initialize(maxinflight=st.integers(1, 5), maxqueued=st.integers(1, 12))
    def start(self, maxinflight, maxqueued):
        self.pair = Pair(maxinflight=maxinflight, maxqueued=maxqueued)

    @rule(qos=st.sampled_from([0, "zero", 1, 2, 1, 2]), size=sizes)
    def send(self, qos, size):
        self.pair.send(qos, size)

    @rule(qos=st.integers(0, 2), size=sizes)
    def give(self, qos, size):
        self.pair.give(qos, size)

    @rule(room=some, up=some, down=some)
    def move(self, room, up, down):
        pair = self.pair
        if not pair.online:
            pair.connect()
            pair.engine.out.room = 0
        pair.write(room)
        pair.up(up)
        pair.down(down)

    @rule()
    def the_next_handler_raises(self):
        self.pair.raising = True

    @rule(up=few, down=few, how=st.sampled_from([KEEP, KEEP, REQUESTS, QOS0]))
    def lose(self, up, down, how):
        if self.pair.online:
            self.pair.up(up)
            self.pair.down(down)
            self.pair.lose(how)

    @invariant()
    def bounded(self):
        session = self.pair.engine.session
        assert session.pending() <= session.config.maxqueued

    def teardown(self):
        if self.pair:
            self.pair.check()


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=150, stateful_step_count=50)
