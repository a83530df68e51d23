"""The native engine's kernels, read from the one list that the firmware is built from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from edgeq.bundled import bundled
from edgeq.errors import Unsupported

_ROW = re.compile(r"^EQ_KERNEL\((\d+), (\w+), (\d+)\)$", re.MULTILINE)


@dataclass(frozen=True)
class Kernel:
    """One row of `kernels.inc`."""

    id: int
    name: str
    version: int


@cache
def kernels() -> dict[str, Kernel]:
    """All kernels by name."""
    text = (bundled("firmware") / "components/eq_kernels/kernels.inc").read_text()
    return {name: Kernel(int(number), name, int(version)) for number, name, version in _ROW.findall(text)}


def kernel(name: str) -> Kernel:
    """The kernel of that name."""
    try:
        return kernels()[name]
    except KeyError:
        raise Unsupported(f"the firmware has no kernel {name}") from None
