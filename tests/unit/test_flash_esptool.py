"""The door to esptool: what it refuses, its ladder, its words for esptool's troubles. Boards come in tests/e2e."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from pathlib import Path

import pytest

from edgeq.errors import BadInput, BoardTrouble, ToolMissing
from edgeq.flash import esptool
from edgeq.flash.esptool import flash

PARTS = [(0x10000, b"application"), (0x8000, b"table")]
MD5_TROUBLE = "A fatal error occurred: MD5 of file does not match data in flash!"


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ([], "nothing to flash"),
        ([(0x8000, b"")], "is empty"),
        ([(0x8001, b"x")], "not a multiple"),
        ([(-0x1000, b"x")], "not a multiple"),
        ([(0x8000, bytes(0x1001)), (0x9000, b"x")], "overlaps"),
        ([(0xFFF000, bytes(0x1001))], "behind any flash"),
    ],
)
def test_impossible_parts(parts: list[tuple[int, bytes]], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        flash("/dev/null", parts)


def test_without_esptool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match="esptool"):
        flash("/dev/null", PARTS)


class FakeRun:
    """Stands for esptool's process: fails with the given outputs, then succeeds."""

    def __init__(self, *outputs: str) -> None:
        self.outputs = list(outputs)
        self.calls: list[list[str]] = []

    def __call__(self, arguments: list[str], *_: object) -> tuple[bool, str]:
        self.calls.append(arguments)
        return (False, self.outputs.pop(0)) if self.outputs else (True, "")

    def tries(self) -> list[tuple[bool, str]]:
        return [("--no-stub" not in call, call[call.index("--baud") + 1]) for call in self.calls]


def test_the_ladder_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    run = FakeRun("Failed to start stub flasher. There was no response.", MD5_TROUBLE)
    monkeypatch.setattr(esptool, "_run", run)
    result = flash("/dev/ttyUSB0", PARTS, baud=460800)
    assert run.tries() == [(True, "460800"), (False, "460800"), (False, "115200")]
    assert (result.bytes, result.verified) == (16, True)
    assert run.calls[0][run.calls[0].index("--skip-flashed") + 1 :: 2] == ["0x10000", "0x8000"]  # in their order
    assert "hard-reset" in run.calls[0] and "default-reset" in run.calls[0]


def test_the_ladder_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    run = FakeRun(*[MD5_TROUBLE] * 3)
    monkeypatch.setattr(esptool, "_run", run)
    with pytest.raises(BoardTrouble, match="other bytes than were sent"):
        flash("/dev/ttyUSB0", PARTS, baud=460800)
    assert len(run.calls) == 3


@pytest.mark.parametrize(
    ("port", "output"), [("socket://127.0.0.1:1", MD5_TROUBLE), ("/dev/ttyUSB0", "Failed to connect to ESP32: ...")]
)
def test_no_second_try_where_it_cannot_help(monkeypatch: pytest.MonkeyPatch, port: str, output: str) -> None:
    run = FakeRun(output)
    monkeypatch.setattr(esptool, "_run", run)
    with pytest.raises(BoardTrouble):
        flash(port, PARTS)
    assert len(run.calls) == 1
    assert run.calls[0].count("no-reset") == (2 if port.startswith("socket") else 0)


@pytest.mark.parametrize(
    ("output", "what", "hint"),
    [
        ("Could not open /dev/x, the port is busy or doesn't exist.\n([Errno 2] ...)", "no such port", "cables"),
        ("Could not open /dev/x, ...\n([Errno 13] Permission denied: '/dev/x')", "no permission", "dialout"),
        ("Could not open /dev/x, ...\n(Could not exclusively lock port /dev/x: [Errno 11] ...)", "in use", "brltty"),
        ("Failed to connect to ESP32: Wrong boot mode detected (0x13)!", "application instead", "BOOT"),
        ("Failed to connect to ESP32: No serial data received.", "does not answer", "cable"),
        ("This chip is ESP32-S3, not ESP32. Wrong chip argument?", "another chip", "board"),
        ("File 'x' (length 5) at offset 0x00400000 will not fit in 4194304 bytes", "too small", "smaller model"),
        ("Invalid head of packet (0x0d): Possible serial noise", "stopped answering", "brown-out"),
        ("A fatal error occurred: something \x1b[31mnew", "esptool failed: something [31mnew", "by hand"),
        ("", "did not say why", "by hand"),
    ],
)
def test_words_for_troubles(monkeypatch: pytest.MonkeyPatch, output: str, what: str, hint: str) -> None:
    monkeypatch.setattr(esptool, "_run", FakeRun(*[output] * 3))
    with pytest.raises(BoardTrouble) as caught:
        flash("/dev/ttyUSB0", PARTS)
    assert what in caught.value.what and hint in caught.value.hint
    assert caught.value.where == "/dev/ttyUSB0"


def test_a_port_that_does_not_exist() -> None:
    """The real esptool, for the words that all the above stands on."""
    with pytest.raises(BoardTrouble, match="no such port"):
        flash("/dev/no-such-port", PARTS)


SLOW_ESPTOOL = """#!/bin/sh
touch STARTED
echo Writing at 0x00008000
exec sleep 30
"""


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text(SLOW_ESPTOOL.replace("STARTED", str(tmp_path / "started")))
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def interrupt(fraction: float, text: str) -> None:
        if text.startswith("writing"):
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        flash("socket://127.0.0.1:1", PARTS, progress=interrupt)
    assert time.monotonic() - start < 20, "the child was killed, not waited for"
    assert (tmp_path / "started").exists()
    assert not list(tmp_path.glob("edgeq-flash-*"))
