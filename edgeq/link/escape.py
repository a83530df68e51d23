"""Makes text from a board fit for a terminal: no control character, no escape sequence, no broken UTF-8."""

from __future__ import annotations


def escape(text: str | bytes) -> str:
    r"""Escapes what is not printable: bytes that are no UTF-8 and control characters as \x1b, others as \u202e.

    Everything unprintable goes, also newlines and tabs, and the signs that turn the direction of writing. It is not
    an escape for HTML, nor for rich's markup.
    """
    decoded = text.decode("utf-8", errors="backslashreplace") if isinstance(text, bytes) else text
    return "".join(c if c.isprintable() else _code(ord(c)) for c in decoded)


def _code(point: int) -> str:
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
