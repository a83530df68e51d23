"""The emulated core: traps, window handlers, runtime library, console and clock, against Python's arithmetic."""

import hashlib
import shutil
import subprocess
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeq.bundled import bundled
from edgeq.toolchain.build import build_program
from edgeq.toolchain.compilers import Lx6Compiler
from edgeq.toolchain.program import LX6_LINKER_SCRIPT, Program
from edgeq.virtual.runners import find_runner

TOOLS = ("clang-22", "llvm-mc-22", "xtensa-lx106-elf-ld", "qemu-system-xtensa")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

ROOT = bundled("firmware")
PORT = Path("ports/qemu_lx6")
CHECK = ROOT / "components" / "eq_check"
M32, M64 = (1 << 32) - 1, (1 << 64) - 1

Run = Callable[[bytes], tuple[int, str]]


def signed(value: int, bits: int = 32) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    port = sorted(p for p in (ROOT / PORT).iterdir() if p.suffix in (".c", ".S") and p.name != "main.c")
    here = Path(__file__).parent / "lx6"
    program = Program(
        root=ROOT,
        sources=tuple([*port, *sorted(CHECK.glob("*.c")), here / "core_check.c", here / "probes.S"]),
        include_dirs=(PORT, PORT / "include", CHECK.relative_to(ROOT)),
        linker_script=LX6_LINKER_SCRIPT,
    )
    folder = tmp_path_factory.mktemp("lx6")
    elf, flash = folder / "core_check.elf", folder / "flash.bin"
    elf.write_bytes(build_program(program, Lx6Compiler.find(werror=True)))
    flash.write_bytes(b"\xff" * 4096)
    command = find_runner("qemu_lx6").command(str(elf), str(flash))

    def start(console: bytes) -> tuple[int, str]:
        done = subprocess.run(command, input=console, capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode()

    return start


@pytest.fixture(scope="module")
def printed(run: Run) -> dict[str, list[str]]:
    status, text = run(b"")
    assert status == 0
    assert text.endswith("end of stream\n")
    lines: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines()[:-1]:
        name, value = line.split()
        lines[name].append(value)
    return lines


class Kept:
    """The firmware's random numbers, and the CRC-32 it prints of what it kept."""

    def __init__(self) -> None:
        self.state, self.crc = 1, 0

    def random32(self) -> int:
        self.state ^= self.state << 13 & M32
        self.state ^= self.state >> 17
        self.state ^= self.state << 5 & M32
        return self.state

    def random64(self) -> int:
        low = self.random32()
        return low | self.random32() << 32

    def keep(self, value: int, count: int) -> None:
        self.crc = zlib.crc32((value & ((1 << 8 * count) - 1)).to_bytes(count, "little"), self.crc)


def hexadecimal(value: int) -> list[str]:
    return [f"{value & M32:08x}"]


def test_hashes(printed: dict[str, list[str]]) -> None:
    data = bytes(i * 131 & 255 for i in range(1000))
    assert printed["crc32"] == hexadecimal(zlib.crc32(data))
    assert printed["sha256"] == [hashlib.sha256(data).hexdigest()]


def products() -> Iterator[tuple[int, int]]:
    """High words of 0x89abcdef and 0x76543210, for each choice of registers: signed, unsigned."""
    x, y = 0x89ABCDEF, 0x76543210
    for _ in range(13):
        yield signed(x) * signed(y) >> 32, x * y >> 32


def test_multiplication_and_division(printed: dict[str, list[str]]) -> None:
    edges = (0, 1, 2, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    numbers = Kept()
    pairs = [(a, b) for a in edges for b in edges]
    pairs += [(numbers.random32(), numbers.random32()) for _ in range(1000)]
    for a, b in pairs:
        numbers.keep(signed(a) * signed(b), 8)
        numbers.keep(a * b, 8)
    assert printed["products"] == hexadecimal(numbers.crc)

    registers = Kept()
    for with_sign, without in products():
        registers.keep(with_sign, 4)
        registers.keep(without, 4)
    assert printed["register-choices"] == hexadecimal(26)
    assert printed["register-products"] == hexadecimal(registers.crc)

    numbers.crc = 0
    for i in range(300):
        a = numbers.random64()
        a >>= numbers.random32() & 63
        b = numbers.random64()
        b = b >> (numbers.random32() & 63) | 1
        sa = signed(numbers.random64() << (i & 31), 64)
        sb = signed(numbers.random64() >> (i & 31) | 1, 64)
        by = numbers.random32() & 63
        quotient = abs(sa) // abs(sb) * (1 if (sa < 0) == (sb < 0) else -1)
        inverse = 0 if sa == 0 else abs(sb) // abs(sa) * (1 if (sa < 0) == (sb < 0) else -1)
        answers = (
            a // b,
            a % b,
            quotient,
            sa - quotient * sb,
            inverse | 1,
            a * b,
            a << by,
            a >> by,
            sa >> by,
        )
        for answer in answers:
            numbers.keep(answer, 8)
    assert printed["int64"] == hexadecimal(numbers.crc)


def test_multiplication_ends_a_hardware_loop(printed: dict[str, list[str]]) -> None:
    x, y = 0x12345678, 0x76543210
    for _ in range(9):
        x = signed(x + y) * signed(y) >> 32
    assert printed["loop-mulsh"] == hexadecimal(x)
    x, y = 0x12345678, 0xFEDCBA98
    for _ in range(9):
        x = ((x + y) & M32) * y >> 32
    assert printed["loop-muluh"] == hexadecimal(x)
    assert printed["loop-none"] == hexadecimal(5)


def test_memory_functions(printed: dict[str, list[str]]) -> None:
    crc = 0
    b = bytearray(96)
    for count in range(41):
        for to in range(5):
            for source in range(9):
                a = bytearray((i * 7 + count) & 255 for i in range(96))
                b = bytearray((200 - i) & 255 for i in range(96))
                b[to : to + count] = a[source : source + count]
                a[to : to + count] = bytes(a[source : source + count])
                b[48 + to : 48 + to + count] = bytes([source * 31 & 255]) * count
                less = a[to : to + count + source] < b[to : to + count + source]
                crc = zlib.crc32(a + b + bytes([1 if less else 2]), crc)
    assert printed["memory"] == hexadecimal(crc)


def recurse(depth: int, x: int) -> int:
    return x if depth == 0 else recurse(depth - 1, 2 * x + depth) + x


def variable_array(count: int, depth: int) -> int:
    array = bytes((i + depth) & 255 for i in range(count + 1))
    more = variable_array(count + 3, depth - 1) if depth else 0
    return recurse(20, count) + more + zlib.crc32(array)


def test_register_windows(printed: dict[str, list[str]]) -> None:
    for call in (4, 8, 12):
        assert printed[f"recurse{call}"] == hexadecimal(recurse(50, 3))
        assert printed[f"movsp{call}"] == hexadecimal(1 + recurse(40, 1))
    assert printed["variable-array"] == hexadecimal(variable_array(5, 12))


def at_depth(depth: int, x: int) -> int:
    def leaf(y: int) -> int:
        return signed(x) * y >> 32 & M32

    below = at_depth(depth - 1, x * 5 + 1 & M32) if depth else 0
    return leaf(depth) ^ (below + x & M32) ^ leaf(depth + 7)


def test_a_multiplication_into_registers_of_an_older_frame_spills_it(printed: dict[str, list[str]]) -> None:
    for register in (4, 8, 15):
        assert printed[f"at-depth-{register}"] == hexadecimal(at_depth(30, 0x9E3779B9))
        # 62 multiplications and their spills cost what they cost on a core that has them, but for what the emulator
        # counts too much at window exceptions
        assert abs(signed(int(printed[f"cost-at-depth-{register}"][0], 16))) <= 4


def test_the_clock_counts_instructions(printed: dict[str, list[str]]) -> None:
    """Exactly, in every phase between the counter's ticks and the instructions, and a trapped one as one."""
    counts = [f"{turns:08x}" for turns in range(1, 26)]
    assert printed["nop"] == printed["mulsh"] == printed["muluh"] == counts
    assert printed["nops"] == hexadecimal(100_000)
    assert printed["mulshs"] == hexadecimal(2000)


def test_the_clock_outlives_its_counter(printed: dict[str, list[str]]) -> None:
    # within 2: the test moved the counter in the middle of a tick
    assert abs(signed(int(printed["wrap"][0], 16))) <= 2
    assert printed["wrap-high-word"] == hexadecimal(0)


def test_a_product_takes_what_a_product_before_it_has_loaded(printed: dict[str, list[str]]) -> None:
    """Also into a register that was read earlier in the same turn of a loop."""
    x, w = [signed(i * i * 7919, 16) for i in range(40)], [signed(i * i * 6007 + 1, 16) for i in range(1, 41)]
    sums = [sum(x[i] * w[i] for i in range(4 * quads)) for quads in range(1, 11)]
    assert printed["dot"] == [f"{value & M32:08x}" for value in sums]


def test_it_goes_on_behind_the_limit_of_counted_instructions(printed: dict[str, list[str]]) -> None:
    # the handler's five, and what the emulator counts too much at an exception
    assert 5 <= int(printed["limit"][0], 16) <= 20


def test_two_runs_are_equal_to_the_instruction(run: Run) -> None:
    first, second = run(b""), run(b"")
    assert first == second
    assert "\ninstructions " in first[1]


def test_the_console_hands_over_what_there_is(run: Run) -> None:
    """A page's worth and more: a read must not wait for bytes that nobody sends."""
    text = "0123456789abcdef" * 300
    status, output = run(text.encode())
    assert status == 0
    assert output.endswith(f"\n{text}end of stream\n")


def test_reboot_is_an_exit_code(run: Run) -> None:
    assert run(b"r")[0] == 64


@pytest.mark.parametrize(
    ("command", "cause", "address"),
    [(b"l", 15, "0xf0000000"), (b"d", 0, "0x"), (b"s", 15, "0xfdff")],
    ids=["load from nowhere", "64-bit division by zero", "stack overflow"],
)
def test_panics_say_what_and_where(run: Run, command: bytes, cause: int, address: str) -> None:
    status, output = run(command)
    assert status == 65
    words = output.splitlines()[-1].split()
    assert words[:3] == ["panic:", "EXCCAUSE", str(cause)]
    assert (words[3], words[5]) == ("EPC", "EXCVADDR")
    assert 0x10000 < int(words[4], 16) < 0x20000
    assert words[6].startswith(address)
