"""What a panic's addresses mean, in the firmware that the board runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeq.link.panic import code_addresses
from edgeq.pipeline.run_folder import ELF, read_file
from edgeq.toolchain.symbols import Symbols, find_addr2lines, read_symbols, source_lines


@dataclass(frozen=True)
class PanicDecoder:
    """Turns lines of the console into lines about the code."""

    elf: Path
    symbols: Symbols
    addr2lines: tuple[Path, ...]

    @classmethod
    def of(cls, elf: Path) -> PanicDecoder:
        """For an ELF file, or for the one in a run's folder."""
        path = elf / ELF if elf.is_dir() else elf
        return cls(path, read_symbols(read_file(path), where=str(path)), find_addr2lines())

    def decode(self, line: str) -> list[str]:
        """A line for each address of code that `line` of a panic names; none for any other line."""
        addresses = code_addresses(line)
        places = source_lines(self.addr2lines, self.elf, addresses)
        return [
            f"{address:#010x}  {self.symbols.at(address) or 'not in this firmware'}{f'  {place}' if place else ''}"
            for address, place in zip(addresses, places, strict=True)
        ]
