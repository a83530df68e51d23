"""The serial ports of this machine, and which of them look like a board."""

from __future__ import annotations

from dataclasses import dataclass

from serial.tools import list_ports

# USB vendor and product id of the bridges on ESP32 boards.
BRIDGES = {
    (0x10C4, 0xEA60): "Silicon Labs CP2102",
    (0x10C4, 0xEA70): "Silicon Labs CP2105",
    (0x1A86, 0x7523): "WCH CH340",
    (0x1A86, 0x55D3): "WCH CH343",
    (0x1A86, 0x55D4): "WCH CH9102",
    (0x0403, 0x6001): "FTDI FT232R",
    (0x0403, 0x6010): "FTDI FT2232H",
    (0x0403, 0x6015): "FTDI FT231X",
    (0x067B, 0x2303): "Prolific PL2303",
    (0x303A, 0x1001): "Espressif USB JTAG/serial",
}


@dataclass(frozen=True)
class SerialPort:
    """A port. `usb_id` is "vid:pid" in hexadecimal, `bridge` a name from BRIDGES, `serial` the USB device's own number;
    each is "" where unknown."""

    device: str
    description: str
    usb_id: str
    bridge: str
    serial: str = ""


def serial_ports() -> list[SerialPort]:
    """What is plugged in: ports with a bridge of an ESP32 board first, then the others, each by name."""
    found = []
    for port in list_ports.comports():
        known = port.vid is not None and port.pid is not None
        usb_id = f"{port.vid:04x}:{port.pid:04x}" if known else ""
        description = "" if port.description in (None, "n/a") else str(port.description)
        bridge = BRIDGES.get((port.vid, port.pid), "")
        found.append(SerialPort(port.device, description, usb_id, bridge, port.serial_number or ""))
    return sorted(found, key=lambda port: (not port.bridge, port.device))
