"""Curves of a history as SVG text: p50 over the entries, evenly spaced, with what they are written at the axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeq.compare.trend import Series, slower
from edgeq.report import wording
from edgeq.report.drawing import ACCENT, BAD, INK, LINE, MUTED, blank, cut, style, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_INCHES = 5.0
_CURVE_INCHES, _TITLE_INCHES, _DATES_INCHES = 1.3, 0.45, 0.3
_LEFT, _RIGHT = 0.2, 0.97
_LINES = 3  # across, from the least to the most


def trend_chart(series: Sequence[Series], name: str, *, titled: bool = False) -> str:
    """The curves below each other, each with axes of its own; with titles where no page stands around them."""
    above = _TITLE_INCHES if titled else 0.12
    each = above + _CURVE_INCHES + _DATES_INCHES
    height = each * len(series)
    with style():
        figure = blank(_WIDTH_INCHES, height)
        for row, one in enumerate(series):
            bottom = height - row * each - above - _CURVE_INCHES
            axes = figure.add_axes((_LEFT, bottom / height, _RIGHT - _LEFT, _CURVE_INCHES / height))
            _curve(axes, one)
            if titled:
                said = f"{cut(one.title, 60)}: {one.last.unit}"
                axes.text(0, 1.14, said, transform=axes.transAxes, color=INK, va="bottom")
        return svg(figure, name)


def _curve(axes: Axes, series: Series) -> None:
    values = [entry.p50 for entry in series.entries]
    places = list(range(len(values)))
    low, high = min(values), max(values)
    margin = 0.12 * (high - low) or 0.02 * high or 1.0
    axes.set_axis_off()
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlim(-0.5, max(len(values) - 0.5, 0.5))
    across = axes.get_yaxis_transform()
    for level in sorted({low + (high - low) * i / (_LINES - 1) for i in range(_LINES)}):
        axes.axhline(level, color=LINE, linewidth=0.6, zorder=1)
        text = _figure(level if isinstance(low, float) else round(level), series)
        axes.text(-0.015, level, text, transform=across, ha="right", va="center_baseline", color=MUTED)
    axes.plot(places, values, color=ACCENT, linewidth=1.4, zorder=2)
    axes.plot(places, values, "o", color=ACCENT, markersize=3.2 if len(values) > 40 else 4.5, zorder=3)
    worse = slower(series)
    axes.plot(worse, [values[place] for place in worse], "o", color=BAD, markersize=6, zorder=4)
    _dates(axes, series)


def _dates(axes: Axes, series: Series) -> None:
    """The days of the first and of the last entry."""
    down = axes.get_xaxis_transform()
    ends = [(0, series.entries[0], "left"), (len(series.entries) - 1, series.last, "right")]
    for place, entry, side in ends[: len(series.entries)]:
        axes.text(place, -0.08, f"{entry.at:%Y-%m-%d}", transform=down, ha=side, va="top", color=MUTED)


def _figure(value: float, series: Series) -> str:
    unit = series.last.unit
    return wording.brief(value) if unit in ("instructions", "cycles") else wording.quantity(value, unit)
