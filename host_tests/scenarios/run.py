# Runs one scenario: run.py FILE.FUNCTION, with the keyword arguments as JSON on standard input (the Unix port takes
# no argument of more than 255 bytes). The same on both runtimes; an exception ends it with exit code 1.
import json
import sys

import kit


def main():
    name, function = sys.argv[1].split(".")
    arguments = json.loads(sys.stdin.read())
    getattr(__import__(name), function)(**{key: kit.unpack(value) for key, value in arguments.items()})


main()
