"""eq_tflm_kernels: what it chooses without a plan gives the plain kernels' bytes; its C++ fits TFLite Micro's headers.

The registrations themselves need TensorFlow Lite Micro, of which nothing is here. Where `TFLITE_MICRO` names a checkout
of esp-tflite-micro they are compiled against it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeq.bundled import bundled
from edgeq.toolchain.build import build_program
from edgeq.toolchain.compilers import HostCompiler
from edgeq.toolchain.program import Program

KERNELS, COMPONENT = Path("components/eq_kernels"), Path("components/eq_tflm_kernels")
FIRMWARE = bundled("firmware")
TFLITE_MICRO = os.environ.get("TFLITE_MICRO", "")

Choose = Callable[[int, int, int], str]


@pytest.fixture(scope="module")
def choose(tmp_path_factory: pytest.TempPathFactory) -> Choose:
    """(seed, layers, scratch limit) to a letter for each layer; the sanitizers watch the scratch's end."""
    sources = sorted(
        path.relative_to(FIRMWARE) for room in (KERNELS, COMPONENT) for path in (FIRMWARE / room).glob("*.c")
    )
    program = Program(FIRMWARE, (*sources, Path(__file__).with_name("choices.c")), (KERNELS, COMPONENT))
    executable = tmp_path_factory.mktemp("choices") / "choices"
    executable.write_bytes(build_program(program, HostCompiler.find(sanitize=True, werror=True)))
    executable.chmod(0o755)

    def run(seed: int, layers: int, scratch_bytes: int) -> str:
        arguments = [str(executable), str(seed), str(layers), str(scratch_bytes)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    return run


def test_what_is_chosen_gives_the_plain_kernels_bytes(choose: Choose) -> None:
    letters = choose(1, 1600, 98_304)
    assert len(letters) == 1600
    assert set(letters) == set("pgl24drcwfFAa")  # each kernel, and each plain one where the other is not exact


@pytest.mark.parametrize("scratch_bytes", [0, 500, 4_000, 16_000])
def test_less_scratch_means_smaller_blocks_or_the_plain_kernel(choose: Choose, scratch_bytes: int) -> None:
    letters = choose(2, 400, scratch_bytes)
    if not scratch_bytes:
        assert not set(letters) & set("gl24rcwF")
    if scratch_bytes == 16_000:
        assert set("gl4rcwF") <= set(letters)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 108))
def test_many_choices(choose: Choose, seed: int) -> None:
    assert len(choose(seed, 4000, [98_304, 30_000, 9_000, 1_500][seed % 4])) == 4000


def test_each_registration_that_is_promised_is_there() -> None:
    promised = re.findall(
        r"TFLMRegistration (Register_\w+_EDGEQ)\(\);",
        (FIRMWARE / COMPONENT / "include" / "eq_tflm_kernels.h").read_text(),
    )
    defined = [
        name
        for path in (FIRMWARE / COMPONENT).glob("*.cc")
        for name in re.findall(r"(Register_\w+_EDGEQ)\(\) \{", path.read_text())
    ]
    assert sorted(promised) == sorted(defined) and len(promised) == 6


@pytest.mark.skipif(not TFLITE_MICRO, reason="TFLITE_MICRO names no checkout of esp-tflite-micro to compile against")
@pytest.mark.parametrize("more", [(), ("-DUSE_TFLM_COMPRESSION",)], ids=["plain", "compression"])
@pytest.mark.parametrize("source", sorted(path.name for path in (FIRMWARE / COMPONENT).glob("*.cc")))
def test_a_registration_compiles_against_tflite_micro(source: str, more: tuple[str, ...]) -> None:
    compiler = shutil.which("g++") or shutil.which("clang++-22")
    assert compiler, "no C++ compiler"
    root = Path(TFLITE_MICRO)
    third_party = [root / "third_party" / part for part in ("flatbuffers/include", "gemmlowp", "ruy")]
    system = [flag for folder in (root, *third_party) for flag in ("-isystem", str(folder))]
    flags = ["-std=c++17", "-fno-rtti", "-fno-exceptions", "-Wall", "-Wextra", "-Werror", "-DTF_LITE_STATIC_MEMORY"]
    ours = [f"-I{FIRMWARE / room}" for room in (KERNELS, COMPONENT, COMPONENT / "include")]
    arguments = [*flags, *more, *system, *ours, "-fsyntax-only", str(FIRMWARE / COMPONENT / source)]
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
