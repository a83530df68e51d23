"""A latency as SVG text for a page: its percentiles, how its runs are spread, and the share of each layer."""

from __future__ import annotations

from edgeq.report import wording
from edgeq.report.bins import bins
from edgeq.report.drawing import ACCENT, LINE, MUTED, cut, label_row, rows_figure, style, svg
from edgeq.report.model import Latency

MOST_LAYERS = 40


def latency_chart(latency: Latency) -> str:
    """Min, percentiles and max of the runs on one axis, each with its figure; the single runs where kept."""
    rows = [
        ("min", latency.min),
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p99", latency.p99),
        ("max", latency.max),
    ]
    with style():
        figure, axes = rows_figure(len(rows) + bool(latency.values), left=0.08, right=0.64)
        for y, (name, value) in enumerate(rows):
            axes.axhline(y, color=LINE, linewidth=0.6, zorder=1)
            axes.plot([value], [y], "o", color=ACCENT, markersize=6, zorder=3)
            label_row(axes, y, name, wording.quantity(value, latency.unit))
        if latency.values:
            y = len(rows)
            axes.plot(latency.values, [y] * len(latency.values), "|", color=ACCENT, alpha=0.5, markersize=9, zorder=2)
            label_row(axes, y, "runs", f"{len(latency.values):,}")
        spread = latency.max - latency.min
        # Runs that are all equal stand in the middle.
        margin = 0.06 * spread if spread else 1.0
        axes.set_xlim(latency.min - margin, latency.max + margin)
        return svg(figure, "latency")


def spread_chart(latency: Latency) -> str:
    """A bar for each bin of the runs, its least value before it and its runs behind it. A count stands without its
    unit, which the page names above: on a phone there is no room for the word."""
    found = bins(latency.values)
    counted = latency.unit in ("instructions", "cycles")
    with style():
        figure, axes = rows_figure(len(found), left=0.36, right=0.86)
        for y, part in enumerate(found):
            axes.barh(y, part.count, height=0.72, color=ACCENT, linewidth=0, zorder=2)
            low = wording.number(part.low) if counted else wording.quantity(part.low, latency.unit)
            label_row(axes, y, f"from {low}", f"{part.count:,}")
        axes.set_xlim(0, max((part.count for part in found), default=0) or 1)
        return svg(figure, "spread")


def layers_chart(latency: Latency) -> str:
    """A bar for each layer in the network's order, with its share; of a longer network the largest 40."""
    layers = list(enumerate(latency.layers, start=1))
    shown = sorted(sorted(layers, key=lambda row: (-row[1].value, row[0]))[:MOST_LAYERS])
    total = sum(layer.value for layer in latency.layers) or 1
    with style():
        figure, axes = rows_figure(len(shown), left=0.31, right=0.68)
        for y, (index, layer) in enumerate(shown):
            axes.barh(y, layer.value, height=0.62, color=ACCENT, linewidth=0, zorder=2)
            label_row(axes, y, f"{index}  {cut(layer.op, 18)}", wording.percent(layer.value / total))
            name = axes.text(1.37, y, cut(layer.name, 24), transform=axes.get_yaxis_transform(), color=MUTED)
            name.set(va="center_baseline", gid=f"name-{index}")  # the page leaves it out where it is narrow
        axes.set_xlim(0, max((layer.value for _, layer in shown), default=0) or 1)
        return svg(figure, "layers")
