"""One process has a lock, says who it is, and a crash leaves none behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.errors import BadInput, NotWritten
from edgeq.hil.lock import InUse, board_lock, held, holder_of, runtime_folder

CHILD = """
import sys, time
from pathlib import Path
from edgeq.hil.lock import held
with held(Path(sys.argv[1]), "it", wait_s=0, say=print):
    print("mine", flush=True)
    time.sleep(600)
"""


def quiet(text: str) -> None:
    raise AssertionError(text)


def test_it_says_who_has_it(tmp_path: Path) -> None:
    lock = tmp_path / "board.lock"
    assert holder_of(lock) is None
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(lock)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and child.stdout.readline() == "mine\n"
        holder = holder_of(lock)
        assert holder is not None and holder.pid == child.pid and str(child.pid) in str(holder)
        said: list[str] = []
        with (
            pytest.raises(InUse, match=f"the board is in use by process {child.pid}"),
            held(lock, "the board", wait_s=0.3, say=said.append),
        ):
            pass
        assert said[0].startswith("waiting up to 0.3 s for the board, which process")
    finally:
        child.kill()
        child.wait()
    said = []
    with held(lock, "the board", wait_s=60, say=said.append):  # what the dead one left is no lock, and is said
        assert "which ended without giving it back" in said[0] and str(child.pid) in said[0]
        assert holder_of(lock) is not None
    with held(lock, "the board", wait_s=0, say=quiet):
        pass
    assert holder_of(lock) is None


def test_whoever_waits_can_be_stopped(tmp_path: Path) -> None:
    lock = tmp_path / "board.lock"
    with (
        held(lock, "it", wait_s=0, say=quiet),
        pytest.raises(InUse),
        held(lock, "it", wait_s=600, say=lambda text: None, stopped=lambda: True),
    ):
        pass


def test_a_text_of_others_steers_no_terminal(tmp_path: Path) -> None:
    lock = tmp_path / "board.lock"
    lock.write_text('{"pid": 1, "host": "\\u001b[2J", "command": "' + "x" * 900 + '", "since": ""}')
    said: list[str] = []
    with held(lock, "it", wait_s=0, say=said.append):
        assert "\x1b" not in said[0] and len(said[0]) < 1200
    lock.write_text("nonsense")
    with held(lock, "it", wait_s=0, say=quiet):
        pass


def test_all_names_of_a_port_have_one_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB0")
    assert board_lock(str(tmp_path / "by-id")) == board_lock(str(tmp_path / "ttyUSB0"))
    assert board_lock("socket://127.0.0.1:1") != board_lock("socket://127.0.0.1:2")
    assert board_lock("socket://127.0.0.1:1").parent == tmp_path / "edgeq"


def test_a_folder_that_others_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "edgeq").mkdir()
    (tmp_path / "edgeq").chmod(0o777)
    with pytest.raises(BadInput, match="not a folder of yours alone"):
        runtime_folder()
    (tmp_path / "edgeq").rmdir()
    (tmp_path / "edgeq").symlink_to(tmp_path)
    with pytest.raises(BadInput, match="not a folder of yours alone"):
        runtime_folder()


def test_a_folder_of_locks_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
    with pytest.raises(NotWritten, match="the folder of locks cannot be made: Not a directory"):
        board_lock("/dev/ttyUSB0")


def test_a_lock_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="cannot be locked: Is a directory"), held(tmp_path, "it", wait_s=0, say=quiet):
        pass
    with pytest.raises(NotWritten, match="cannot be locked"), held(Path("/dev/full"), "it", wait_s=0, say=quiet):
        pass
    with pytest.raises(NotWritten, match="Is a directory"):
        holder_of(tmp_path)
