"""Programs of firmware/examples that others talk to: the light of Home Assistant, and two boards."""

import json

import pytest
from harness import wire
from harness.example import JOINED, Board, texts, wait_for_text


@pytest.fixture
def make(runtime, tmp_path):
    """A factory of boards."""
    return lambda name="board": Board(runtime, tmp_path / name)


@pytest.fixture
def board(make):
    return make()


# -- homeassistant_light.py


class HomeAssistant:
    """What Home Assistant does with a light: it knows the topics from the discovery message alone."""

    def __init__(self, witness, port, device):
        self.witness = witness(port).subscribe(f"homeassistant/light/{device}/config", 1)
        self.config = json.loads(self.witness.wait(1)[0].message)
        self.witness.subscribe(self.config["state_topic"], self.config["qos"])
        self.witness.subscribe(self.config["availability_topic"], self.config["qos"])

    def order(self, command):
        text = command if isinstance(command, (str, bytes)) else json.dumps(command)
        self.witness.publish(self.config["command_topic"], text, self.config["qos"])

    def states(self):
        return [json.loads(text) for text in texts(self.witness.messages, self.config["state_topic"])]

    def state(self, count):
        """The state, when so many were told."""
        self.witness.wait_for(lambda _: len(self.states()) >= count)
        return self.states()[-1]

    def available(self, *texts):
        wait_for_text(self.witness, self.config["availability_topic"], *texts)


@pytest.fixture
def light(board, broker, name):
    program = board.start("homeassistant_light.py", broker.url, name)
    program.expect_line("connected")
    return program


def test_the_light_announces_itself(light, broker, witness, name):
    config = HomeAssistant(witness, broker.port, name).config
    assert config == {
        "schema": "json",
        "unique_id": name,
        "device": {"identifiers": [name], "name": name},
        "name": None,
        "command_topic": name + "/set",
        "state_topic": name + "/state",
        "availability_topic": name + "/availability",
        "brightness": True,
        "qos": 1,
    }


def test_the_light_obeys_and_tells_its_state(board, light, broker, witness, name):
    home = HomeAssistant(witness, broker.port, name)
    home.available(b"online")
    assert home.state(1) == {"state": "OFF", "brightness": 255}
    orders = [
        ({"state": "ON"}, "ON", 255, 65535),
        ({"state": "ON", "brightness": 1}, "ON", 1, 257),
        ({"state": "OFF"}, "OFF", 1, 0),
        ({"state": "ON", "transition": 2}, "ON", 1, 257),
        ({"state": "ON", "brightness": 128}, "ON", 128, 128 * 257),
        ({"state": "ON", "brightness": 1000}, "ON", 255, 65535),
    ]
    for count, (order, state, brightness, duty) in enumerate(orders, 2):
        home.order(order)
        assert home.state(count) == {"state": state, "brightness": brightness}
        assert board.shows("pwm15") == str(duty)


def test_the_light_does_not_mind_nonsense(light, broker, witness, name):
    home = HomeAssistant(witness, broker.port, name)
    home.order({"state": "ON", "brightness": 100})
    assert home.state(2) == {"state": "ON", "brightness": 100}
    nonsense = [b"", b"ON", b"\xff\0", b"[]", b"5", b"null", b"{}", b'{"brightness": 9}', b'{"state": "on"}']
    nonsense += [
        b'{"state": []}',
        *(b'{"state": "ON", "brightness": %s}' % v for v in (b'"x"', b"null", b"[]", b"1e999")),
    ]
    for count, order in enumerate(nonsense, 3):
        home.order(order)
        assert home.state(count) == {"state": "ON", "brightness": 100}
        light.expect_line(f"not understood: {order}")
    home.order({"state": "OFF"})
    assert home.state(len(nonsense) + 3) == {"state": "OFF", "brightness": 100}


def test_the_light_is_unavailable_when_it_is_gone(board, light, broker, witness, name):
    home = HomeAssistant(witness, broker.port, name)
    home.order({"state": "ON"})
    home.state(2)
    light.kill()
    home.available(b"online", b"offline")
    # Home Assistant starts anew, and finds all of it.
    home = HomeAssistant(witness, broker.port, name)
    assert home.state(1) == {"state": "ON", "brightness": 255}
    home.available(b"offline")
    assert [m.retain for m in home.witness.messages] == [1, 1, 1]
    # The board starts anew.
    board.start("homeassistant_light.py", broker.url, name)
    home.available(b"offline", b"online")
    assert home.state(2) == {"state": "OFF", "brightness": 255}


