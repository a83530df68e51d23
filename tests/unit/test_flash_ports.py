"""The list of serial ports."""

from __future__ import annotations

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from edgeq.flash.ports import SerialPort, serial_ports


def port(device: str, vid: int | None = None, pid: int | None = None, description: str = "n/a") -> ListPortInfo:
    info = ListPortInfo(device, skip_link_detection=True)
    info.vid, info.pid, info.description = vid, pid, description
    return info


def test_boards_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged = [
        port("/dev/ttyS0"),
        port("/dev/ttyUSB1", 0x10C4, 0xEA60, "CP2102 USB to UART"),
        port("/dev/ttyACM0", 0x1234, 0x0001, "Modem"),
        port("/dev/ttyUSB0", 0x1A86, 0x7523, "USB Serial"),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: plugged)
    assert serial_ports() == [
        SerialPort("/dev/ttyUSB0", "USB Serial", "1a86:7523", "WCH CH340"),
        SerialPort("/dev/ttyUSB1", "CP2102 USB to UART", "10c4:ea60", "Silicon Labs CP2102"),
        SerialPort("/dev/ttyACM0", "Modem", "1234:0001", ""),
        SerialPort("/dev/ttyS0", "", "", ""),
    ]
