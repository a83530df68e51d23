"""Doors to a board: what a user reads when they do not open, and that they carry bytes."""

import errno
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator

import pytest
import serial

from edgeq.errors import BadInput, BoardTrouble, ToolMissing
from edgeq.link.transport import FakeTransport, PipeTransport, SerialTransport, Transport
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.serve import VirtualBoard

ECHO = "import sys, os\nwhile d := os.read(0, 4096): os.write(1, d)"


def read(transport: Transport, size: int) -> bytes:
    """At least `size` bytes, or what there is when nothing more comes."""
    got = b""
    while len(got) < size and (more := transport.read(5.0)):
        got += more
    return got


@pytest.fixture
def pty_pair() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_serial_port(pty_pair: tuple[int, str]) -> None:
    master, name = pty_pair
    port = SerialTransport(name)
    assert port.read(0.01) == b""
    os.write(master, b"\0\x80boot")
    assert port.read(1.0) == b"\0\x80boot"
    port.write(b"bench 3\r")
    assert os.read(master, 100) == b"bench 3\r"
    port.close()
    port.close()
    with pytest.raises(BoardTrouble, match="the port went away"):
        port.read(0.01)


def test_a_port_in_use(pty_pair: tuple[int, str]) -> None:
    first = SerialTransport(pty_pair[1])
    with pytest.raises(BoardTrouble, match="in use"):
        SerialTransport(pty_pair[1])
    first.close()


def test_no_such_port() -> None:
    with pytest.raises(BoardTrouble, match="no such port"):
        SerialTransport("/dev/there-is-no-such-port")


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(BoardTrouble, match=r"no permission") as caught:
        SerialTransport("/dev/ttyUSB0")
    assert "dialout" in caught.value.hint


def test_a_url_of_an_unknown_kind() -> None:
    with pytest.raises(BadInput, match="not a port"):
        SerialTransport("nonsense://x")


def test_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"

        def board() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(100).upper())

        thread = threading.Thread(target=board)
        thread.start()
        port = SerialTransport(url)
        port.write(b"hello")
        assert read(port, 5) == b"HELLO"
        thread.join()
        with pytest.raises(BoardTrouble, match="went away"):
            port.read(0.2)
        port.close()
    with pytest.raises(BoardTrouble, match="nothing listens there"):
        SerialTransport(url)


@pytest.mark.filterwarnings("ignore:set:DeprecationWarning")  # inside pyserial
def test_rfc2217() -> None:
    """The virtual board with an erased flash says why it does not boot."""
    with FlashArray() as flash, VirtualBoard(flash, listen="rfc2217://127.0.0.1:0") as board:
        port = SerialTransport(board.url)
        port.write(b"x")
        board.reset()
        assert b"SPI_FAST_FLASH_BOOT" in read(port, 60)
        port.close()


def test_an_rfc2217_server_without_control_lines() -> None:
    """As ser2net in front of a pseudo-terminal: DTR stays off. It is the bench's trouble, not the user's."""
    dtr, on, off = b"\xff\xfa\x2c\x69", b"\x08", b"\x09"
    with (
        FlashArray() as flash,
        VirtualBoard(flash, listen="rfc2217://127.0.0.1:0") as board,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):

        def serve() -> None:
            there = socket.create_connection((board.url.split("/")[2].split(":")[0], int(board.url.rpartition(":")[2])))
            here, _ = server.accept()
            with here, there:
                ends = {here: there, there: here}
                while True:
                    for end in select.select(list(ends), [], [])[0]:
                        data = end.recv(4096)
                        if not data:
                            return
                        ends[end].sendall(data.replace(dtr + on, dtr + off) if end is there else data)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(BoardTrouble, match="the port's server refuses: remote rejected value"):
            SerialTransport(f"rfc2217://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


def test_pipe() -> None:
    pipe = PipeTransport([sys.executable, "-c", ECHO])
    data = bytes(range(256)) * 64
    pipe.write(data)
    assert read(pipe, len(data)) == data
    assert pipe.read(0.01) == b""
    pipe.close()
    pipe.close()
    with pytest.raises(BoardTrouble, match="closed"):
        pipe.read(0.01)


def test_a_child_that_ends() -> None:
    pipe = PipeTransport([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(BoardTrouble, match="ended with status 3"):
        pipe.read(5.0)
    with pytest.raises(BoardTrouble, match="ended with status 3"):
        pipe.write(b"x")
    pipe.close()


def test_a_child_that_does_not_start() -> None:
    with pytest.raises(ToolMissing, match="does not start"):
        PipeTransport(["/nowhere/firmware"])


def test_fake() -> None:
    fake = FakeTransport(bytes.upper, said=b"boot")
    assert fake.read(1.0) == b"boot"
    fake.write(b"a")
    assert (fake.read(1.0), fake.clock()) == (b"A", 0.0)
    assert (fake.read(1.5), fake.clock()) == (b"", 1.5)
    fake.close()
    with pytest.raises(BoardTrouble):
        fake.read(1.0)
    with pytest.raises(BoardTrouble):
        fake.write(b"")
