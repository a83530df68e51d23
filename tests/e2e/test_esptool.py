"""An unmodified esptool and the virtual board: detect, write, verify; then the board runs exactly what flash holds."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from edgeq.errors import BoardTrouble
from edgeq.flash.esptool import flash
from edgeq.images.app import AppImage, Segment, write_app_image
from edgeq.images.layout import layout_for
from edgeq.images.partitions import write_partition_table
from edgeq.virtual.faults import Faults
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.serve import VirtualBoard

pytestmark = [pytest.mark.e2e, pytest.mark.emulator]

# Writes the 16 bytes that the model partition begins with, which is to say that it sees the flash, and ends.
# System calls of QEMU's simulator: a2 = 4 write or 1 exit, a3 = file or status, a4 = address, a5 = length.
PROGRAM = """
    movi a2, 4
    movi a3, 1
    movi a4, 0x412
    slli a4, a4, 16         # 0x04120000: the flash array's address, and the model partition
    movi a5, 16
    .byte 0x00, 0x51, 0x00  # simcall
    movi a2, 1
    movi a3, 7
    .byte 0x00, 0x51, 0x00
"""
RESET_ADDRESS = 0xFE000000


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, bytes]]:
    folder = tmp_path_factory.mktemp("program")
    (folder / "main.s").write_text(PROGRAM)
    assemble = ["llvm-mc-22", "-arch=xtensa", "-mcpu=esp32", "-filetype=obj", "main.s", "-o", "main.o"]
    subprocess.run(assemble, cwd=folder, check=True)
    subprocess.run(
        ["llvm-objcopy-22", "-O", "binary", "--only-section=.text", "main.o", "main.bin"], cwd=folder, check=True
    )
    code = (folder / "main.bin").read_bytes()
    app = write_app_image(AppImage((Segment(RESET_ADDRESS, code),), RESET_ADDRESS))
    table = write_partition_table(layout_for(4 << 20))
    model = b"model of the day" + random.Random(0).randbytes(30_000) + bytes(20_000)
    return [(0x8000, table), (0x10000, app), (0x120000, model)]


@pytest.fixture
def array() -> Iterator[FlashArray]:
    assert shutil.which("qemu-system-xtensa"), "apt-get install qemu-system-misc"
    with FlashArray() as flash_array:
        yield flash_array


def esptool(board: VirtualBoard, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "esptool", "--port", board.url, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def on_disk(parts: list[tuple[int, bytes]], folder: Path) -> list[str]:
    arguments = []
    for offset, data in parts:
        file = folder / f"{offset:x}.bin"
        file.write_bytes(data)
        arguments += [hex(offset), str(file)]
    return arguments


def console(board: VirtualBoard, until: bytes) -> bytes:
    host, port = board.url.split("://")[1].split(":")
    seen = b""
    with socket.create_connection((host, int(port)), timeout=20) as client:
        while until not in seen:
            received = client.recv(4096)
            assert received, seen
            seen += received
    return seen


NO_RESET = ("--before", "no-reset", "--after", "no-reset")


@pytest.mark.parametrize("stub", [(), ("--no-stub",)], ids=["stub", "rom"])
def test_over_a_socket(
    array: FlashArray, parts: list[tuple[int, bytes]], stub: tuple[str, ...], tmp_path: Path
) -> None:
    files = on_disk(parts, tmp_path)
    with VirtualBoard(array) as board:
        said = esptool(board, *NO_RESET, *stub, "flash-id")
        assert "ESP32-D0WD (revision v1.0)" in said and "Detected flash size: 4MB" in said
        assert "Crystal frequency:  40MHz" in said
        assert esptool(board, *NO_RESET, *stub, "write-flash", *files).count("Hash of data verified") == 3
        assert esptool(board, *NO_RESET, *stub, "verify-flash", *files).count("digest matched") == 3
        for offset, data in parts:
            assert array.read(offset, len(data)) == data
        # The end of the connection reset it: it runs what flash holds.
        assert b"model of the day\r\nE board: the application ended with status 7" in console(board, b"status 7")

        back = tmp_path / "back.bin"
        size = 50_016 if not stub else 1024  # without the stub, 64 bytes a request
        esptool(board, *NO_RESET, *stub, "read-flash", "0x120000", str(size), str(back))
        assert back.read_bytes() == parts[2][1][:size]
        esptool(board, *NO_RESET, *stub, "erase-region", "0x120000", "0x1000")
        assert array.read(0x120000, 0x1004) == b"\xff" * 0x1000 + parts[2][1][0x1000:0x1004]
        assert b"\xff" * 16 in console(board, b"status 7")


def test_over_rfc2217_with_reset_lines(array: FlashArray, parts: list[tuple[int, bytes]], tmp_path: Path) -> None:
    table, app, model = parts
    array.program(*table)
    array.program(*model)
    with VirtualBoard(array, listen="rfc2217://127.0.0.1:0") as board:  # where each command takes 0.3 s
        said = esptool(board, "--chip", "esp32", "write-flash", *on_disk([app], tmp_path))
        assert "Hash of data verified" in said and "Hard resetting via RTS pin" in said
        assert array.read(app[0], len(app[1])) == app[1]
        port = serial.serial_for_url(board.url, timeout=20)
        try:
            port.rts = True
            port.dtr = False  # EN low
            port.rts = False
            assert b"model of the day" in port.read_until(b"status 7")
        finally:
            port.close()


def test_through_the_door(array: FlashArray, parts: list[tuple[int, bytes]]) -> None:
    seen: list[tuple[float, str]] = []
    with VirtualBoard(array) as board:
        result = flash(board.url, parts, progress=lambda fraction, text: seen.append((fraction, text)))
        assert result.verified and result.bytes == sum(len(data) for _, data in parts)
        fractions = [fraction for fraction, _ in seen]
        assert fractions == sorted(fractions) and (fractions[0], fractions[-1]) == (0.0, 1.0)
        assert len({f for f in fractions if 0 < f < 1}) >= 3
        assert b"model of the day" in console(board, b"status 7")
        array.program(0x10020, b"\0\0\0\0")
        board.reset()
        assert b"E boot: application image at 0x10000: checksum is" in console(board, b"checksum is")
        flash(board.url, parts)  # which its loader allows, whatever flash holds
        assert b"model of the day" in console(board, b"status 7")


def test_a_brown_out_while_writing(array: FlashArray, parts: list[tuple[int, bytes]]) -> None:
    at = 0x120000 + 5000
    with VirtualBoard(array, faults=Faults(brown_out_at=at)) as board:
        with pytest.raises(BoardTrouble, match="stopped answering") as caught:
            flash(board.url, parts)
        assert "brown-out" in caught.value.hint
        assert array.read(0x120000, 5001) == parts[2][1][:5000] + b"\xff"


def test_what_does_not_fit(array: FlashArray) -> None:
    with VirtualBoard(array) as board, pytest.raises(BoardTrouble, match="too small"):
        flash(board.url, [(0x3FF000, bytes(0x1001))])
