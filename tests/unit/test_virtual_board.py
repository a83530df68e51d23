"""The board behind its port: booting, the console, resets, faults. Its application is a small program of the host."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from edgeq.errors import BadInput, BoardTrouble
from edgeq.images.app import CHIP_ESP32, CHIP_HOST, AppImage, Segment, write_app_image
from edgeq.images.layout import layout_for
from edgeq.images.partitions import write_partition_table
from edgeq.virtual import slip
from edgeq.virtual.board import KEPT_BYTES, State
from edgeq.virtual.faults import Faults, Wire
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.serve import VirtualBoard, parse_listen, serve_forever

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Prints its process id and what flash holds from 0x200000; then echoes lines: 'r' asks for a restart, 'k' crashes,
 * 'f' floods, 'l' waits a second before it answers. */
int main(int count, char **arguments) {
    char line[256], stored[9] = {0};
    FILE *flash = fopen(arguments[count - 1], "rb");
    if (!flash || fseek(flash, 0x200000, SEEK_SET) || fread(stored, 1, 8, flash) != 8) return 2;
    printf("pid %d holds %s\n", (int)getpid(), stored);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (line[0] == 'r') return 64;
        if (line[0] == 'k') abort();
        if (line[0] == 'l') sleep(1);
        for (int i = line[0] == 'f' ? 20000 : 1; i; i--) printf("echo %s", line);
        fflush(stdout);
    }
    return 0;
}
"""
SYNC = slip.encode(b"\0\x08\x24\0" + bytes(4) + b"\x07\x07\x12\x20" + b"\x55" * 32)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("program")
    source, out = folder / "main.c", folder / "main"
    source.write_text(PROGRAM)
    subprocess.run(["cc", "-o", str(out), str(source)], check=True)
    return out.read_bytes()


@pytest.fixture
def flash(program: bytes) -> Iterator[FlashArray]:
    with FlashArray() as array:
        array.program(0x8000, write_partition_table(layout_for(array.size)))
        array.program(0x10000, write_app_image(AppImage((Segment(0, program),), 0, CHIP_HOST)))
        array.program(0x200000, b"WEIGHTS!")
        yield array


