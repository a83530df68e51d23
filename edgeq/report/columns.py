"""Plain text for a console or a pull request: columns, bars, wrapped pairs; 80 columns, no colour. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len, set_cell_size

WIDTH = 80
_GAP = 2
_LEAST = 8  # what is left at least of a column that is cut
_MOST = 48  # of any cell: names come from files and boards
_MOST_NAME = 24  # of a pair
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def columns(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, names: Collection[int] = (0,), width: int = WIDTH
) -> list[str]:
    """A table: `names` are the columns of words, to the left and cut where the table would be too wide."""
    cells = [[cut(cell, _MOST) for cell in row] for row in (head, *rows)]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(head))]
    while (over := sum(widths) + _GAP * (len(widths) - 1) - width) > 0:
        widest = max(names, key=lambda i: widths[i], default=None)
        if widest is None or widths[widest] <= _LEAST:
            break
        second = max((widths[i] for i in names if i != widest), default=_LEAST)
        widths[widest] = max(widths[widest] - over, min(second, widths[widest] - 1), _LEAST)
    lines = []
    for row in cells:
        fields = enumerate(zip(row, widths, strict=True))
        placed = (_left(cell, w) if i in names else _right(cell, w) for i, (cell, w) in fields)
        lines.append((" " * _GAP).join(placed).rstrip())
    return lines


def pairs(rows: Iterable[tuple[str, str]], *, width: int = WIDTH) -> list[str]:
    """Names and what is said of them, wrapped beside the names."""
    rows = [(cut(name, _MOST_NAME), value) for name, value in rows]
    column = max((cell_len(name) for name, _ in rows), default=0) + _GAP
    lines = []
    for name, value in rows:
        first, *more = textwrap.wrap(value, width - column, break_on_hyphens=False) or [""]
        lines += [f"{_left(name, column)}{first}".rstrip(), *(" " * column + line for line in more)]
    return lines


def bar(share: float, width: int = 24) -> str:
    """A share of one as blocks, an eighth of one at the finest; what is there at all is seen."""
    eighths = round(8 * width * min(share, 1.0))
    whole, part = divmod(max(eighths, 1 if share > 0 else 0), 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")


def cut(text: str, most: int) -> str:
    """`text` within `most` cells: its middle goes, since names of layers differ at their ends."""
    if cell_len(text) <= most:
        return text
    front = (most - 1) // 2
    back = text[::-1]
    return set_cell_size(text, front).rstrip() + "…" + set_cell_size(back, most - 1 - front).rstrip()[::-1]


def _left(text: str, width: int) -> str:
    fitting = cut(text, width)
    return fitting + " " * (width - cell_len(fitting))


def _right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text
