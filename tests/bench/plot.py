"""Lines over logarithmic axes, as SVG."""

import html
import math

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 34, 48
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#555555")


def tick_text(value):
    for limit, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"


class Axis:
    """Maps positive values to pixels, decade by decade."""

    def __init__(self, values, first, last):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.first, self.last = first, last

    def at(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)

    def ticks(self):
        return [10.0**exponent for exponent in range(self.low, self.high + 1)]


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{html.escape(words)}</text>'


def grid(x_axis, y_axis, x_ticks):
    parts = []
    for value in y_axis.ticks():
        y = y_axis.at(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 6, y + 4, tick_text(value), "end"))
    for value in x_ticks:
        x = x_axis.at(value)
        parts.append(f'<line y1="{TOP}" y2="{HEIGHT - BOTTOM}" x1="{x:.1f}" x2="{x:.1f}" stroke="#eee"/>')
        parts.append(text(x, HEIGHT - BOTTOM + 16, x_ticks[value]))
    return parts


def lines(path, title, x_label, y_label, series, x_ticks=None, least=0.1):
    """series: name -> [(x, y)]. What is less than `least` is drawn there: 0 has no place on the axis. x_ticks: value ->
    text; default: the values."""
    series = {name: [(x, max(y, least)) for x, y in points] for name, points in series.items()}
    xs = sorted({x for points in series.values() for x, _ in points})
    x_axis = Axis(xs, LEFT, WIDTH - RIGHT)
    span = (math.log10(xs[0]), math.log10(xs[-1]))
    x_axis.low, x_axis.high = span[0] - 0.05, span[1] + 0.05
    y_axis = Axis([y for points in series.values() for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(LEFT, 20, title, "start", 'font-weight="bold"'),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_label),
        text(14, HEIGHT / 2, y_label, "middle", f'transform="rotate(-90 14 {HEIGHT / 2})"'),
        *grid(x_axis, y_axis, x_ticks or {x: tick_text(x) for x in xs}),
    ]
    for i, (name, points) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        pixels = [(x_axis.at(x), y_axis.at(y)) for x, y in sorted(points)]
        path_text = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)
        parts.append(f'<polyline points="{path_text}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in pixels]
        parts.append(text(WIDTH - RIGHT + 10, TOP + 14 + 18 * i, name, "start", f'fill="{colour}"'))
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def draw(known, folder):
    """known: name -> figure of results.json. Draws what has been measured."""
    curves = {size: known.get(f"saturation_{size}b_records_per_second") for size in (100, 1024)}
    series = {}
    for size, figure in curves.items():
        for where, percentile in (("consumer", "p50"), ("consumer", "p99"), ("emit", "p99")) if figure else ():
            points = [(point["rate"], point[where][percentile]) for point in figure["conditions"]["curve"]]
            series[f"{size} B, {where} {percentile}"] = points
    if series:
        lines(folder / "error-against-load.svg", "Delay error against load, all on two cores", "records/s", "ms", series)
    if shape := known.get("usd_per_million_stored_1kb"):
        by_size = {path: [(int(size), usd) for size, usd in points.items()]
                   for path, points in shape["conditions"]["by_size"].items()}  # fmt: skip
        lines(folder / "cost-against-size.svg", "To store a million records, 10,000/s", "bytes of a value", "USD",
              by_size, least=0.001)  # fmt: skip
        spreads = shape["conditions"]["by_spread"]
        places = {10.0**i: spread for i, spread in enumerate(spreads)}
        lines(folder / "cost-against-spread.svg", "To store a million records of 1 KB, 10,000/s", "delays spread over",
              "USD", {"long path": list(zip(places, spreads.values()))}, places)  # fmt: skip
    if replicas := known.get("router_2_replicas_speedup"):
        kinds = {"records/s": "records_per_second", "records/core s": "records_per_core_second"}
        lines(folder / "replicas.svg", "Routers at full speed, 1 KB, on two cores", "replicas", "", {
            name: [(int(count), value) for count, value in replicas["conditions"][key].items()]
            for name, key in kinds.items()
        })  # fmt: skip