def test_the_light_survives_the_broker(board, private_broker, witness):
    """One that forgets everything is told everything again."""
    broker = private_broker()
    program = board.start("homeassistant_light.py", broker.url, "lamp")
    program.expect_line("connected")
    broker.kill()
    broker.start()
    home = HomeAssistant(witness, broker.port, "lamp")
    home.available(b"online")
    home.order({"state": "ON", "brightness": 3})
    assert home.state(2) == {"state": "ON", "brightness": 3}


# -- asking_board.py and answering_board.py


def test_two_boards_ask_and_one_answers(make, broker, name):
    boiler, *others = make("boiler"), make("one"), make("two")
    boiler.set("temperature", "61.25")
    answering = boiler.start("answering_board.py", broker.url, name)
    answering.expect_line("listening")
    programs = [
        board.start("asking_board.py", broker.url, f"{name}-{number}", name, 0.1, 15)
        for number, board in enumerate(others)
    ]
    for program in programs:
        program.expect_line("temperature: 61.25")
        program.expect_line("memory: ")
    boiler.set("temperature", "7.5")
    for program in programs:
        program.expect_line("temperature: 7.5")
    assert list(answering.lines) == [JOINED, "connected", "listening"]


def test_a_board_that_is_gone_does_not_answer(make, broker, witness, name):
    asking = make("asking").start("asking_board.py", broker.url, name + "-asking", name, 0.1, 0.3)
    asking.expect_line(f"temperature: no answer from {name}")
    asking.expect_line(f"memory: no answer from {name}")
    make("answering").start("answering_board.py", broker.url, name)
    asking.expect_line("temperature: 21.5")


def test_only_the_answer_to_the_question_counts(board, fake_broker):
    """Not one of before a restart, nor nonsense, nor what comes twice."""

    def script(conn):
        conn.accept()
        request = conn.read("SUBSCRIBE")
        conn.send(wire.suback(request.pid, 1))
        for question, right in (("temperature", "22.5"), ("memory", 9)):
            packet = conn.read("PUBLISH")
            request = json.loads(packet.message)
            assert (packet.topic, packet.qos, request["question"]) == ("boiler/question", 1, question)
            number = request["id"]
            bad = [b"", b"\xff", b"5", b"{}", b'{"id": []}', {"id": number - 1, "answer": "wrong"}]
            answers = [*bad, {"id": number, "answer": right}, {"id": number, "answer": "once more"}]
            texts = [text if isinstance(text, bytes) else json.dumps(text).encode() for text in answers]
            conn.send(wire.ack("PUBACK", packet.pid) + b"".join(wire.publish(request["replyto"], t) for t in texts))
        conn.read("PUBLISH")

    fake = fake_broker(script)
    asking = board.start("asking_board.py", fake.url, "display", "boiler", 0.1, 15)
    asking.expect_line("memory: 9")
    fake.join()
    asking.kill()
    assert [line for line in asking.lines if line.startswith(("temperature", "memory"))] == [
        "temperature: 22.5",
        "memory: 9",
    ]


def test_whatever_is_asked_the_board_answers_the_next(board, broker, witness, name):
    replyto = name + "/here"
    other = witness(broker.port).subscribe(replyto)
    answering = board.start("answering_board.py", broker.url, name)
    answering.expect_line("listening")
    good = {"question": "temperature", "id": "x", "replyto": replyto}
    bad = [
        b"",
        b"\xff",
        b"5",
        b"null",
        b"{}",
        {**good, "question": []},
        {**good, "replyto": "a/#"},
        {**good, "replyto": 5},
    ]
    for request in bad:
        other.publish(name + "/question", request if isinstance(request, bytes) else json.dumps(request), 1)
    for request in (good, {**good, "question": "weather"}):
        other.publish(name + "/question", json.dumps(request), 1)
    assert [json.loads(m.message) for m in other.wait(2)] == [
        {"id": "x", "answer": 21.5},
        {"id": "x", "answer": "I don't know"},
    ]
    complaints = "\n".join(["not answered: "] * len(bad))
    answering.wait_until(lambda: "\n".join(line[:14] for line in answering.lines).endswith(complaints), "complaints")
