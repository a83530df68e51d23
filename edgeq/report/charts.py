"""The report's two drawings as SVG text for a page: the runs of a latency, and the share of each layer."""

from __future__ import annotations

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgeq.report import wording
from edgeq.report.drawing import ACCENT, INK, LINE, MUTED, STYLE, svg
from edgeq.report.model import Latency

MOST_LAYERS = 40

_WIDTH_INCHES = 5.4
_ROW_INCHES = 0.23


def latency_chart(latency: Latency) -> str:
    """Min, percentiles and max of the runs on one axis, each with its figure; the single runs where kept."""
    rows = [
        ("min", latency.min),
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p99", latency.p99),
        ("max", latency.max),
    ]
    with matplotlib.rc_context(STYLE):
        figure, axes = _empty(len(rows) + bool(latency.values), left=0.08, right=0.64)
        for y, (name, value) in enumerate(rows):
            axes.axhline(y, color=LINE, linewidth=0.6, zorder=1)
            axes.plot([value], [y], "o", color=ACCENT, markersize=6, zorder=3)
            _label(axes, y, name, wording.quantity(value, latency.unit))
        if latency.values:
            y = len(rows)
            axes.plot(latency.values, [y] * len(latency.values), "|", color=ACCENT, alpha=0.5, markersize=9, zorder=2)
            _label(axes, y, "runs", f"{len(latency.values):,}")
        spread = latency.max - latency.min
        # Runs that are all equal stand in the middle.
        margin = 0.06 * spread if spread else 1.0
        axes.set_xlim(latency.min - margin, latency.max + margin)
        return svg(figure, "latency")


def layers_chart(latency: Latency) -> str:
    """A bar for each layer in the network's order, with its share; of a longer network the largest 40."""
    layers = list(enumerate(latency.layers, start=1))
    shown = sorted(sorted(layers, key=lambda row: (-row[1].value, row[0]))[:MOST_LAYERS])
    total = sum(layer.value for layer in latency.layers) or 1
    with matplotlib.rc_context(STYLE):
        figure, axes = _empty(len(shown), left=0.31, right=0.68)
        for y, (index, layer) in enumerate(shown):
            axes.barh(y, layer.value, height=0.62, color=ACCENT, linewidth=0, zorder=2)
            _label(axes, y, f"{index}  {_cut(layer.op, 18)}", wording.percent(layer.value / total))
            name = axes.text(1.37, y, _cut(layer.name, 24), transform=axes.get_yaxis_transform(), color=MUTED)
            name.set(va="center_baseline", gid=f"name-{index}")  # the page leaves it out where it is narrow
        axes.set_xlim(0, max((layer.value for _, layer in shown), default=0) or 1)
        return svg(figure, "layers")


def _empty(rows: int, *, left: float, right: float) -> tuple[Figure, Axes]:
    """A frameless figure with axes from `left` to `right` of its width, row 0 on top."""
    height = _ROW_INCHES * max(rows, 1)
    figure = Figure(figsize=(_WIDTH_INCHES, height))
    figure.patch.set_alpha(0)
    axes = figure.add_axes((left, 0.0, right - left, 1.0))
    axes.set_axis_off()
    axes.set_ylim(rows - 0.5, -0.5)
    return figure, axes


def _label(axes: Axes, row: int, name: str, value: str) -> None:
    across = axes.get_yaxis_transform()
    axes.text(-0.03, row, name, transform=across, ha="right", va="center_baseline", color=INK)
    axes.text(1.03, row, value, transform=across, ha="left", va="center_baseline", color=MUTED)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
