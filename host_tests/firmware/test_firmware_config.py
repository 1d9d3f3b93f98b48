"""The configuration of the device program: what is accepted, what is named, what counts instead."""

import json
import subprocess

import pytest
from harness.runtimes import ROOT, CPython

GOOD = {"wifi_ssid": "home", "url": "tcp://192.168.1.10"}
DEFAULTS = {
    "wifi_ssid": "",
    "wifi_password": "",
    "wifi_country": "",
    "wifi_powersave": False,
    "hostname": "",
    "url": "",
    "username": "",
    "password": "",
    "cafile": "",
    "device": "",
    "interval": 60,
    "ntp_server": "pool.ntp.org",
}
ALL = {
    "wifi_ssid": "Zuhause äöü",
    "wifi_password": "12345678",
    "wifi_country": "DE",
    "wifi_powersave": True,
    "hostname": "kitchen-1",
    "url": "ssl://broker.example.org:8884",
    "username": "kitchen",
    "password": 'p"ä',
    "cafile": "ca.der",
    "device": "Kitchen_1-a",
    "interval": 0.5,
    "ntp_server": "192.168.1.1",
}
MISSING = "it is no JSON: a comma or a quote is missing or too many, or it is cut off"


@pytest.fixture
def load(runtime, tmp_path):
    """Write a file, and load it as the application does: (settings, problems, whether that is enough to connect)."""

    def load(content):
        path = tmp_path / "config.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode())
        ((_, settings, problems, usable),) = runtime.run("firmware.load", root=str(ROOT), path=str(path))
        return settings, problems, usable

    return load


def test_everything_may_be_set(load):
    assert load(ALL) == (ALL, [], True)


def test_little_has_to_be_set(load):
    assert load(GOOD) == ({**DEFAULTS, **GOOD}, [], True)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("wifi_ssid", "", "wifi_ssid: '' is not 1 to 32 bytes of text; it is left out"),
        ("wifi_ssid", "a" * 33, f"wifi_ssid: '{'a' * 33}' is not 1 to 32 bytes of text; it is left out"),
        ("wifi_ssid", 7, "wifi_ssid: 7 is not 1 to 32 bytes of text; it is left out"),
        ("wifi_password", "geheim!", "wifi_password: the value is not 8 to 64 bytes of text; it is left out"),
        ("wifi_password", ["geheim!!"], "wifi_password: the value is not 8 to 64 bytes of text; it is left out"),
        ("wifi_country", "DEU", "wifi_country: 'DEU' is not two letters, such as DE; it is left out"),
        ("wifi_country", "D1", "wifi_country: 'D1' is not two letters, such as DE; it is left out"),
        ("wifi_powersave", 1, "wifi_powersave: 1 is not true or false; False is used"),
        ("hostname", "a_b", "hostname: 'a_b' is not 1 to 32 bytes of letters, digits and -; it is left out"),
        ("url", "192.168.1.10", "url: '192.168.1.10' is not tcp://host[:port] or ssl://host[:port]; it is left out"),
        ("url", None, "url: None is not a str; it is left out"),
        ("url", "tcp://me:geheim@host", "url: has an @; username and password are options; it is left out"),
        ("username", 5, "username: 5 is not 0 to 255 bytes of text; it is left out"),
        ("password", 5, "password: the value is not 0 to 255 bytes of text; it is left out"),
        ("device", "a/b", "device: 'a/b' is not 1 to 64 bytes of letters, digits and -_; it is left out"),
        ("interval", "60", "interval: '60' is not a number; 60 is used"),
        ("interval", True, "interval: True is not a number; 60 is used"),
        ("interval", 0, "interval: 0 is not 0.1 to 86400 seconds; 60 is used"),
        ("interval", 1e9, "interval: 1000000000.0 is not 0.1 to 86400 seconds; 60 is used"),
        ("ntp_server", "", "ntp_server: '' is not 1 to 255 bytes of text; pool.ntp.org is used"),
    ],
)
def test_a_damaged_setting_is_named_and_left_out(load, name, value, problem):
    settings, problems, usable = load({**GOOD, name: value})
    assert settings == {**DEFAULTS, **GOOD, name: DEFAULTS[name]}
    assert [text.replace("1e+09", "1000000000.0") for text in problems] == [problem]
    assert usable == (name not in GOOD)
    assert "geheim" not in problems[0]


def test_an_unknown_setting_is_named_without_its_value(load):
    settings, problems, usable = load({**GOOD, "pasword": "geheim"})
    assert settings == {**DEFAULTS, **GOOD}
    assert problems == [f"pasword: is no setting; there are {', '.join(sorted(DEFAULTS))}"]
    assert usable


@pytest.mark.parametrize(
    ("change", "problem", "enough"),
    [
        ({"wifi_ssid": None}, "wifi_ssid: is missing", False),
        ({"url": None}, "url: is missing", False),
        ({"password": "x"}, "username: is missing, there is a password", True),
        ({"url": "mqtts://there"}, "cafile: is missing; ssl:// verifies the server with it", False),
    ],
)
def test_what_is_missing_is_named(load, change, problem, enough):
    values = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    assert load(values) == ({**DEFAULTS, **values}, [problem], enough)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", MISSING),
        (b'{"wifi_ssid": "home", "url', MISSING),
        (b'{"wifi_ssid": "\xff\xfe"}', MISSING),
        (b"[1]", "it holds no {...} but something else"),
    ],
)
def test_a_file_that_is_none(load, content, problem):
    assert load(content) == (DEFAULTS, [problem], False)


def test_no_file(runtime, tmp_path):
    events = runtime.run("firmware.load", root=str(ROOT), path=str(tmp_path / "config.json"))
    assert events == [["loaded", DEFAULTS, ["it can't be read (error 2): is it there?"], False]]


# -- as a program, before it goes to a board


def check(path):
    argv, env = CPython().command(str(ROOT / "firmware" / "config.py"), str(path))
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20)


def test_the_example_is_good():
    done = check(ROOT / "firmware" / "config.example.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_bad_one_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**GOOD, "interval": -1, "wifi_password": "geheim!"}))
    done = check(path)
    assert done.returncode == 1
    assert sorted(done.stdout.splitlines()) == [
        "interval: -1 is not 0.1 to 86400 seconds; 60 is used",
        "wifi_password: the value is not 8 to 64 bytes of text; it is left out",
    ]
    assert done.stderr == ""


def test_it_is_never_committed():
    assert "/firmware/config.json" in (ROOT / ".gitignore").read_text().splitlines()
