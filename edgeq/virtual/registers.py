"""The registers of an ESP32 that a flashing tool reads and writes: efuses, clocks, the SPI controller of the flash.

Values are those of an ESP32-D0WD revision 1 (as on a WROVER-B) with a 40 MHz crystal. Addresses and fields:
ESP32 Technical Reference Manual, chapters eFuse Controller, SPI Controller and UART.
"""

from __future__ import annotations

_CRYSTAL_HZ = 40_000_000
_UART_CLKDIV = 0x3FF40014

_SPI = 0x3FF42000
_SPI_BYTES = 0x100
_CMD, _ADDR, _USER2, _MISO_DLEN, _W0 = (_SPI + offset for offset in (0x00, 0x04, 0x24, 0x2C, 0x80))
_CMD_USER = 1 << 18

_JEDEC_ID, _SFDP = 0x9F, 0x5A
_WINBOND = 0xEF
_SFDP_SIGNATURE = 0x50444653

_MAC = bytes.fromhex("02ed9e000001")  # 02: locally administered, no vendor's

_FIXED = {
    0x40001000: 0x00F01D83,  # the word of the ROM by which a tool knows an ESP32
    0x3FF5A004: int.from_bytes(_MAC[2:], "big"),
    0x3FF5A008: int.from_bytes(_MAC[:2], "big"),
    0x3FF5A00C: 1 << 15 | 1 << 13 | 1 << 9,  # revision 1, rated for 240 MHz, package D0WD
    0x3FF5A010: 128,  # CK8M_FREQ; times the calibration below it gives 40 MHz
    0x3FF5F06C: 800 << 7,  # the calibration: 800 x 15625 x 128 / 40 = 40,000,000
}


class Registers:
    """Reads and writes 32-bit words. Holds the SPI controller's 64 words; other writes have no effect, other
    addresses read 0."""

    def __init__(self, flash_bytes: int) -> None:
        self._flash_id = _WINBOND | 0x40 << 8 | (flash_bytes.bit_length() - 1) << 16
        self._spi: dict[int, int] = {}
        self.baud = 115200

    def read(self, address: int) -> int:
        if address == _UART_CLKDIV:
            return _CRYSTAL_HZ // self.baud
        return _FIXED.get(address, self._spi.get(address, 0))

    def write(self, address: int, value: int, mask: int) -> None:
        if not (_SPI <= address < _SPI + _SPI_BYTES and address % 4 == 0):
            return
        self._spi[address] = self.read(address) & ~mask | value & mask
        if self._spi.get(_CMD, 0) & _CMD_USER:
            self._run_flash_command()

    def _run_flash_command(self) -> None:
        """One command on the SPI bus; CMD clears itself and the answer stands in W0."""
        opcode = self.read(_USER2) & 0xFF
        answer = 0
        if opcode == _JEDEC_ID:
            answer = self._flash_id
        elif opcode == _SFDP:
            answer = _SFDP_SIGNATURE if self.read(_ADDR) == 0 else _WINBOND
        bits = (self.read(_MISO_DLEN) & 31) + 1
        self._spi[_W0] = answer & ((1 << bits) - 1)
        self._spi[_CMD] = 0
