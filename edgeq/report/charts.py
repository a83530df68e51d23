"""The report's two drawings as SVG text for a page: the runs of a latency, and the share of each layer.

The same report gives the same bytes: ids are salted, there is no date, and no font is measured into paths. Colours
are CSS variables of the page with a grey that reads on light and on dark where there is none.
"""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgeq.report import wording
from edgeq.report.model import Latency

MOST_LAYERS = 40

# Drawn in these, written as variables.
_INK, _MUTED, _ACCENT, _LINE = "#a1b2c1", "#a1b2c2", "#a1b2c3", "#a1b2c4"
_VARIABLES = {
    _INK: "var(--ink, #808890)",
    _MUTED: "var(--muted, #808890)",
    _ACCENT: "var(--accent, #4a8fb0)",
    _LINE: "var(--line, #a0a8b0)",
}
_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "edgeq",
    "text.color": _INK,
    "text.parse_math": False,  # a name may hold a dollar sign
}
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
    with matplotlib.rc_context(_STYLE):
        figure, axes = _empty(len(rows) + bool(latency.values), left=0.08, right=0.64)
        for y, (name, value) in enumerate(rows):
            axes.axhline(y, color=_LINE, linewidth=0.6, zorder=1)
            axes.plot([value], [y], "o", color=_ACCENT, markersize=6, zorder=3)
            _label(axes, y, name, wording.quantity(value, latency.unit))
        if latency.values:
            y = len(rows)
            axes.plot(latency.values, [y] * len(latency.values), "|", color=_ACCENT, alpha=0.5, markersize=9, zorder=2)
            _label(axes, y, "runs", f"{len(latency.values):,}")
        spread = latency.max - latency.min
        # Runs that are all equal stand in the middle.
        margin = 0.06 * spread if spread else 1.0
        axes.set_xlim(latency.min - margin, latency.max + margin)
        return _svg(figure, "latency")


def layers_chart(latency: Latency) -> str:
    """A bar for each layer in the network's order, with its share; of a longer network the largest 40."""
    layers = list(enumerate(latency.layers, start=1))
    shown = sorted(sorted(layers, key=lambda row: (-row[1].value, row[0]))[:MOST_LAYERS])
    total = sum(layer.value for layer in latency.layers) or 1
    with matplotlib.rc_context(_STYLE):
        figure, axes = _empty(len(shown), left=0.31, right=0.68)
        for y, (index, layer) in enumerate(shown):
            axes.barh(y, layer.value, height=0.62, color=_ACCENT, linewidth=0, zorder=2)
            _label(axes, y, f"{index}  {_cut(layer.op, 18)}", wording.percent(layer.value / total))
            name = axes.text(1.37, y, _cut(layer.name, 24), transform=axes.get_yaxis_transform(), color=_MUTED)
            name.set(va="center_baseline", gid=f"name-{index}")  # the page leaves it out where it is narrow
        axes.set_xlim(0, max((layer.value for _, layer in shown), default=0) or 1)
        return _svg(figure, "layers")


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
    axes.text(-0.03, row, name, transform=across, ha="right", va="center_baseline", color=_INK)
    axes.text(1.03, row, value, transform=across, ha="left", va="center_baseline", color=_MUTED)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _svg(figure: Figure, name: str) -> str:
    """The figure as an `<svg>` element whose ids are the page's own."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = out.getvalue()
    element = drawn[drawn.index("<svg") :]
    element = re.sub(r'(?<=\bid=")|(?<=href="#)|(?<=url\(#)', f"{name}-", element)
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, variable)
    return element
