"""Reads what a board's own `bench` prints, as numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass
class ConsoleBench:
    """Figures by name, runs, (least value, runs) of each bin, layers as (name, kernel, ticks, MACs), and the rest."""

    figures: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    bins: list[tuple[int, int]] = field(default_factory=list)
    layers: list[tuple[str, str, int, int]] = field(default_factory=list)
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)


_COUNT = r"([\d,]+)"
_FIGURE = re.compile(rf"(p50|p90|p99|min|max|mean) +{_COUNT} \w+$")
_BIN = re.compile(rf" *{_COUNT}  #* +(\d+)$")
_LAYER = re.compile(rf"(\S.*?) +(\w+(?: \d+)?) +[\d.]+% +{_COUNT} +{_COUNT}$")
_MEMORY = re.compile(rf"(\S.*?) +{_COUNT} of {_COUNT} bytes \[[# ]{{24}}\] +[\d.]+%$")
_FACT = re.compile(r"(model|board|engine|firmware|golden samples) +(\S.*)$")


def read_console_bench(text: str) -> ConsoleBench:
    """The console's text from the command on; every line of it fits a terminal of 80 columns."""
    said = ConsoleBench()
    for line in text.split("\r\n"):
        assert len(line) <= 80, line
        if match := _FIGURE.match(line):
            said.figures[match[1]] = _number(match[2])
        elif match := re.match(r"runs +(\d+)$", line):
            said.runs = int(match[1])
        elif match := _MEMORY.match(line):
            said.memory[match[1]] = (_number(match[2]), _number(match[3]))
        elif match := _LAYER.match(line):
            said.layers.append((match[1], match[2], _number(match[3]), _number(match[4])))
        elif match := _BIN.match(line):
            said.bins.append((_number(match[1]), int(match[2])))
        elif match := _FACT.match(line):
            said.facts[match[1]] = match[2]
    return said


def _number(text: str) -> int:
    return int(text.replace(",", ""))
