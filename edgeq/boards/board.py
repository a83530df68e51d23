"""What is known of a board: facts read from TOML, checked against its chip.

A board on a known chip costs one file `<name>.toml` beside this module; a chip costs one under `chips/`. A file may
name another board as its `base` and give only what differs.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgeq.errors import BadInput

_FOLDER = Path(__file__).resolve().parent

_PAGE_BYTES = 4096

Bytes = Annotated[int, Field(ge=0)]
Hertz = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
UsbId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


F = TypeVar("F", bound=_Facts)


class Chip(_Facts):
    """A chip's memories, clock and instruction set options. Addresses and sizes are in bytes.

    `name` is also ESP-IDF's target and esptool's --chip. `macs_per_cycle` is the most a core can do.
    `dram_static_bytes` is the linker's segment for static data, of which the firmware itself takes
    `firmware_static_bytes` at most; of the data window it takes `firmware_window_bytes` at most.
    `free_gpios` boot nothing, carry no memory and no console.
    """

    name: Name
    core: str
    cores: Annotated[int, Field(ge=1)]
    clock_hz: Hertz
    macs_per_cycle: Annotated[int, Field(ge=1)]
    image_chip_id: Annotated[int, Field(ge=0, le=0xFFFF)]
    flash_max_bytes: Bytes
    app_align_bytes: Bytes
    bootloader_offset: Bytes
    data_window_address: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
    data_window_bytes: Bytes
    data_window_page_bytes: Annotated[int, Field(gt=0)]
    firmware_window_bytes: Bytes
    psram_window_bytes: Bytes
    psram_in_data_window: bool
    dram_static_bytes: Bytes
    firmware_static_bytes: Bytes
    iram_bytes: Bytes
    cache_bytes: Bytes
    cache_line_bytes: Bytes
    flash_bytes_per_s: Annotated[int, Field(ge=1)]
    psram_bytes_per_s: Annotated[int, Field(ge=0)]
    free_gpios: list[Annotated[int, Field(ge=0)]]
    features: list[str]


class Console(_Facts):
    """The serial console: the chip's UART behind a bridge, or the chip's own USB; `baud` in bits per second, 8N1."""

    device: Literal["uart0", "usb-serial-jtag"] = "uart0"
    baud: Annotated[int, Field(gt=0)] = 115_200


class Board(_Facts):
    """A board edgeq can build for.

    `flash_bytes` and `psram_bytes` are what the chip can address; `arena_bytes` and `scratch_bytes` are what
    the firmware for this board offers a model; `usb` lists its bridges as `vendor:product` in hex. A rising edge on
    `trigger_gpio` starts an inference, `done_gpio` rises when it is done; None: the board has no such pin.
    """

    name: Name
    title: str
    chip: Chip
    clock_hz: Hertz
    flash_bytes: Annotated[int, Field(gt=0)]
    flash_mode: Literal["qio", "qout", "dio", "dout"] = "dio"
    flash_hz: Hertz = 40_000_000
    psram_bytes: Bytes
    psram_type: Literal["none", "quad", "octal"] = "none"
    psram_hz: Hertz = 40_000_000
    psram_rev1_workaround: bool = False
    arena_bytes: Annotated[int, Field(gt=0)]
    scratch_bytes: Bytes
    trigger_gpio: int | None = None
    done_gpio: int | None = None
    usb: list[UsbId] = []
    console: Console = Console()

    @model_validator(mode="after")
    def _within_the_chip(self) -> Self:
        chip = self.chip
        for name, value, most in (
            ("clock_hz", self.clock_hz, chip.clock_hz),
            ("flash_bytes", self.flash_bytes, chip.flash_max_bytes),
            ("psram_bytes", self.psram_bytes, chip.psram_window_bytes),
        ):
            if value > most:
                raise ValueError(f"{name} {value} is above the {chip.name}'s {most}")
        if (self.psram_type == "none") != (self.psram_bytes == 0):
            raise ValueError(f"psram_type {self.psram_type!r} does not go with psram_bytes {self.psram_bytes}")
        return self

    @model_validator(mode="after")
    def _memory_holds_what_it_offers(self) -> Self:
        static = self.scratch_bytes + self.chip.firmware_static_bytes
        if static > self.chip.dram_static_bytes:
            raise ValueError(
                f"scratch and firmware put {static} bytes into SRAM, {self.chip.name} has {self.chip.dram_static_bytes}"
            )
        where, most = (
            ("psram_bytes", self.psram_bytes)
            if self.psram_bytes
            else (
                "what SRAM has beside scratch and firmware,",
                internal_arena_bytes(self.chip, self.scratch_bytes),
            )
        )
        if self.arena_bytes > most:
            raise ValueError(f"arena_bytes {self.arena_bytes} is above {where} {most}")
        return self

    @model_validator(mode="after")
    def _pins_are_free(self) -> Self:
        for name, pin in (("trigger_gpio", self.trigger_gpio), ("done_gpio", self.done_gpio)):
            if pin is not None and pin not in self.chip.free_gpios:
                raise ValueError(f"{name} {pin} is not free on the {self.chip.name}; {self.chip.free_gpios} are")
        if self.trigger_gpio is not None and self.trigger_gpio == self.done_gpio:
            raise ValueError(f"trigger_gpio and done_gpio are both {self.done_gpio}")
        return self


def internal_arena_bytes(chip: Chip, scratch_bytes: int) -> int:
    """The most an arena in internal RAM may have beside that scratch and the firmware's own data, in whole 4 KiB."""
    left = chip.dram_static_bytes - chip.firmware_static_bytes - scratch_bytes
    return max(left, 0) // _PAGE_BYTES * _PAGE_BYTES


def boards() -> list[Board]:
    """Every board that comes with edgeq, by name."""
    return [_read_board(path) for path in _shipped().values()]


def load_board(name: str) -> Board:
    """The board called `name`, or the one described by a TOML file when `name` is a path to one.

    Raises BadInput when there is no such board or file, or when its facts do not hold together.
    """
    return _read_board(Path(name) if name.endswith(".toml") or "/" in name else _known(name))


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"), key=lambda path: path.stem)}


def _known(name: str, where: str = "") -> Path:
    known = _shipped()
    if name not in known:
        raise BadInput(
            f"no board is called {name!r}; known are {', '.join(known)}",
            where=where,
            hint="`edgeq boards` lists them; a path to a board's own .toml file works too",
        )
    return known[name]


def _read_board(path: Path) -> Board:
    facts = _read_toml(path)
    if "base" in facts:
        base = facts.pop("base")
        shared = _read_toml(_known(str(base), where=str(path)))
        if "base" in shared:
            raise BadInput(f"`base` is {base!r}, which has a base itself", where=str(path))
        facts = {**shared, **facts}
    chips = {chip.stem: chip for chip in sorted((_FOLDER / "chips").glob("*.toml"))}
    chip = facts.get("chip")
    if not isinstance(chip, str) or chip not in chips:
        raise BadInput(f"`chip` is {chip!r}; known are {', '.join(chips)}", where=str(path))
    return _checked(Board, {**facts, "chip": _checked(Chip, _read_toml(chips[chip]), chips[chip])}, path)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"is not TOML: {error}", where=str(path)) from error


def _checked(kind: type[F], facts: dict[str, Any], path: Path) -> F:
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise BadInput(
            f"`{field}`: {what}" if field else what,
            where=str(path),
            hint="docs/boards.md says what a board's file holds",
        ) from error
