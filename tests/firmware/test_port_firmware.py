"""The whole firmware on both ports, from application image to console: as it is built, loaded and talked to."""

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgeq import ops
from edgeq.bundled import bundled
from edgeq.convert.tflite import file_layout, read_tflite, write_tflite
from edgeq.images.app import CHIP_ESP32, CHIP_HOST, read_app_image
from edgeq.images.layout import layout_for
from edgeq.images.model import ModelImage, write_model_image
from edgeq.images.partitions import write_partition_table
from edgeq.link.messages import RunFlag
from edgeq.link.session import Session
from edgeq.link.transport import PipeTransport
from edgeq.ops import conv2d
from edgeq.plan import build_plan, encode_plan
from edgeq.toolchain.build import FirmwareBuild, build_firmware, build_program
from edgeq.toolchain.compilers import Compiler, HostCompiler, Lx6Compiler
from edgeq.toolchain.find import find_host_compiler
from edgeq.toolchain.program import Target, firmware_program
from edgeq.virtual.runners import find_runner

FLASH_BYTES = 2 << 20
TOOLS = ("clang-22", "llvm-mc-22", "xtensa-lx106-elf-ld", "qemu-system-xtensa")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
EMULATOR = (
    pytest.mark.emulator,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
)
PORTS = ["host", pytest.param("qemu_lx6", marks=EMULATOR)]


def build(target: Target, out: Path) -> FirmwareBuild:
    return build_firmware(
        target,
        board="esp32-wrover-b",
        arena_bytes=16384,
        scratch_bytes=16384,
        flash_bytes=FLASH_BYTES,
        out=out,
    )


@dataclass(frozen=True)
class Board:
    target: Target
    firmware: FirmwareBuild
    command: list[str]
    input: bytes
    output: bytes

    def session(self) -> tuple[PipeTransport, Session]:
        pipe = PipeTransport(self.command)
        session = Session(pipe, time.monotonic)
        session.hello()
        return pipe, session


@pytest.fixture(scope="module", params=PORTS)
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Board:
    target: Target = request.param
    folder = tmp_path_factory.mktemp(target)
    firmware = build(target, folder)
    runner = find_runner(target)
    program = folder / "program"  # as the virtual board makes it of what was flashed
    program.write_bytes(runner.program(read_app_image(firmware.app_image)))
    program.chmod(0o755)

    tflite = write_tflite(conv2d.case((1, 9, 8, 3), 5, (3, 3), stride=(2, 2)))
    graph = read_tflite(tflite)
    x = np.random.default_rng(1).integers(-128, 128, (1, 9, 8, 3), dtype=np.int8)
    y = ops.run(graph, {"x": x})["y"].tobytes()
    plan = encode_plan(build_plan(graph, file_layout(tflite)))
    image = write_model_image(ModelImage("one-step", plan, tflite, x.tobytes() + y))
    table = layout_for(FLASH_BYTES)
    model = table.model_slots[0]
    flash = bytearray(b"\xff" * FLASH_BYTES)
    app = next(p.offset for p in table.partitions if p.name == "factory")
    for at, data in ((0x8000, write_partition_table(table)), (app, firmware.app_image), (model.offset, image)):
        flash[at : at + len(data)] = data
    (folder / "flash.bin").write_bytes(flash)
    command = runner.command(str(program), str(folder / "flash.bin"))
    return Board(target, firmware, command, x.tobytes(), y)


def test_it_says_what_it_is(board: Board) -> None:
    pipe, session = board.session()
    info = session.info()
    pipe.close()
    kind, unit = {"host": ("host", "ns"), "qemu_lx6": ("emulated", "instructions")}[board.target]
    assert (info["board"], info["port"], info["kind"]) == ("esp32-wrover-b", board.target, kind)
    assert (info["clock_unit"], info["arena_capacity"], info["model"]) == (unit, "16384", "one-step")
    assert info["app_sha256"] == board.firmware.app_image[-32:].hex()


def test_its_bytes_are_the_references(board: Board) -> None:
    pipe, session = board.session()
    ticks = []
    for _ in range(3):
        session.write_input(board.input)
        ticks.append(session.run(RunFlag.PROFILE))
        assert session.read_output(len(board.output)) == board.output
        assert sum(session.profile()) == ticks[-1] > 0
    pipe.close()
    if board.target == "qemu_lx6":  # a few instructions more or less around window exceptions
        assert max(ticks) - min(ticks) <= 20


def test_it_ends_with_its_stream_and_a_reboot_restarts_it(board: Board) -> None:
    def talk(console: bytes) -> tuple[int, bytes]:
        done = subprocess.run(board.command, input=console, capture_output=True, timeout=60)
        return done.returncode, done.stdout

    status, text = talk(b"")
    assert (status, text.count(b"on esp32-wrover-b (")) == (0, 1)
    status, text = talk(b"reboot\r")
    if board.target == "host":  # starts itself again
        assert (status, text.count(b"on esp32-wrover-b (")) == (0, 2)
    else:  # asks whoever runs it
        assert (status, text.count(b"on esp32-wrover-b (")) == (64, 1)


def test_the_image_carries_its_chip(board: Board) -> None:
    image = read_app_image(board.firmware.app_image)
    if board.target == "host":
        assert image.chip_id == CHIP_HOST
        assert image.segments[0].data[: board.firmware.elf.stat().st_size] == board.firmware.elf.read_bytes()
    else:
        assert (image.chip_id, image.entry) == (CHIP_ESP32, 0xFE000000)
        assert sorted(s.address for s in image.segments) == [0x10000, 0xFE000000]
        sizes = board.firmware.sizes
        assert sizes.bss >= 2 * 16384
        assert sum(len(s.data) for s in image.segments) >= sizes.text + sizes.rodata + sizes.data
        assert len(board.firmware.app_image) < 0x100000  # of the factory partition


def test_equal_sources_give_equal_bytes_anywhere(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(bundled("firmware"), tmp_path / "elsewhere")
    monkeypatch.setattr("edgeq.toolchain.build.bundled", lambda name: tmp_path / "elsewhere")
    again = build(board.target, tmp_path / "out")
    assert not again.cached
    assert (again.key, again.app_image) == (board.firmware.key, board.firmware.app_image)


@pytest.mark.parametrize("board", ["host"], indirect=True)
def test_a_flash_file_it_cannot_use(board: Board, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    for arguments, complaint in (
        ([], "usage:"),
        ([tmp_path / "absent"], "No such file"),
        ([tmp_path / "empty"], "not a flash array"),
        ([tmp_path], "not a flash array"),
    ):
        done = subprocess.run([board.firmware.elf, *arguments], input=b"", capture_output=True, timeout=60)
        assert done.returncode == 2
        assert complaint in done.stderr.decode()


@pytest.mark.parametrize("name", ["gcc", "clang-22", pytest.param("lx6", marks=EMULATOR)])
def test_no_compiler_has_a_warning(name: str) -> None:
    compiler: Compiler
    if name == "lx6":
        target: Target = "qemu_lx6"
        compiler = Lx6Compiler.find(werror=True)
    else:
        target = "host"
        if shutil.which(name) is None:
            pytest.skip(f"not installed: {name}")
        compiler = HostCompiler(find_host_compiler([name]), werror=True)
    program = firmware_program(
        bundled("firmware"), target, board="b", arena_bytes=16, scratch_bytes=16, flash_bytes=FLASH_BYTES
    )
    assert build_program(program, compiler).startswith(b"\x7fELF")
