"""How full each memory region is, from the map that GNU ld writes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeq.errors import BadInput


@dataclass(frozen=True)
class Region:
    """A region of the linker script: `used` of `size` bytes. `title` says what it is on an ESP32."""

    name: str
    title: str
    used: int
    size: int


# ESP-IDF's names (memory.ld of each chip).
_TITLES = {
    "dram0_0_seg": "internal RAM, data",
    "iram0_0_seg": "internal RAM, code",
    "extern_ram_seg": "PSRAM",
    "drom0_0_seg": "flash, constants",
    "iram0_2_seg": "flash, code",
}
_NUMBER = r"0x([0-9a-fA-F]+)"
_REGION = re.compile(rf"^(\S+)\s+{_NUMBER}\s+{_NUMBER}(?:\s+[a-z!]+)?\s*$")
_SECTION = re.compile(rf"^(\.\S+)\s+{_NUMBER}\s+{_NUMBER}\b")
_CONFIGURATION, _MAP = "Memory Configuration", "Linker script and memory map"


def regions(text: str, *, where: str = "linker map") -> tuple[Region, ...]:
    """The regions of `_TITLES` that the map has, in that order, with the output sections that lie in each.

    A section that only keeps addresses free, because the same memory or window is used under others, counts: nothing
    else can go there.
    """
    head, found, body = text.partition(_MAP)
    _, begun, configuration = head.partition(_CONFIGURATION)
    if not found or not begun:
        raise BadInput("is no map of GNU ld: it has no memory configuration", where=where)
    spans = [
        (match[1], int(match[2], 16), int(match[3], 16))
        for match in map(_REGION.match, configuration.splitlines())
        if match
    ]
    used = {name: 0 for name, _, _ in spans}
    for address, size in _sections(body):
        for name, origin, length in spans:
            if name in _TITLES and origin <= address < origin + length:
                used[name] += size
                break
    by_name = {name: length for name, _, length in spans}
    return tuple(Region(name, title, used[name], by_name[name]) for name, title in _TITLES.items() if by_name.get(name))


def _sections(body: str) -> list[tuple[int, int]]:
    """Address and bytes of each output section. One with a long name has its numbers on the next line."""
    unwrapped = re.sub(r"^(\.\S+)\n\s+(?=0x)", r"\1 ", body, flags=re.MULTILINE)
    found = map(_SECTION.match, unwrapped.splitlines())
    return [(int(match[2], 16), int(match[3], 16)) for match in found if match]