class Console:
    """A raw connection to a board on `socket://`."""

    def __init__(self, board: VirtualBoard) -> None:
        host, port = board.url.removeprefix("socket://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self.seen = b""

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def until(self, text: bytes) -> bytes:
        """What comes up to and with `text`."""
        while text not in self.seen:
            received = self.socket.recv(4096)
            assert received, f"the board closed the connection after {self.seen!r}"
            self.seen += received
        end = self.seen.index(text) + len(text)
        found, self.seen = self.seen[:end], self.seen[end:]
        return found

    def pid(self) -> int:
        self.until(b"pid ")
        return int(self.until(b" "))


def wait_for(state: State, board: VirtualBoard) -> None:
    end = time.monotonic() + 5
    while board.state is not state:
        assert time.monotonic() < end, f"the board is {board.state}, not {state}"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_boots_what_flash_holds_and_echoes(flash: FlashArray) -> None:
    with VirtualBoard(flash, "host") as board, Console(board) as console:
        assert b"rst:0x1 (POWERON_RESET),boot:0x13" in console.until(b"holds WEIGHTS!\n")
        console.socket.sendall(b"hello\nab\0\xc0\n")
        assert console.until(b"\n") == b"echo hello\n"
        flash.program(0x200000, b"\0")
        board.reset()
        console.until(b"pid ")
        assert console.until(b"\n").endswith(b"holds \n"), "the reset reads flash anew"


def test_boots_from_the_file_of_the_board_before(tmp_path: Path, flash: FlashArray) -> None:
    file = tmp_path / "flash,with a comma.bin"
    with FlashArray(file) as kept:
        kept.program(0, flash.read(0, flash.size))
    with FlashArray(file) as kept, VirtualBoard(kept, "host") as board, Console(board) as console:
        console.until(b"holds WEIGHTS!\n")


def test_leaves_no_process_and_no_thread(flash: FlashArray) -> None:
    with VirtualBoard(flash, "host") as board, Console(board) as console:
        first = console.pid()
        board.reset()
        assert not is_alive(first)
        second = console.pid()
        assert is_alive(second)
    assert not is_alive(second)
    assert "virtual board" not in {thread.name for thread in threading.enumerate()}
    board.close()  # again, which does nothing
    with pytest.raises(BoardTrouble, match="does not run any more"):
        board.reset()


def test_the_console_is_kept_for_the_next_client(flash: FlashArray) -> None:
    with VirtualBoard(flash, "host") as board:
        with Console(board) as console:
            pid = console.pid()
            console.socket.sendall(b"heard\nlater\n")
            console.until(b"echo heard\n")
        time.sleep(2)
        with Console(board) as console:  # the same application, and what it printed since
            assert board.state is State.RUNNING and is_alive(pid)
            console.until(b"echo later\n")
            console.socket.sendall(b"next\n")
            console.until(b"echo next\n")


def test_keeps_64_kib_of_the_console(flash: FlashArray) -> None:
    with VirtualBoard(flash, "host") as board:
        with Console(board) as console:
            console.until(b"holds")
            console.socket.sendall(b"flood\nk\n")  # 220,000 bytes
        wait_for(State.HALTED, board)
        with Console(board) as console:
            assert len(console.until(b"SIGABRT\r\n")) == KEPT_BYTES


def test_a_second_client_is_turned_away(flash: FlashArray) -> None:
    with VirtualBoard(flash, "host") as board, Console(board) as first:
        first.until(b"holds")
        with Console(board) as second:
            assert second.socket.recv(1) == b""
        first.socket.sendall(b"still here\n")
        first.until(b"echo still here")


def test_a_restart_and_a_crash(flash: FlashArray) -> None:
    with VirtualBoard(flash, "host") as board, Console(board) as console:
        console.until(b"holds")
        console.socket.sendall(b"r\n")
        console.until(b"(SW_CPU_RESET)")
        console.until(b"holds")
        console.socket.sendall(b"k\n")
        console.until(b"E board: the application was killed by SIGABRT\r\n")
        assert board.state is State.HALTED
        board.reset()
        os.kill(console.pid(), signal.SIGKILL)
        console.until(b"killed by SIGKILL\r\n")


def test_sync_stands_for_the_reset_lines_on_tcp(flash: FlashArray) -> None:
    with VirtualBoard(flash, "host") as board:
        with Console(board) as console:
            pid = console.pid()
            for at in range(0, len(SYNC), 7):  # in pieces
                console.socket.sendall(SYNC[at : at + 7])
                time.sleep(0.002)
            console.until(slip.END + b"\x01\x08")
            assert board.state is State.DOWNLOAD and not is_alive(pid)
        wait_for(State.RUNNING, board)  # the end of the connection starts the application


@pytest.mark.parametrize(
    ("offset", "harm", "line"),
    [
        (0x8000, b"\0", b"E boot: partition table at 0x8000: row 0 starts with 0x5000, not 0x50aa"),
        (0x8012, b"x", b"E boot: partition table at 0x8000: MD5 does not match"),
        (0x10000, b"\0", b"E boot: application image at 0x10000: starts with 0x00, not 0xe9"),
        (0x10004, b"\1", b"E boot: application image at 0x10000: SHA-256 does not match"),
        (0x10021, b"\0", b"E boot: application image at 0x10000: checksum is"),
    ],
)
def test_harmed_flash_does_not_boot_and_says_why(flash: FlashArray, offset: int, harm: bytes, line: bytes) -> None:
    if offset == 0x10004:
        sector = flash.read(0x10000, 0x1000)
        flash.erase(0x10000, 0x1000)
        flash.program(0x10000, sector[:4] + harm + sector[5:])
    else:
        flash.program(offset, harm)
    with VirtualBoard(flash, "host") as board, Console(board) as console:
        console.until(line)
        assert board.state is State.HALTED
        console.socket.sendall(SYNC)  # and its loader still answers
        console.until(slip.END + b"\x01\x08")


def test_an_empty_flash_and_another_chips_image() -> None:
    with FlashArray() as flash, VirtualBoard(flash, "host") as board, Console(board) as console:
        console.until(b"E boot: partition table at 0x8000: is empty\r\n")
        flash.program(0x8000, write_partition_table(layout_for(flash.size)))
        board.reset()
        console.until(b"E boot: application image at 0x10000: starts with 0xff")
        flash.program(0x10000, write_app_image(AppImage((Segment(0, b"code"),), 0, CHIP_ESP32)))
        board.reset()
        console.until(b"made for chip id 0x0000, this one is 0xfffe\r\n")


def test_an_image_that_is_no_executable() -> None:
    with FlashArray() as flash:
        flash.program(0x8000, write_partition_table(layout_for(flash.size)))
        flash.program(0x10000, write_app_image(AppImage((Segment(0, b"echo no program!"),), 0, CHIP_HOST)))
        with VirtualBoard(flash, "host") as board, Console(board) as console:
            console.until(b"E boot: segment 0 of the application is not a program of this machine\r\n")


@pytest.mark.parametrize(
    ("boot", "text"), [("panic", b"Guru Meditation Error"), ("loop", b"RTCWDT_RTC_RESET"), ("garbage", b"\xff")]
)
def test_boot_faults(flash: FlashArray, boot: str, text: bytes) -> None:
    faults = Faults(boot=boot, seed=3)  # type: ignore[arg-type]
    with VirtualBoard(flash, "host", faults=faults) as board, Console(board) as console:
        console.until(text)
        if boot == "loop":
            console.until(text)
        assert board.state is State.HALTED


def test_a_stalled_board_says_no_more(flash: FlashArray) -> None:
    with VirtualBoard(flash, "host", faults=Faults(stall_after=20)) as board, Console(board) as console:
        console.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            console.until(b"never")
        assert len(console.seen) == 20


def test_wire_faults_are_repeatable() -> None:
    data = bytes(range(256)) * 40
    faults = Faults(drop=0.1, corrupt=0.1, seed=5)
    carried = Wire(faults, "x").carry(data)
    assert carried == Wire(faults, "x").carry(data) != Wire(faults, "y").carry(data)
    assert 0.85 < len(carried) / len(data) < 0.95
    flipped = Wire(Faults(corrupt=0.1), "x").carry(data)
    wrong = [a ^ b for a, b in zip(data, flipped, strict=True) if a != b]
    assert 0.05 < len(wrong) / len(data) < 0.15 and {bits.bit_count() for bits in wrong} == {1}
    with pytest.raises(BadInput, match="probability"):
        Faults(drop=2)


def test_an_application_that_is_killed_after_so_many_bytes_lives_again_after_a_reset(flash: FlashArray) -> None:
    with VirtualBoard(flash, "host", faults=Faults(die_after=200)) as board, Console(board) as console:
        for _ in range(2):
            console.until(b"holds WEIGHTS!\n")
            console.socket.sendall(b"f\n")
            assert 100 < len(console.until(b"killed by SIGKILL\r\n")) < 300
            assert board.state is State.HALTED
            board.reset()


def test_in_some_connections_the_application_is_killed(flash: FlashArray) -> None:
    ends = []
    with VirtualBoard(flash, "host", faults=Faults(die=0.5, seed=2)) as board:
        for _ in range(10):
            with Console(board) as console:
                console.socket.sendall(b"f\nend\n")
                while not console.seen.endswith((b"echo end\n", b"killed by SIGKILL\r\n")):
                    console.seen += console.socket.recv(4096)
                ends.append(console.seen[-4:])
            board.reset()
    assert len(set(ends)) == 2


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("socket://0.0.0.0:5000", "loopback alone"),
        ("rfc2217://192.168.1.2:5000", "loopback alone"),
        ("socket://example.org:5000", "loopback alone"),
        ("socket://127.0.0.1", "cannot read"),
        ("socket://127.0.0.1:99999", "cannot read"),
        ("http://127.0.0.1:5000", "cannot read"),
        ("/dev/ttyUSB0", "cannot read"),
        ("socket://[::1:5000", "cannot read"),
    ],
)
def test_where_it_does_not_listen(url: str, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        parse_listen(url)


def test_where_it_listens() -> None:
    assert str(parse_listen("socket://localhost:5000")) == "socket://127.0.0.1:5000"
    assert str(parse_listen("rfc2217://[::1]:0")) == "rfc2217://[::1]:0"


def test_a_port_in_use() -> None:
    with FlashArray() as flash, VirtualBoard(flash, "host") as board, pytest.raises(BoardTrouble, match="in use"):
        VirtualBoard(flash, "host", board.url)


@pytest.fixture
def rfc2217(flash: FlashArray) -> Iterator[serial.SerialBase]:
    with VirtualBoard(flash, "host", "rfc2217://127.0.0.1:0") as board:
        port = serial.serial_for_url(board.url, timeout=5)
        try:
            yield port
        finally:
            port.close()


def test_rfc2217_carries_data_and_lines(rfc2217: serial.SerialBase) -> None:
    rfc2217.rts = True
    rfc2217.dtr = False  # EN low
    rfc2217.rts = False
    assert rfc2217.read_until(b"holds WEIGHTS!\n").endswith(b"holds WEIGHTS!\n")
    rfc2217.write(b"\xff\xff telnet's escape\n")
    assert rfc2217.read_until(b"\n") == b"echo \xff\xff telnet's escape\n"
    rfc2217.write(SYNC + b"\n")  # on a port with lines this is data like any other
    assert rfc2217.read_until(b"echo ") == b"echo "
    rfc2217.dtr = False
    rfc2217.rts = True  # EN low
    rfc2217.dtr = True
    rfc2217.rts = False  # IO0 low while EN rises
    rfc2217.dtr = False
    assert rfc2217.read_until(b"waiting for download\r\n").endswith(b"waiting for download\r\n")
    rfc2217.rts = True
    rfc2217.rts = False
    assert rfc2217.read_until(b"holds WEIGHTS!").endswith(b"holds WEIGHTS!")


@pytest.mark.parametrize(
    "hostile",
    [
        b"\xff\xf0",  # the end of an option that never began
        b"\xff\xfa\x2c\x03\x63\xff\xf0",  # a parity that does not exist
        b"\xff\xfa\x2c\x01\x00\xff\xf0",  # a baud rate of one byte
        b"\xff\xfa" + b"x" * 5000,  # an option without end
    ],
)
def test_rfc2217_survives_hostile_telnet(flash: FlashArray, hostile: bytes) -> None:
    with VirtualBoard(flash, "host", "rfc2217://127.0.0.1:0") as board:
        port = int(board.url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(hostile)
            with contextlib.suppress(ConnectionResetError):
                while client.recv(4096):  # its offers, then the end: TimeoutError if the board keeps it
                    pass
        assert board.state is State.RUNNING


def test_serve_forever_ends_with_an_interrupt(tmp_path: Path) -> None:
    urls: list[str] = []

    def ready(url: str) -> None:
        urls.append(url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve_forever("socket://127.0.0.1:0", tmp_path / "flash.bin", "host", flash_bytes=1 << 20, ready=ready)
    assert urls[0].startswith("socket://127.0.0.1:")
    with FlashArray(tmp_path / "flash.bin"), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(urls[0].rsplit(":", 1)[1])), timeout=1)
