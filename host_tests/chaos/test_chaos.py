"""A representative part of `make chaos`: the scripted exchange (scenarios/chaos.py), cut and resumed.

Every seventh byte on MicroPython, every 13th on CPython; `make chaos` takes every one. Silence is tried at every packet
boundary.
"""

import pytest

from chaos import cutting

STEP = {"micropython": 7, "cpython": 13}


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    with cutting.Field(tmp_path_factory.mktemp("chaos")) as made:
        yield made


def good(verdict, least):
    assert not verdict.problems, "\n".join(verdict.problems[:20])
    assert (verdict.lost, verdict.doubled) == (0, 0)
    assert verdict.tried >= least


@pytest.mark.parametrize("kind", ["fin", "rst"])
def test_a_cut_after_every_so_many_bytes(runtime, field, kind):
    streams = cutting.uncut(field, runtime)
    cuts = cutting.every_byte(streams, kind, STEP[runtime.name], first=2 * (kind == "rst"))
    verdict, lanes = field.play(runtime, cuts)
    good(verdict, len(cuts))
    assert len(cuts) > 1200 // STEP[runtime.name]
    assert all(len(lane.streams) == 2 for lane in lanes if lane.cuts[0].after < 600), "one cut, one reconnection"
    assert verdict.again, "some QoS 1 messages came twice: without that, no cut hit anything"


def test_silence_after_every_packet(runtime, field):
    cuts = cutting.every_packet(cutting.uncut(field, runtime), "silence")
    verdict, _ = field.play(runtime, cuts, together=len(cuts), **cutting.SILENT)
    good(verdict, len(cuts))
    assert len(cuts) > 40


def test_pairs_of_cuts(runtime, field):
    verdict, _ = field.play(runtime, cutting.pairs(cutting.uncut(field, runtime), 60))
    good(verdict, 100)


def test_cuts_of_tls_records(runtime, field):
    """Every third place of: before, at and after each record's end, those of the handshake included."""
    cuts = cutting.every_record(cutting.uncut(field, runtime, tls=True), "rst")[::3]
    verdict, _ = field.play(runtime, cuts, tls=True)
    good(verdict, len(cuts) * 9 // 10)
