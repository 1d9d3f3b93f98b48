# Runs one scenario: run.py FOLDER FILE.FUNCTION, with the keyword arguments as JSON on standard input (the Unix port
# takes no argument of more than 255 bytes). The same on both runtimes; an exception ends it with exit code 1.
import json
import sys

import kit


def main():
    folder, scenario = sys.argv[1:]
    name, function = scenario.split(".")
    sys.path.insert(1, folder)  # after the kit's
    arguments = json.loads(sys.stdin.read())
    getattr(__import__(name), function)(**{key: kit.unpack(value) for key, value in arguments.items()})


main()
