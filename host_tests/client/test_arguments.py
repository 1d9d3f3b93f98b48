"""Bad arguments raise ValueError or TypeError with the name and the value, and never with a password."""

import pytest

SECRET = "hunter2-sesame"


def complaint(case):
    """What is wrong with the error of a bad argument; None if nothing is."""
    _, argument, value, error = case
    if error is None:
        return f"{argument}={value}: nothing raised"
    kind, text = error
    if kind not in ("ValueError", "TypeError"):
        return f"{argument}={value}: {kind} {text}"
    if argument not in text or (value is not None and value not in text):
        return f"{argument}={value}: not named in {text!r}"
    if len(text) > 300:
        return f"{argument}: an error of {len(text)} characters"
    return None


@pytest.mark.parametrize("group", ["connecting", "texts", "sending", "requests"])
def test_bad_arguments(runtime, group):
    events = runtime.run(f"arguments.{group}")
    cases = [event for event in events if event[0] == "case"]
    assert len(cases) > 20
    assert list(filter(None, map(complaint, cases))) == []
    if group == "connecting":
        assert events[-1] == ["state", False, ["MQTTError", -3]], "a refused connect leaves the client as it was"


def test_no_error_shows_a_password(runtime):
    program = runtime.start("arguments.secrets")
    cases = program.finish()
    assert len(cases) > 10
    for _, _, _, error in cases:
        assert error and error[0] in ("ValueError", "TypeError")
    assert not any(SECRET in line for line in program.lines)


def test_good_arguments_are_accepted(runtime):
    events = runtime.run("arguments.good")
    assert len(events) > 20
    assert [event for event in events if event != ["case", None]] == []
