"""What was measured, as text: the quick table of rates, and the tables of docs/performance.md in Markdown."""

import statistics

from tools.bench.targets import ROWS
from tools.bench.works import WORKS

BEGIN, END = "<!-- make bench: from here -->", "<!-- make bench: to here -->"


def short(value):
    """Three digits that count, or four of a whole number."""
    scale, letter = (1, "") if value < 9999.5 else (1e3, "k") if value < 999500 else (1e6, "M")
    value /= scale
    text = f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + letter


def shown(value, unit):
    """A number with its unit: 27.1k/s, 22.5 kB, 106 µs."""
    text = short(value)
    if unit == "B" and text[-1] == "k":
        return f"{text[:-1]} kB"
    return f"{text}{unit}" if unit == "/s" else f"{text} {unit}".rstrip()


def rate_table(results, subjects):
    """Medians: messages a second (for latency: µs), the spread, µs of CPU time a message, and the ratios."""
    names = [s.name for s in subjects]
    yield f"{'messages/s (min-max), CPU µs':<32}" + "".join(f"{name:>30}" for name in names)
    for work, row in results.items():
        yield f"{WORKS[work].title[:31]:<32}" + "".join(f"{cell(work, row.get(name)):>30}" for name in names)
        base = row.get("raw") or row.get(names[0])
        if base and len(row) > 1:
            yield f"{'':<32}" + "".join(f"{ratio(row.get(name), base):>30}" for name in names)


def cell(work, values):
    if not values:
        return "-"
    us, cpu = values["us"], statistics.median(values["cpu"])
    if work == "latency":
        return f"{short(statistics.median(us))} µs ({short(min(us))}-{short(max(us))}), {short(cpu)}"
    middle, low, high = (short(1e6 / f(us)) for f in (statistics.median, max, min))
    return f"{middle} ({low}-{high}), {short(cpu)}"


def ratio(values, base):
    """How much faster, round by round: the median of the ratios."""
    return f"x {statistics.median(b / v for b, v in zip(base['us'], values['us'])):.2f}" if values else ""


def grid(head, rows):
    """A Markdown table with columns of one width: good to read as text, too."""
    rows = [head, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |" for row in rows]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]]


def tables(found, subjects):
    """All that docs/performance.md has between its marks."""
    yield from main_table(found, subjects)
    yield ""
    yield from cpu_table(found, subjects)
    if found["board"]:
        yield ""
        yield from board_table(found["board"])
    yield ""
    yield from conditions(found["about"])


def main_table(found, subjects):
    head = ["work", *(s.title for s in subjects), "target", "met"]
    return grid(head, [line(row, found, subjects) for row in ROWS])


def line(row, found, subjects):
    values = [row.value(found, s.name) for s in subjects]
    texts = ["–" if value is None else shown(value, row.unit) for value in values]
    met = row.met and row.met(found)
    verdict = "" if row.met is None or met is None else "yes" if met else "**no**"
    return [row.title, *texts, row.target, verdict]


def cpu_table(found, subjects):
    """µs of CPU time for each message, and the rate as a multiple of raw's."""
    rows = []
    for work, row in found["rates"].items():
        texts = []
        for subject in subjects:
            values = row.get(subject.name)
            texts.append(f"{short(statistics.median(values['cpu']))} ({ratio(values, row['raw'])})" if values else "–")
        rows.append([WORKS[work].title, *texts])
    return grid(["CPU time of the client, µs a message (rate, raw = 1)", *(s.title for s in subjects)], rows)


def board_table(board):
    """What imports and objects take with pointers of 8 and of 4 bytes."""
    widths = list(board)
    rows = []
    for name, forms in board[widths[0]]["imports"].items():
        for form in forms:
            title = f"{name}, {'frozen' if form == 'frozen' else 'from .' + form}"
            rows.append([title, *(kept_and_peak(board[width]["imports"][name][form]) for width in widths)])
    for name in board[widths[0]]["objects"]:
        rows.append([name, *(f"{board[width]['objects'][name]}" for width in widths)])
    return grid(["bytes of heap, kept / peak", *(f"{width}-byte pointers" for width in widths)], rows)


def kept_and_peak(cost):
    return f"{cost['kept']} / {cost['peak']}" if "peak" in cost else f"{cost['kept']}"


def conditions(about):
    yield (
        f"{about['rounds']} round{'s' * (about['rounds'] > 1)}{', quick' * about['quick']}; {about['machine']}; "
        f"{about['micropython']}, heap {about['heap']}; {about['mosquitto']}; CPython {about['cpython']}."
    )
    if not about["strace"]:
        yield "System calls were not counted: there is no strace that may trace."


def rewrite(path, lines):
    """Put the tables between the marks of a document."""
    text = path.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text("\n".join([head + BEGIN, "", *lines, "", END + tail]))
