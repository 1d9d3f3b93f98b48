"""`python -m tools.bench`: see --help."""

import argparse
import json
import shutil
import sys
import time

from tools.bench import FOLDER, ROOT, gather, plot, rates, report
from tools.bench.subjects import NotFound, known
from tools.bench.works import WORKS

DOC = ROOT / "docs" / "performance.md"


def names(text):
    return [name for name in text.split(",") if name]


def arguments():
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Measures this module beside other MQTT clients, all in turn. Without --only: everything.",
    )
    parser.add_argument("--only", type=names, metavar="WORK,…", help=f"rates alone, of {','.join(WORKS)}")
    parser.add_argument(
        "--subjects", type=names, metavar="NAME,…",
        help="with --only: of raw,ours,umqtt,chumicro,paho, and the names of --lib",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="how often each is measured (5; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="a quarter of the messages, and no sizes for boards")
    parser.add_argument(
        "--lib", action="append", default=[], metavar="[NAME=]FOLDER",
        help="with --only: measure this lib folder instead of the checkout's; several are compared in the same run",
    )  # fmt: skip
    parser.add_argument("--doc", action="store_true", help="put the tables and the plot into docs/, too")
    return parser.parse_args()


class Progress:
    """A line that is written over and over on a terminal; elsewhere one every ten seconds."""

    def __init__(self):
        self.start = self.said = time.monotonic()

    def __call__(self, text):
        now = time.monotonic()
        line = f"{now - self.start:5.0f} s  {text}"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif now - self.said > 10:
            self.said = now
            print(line, file=sys.stderr, flush=True)

    def end(self):
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)


def some(args, rounds, progress):
    """Only rates."""
    libs = dict(lib.split("=", 1) if "=" in lib else ("ours", lib) for lib in args.lib)
    every = known(libs)
    unknown = {*args.only} - {*WORKS} | {*(args.subjects or ())} - {*every}
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}")
    subjects = [every[name] for name in args.subjects or every]
    with rates.Servers(FOLDER / "broker") as servers:
        results = rates.measure(servers, subjects, args.only, rounds, args.quick, progress)
    progress.end()
    print("\n".join(report.rate_table(results, subjects)))
    (FOLDER / "rates.json").write_text(json.dumps(results, indent=1))


def everything(args, rounds, progress):
    """All of it: the table, JSON, the plot, and, with --doc, the document."""
    subjects = known({})
    found = gather.everything(FOLDER / "broker", subjects, rounds, args.quick, progress)
    progress.end()
    lines = list(report.tables(found, list(subjects.values())))
    print("\n".join(lines))
    (FOLDER / "bench.json").write_text(json.dumps(found, indent=1))
    (FOLDER / "table.md").write_text("\n".join(lines) + "\n")
    plot.draw(found, list(subjects.values()), FOLDER / "rates.svg")
    print("\nWritten to build/bench: bench.json, table.md, rates.svg")
    if args.doc:
        report.rewrite(DOC, lines)
        shutil.copy(FOLDER / "rates.svg", DOC.with_name("performance.svg"))


def main():
    args = arguments()
    rounds = args.rounds or (1 if args.quick else 5)
    try:
        (some if args.only else everything)(args, rounds, Progress())
    except (NotFound, rates.Failed) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
