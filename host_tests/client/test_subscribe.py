"""SUBSCRIBE and UNSUBSCRIBE: one packet a call, answers one to one."""

from harness import wire


def test_subscribe_with_every_shape_of_arguments(runtime, broker, name):
    assert runtime.run("subscribing.kinds", url=broker.url, clientid=name, topic=name) == [
        ["granted", 0, 1],
        ["granted", [2], [1, 0]],
        ["plain", 0, 0, 0],
        ["last", [[0]]],
    ]


def test_one_packet_for_a_list_and_answers_in_the_same_shape(runtime, fake_broker):
    requests = [
        ["subscribe", "one", 1],
        ["subscribe", ["a/+", "b/#", "é"], [0, 1, 2]],
        ["unsubscribe", ["x", "y"]],
        ["subscribe", ["c", "d"], 2],
        ["unsubscribe", "z"],
    ]

    def script(conn):
        conn.accept()
        packets = [conn.read_packet() for _ in requests]
        assert [(p.name, p.filters) for p in packets] == [
            ("SUBSCRIBE", [("one", 1)]),
            ("SUBSCRIBE", [("a/+", 0), ("b/#", 1), ("é", 2)]),
            ("UNSUBSCRIBE", ["x", "y"]),
            ("SUBSCRIBE", [("c", 2), ("d", 2)]),
            ("UNSUBSCRIBE", ["z"]),
        ]
        pids = [p.pid for p in packets]
        assert len(set(pids)) == 5
        # answered in another order than asked, with less than asked and refused
        conn.send(wire.ack("UNSUBACK", pids[4]) + wire.suback(pids[3], 128, 0) + wire.ack("UNSUBACK", pids[2]))
        conn.send(wire.suback(pids[1], 0, 128, 2) + wire.suback(pids[0], 128))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    assert runtime.run("subscribing.ask", url=fake.url, clientid="c", requests=requests) == [
        *([kind, 0, 0] for kind, *_ in requests),
        [
            "answers",
            [
                ["unsubscribe", 0],
                ["subscribe", 0, [128, 0]],
                ["unsubscribe", 0],
                ["subscribe", 0, [0, 128, 2]],
                ["subscribe", 0, 128],
            ],
        ],
        ["count", 5],
    ]
    fake.join()


def test_packet_identifiers_count_up_from_one(runtime, fake_broker):
    requests = [["subscribe", "a", 0], ["unsubscribe", "a"], ["subscribe", "b", 0]]

    def script(conn):
        conn.accept()
        packets = [conn.read_packet() for _ in requests]
        assert [p.pid for p in packets] == [1, 2, 3]
        conn.send(wire.suback(1, 0) + wire.ack("UNSUBACK", 2) + wire.suback(3, 0))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    runtime.run("subscribing.ask", url=fake.url, clientid="c", requests=requests)
    fake.join()


def test_unsubscribe_ends_the_messages(runtime, broker, witness, name):
    program = runtime.start("subscribing.until_unsubscribed", url=broker.url, clientid=name, topic=name)
    program.expect("subscribed", [2, 1])
    sender = witness(broker.port)
    sender.publish(f"{name}/more", b"first", 2)
    assert program.expect("message")[1:3] == [b"first", 2]
    program.expect("unsubscribed", 0)
    sender.publish(f"{name}/more", b"second", 2)
    sender.publish(f"{name}/end", b"", 1)
    program.finish()
    assert not program.fresh


def test_connection_lost_before_the_answer(runtime, fake_broker):
    def script(conn):
        conn.accept()
        for _ in range(3):
            conn.read_packet()

    fake = fake_broker(script)
    assert runtime.run("subscribing.lost_before_the_answer", url=fake.url, clientid="c") == [
        ["answers", [["one", -11, None], ["list", -11, None], ["unsubscribe", -11]]]
    ]
    fake.join()
