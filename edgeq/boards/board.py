"""What is known of a board: facts read from TOML, checked against its chip.

A board on a known chip costs one file `<name>.toml` beside this module; a chip costs one under `chips/`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgeq.errors import BadInput

_FOLDER = Path(__file__).resolve().parent

Bytes = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
UsbId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


F = TypeVar("F", bound=_Facts)


class Chip(_Facts):
    """A chip's memories, clock and instruction set options. Addresses and sizes are in bytes."""

    name: Name
    core: str
    cores: Annotated[int, Field(ge=1)]
    clock_hz: Annotated[int, Field(gt=0)]
    image_chip_id: Annotated[int, Field(ge=0, le=0xFFFF)]
    flash_max_bytes: Bytes
    app_align_bytes: Bytes
    data_window_address: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
    data_window_bytes: Bytes
    data_window_page_bytes: Bytes
    psram_window_bytes: Bytes
    dram_static_bytes: Bytes
    iram_bytes: Bytes
    cache_bytes: Bytes
    cache_line_bytes: Bytes
    features: list[str]


class Console(_Facts):
    """The serial console: `baud` in bits per second, 8N1."""

    baud: Annotated[int, Field(gt=0)] = 115_200


class Board(_Facts):
    """A board edgeq can build for.

    `flash_bytes` and `psram_bytes` are what the chip can address; `arena_bytes` and `scratch_bytes` are what
    the firmware for this board offers a model; `usb` lists its bridges as `vendor:product` in hex.
    """

    name: Name
    title: str
    chip: Chip
    clock_hz: Annotated[int, Field(gt=0)]
    flash_bytes: Annotated[int, Field(gt=0)]
    psram_bytes: Bytes
    arena_bytes: Annotated[int, Field(gt=0)]
    scratch_bytes: Bytes
    usb: list[UsbId] = []
    console: Console = Console()

    @model_validator(mode="after")
    def _within_the_chip(self) -> Self:
        chip = self.chip
        if self.clock_hz > chip.clock_hz:
            raise ValueError(f"clock_hz {self.clock_hz} is above the {chip.name}'s {chip.clock_hz}")
        if self.flash_bytes > chip.flash_max_bytes:
            raise ValueError(f"flash_bytes {self.flash_bytes} is above the {chip.name}'s {chip.flash_max_bytes}")
        if self.psram_bytes > chip.psram_window_bytes:
            raise ValueError(
                f"psram_bytes {self.psram_bytes} is above the {chip.name}'s window, {chip.psram_window_bytes}"
            )
        if self.psram_bytes and self.arena_bytes > self.psram_bytes:
            raise ValueError(f"arena_bytes {self.arena_bytes} is above psram_bytes {self.psram_bytes}")
        static = self.scratch_bytes + (0 if self.psram_bytes else self.arena_bytes)
        if static > chip.dram_static_bytes:
            raise ValueError(
                f"arena and scratch put {static} bytes into SRAM, {chip.name} has {chip.dram_static_bytes}"
            )
        return self


def boards() -> list[Board]:
    """Every board that comes with edgeq, by name."""
    return [_read_board(path) for path in sorted(_FOLDER.glob("*.toml"))]


def load_board(name: str) -> Board:
    """The board called `name`, or the one described by a TOML file when `name` is a path to one.

    Raises BadInput when there is no such board or file, or when its facts do not hold together.
    """
    if name.endswith(".toml") or "/" in name:
        return _read_board(Path(name))
    known = {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}
    if name not in known:
        raise BadInput(
            f"no board is called {name!r}; known are {', '.join(known)}",
            hint="`edgeq boards` lists them; a path to a board's own .toml file works too",
        )
    return _read_board(known[name])


def _read_board(path: Path) -> Board:
    facts = _read_toml(path)
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
