"""Preprocessing in C, under ASan and UBSan, is Python's byte for byte; what it refuses; and its form as a C header."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeq.errors import BadInput
from edgeq.preprocess import FloatRule, IntegerRule, c_header, decode_section, encode_section, integer_rule
from edgeq.toolchain.compilers import Lx6Compiler
from edgeq.toolchain.program import Program

HERE = Path(__file__).parent
COMPONENT = HERE.parents[1] / "firmware" / "components" / "eq_preprocess"
SANITIZE = "-std=c11 -Wall -Wextra -Werror -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"

Record = tuple[bytes, NDArray[np.uint8]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("preprocess") / "preprocess_host"
    sources = [HERE / "preprocess_host.c", *COMPONENT.glob("*.c")]
    subprocess.run(["cc", *SANITIZE.split(), f"-I{COMPONENT}", *map(str, sources), "-o", str(program)], check=True)
    return program


def in_c(program: Path, records: list[Record]) -> list[bytes | str]:
    """For each section and picture the input, or why there is none."""
    stdin = b"".join(
        struct.pack("<I", len(section)) + section + struct.pack("<3I", *picture.shape) + picture.tobytes()
        for section, picture in records
    )
    done = subprocess.run([program], input=stdin, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: list[bytes | str] = []
    at = 0
    for _ in records:
        (size,) = struct.unpack_from("<I", done.stdout, at)
        end = at + 4 + size if size else done.stdout.index(b"\n", at + 4) + 1
        body, at = done.stdout[at + 4 : end], end
        found.append(body if size else body.decode().strip())
    assert at == len(done.stdout)
    return found


def random_rule(rng: random.Random) -> tuple[FloatRule, IntegerRule]:
    channels = rng.choice((1, 3))
    real = FloatRule(
        height=rng.choice((1, 3, 7, 8, 16, 31)), width=rng.choice((1, 2, 5, 8, 17, 30)), channels=channels,
        method=rng.choice(("nearest", "bilinear")), scale=rng.choice((1 / 255, 1.0, -1 / 255, 0.017)),
        mean=tuple(rng.uniform(-0.2, 0.9) for _ in range(channels)),
        std=tuple(rng.uniform(0.2, 1.0) for _ in range(channels)),
    )  # fmt: skip
    step = abs(real.scale) / min(real.std)  # of one pixel value
    return real, integer_rule(real, step * rng.choice((0.5, 0.9, 1.1, 3.0)), rng.randint(-128, 127))


def random_picture(rng: random.Random) -> NDArray[np.uint8]:
    shape = (rng.randint(1, 41), rng.randint(1, 41), rng.choice((1, 3)))
    values = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, shape, dtype=np.uint8)
    return np.where(values < 128, np.uint8(0), np.uint8(255)) if rng.random() < 0.2 else values


def test_a_thousand_random_pictures_are_equal(program: Path) -> None:
    rng = random.Random(5)
    pairs = [(random_rule(rng)[1], random_picture(rng)) for _ in range(1000)]
    kinds = {(r.method, r.channels, p.shape[2]) for r, p in pairs}
    assert len(kinds) == 8  # both methods, grey and colour, to grey and to colour
    found = in_c(program, [(encode_section(rule), picture) for rule, picture in pairs])
    expected = [rule.apply(picture).tobytes() for rule, picture in pairs]
    assert [a == b for a, b in zip(found, expected, strict=True)] == [True] * 1000
    assert len(set(b"".join(expected))) == 256


def test_the_largest_values_do_not_overflow(program: Path) -> None:
    """Full range of multiplier, offset and pixel, at sides that straddle 16 bits' products."""
    records: list[Record] = []
    expected = []
    for sign in (1, -1):
        for method in ("nearest", "bilinear"):
            rule = IntegerRule(2, 3, 1, method, (sign * (16 << 22),), (sign * (1 << 61),))
            for shape in ((1, 16384, 1), (16384, 1, 3)):
                picture = np.full(shape, 255, np.uint8)
                records.append((encode_section(rule), picture))
                expected.append(rule.apply(picture).tobytes())
    wide = IntegerRule(1, 16384, 1, "bilinear", (1 << 22,), (-(128 << 46),))
    records.append((encode_section(wide), np.arange(16383, dtype=np.uint16).astype(np.uint8).reshape(1, -1, 1)))
    expected.append(wide.apply(records[-1][1]).tobytes())
    assert in_c(program, records) == expected


RULE = IntegerRule(4, 5, 3, "bilinear", (1 << 22, 2 << 22, 3 << 22), (0, 1, -2), 16.0)
SECTION = encode_section(RULE)


