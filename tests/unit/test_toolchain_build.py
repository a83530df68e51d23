"""Building a small program: errors as the user sees them, the cache, the lists of sources."""

import os
from pathlib import Path

import pytest

from edgeq.bundled import bundled
from edgeq.errors import BadInput, ToolMissing
from edgeq.toolchain import build as build_module
from edgeq.toolchain import find
from edgeq.toolchain.build import build_firmware
from edgeq.toolchain.compilers import Lx6Compiler
from edgeq.toolchain.program import Target, firmware_program, program_hash

MAIN = "int main(void) { return sizeof EQ_BOARD; }\n"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny firmware in place of edgeq's."""
    root = tmp_path / "firmware"
    for folder in ("components/part", "ports/common", "ports/host"):
        (root / folder).mkdir(parents=True)
    (root / "components/part/part.h").write_text("int part(void);\n")
    (root / "components/part/part.c").write_text('#include "part.h"\nint part(void) { return EQ_ARENA_BYTES; }\n')
    (root / "ports/host/main.c").write_text(MAIN)
    monkeypatch.setattr(build_module, "bundled", lambda name: root)
    return root


def build(
    tmp_path: Path, *, board: str = "esp32", arena_bytes: int = 16, target: Target = "host"
) -> build_module.FirmwareBuild:
    return build_firmware(
        target,
        board=board,
        arena_bytes=arena_bytes,
        scratch_bytes=16,
        out=tmp_path / "out",
        cache=tmp_path / "cache",
    )


def test_a_build_is_done_once(sources: Path, tmp_path: Path) -> None:
    first, second = build(tmp_path), build(tmp_path)
    assert (first.cached, second.cached) == (False, True)
    assert first.app_image == second.app_image == (tmp_path / "out" / "app.bin").read_bytes()
    assert os.access(second.elf, os.X_OK)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["app.bin", "firmware.elf"]


def test_a_header_a_macro_or_a_flag_makes_another_build(sources: Path, tmp_path: Path) -> None:
    keys = {build(tmp_path).key, build(tmp_path, arena_bytes=32).key, build(tmp_path, board="other").key}
    (sources / "components/part/part.h").write_text("int part(void); /* changed */\n")
    keys.add(build(tmp_path).key)
    assert len(keys) == 4


def test_a_damaged_cache_is_built_again(sources: Path, tmp_path: Path) -> None:
    good = build(tmp_path)
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(entry.read_bytes()[:100])
    again = build(tmp_path)
    assert (again.cached, again.app_image) == (False, good.app_image)


def test_progress_counts_the_files(sources: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    build_firmware(
        "host",
        board="b",
        arena_bytes=1,
        scratch_bytes=1,
        out=tmp_path,
        progress=lambda *call: calls.append(call),
    )
    assert calls == [(1, 2, "components/part/part.c"), (2, 2, "ports/host/main.c")]


def test_what_the_compiler_says_is_shown(sources: Path, tmp_path: Path) -> None:
    (sources / "components/part/part.c").write_text("int part(void) { return nonsense; }\n")
    with pytest.raises(BadInput, match=r"(?s)part\.c does not compile.*nonsense") as caught:
        build(tmp_path)
    assert "Traceback" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


def test_what_the_linker_says_is_shown(sources: Path, tmp_path: Path) -> None:
    (sources / "ports/host/main.c").write_text("int absent(void);\nint main(void) { return absent(); }\n")
    with pytest.raises(BadInput, match=r"(?s)does not link.*absent"):
        build(tmp_path)


@pytest.mark.parametrize("board", ["", 'x"', "a b", "x\n", "x" * 65])
def test_a_boards_name_cannot_escape_its_macro(sources: Path, tmp_path: Path, board: str) -> None:
    with pytest.raises(BadInput, match="board"):
        build(tmp_path, board=board)


def test_impossible_arguments(sources: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="EQ_ARENA_BYTES"):
        build(tmp_path, arena_bytes=0)
    with pytest.raises(BadInput, match="no such target"):
        build(tmp_path, target="esp9000")  # type: ignore[arg-type] # that is the test
    with pytest.raises(BadInput, match="sanitizers"):
        (sources / "ports/qemu_lx6").mkdir()
        build_firmware("qemu_lx6", board="b", arena_bytes=1, scratch_bytes=1, out=tmp_path / "out", sanitize=True)


def test_an_output_that_cannot_be_written(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(BadInput, match="cannot be written"):
        build(tmp_path)


@pytest.mark.parametrize(
    ("look", "package"),
    [
        (find.find_host_compiler, "gcc"),
        (find.find_lx6_compiler, "clang-22"),
        (find.find_lx6_assembler, "llvm-22"),
        (find.find_lx6_linker, "binutils-xtensa-lx106"),
    ],
)
def test_a_missing_tool_says_how_to_get_it(look: object, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert callable(look)
    with pytest.raises(ToolMissing, match=f"apt-get install {package}"):
        look()


def test_a_tool_that_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="does not run"):
        find.find_host_compiler()


def test_the_sources_of_each_target() -> None:
    names = {}
    for target in ("host", "qemu_lx6"):
        program = firmware_program(
            bundled("firmware"), target, board="b", arena_bytes=1, scratch_bytes=1, flash_bytes=1
        )
        names[target] = {str(s) for s in program.sources}
        assert not any(path.is_absolute() for path in (*program.sources, *program.include_dirs))
        assert program_hash(program) == program_hash(program)
    both = names["host"] & names["qemu_lx6"]
    assert {"components/eq_check/crc32.c", "ports/common/app.c"} <= both
    assert names["host"] - both == {"ports/host/main.c", "ports/host/tflm_worker.c"}
    assert all(name.endswith((".c", ".S")) for name in names["qemu_lx6"])


def test_the_lx6_flags_name_no_path() -> None:
    tool = find.Tool("x", Path("/some/where/x"), "1")
    assert not any("/some" in flag for flag in Lx6Compiler(tool, tool, tool).flags())
