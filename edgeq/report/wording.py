"""How a report says things: names of what a number rests on, quantities with their unit, text made safe."""

from __future__ import annotations

import unicodedata

LONGEST_TEXT = 500

# What a latency rests on. A number is never printed without its word.
BASIS = {
    "measured": "measured on the board",
    "emulated": "emulated: counted on an emulated Xtensa core, which knows no time",
    "modelled": "modelled: computed from a cost model, not measured",
    "host": "process of this machine, never compared with a board",
}

# Unicode categories: controls, formats, unassigned, private, surrogates, line and paragraph separators.
_UNPRINTED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})

_TIMES_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000}


def printable(text: str) -> str:
    """`text` in one line without control, format or surrogate characters, which are written as escapes.

    Names come from files and boards: they must not move a cursor, turn writing round or break an encoder.
    Text beyond 500 characters is cut, and says so by an ellipsis.
    """
    cut = text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNPRINTED else char for char in cut
    )


def number(value: float) -> str:
    """A count with its thousands parted: 24,900,123; a fraction to one digit."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def quantity(value: float, unit: str) -> str:
    """A latency with its unit. Counts stay counts; only a time is written in the time unit that reads best."""
    if unit not in _TIMES_NS:
        return f"{number(value)} {unit}"
    ns = value * _TIMES_NS[unit]
    for size, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= size:
            return f"{ns / size:.3f} {name}"
    return f"{ns:.0f} ns"


def cycles_as_time(cycles: float, clock_hz: int) -> str:
    """How long so many cycles take: 51.440 ms at 240 MHz."""
    return f"{quantity(cycles / clock_hz * 1e9, 'ns')} at {clock_hz / 1e6:g} MHz"


def brief(value: float) -> str:
    """A count in three digits, for a headline: 24.9 M."""
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {name}" if value < 999.5 * size else f"{value / size:.0f} {name}"
    return f"{value:.3g}"


def size(count: int) -> str:
    """Bytes in binary units: 812 B, 51.7 KiB, 2.00 MiB."""
    if count < 1 << 10:
        return f"{count} B"
    if count < 1 << 20:
        return f"{count / (1 << 10):.1f} KiB"
    return f"{count / (1 << 20):.2f} MiB"


def percent(share: float) -> str:
    """A share of one as per cent with two digits: 0.9917 is 99.17 %."""
    return f"{100 * share:.2f} %"


def counted(count: int, thing: str) -> str:
    """`1 hop`, `3 hops`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
