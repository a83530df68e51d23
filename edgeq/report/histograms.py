"""A tensor's floats against what its int8 represents, as SVG text for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeq.report.drawing import ACCENT, BAD, INK, LINE, MUTED, blank, style, svg
from edgeq.report.quantisation import Histogram, Range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCHES = (3.6, 1.15)
_LEVELS_A_TICK = 16


def histogram_chart(histogram: Histogram, bounds: Range, name: str, *, lowest: int = -128) -> str:
    """Bars as high as the logarithm of their count, those beyond the levels marked; below them the levels, `lowest` to
    127, with a tick for each 16. `name` makes the ids of the page's own.
    """
    counts = np.asarray(histogram.counts, np.float64)
    edges = np.linspace(histogram.low, histogram.high, len(counts) + 1)
    heights = np.log1p(counts) / max(np.log1p(counts.max()), 1.0)
    centres = (edges[:-1] + edges[1:]) / 2
    step = (bounds[1] - bounds[0]) / (127 - lowest)
    inside = (centres >= bounds[0] - step / 2) & (centres <= bounds[1] + step / 2)
    with style():
        figure = blank(*_SIZE_INCHES)
        axes = figure.add_axes((0.03, 0.0, 0.94, 1.0))
        axes.set_axis_off()
        low, high = min(histogram.low, bounds[0]), max(histogram.high, bounds[1])
        margin = 0.01 * (high - low) or 1.0
        axes.set_xlim(low - margin, high + margin)
        axes.set_ylim(-0.62, 1.04)
        axes.axhline(0, color=LINE, linewidth=0.6)
        for shown, colour in ((inside, ACCENT), (~inside, BAD)):
            if (heights[shown] > 0).any():
                axes.stairs(np.where(shown, heights, 0), edges, fill=True, color=colour, linewidth=0)
        _levels(axes, bounds, step, lowest)
        return svg(figure, name)


def _levels(axes: Axes, bounds: Range, step: float, lowest: int) -> None:
    axes.plot(bounds, (-0.1, -0.1), color=INK, linewidth=1.0, solid_capstyle="butt")
    ticks = bounds[0] + step * np.arange(0, 128 - lowest, _LEVELS_A_TICK)
    axes.vlines(ticks, -0.18, -0.1, color=MUTED, linewidth=0.5)
    axes.vlines(bounds, -0.24, -0.02, color=INK, linewidth=1.0)
    left, right = axes.get_xlim()
    for at, side in zip(bounds, ("left", "right"), strict=True):
        # Where the levels end in the other half of the drawing, the figure stands on their other side.
        far = (at - left) / (right - left) > 0.6 if side == "left" else (at - left) / (right - left) < 0.4
        align = {"left": "right", "right": "left"}[side] if far else side
        axes.text(at, -0.3, f"{at:.3g}", ha=align, va="top", color=INK)
