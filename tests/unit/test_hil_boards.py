"""Where a board is: by its USB serial number, by its chip's address, behind a port; and its power switch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgeq.errors import BoardTrouble
from edgeq.flash.esptool import read_mac
from edgeq.flash.ports import SerialPort
from edgeq.hil.boards import NotThere, Rack, power_hook
from edgeq.hil.lock import board_lock, held, holder_of
from edgeq.hil.settings import BenchFile, BoardEntry, Settings
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.serve import VirtualBoard

MACS = {"/dev/ttyX0": "24:0a:c4:00:00:01", "/dev/ttyX1": "24:0a:c4:00:00:02"}
PLUGGED = [SerialPort(port, "", "10c4:ea60", "CP2102", f"000{i}") for i, port in enumerate(MACS)]
PLUGGED.append(SerialPort("/dev/ttyS0", "", "", ""))


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def rack(*boards: dict[str, Any], plugged: Sequence[SerialPort] = PLUGGED, asked: list[str] | None = None) -> Rack:
    entries = [{"board": "esp32-wrover-b", **board} for board in boards]
    table = {"bench": {"lock_wait_s": 0}, "board": entries, "model": [{"source": "m.tflite"}]}

    def ask(port: str) -> str:
        if asked is not None:
            asked.append(port)
        if port not in MACS:
            raise BoardTrouble("no answer")
        return MACS[port]

    bench = BenchFile(Settings.model_validate(table), Path("hil.toml"), b"")
    return Rack(bench, plugged=lambda: plugged, ask_mac=ask)


def entries(rack: Rack) -> tuple[BoardEntry, ...]:
    return rack.bench.settings.board


def test_by_usb_serial_number() -> None:
    bench = rack({"name": "a", "usb_serial": "0001"}, {"name": "b", "usb_serial": "0009"})
    a, b = entries(bench)
    assert bench.port_of(a) == "/dev/ttyX1"
    with pytest.raises(NotThere, match=r"no port has .* plugged in are: 0000, 0001"):
        bench.port_of(b)


def test_by_the_chips_address() -> None:
    asked: list[str] = []
    boards = [{"name": f"b{i}", "mac": mac.upper().replace(":", "-")} for i, mac in enumerate(MACS.values())]
    bench = rack(*boards, {"name": "gone", "mac": "24:0a:c4:00:00:09"}, asked=asked)
    *there, gone = entries(bench)
    assert [bench.port_of(entry) for entry in there] == list(MACS)
    with pytest.raises(NotThere, match="no chip answers with 24:0a:c4:00:00:09; plugged in are: 24:0a"):
        bench.port_of(gone)
    assert sorted(asked) == sorted(MACS)  # each port once, and none without a bridge of a board


def test_a_port_that_others_have_is_not_asked() -> None:
    asked: list[str] = []
    bench = rack({"name": "a", "mac": MACS["/dev/ttyX0"]}, asked=asked)
    with held(board_lock("/dev/ttyX0"), "it", wait_s=0, say=print):
        with pytest.raises(NotThere, match="in use by others: /dev/ttyX0"):
            bench.port_of(entries(bench)[0])
        assert asked == ["/dev/ttyX1"]
    assert bench.port_of(entries(bench)[0]) == "/dev/ttyX0"


def test_the_address_of_a_chip_that_esptool_knows() -> None:
    with FlashArray() as array, VirtualBoard(array, "host") as board:
        assert read_mac(board.url) == "02:ed:9e:00:00:01"


def test_a_board_is_locked_while_it_is_open() -> None:
    bench = rack({"name": "a", "port": "socket://127.0.0.1:9"})
    with bench.open(entries(bench)[0], print) as borrowed:
        assert borrowed.port == "socket://127.0.0.1:9" and borrowed.cycle_power is None
        assert holder_of(board_lock(borrowed.port)) is not None
        with pytest.raises(BoardTrouble, match="is in use by"), bench.open(entries(bench)[0], lambda text: None):
            pass
    assert holder_of(board_lock("socket://127.0.0.1:9")) is None


def ended(pid: int) -> bool:
    """Whether that process ends, or is a zombie, before long."""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(600):
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_the_power_switch_is_a_program_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "cycle"
    script.write_text('#!/bin/sh\necho "$1" > said\n')
    script.chmod(0o755)
    entry = BoardEntry(name="a", board="b", port="p", power=("./cycle", "$(id) off; on"))
    hook = power_hook(entry, tmp_path)
    assert hook is not None
    hook()
    assert (tmp_path / "said").read_text() == "$(id) off; on\n"
    script.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(BoardTrouble, match="ended with status 3"):
        hook()
    script.write_text("#!/bin/sh\nsleep 600 & echo $! > child; wait\n")
    monkeypatch.setattr("edgeq.hil.boards.POWER_LIMIT_S", 0.5)
    with pytest.raises(BoardTrouble, match="has not ended in"):
        hook()
    assert ended(int((tmp_path / "child").read_text()))  # what the hook had started
    script.unlink()
    with pytest.raises(BoardTrouble, match="does not start"):
        hook()
    assert power_hook(entry.model_copy(update={"power": ()}), tmp_path) is None
