"""How a figure becomes SVG text for a page.

The same report gives the same bytes: ids are salted, there is no date, and no font is measured into paths. Colours
are CSS variables of the page with a grey that reads on light and on dark where there is none.

Only here is matplotlib imported, and by the first picture: it takes a quarter of a second, and most commands draw none.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Drawn in these, written as variables.
INK, MUTED, ACCENT, LINE, BAD, TRACK, PALE = (f"#a1b2c{digit}" for digit in range(1, 8))
_VARIABLES = {
    INK: "var(--ink, #808890)",
    MUTED: "var(--muted, #808890)",
    ACCENT: "var(--accent, #4a8fb0)",
    LINE: "var(--line, #a0a8b0)",
    BAD: "var(--bad, #b0332a)",
    TRACK: "var(--track, #c8ccd0)",
    PALE: "var(--pale, #9cc0d2)",
}
_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "edgeq",
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a dollar sign
}


WIDTH_INCHES = 5.4
ROW_INCHES = 0.23


@contextmanager
def style() -> Iterator[None]:
    """What is drawn and saved in the block looks as all pages do."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def blank(width_inches: float, height_inches: float) -> Figure:
    """A figure through which the page is seen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches))
    figure.patch.set_alpha(0)
    return figure


def rows_figure(rows: int, *, left: float, right: float) -> tuple[Figure, Axes]:
    """A frameless figure of rows with axes from `left` to `right` of its width, row 0 on top."""
    figure = blank(WIDTH_INCHES, ROW_INCHES * max(rows, 1))
    axes = figure.add_axes((left, 0.0, right - left, 1.0))
    axes.set_axis_off()
    axes.set_ylim(rows - 0.5, -0.5)
    return figure, axes


def label_row(axes: Axes, row: int, name: str, value: str) -> None:
    """What a row is, on its left, and its figure on its right."""
    across = axes.get_yaxis_transform()
    axes.text(-0.03, row, name, transform=across, ha="right", va="center_baseline", color=INK)
    axes.text(1.03, row, value, transform=across, ha="left", va="center_baseline", color=MUTED)


def cut(text: str, most: int) -> str:
    """`text` with an ellipsis where it is too long for its place."""
    return text if len(text) <= most else text[: most - 1] + "…"


def svg(figure: Figure, name: str) -> str:
    """The figure as an `<svg>` element whose ids are the page's own."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = out.getvalue()
    element = drawn[drawn.index("<svg") :]
    element = re.sub(r'(?<=\bid=")|(?<=href="#)|(?<=url\(#)', f"{name}-", element)
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, variable)
    return element
