"""The addresses of code in what a board prints when it dies. Pure."""

from __future__ import annotations

import re

_HEX = r"0x([0-9a-fA-F]{8})\b"
# ESP-IDF on Xtensa: "Backtrace: 0x400d1234:0x3ffb1f30 0x400d5678:0x3ffb1f50", each the code and its stack pointer.
_BACKTRACE = re.compile(r"^\s*Backtrace:")
_FRAME = re.compile(rf"{_HEX}:0x[0-9a-fA-F]{{8}}")
# The register dump, "PC      : 0x400d1234", on RISC-V "MEPC    : 0x42008a5c  RA      : 0x42008a40"; and the line of
# the emulated core, "panic: EXCCAUSE 28 EPC 0x0001234c EXCVADDR 0x00000000".
_REGISTER = re.compile(rf"\b(?:PC|MEPC|RA)\s*: {_HEX}")
_EMULATED = re.compile(rf"^panic: EXCCAUSE \d+ EPC {_HEX}")


def code_addresses(line: str) -> tuple[int, ...]:
    """The addresses of code that a line of a panic names, innermost first; none for any other line."""
    if _BACKTRACE.match(line):
        found = _FRAME.findall(line)
    elif match := _EMULATED.match(line):
        found = [match[1]]
    else:
        found = _REGISTER.findall(line)
    return tuple(int(digits, 16) for digits in found)
