"""A representative part of `make chaos`: kill -9 with a store, restarts of the broker, and much traffic.

Every sixth record of the store here, every one there; 3 s of traffic here, two minutes there.
"""

import pytest

from chaos import crashing, cutting, restarting, soaking


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    with cutting.Field(tmp_path_factory.mktemp("chaos")) as made:
        yield made


def good(tally):
    assert not tally.problems, "\n".join(tally.problems[:20])
    assert (tally.lost, tally.doubled) == (0, 0)


def test_killed_around_records_of_the_store(runtime, arena, tmp_path):
    tally = crashing.at_every_record(arena, runtime, tmp_path, step=6)
    good(tally)
    assert tally.tried >= 10


def test_killed_at_random(runtime, arena, tmp_path):
    tally = crashing.at_random(arena, runtime, tmp_path, 4)
    good(tally)
    assert tally.tried >= 4


def test_the_broker_is_restarted_with_its_persistence(runtime, tmp_path):
    tally = restarting.restarts(runtime, tmp_path, persistence=True, rounds=4)
    good(tally)


def test_the_broker_is_restarted_without_its_persistence(runtime, tmp_path):
    """Nothing is promised but that all ends: callbacks come once, with 0, and subscriptions are renewed."""
    tally = restarting.restarts(runtime, tmp_path, persistence=False, rounds=4)
    assert not [problem for problem in tally.problems if "callbacks" in problem]
    assert tally.doubled == 0


def test_much_traffic_leaves_the_heap_as_it_was(runtime, arena):
    seen = soaking.soak(arena, runtime, 3)
    assert soaking.good(runtime, seen), seen
    assert seen["rounds"] >= 40