def patched(at: int, form: str, value: float) -> bytes:
    data = bytearray(SECTION)
    struct.pack_into(form, data, at, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("section", "why"),
    [
        (b"", "ends early"),
        (SECTION[:15], "ends early"),
        (SECTION[:-1], "damaged"),
        (SECTION + b"\0", "damaged"),
        (patched(0, "<H", 2), "another version"),
        (patched(2, "<B", 2), "unknown"),
        (patched(3, "<B", 2), "unknown"),
        (patched(3, "<B", 1), "damaged"),
        (patched(4, "<H", 0), "impossible size"),
        (patched(6, "<H", 16385), "impossible size"),
        (patched(8, "<f", 0.0), "damaged"),
        (patched(8, "<f", -1.0), "damaged"),
        (patched(8, "<f", float("nan")), "damaged"),
        (patched(8, "<f", float("inf")), "damaged"),
        (patched(12, "<I", 1), "damaged"),
        (patched(16, "<q", (1 << 61) + 1), "an offset"),
        (patched(28, "<q", -(1 << 61) - 1), "an offset"),
        (patched(24, "<i", (16 << 22) + 1), "a multiplier"),
        (patched(48, "<i", -(16 << 22) - 1), "a multiplier"),
    ],
)
def test_both_refuse_a_section(program: Path, section: bytes, why: str) -> None:
    (said,) = in_c(program, [(section, np.zeros((1, 1, 1), np.uint8))])
    assert isinstance(said, str) and why in said
    with pytest.raises(BadInput):
        decode_section(section, "test")


def test_ten_thousand_damaged_sections_are_judged_alike(program: Path) -> None:
    rng = random.Random(9)
    picture = random_picture(rng)
    records: list[Record] = []
    for _ in range(10_000):
        data = bytearray(SECTION)
        data[rng.randrange(len(data))] = rng.choice((0, 1, 2, 3, 0x40, 0x7F, 0x80, 0xFF))
        if data[4:8] == SECTION[4:8]:  # the size as it was: the outputs stay small
            records.append((bytes(data), picture))
    refused = 0
    for (section, _), said in zip(records, in_c(program, records), strict=True):
        try:
            assert decode_section(section, "test").apply(picture).tobytes() == said
        except BadInput:
            assert isinstance(said, str)
            refused += 1
    assert 1000 < refused < len(records) - 1000


def test_no_picture_has_no_bytes(program: Path) -> None:
    empty = [(SECTION, np.zeros(shape, np.uint8)) for shape in ((0, 3, 1), (3, 0, 3))]
    assert in_c(program, empty) == ["no picture"] * 2
    odd = struct.pack("<I", len(SECTION)) + SECTION + struct.pack("<3I", 16385, 1, 1)
    done = subprocess.run([program], input=odd, capture_output=True, timeout=60, check=True)
    assert done.stdout[4:] == b"no picture\n"


def test_the_header_holds_the_same_numbers(tmp_path: Path) -> None:
    """Compiled as C, it is what the section says; and a model's name cannot end its comment."""
    text = c_header(RULE, "my */ model")
    assert text == (HERE.parent / "golden" / "preprocess.h").read_text()
    (tmp_path / "preprocess.h").write_text(text)
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include <inttypes.h>\n#include "preprocess.h"\n'
        "int main(void) {\n    const eq_preprocess *p = &edgeq_preprocess;\n"
        '    printf("%u %u %u %d", p->height, p->width, p->channels, (int)p->method);\n'
        '    for (int c = 0; c < 3; c++) printf(" %d %" PRId64, p->multiplier[c], p->offset[c]);\n    return 0;\n}\n'
    )
    run = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{COMPONENT}", str(tmp_path / "main.c")]
    subprocess.run([*run, "-o", str(tmp_path / "main")], check=True)
    said = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split()
    rows = [n for row in zip(RULE.multipliers, RULE.offsets, strict=True) for n in row]
    assert [int(word) for word in said] == [4, 5, 3, 1, *rows]


@pytest.mark.skipif(shutil.which("clang-22") is None, reason="not installed: clang-22")
def test_it_compiles_for_the_lx6_without_warnings(tmp_path: Path) -> None:
    root = COMPONENT.parents[1]
    sources = tuple(sorted(path.relative_to(root) for path in COMPONENT.glob("*.c")))
    program = Program(
        root=root, sources=sources, include_dirs=(COMPONENT.relative_to(root), Path("ports/qemu_lx6/include"))
    )
    compiler = Lx6Compiler.find(werror=True)
    for source in sources:
        compiler.compile(program, source, tmp_path / f"{source.stem}.o")
        assert (tmp_path / f"{source.stem}.o").stat().st_size > 0
