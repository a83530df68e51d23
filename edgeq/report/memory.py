"""Memory as SVG text for a page: the arena while each step runs, and what lies in the flash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.report import wording
from edgeq.report.drawing import (
    ACCENT,
    INK,
    LINE,
    MUTED,
    PALE,
    TRACK,
    WIDTH_INCHES,
    blank,
    label_row,
    rows_figure,
    style,
    svg,
)
from edgeq.report.model import ArenaStep, FlashPart

_ARENA_INCHES = 1.9


def arena_chart(steps: Sequence[ArenaStep]) -> str:
    """The live bytes of each step as a stack: what it reads, what it writes beside that, what waits for a later one."""
    read = np.array([step.read_bytes for step in steps], np.float64)
    written = np.array([step.written_bytes for step in steps], np.float64)
    live = np.array([step.live_bytes for step in steps], np.float64)
    edges = np.arange(len(steps) + 1) + 0.5
    most = int(live.argmax())
    with style():
        figure = blank(WIDTH_INCHES, _ARENA_INCHES)
        axes = figure.add_axes((0.02, 0.12, 0.96, 0.76))
        axes.set_axis_off()
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, max(live[most], 1))
        for low, high, colour in (
            (0 * read, read, ACCENT),
            (read, read + written, PALE),
            (read + written, live, TRACK),
        ):
            axes.stairs(high, edges, baseline=low, fill=True, color=colour, linewidth=0)
        axes.axhline(0, color=LINE, linewidth=0.6)
        side = "left" if most < len(steps) / 2 else "right"
        at = edges[most] if side == "left" else edges[most + 1]
        peak = f"{wording.size(steps[most].live_bytes)} in step {most + 1}"
        axes.annotate(peak, (at, live[most]), (0, 3), textcoords="offset points", ha=side, va="bottom", color=INK)
        for step, align in ((1, "left"), (len(steps), "right")):
            where = edges[0] if step == 1 else edges[-1]
            axes.annotate(
                f"step {step}", (where, 0), (0, -3), textcoords="offset points", ha=align, va="top", color=MUTED
            )
        return svg(figure, "arena")


def flash_chart(parts: Sequence[FlashPart], flash_bytes: int | None) -> str:
    """A row for each part, drawn where it lies from the flash's begin to its end; what was written is filled."""
    end = max(part.offset + part.bytes for part in parts)
    with style():
        figure, axes = rows_figure(len(parts), left=0.22, right=0.65)
        for y, part in enumerate(parts):
            axes.axhline(y, color=LINE, linewidth=0.6, zorder=1)
            axes.barh(y, part.bytes, left=part.offset, height=0.62, color=TRACK, linewidth=0, zorder=2)
            axes.barh(y, part.used_bytes, left=part.offset, height=0.62, color=ACCENT, linewidth=0, zorder=3)
            label_row(axes, y, part.name[:16], f"{wording.size(part.used_bytes)} of {wording.size(part.bytes)}")
        axes.set_xlim(0, max(flash_bytes or 0, end))
        return svg(figure, "flash")
