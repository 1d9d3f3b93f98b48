"""mqtt.aio where all goes well: every operation, many tasks, two clients, TLS."""

from collections import Counter


def test_importing_mqtt_does_not_load_it(runtime):
    events = runtime.run("aio_basics.not_loaded")
    assert events == [["loaded", False, False]] * 2


def expected(topic):
    return [
        ["before", False, 0, ""],
        ["connected", True, True, False],
        ["granted", [1, 2], 2],
        ["pending", 0],
        *(["message", topic, b"message %d" % qos, qos, 0, 0] for qos in range(3)),
        ["long", 3000, 0],
        ["unsubscribed", None],
        ["after", False, 0, ""],
    ]


def test_a_round_trip(runtime, broker, name):
    assert runtime.run("aio_basics.round_trip", url=broker.url, clientid=name, topic=name) == expected(name)


def test_a_round_trip_over_tls(runtime, tls_broker, certificates, name):
    url = tls_broker.tls_url("ecdsa")
    ssl = {"cadata": certificates.ca.pem}
    events = runtime.run("aio_basics.round_trip", url=url, clientid=name, topic=name, ssl=ssl)
    assert events == expected(name)


def test_arguments(runtime, broker, name):
    events = runtime.run("aio_basics.arguments", url=broker.url, clientid=name)
    kinds = Counter(tuple(event[:2]) for event in events[:12])
    assert kinds["publish", "ValueError"] == 4 and kinds["publish", "TypeError"] == 1, events
    assert kinds["subscribe", "ValueError"] == 4, events
    assert [event[:2] for event in events[9:12]] == [
        ["messages", "ValueError"],
        ["messages", "ValueError"],
        ["messages", "ValueError"],
    ]
    assert events[12:] == [
        ["full", [None, None, ["MQTTError", -12]]],
        ["again", ["MQTTError", -1], True],
        ["option", ["ValueError", "option: 'nonsense' is unknown"]],
        ["closed", [["MQTTError", -3], ["MQTTError", -3], None]],
    ]


def test_many_publishers_at_once(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe(name)
    tasks, each = 30, 10
    events = runtime.run(
        "aio_basics.many_publishers", url=broker.url, clientid=name, topic=name, tasks=tasks, each=each
    )
    assert events == [["failed", []], ["pending", 0]]
    got = [m.message.decode().split() for m in seen.wait(tasks * each)]
    for number in range(tasks):
        assert [int(i) for n, i in got if int(n) == number] == list(range(each))


def test_two_clients_in_one_loop(runtime, broker, name):
    events = runtime.run("aio_basics.two_clients", url=broker.url, clientid=name, topic=name, count=20)
    assert events == [["ends", [20, 21]]]


def test_other_tasks_have_their_turns(runtime, broker, witness, name):
    program = runtime.start("aio_basics.fair", url=broker.url, clientid=name, topic=name, count=300)
    (publishing,) = program.expect("publishing")
    assert publishing >= 290
    program.expect("ready")
    witness(broker.port).publish_many(name, [b"x" * 200] * 2000 + [b"end"], 1)
    receiving, dropped = program.expect("receiving")
    program.finish()
    assert receiving >= 100 and not dropped


def test_nothing_stays_on_the_heap(micropython, broker, name):
    kept, idle = micropython().run("aio_basics.heap", url=broker.url, clientid=name, topic=name, count=600)
    assert kept[1] <= 128 and idle == ["idle", 0]
