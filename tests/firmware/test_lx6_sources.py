"""What silicon asks of the assembly for the LX6 and the emulated core does not (docs/kernels.md#silicon).

An interrupt may come between any two instructions: ESP-IDF saves a task's address registers, M0 to M3, the
accumulator, the loop registers and SAR.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from lx6_listing import LOOPS, Instruction, assemble, assemble_gnu, listing, loops_of

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "firmware" / "components" / "eq_kernels").glob("*.S"))
TOOLS = ("clang-22", "llvm-mc-22", "llvm-objdump-22", "llvm-nm-22", "xtensa-lx106-elf-as")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
EACH = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)

# All that a kernel may be made of: what computes, loads, stores and branches; nothing that yields, waits, rotates the
# window, masks interrupts, calls, or touches what is not a task's own.
_NAMES = """
    add addi addi.n addmi addx2 addx4 addx8 sub subx2 subx4 subx8 and or xor neg abs extui movi movi.n nop nop.n
    slli srli srai sll srl sra src ssr ssl ssai ssa8l mull mul16s mul16u
    l8ui l16ui l16si l32i l32r s8i s16i s32i moveqz movnez movltz movgez
    j beq bne blt bge bltu bgeu beqi bnei blti bgei bltui bgeui beqz bnez bltz bgez bbci bbsi bany bnone
"""
PLAIN = frozenset(_NAMES.split())
# The LX106 has none of these: windows, loops, MAC16's loads, and the options that the LX6 was built with.
LX6_ALONE = LOOPS | {"entry", "retw", "ldinc", "mulsh", "muluh", "min", "max", "minu", "maxu", "clamps", "sext"}
SAVED = {"m0", "m1", "m2", "m3", "acclo", "sar"}
SPECIAL = ("rsr", "wsr")
MAC16 = re.compile(r"mula\.(dd|da|ad|aa)\.(ll|lh|hl|hh)(\.ldinc)?")
BASE_SAVE_AREA = 16  # bytes below the caller's stack pointer, where its caller's registers may go


Code = Callable[[Path], list[Instruction]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lx6")


@pytest.fixture(scope="module")
def code_of(folder: Path) -> Code:
    """The instructions of a source, assembled once."""
    return cache(lambda source: listing(assemble(source, folder / f"{source.stem}.o")))


@EACH
def test_only_what_a_task_may_touch(source: Path, code_of: Code) -> None:
    for i in code_of(source):
        if i.name in SPECIAL:
            assert i.operands[1] in SAVED, i
        else:
            assert i.name in PLAIN | LX6_ALONE or MAC16.fullmatch(i.name), i


@EACH
def test_return_address_and_stack_are_left_alone(source: Path, code_of: Code) -> None:
    """a0 is the caller's way back, a1 moves with `entry` alone, and what lies on the stack lies in the frame."""
    frame = 0
    for i in code_of(source):
        if i.name == "entry":
            assert i.operands[0] == "a1"
            frame = int(i.operands[1])
            assert frame >= 2 * BASE_SAVE_AREA
            continue
        assert "a0" not in i.registers and "a1" not in i.writes, i
        if "a1" in i.reads and i.name in ("s32i", "l32i"):
            assert i.operands[1] == "a1" and int(i.operands[2]) + 4 <= frame - BASE_SAVE_AREA, i
        elif "a1" in i.reads:  # a pointer to what lies there, or to its end
            assert i.name == "addi" or (i.name == "or" and i.operands[1] == i.operands[2]), i
            assert i.name == "or" or 0 < int(i.operands[2]) <= frame - BASE_SAVE_AREA, i


@EACH
def test_loops_run_to_their_ends(source: Path, code_of: Code) -> None:
    """A jump out of a hardware loop would leave its counter to whatever runs over its end later; there is one level."""
    for loop in loops_of(code_of(source)):
        assert loop.body
        assert not [i for i in loop.body if i.is_jump or i.name in LOOPS], loop.head
        assert loop.body[-1].at - loop.head.at <= 256


@EACH
def test_two_instructions_stand_between_a_load_and_its_use(source: Path, code_of: Code) -> None:
    """In every hardware loop, from a turn's end into the next one, too."""
    for loop in loops_of(code_of(source)):
        assert not [str(load) for load, between in loop.distances() if between < 2], f"{loop.head.at:#x}"


def test_the_products_with_loads_are_among_them(code_of: Code) -> None:
    """What the test above measures: loads by MAC16, of which some are used in the next turn."""
    for name in ("dots_s16_lx6", "line_dots_s16_lx6", "winograd2_tiles_lx6", "winograd4_tiles_lx6"):
        loops = loops_of(code_of(SOURCES[0].with_name(f"{name}.S")))
        assert {tuple(between for _, between in loop.distances()) for loop in loops} == {(2, 2, 2, 2)}


@EACH
def test_a_loops_first_instruction_lies_in_one_word(source: Path, code_of: Code) -> None:
    for loop in loops_of(code_of(source)):
        assert loop.begins_in_one_word, f"{loop.head.at:#x}"


@EACH
def test_gnus_assembler_reads_it_alike(source: Path, code_of: Code, folder: Path) -> None:
    """ESP-IDF's assembler is GNU's, and aligns loops itself. Debian's is for the LX106: what that core has, too, comes
    out the same."""
    code = [i for i in code_of(source) if i.name != "nop.n"]
    unknown = {_written(i) for i in code if i.name in LX6_ALONE or i.name in SPECIAL or MAC16.fullmatch(i.name)}
    gnu = listing(assemble_gnu(source, folder / f"{source.stem}.gnu.o", unknown))
    assert len(gnu) == len(code)
    for ours, theirs in zip(code, gnu, strict=True):
        if _written(ours) in unknown:
            assert theirs.name == "nop", ours
        elif ours.is_jump or ours.name == "l32r":  # their targets come with the linker
            assert (theirs.name, theirs.operands[:-1]) == (ours.name, ours.operands[:-1])
        else:
            assert (theirs.name, theirs.operands) == (ours.name, ours.operands)


def _written(i: Instruction) -> str:
    """Its name in the source."""
    return f"{i.name}.{i.operands[1]}" if i.name in SPECIAL else i.name
