"""The LX6's assembly sources as instructions, for what silicon asks and no emulator shows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_LINE = re.compile(r"^\s*([0-9a-f]+): ((?:[0-9a-f]{2} )+)\s*([a-z]\S*)\s*(.*)$")
_REGISTER = re.compile(r"a(?:1[0-5]|[0-9])|m[0-3]")

LOADS = frozenset({"l8ui", "l16ui", "l16si", "l32i"})  # of memory; what l32r loads never changes
STORES = frozenset({"s8i", "s16i", "s32i"})
LOOPS = frozenset({"loop", "loopnez", "loopgtz"})
_ONLY_READ = STORES | LOOPS | {"wsr", "ssr", "ssl", "ssa8l"}
_KEEPS = frozenset({"movltz", "movgez", "moveqz", "movnez"})  # the first operand may stay as it was


@dataclass(frozen=True)
class Instruction:
    """One of a listing; its operands as the disassembler writes them."""

    at: int
    bytes: int
    name: str
    operands: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {', '.join(self.operands)}"

    @property
    def is_jump(self) -> bool:
        """Whether it may go on elsewhere; a hardware loop is no jump."""
        return self.name.startswith(("b", "j", "call", "ret"))

    @property
    def loads(self) -> str | None:
        """The register that it loads from memory."""
        return self.operands[0] if self.name in LOADS or self.name.endswith("ldinc") else None

    @cached_property
    def registers(self) -> tuple[str, ...]:
        return tuple(operand for operand in self.operands if _REGISTER.fullmatch(operand))

    @cached_property
    def writes(self) -> frozenset[str]:
        if self.name.endswith("ldinc"):
            return frozenset(self.registers[:2])
        if self.name in _ONLY_READ or self.is_jump or self.name.startswith("mula"):
            return frozenset()
        return frozenset(self.registers[:1])

    @cached_property
    def reads(self) -> frozenset[str]:
        all_of_them = not self.writes or self.name in _KEEPS
        return frozenset(self.registers if all_of_them else self.registers[1:])


@dataclass(frozen=True)
class Loop:
    """A hardware loop."""

    head: Instruction
    body: tuple[Instruction, ...]

    @property
    def begins_in_one_word(self) -> bool:
        """Whether its first instruction does not cross a word."""
        first = self.body[0]
        return first.at % 4 + first.bytes <= 4

    def distances(self) -> Iterator[tuple[Instruction, int]]:
        """Of each load how many instructions stand between it and the first that uses it, in this turn or the next."""
        twice = self.body * 2
        for i, load in enumerate(self.body):
            for between, later in enumerate(twice[i + 1 : i + 1 + len(self.body)]):
                if load.loads in later.reads:
                    yield load, between
                if load.loads in later.reads | later.writes:
                    break


def listing(obj: Path) -> list[Instruction]:
    """The code of all functions in an object; the constants between them are left out."""
    symbols = [line.split() for line in _run(["llvm-nm-22", "-S", str(obj)]).splitlines()]
    functions = [
        (int(at, 16), int(at, 16) + int(size, 16))
        for at, size, kind, _ in (s for s in symbols if len(s) == 4)
        if kind == "T"
    ]
    found = [_LINE.match(line) for line in _run(["llvm-objdump-22", "-d", "--mcpu=esp32", str(obj)]).splitlines()]
    instructions = [
        Instruction(
            int(m[1], 16),
            len(m[2].split()),
            m[3],
            tuple(part.split()[0] for part in m[4].split(", ")) if m[4] else (),
        )
        for m in found
        if m
    ]
    return [i for i in instructions if any(begin <= i.at < end for begin, end in functions)]


def assemble(source: Path, obj: Path) -> Path:
    """By llvm-mc, which knows all of the LX6."""
    _run(["llvm-mc-22", "-arch=xtensa", "-mcpu=esp32", "-filetype=obj", "-", "-o", str(obj)], preprocessed(source))
    return obj


def assemble_gnu(source: Path, obj: Path, unknown: Iterable[str]) -> Path:
    """By GNU's assembler for the LX106, with a nop for each of the instructions that this core does not have."""
    nops = "".join(f"    .macro {name} operands:vararg\n    nop\n    .endm\n" for name in sorted(unknown))
    _run(["xtensa-lx106-elf-as", "--no-transform", "-", "-o", str(obj)], nops + preprocessed(source, "-U__clang__"))
    return obj


def preprocessed(source: Path, *more: str) -> str:
    """What an assembler gets of a source."""
    flags = ["--target=xtensa-none-elf", "-E", "-P", "-DEQ_MAC16=1", "-x", "assembler-with-cpp", *more]
    return _run(["clang-22", *flags, str(source)])


def loops_of(instructions: list[Instruction]) -> list[Loop]:
    """All of a listing."""
    found = []
    for head in (i for i in instructions if i.name in LOOPS):
        end = int(head.operands[-1], 16)
        found.append(Loop(head, tuple(i for i in instructions if head.at < i.at < end)))
    return found


def _run(arguments: list[str], text: str = "") -> str:
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout
