"""Rates as a bar chart in SVG."""

import statistics

from tools.bench.works import WORKS

SHOWN = ("publish0", "publish1", "window", "publish2", "receive0", "receive1", "tls")


def draw(found, subjects, path):
    import pygal  # only `make bench` installs it
    from pygal.style import CleanStyle

    chart = pygal.Bar(
        title="messages a second (logarithmic scale)",
        style=CleanStyle(background="white", plot_background="white"),
        width=1000,
        height=560,
        margin=30,
        logarithmic=True,
        zero=10,
        range=(10, 2e7),
        y_labels=[10**n for n in range(1, 8)],
        x_label_rotation=15,
        truncate_label=-1,
        truncate_legend=-1,
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        formatter=lambda value: f"{value:,.0f}",
        js=[],
    )
    chart.x_labels = [WORKS[work].title for work in SHOWN]
    for subject in subjects:
        chart.add(subject.title, [rate(found["rates"][work].get(subject.name)) for work in SHOWN])
    path.write_text(chart.render(is_unicode=True) + "\n")


def rate(values):
    return values and round(1e6 / statistics.median(values["us"]))
