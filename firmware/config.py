"""The configuration, config.json: what may stand in it, and what counts where it is damaged.

Before it goes to a board: `python firmware/config.py FILE` with the shim, which `make deploy` does.
"""

import json
import sys

from mqtt.packets import borrow

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HOSTNAME = _LETTERS + "0123456789-"


def seconds(value):
    """Return an interval (a number, or one in text or bytes) as float; ValueError if it is none."""
    try:
        number = float(value)
    except ValueError:
        number = 0
    if not 0.1 <= number <= 86400:
        raise ValueError("interval: %r is not 0.1 to 86400 seconds" % value)
    return number


def _text(low, high, letters=None):
    # A check for text of so many bytes of UTF-8, made of such characters.
    def check(name, value):
        if isinstance(value, str) and low <= len(value.encode()) <= high:
            if letters is None or all(char in letters for char in value):
                return value
        what = "text" if letters is None else "letters, digits and -" + letters[63:]
        raise ValueError("%s is not %d to %d bytes of %s" % (_shown(name, value), low, high, what))

    return check


def _shown(name, value):
    return name + ": the value" if "password" in name else "%s: %s" % (name, repr(value)[:80])


def _optional(check):
    return lambda name, value: value if value == "" else check(name, value)


def _country(name, value):
    if value == "" or isinstance(value, str) and len(value) == 2 and value[0] in _LETTERS and value[1] in _LETTERS:
        return value
    raise ValueError("%s is not two letters, such as DE" % _shown(name, value))


def _flag(name, value):
    if value is not True and value is not False:
        raise ValueError("%s is not true or false" % _shown(name, value))
    return value


def _interval(_name, value):
    if type(value) not in (int, float):
        raise ValueError("%s is not a number" % _shown("interval", value))
    return seconds(value)


def _url(_name, value):
    try:
        borrow("options").parseurl(value)
    except TypeError as error:
        raise ValueError(str(error))
    return value


# What may stand in the file: the default, and a function that returns the value or raises ValueError.
_RULES = {
    "wifi_ssid": ("", _text(1, 32)),
    "wifi_password": ("", _optional(_text(8, 64))),
    "wifi_country": ("", _country),
    "wifi_powersave": (False, _flag),
    "hostname": ("", _optional(_text(1, 32, _HOSTNAME))),
    "url": ("", _url),
    "username": ("", _text(0, 255)),
    "password": ("", _text(0, 255)),
    "cafile": ("", _text(0, 255)),
    "device": ("", _optional(_text(1, 64, _HOSTNAME + "_"))),
    "interval": (60, _interval),
    "ntp_server": ("pool.ntp.org", _text(1, 255)),
}


def load(path):
    """Return (settings, [problem]): a dict with every setting, safe defaults where the file is damaged, and what is."""
    settings = {name: rule[0] for name, rule in _RULES.items()}
    problems = []
    for name, value in _read(path, problems).items():
        try:
            settings[name] = _RULES[name][1](name, value)
        except KeyError:
            problems.append("%s: is no setting; there are %s" % (name, ", ".join(sorted(_RULES))))
        except ValueError as error:
            default = settings[name]
            problems.append("%s; %s" % (error, "it is left out" if default == "" else "%s is used" % default))
    if not problems:
        problems.extend(_missing(settings))
    return settings, problems


def _read(path, problems):
    try:
        with open(path, "rb") as file:
            values = json.loads(str(file.read(), "utf-8"))
        if isinstance(values, dict):
            return values
        problems.append("it holds no {...} but something else")
    except OSError as error:
        problems.append("it can't be read (error %s): is it there?" % error.args[0])
    except ValueError:
        problems.append("it is no JSON: a comma or a quote is missing or too many, or it is cut off")
    return {}


def _missing(settings):
    for name in ("wifi_ssid", "url"):
        if not settings[name]:
            yield name + ": is missing"
    if settings["password"] and not settings["username"]:
        yield "username: is missing, there is a password"
    if secure(settings) and not settings["cafile"]:
        yield "cafile: is missing; ssl:// verifies the server with it"


def secure(settings):
    """Whether the broker is reached over TLS."""
    return settings["url"].split(":")[0] in ("ssl", "mqtts")


def usable(settings):
    """Whether there is enough to connect with."""
    return bool(settings["wifi_ssid"] and settings["url"]) and (bool(settings["cafile"]) or not secure(settings))


if __name__ == "__main__":
    found = load(sys.argv[1])[1]
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)
