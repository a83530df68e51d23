"""How a figure becomes SVG text for a page.

The same report gives the same bytes: ids are salted, there is no date, and no font is measured into paths. Colours
are CSS variables of the page with a grey that reads on light and on dark where there is none.
"""

from __future__ import annotations

import io
import re
from typing import Any

from matplotlib.figure import Figure

# Drawn in these, written as variables.
INK, MUTED, ACCENT, LINE, BAD = "#a1b2c1", "#a1b2c2", "#a1b2c3", "#a1b2c4", "#a1b2c5"
_VARIABLES = {
    INK: "var(--ink, #808890)",
    MUTED: "var(--muted, #808890)",
    ACCENT: "var(--accent, #4a8fb0)",
    LINE: "var(--line, #a0a8b0)",
    BAD: "var(--bad, #b0332a)",
}
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "edgeq",
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a dollar sign
}


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
