"""The functions that every message, or every poll, passes get no frame from the heap (see tools/frames.py)."""

import pytest

from tools import frames, size

# Who may, as that is rare: connecting, failing, giving up, subscribing, a new topic, a packet of many bytes.
RARE = {
    "client": {
        "Client._request",
        "Client._request.ListComp",
        "Client._route",
        "Client.connect",
        "Client.createmessage",
    },
    "link": {"Link._fail", "Link.sendsync", "run"},
    "packets": {"_wellformed", "matches", "packet"},
    "session": {
        "Session._granted",
        "Session._grow",
        "Session._makeroom",
        "Session._rename",
        "Session._skip",
        "Session.closed",
    },
    "transport": {"Transport._opened", "Transport.step"},
}


@pytest.mark.parametrize("module", RARE)
def test_only_rare_functions_have_frames_on_the_heap(tmp_path, module):
    size.build(target=tmp_path)
    found = frames.frames(size.SOURCE / f"{module}.py", tmp_path / f"{module}.mpy")
    assert {frame.function for frame in found if frame.on_heap} == RARE[module]


@pytest.mark.parametrize("count", [10, 11, 40])
def test_a_frame_has_the_words_that_its_function_needs(tmp_path, count):
    """Arguments and one temporary."""
    source = tmp_path / "made.py"
    names = ", ".join(f"a{n}" for n in range(count))
    source.write_text(f"def made({names}):\n    return a0\n")
    size.build(source=tmp_path, target=tmp_path / "out")
    made = frames.frames(source, tmp_path / "out" / "made.mpy")[1]
    assert made == ("made", count + 1) and made.on_heap == (count > 10)


def test_a_frame_on_the_heap_costs_what_micropython_takes_for_it(micropython):
    """The limit is MicroPython's: with one word more, a call takes memory while it lasts."""
    assert micropython().run("frames.taken") == [["taken", 10, False], ["taken", 11, True]]
