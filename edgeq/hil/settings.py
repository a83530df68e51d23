"""`hil.toml`: which boards there are, which models run on them, and what is asked of each (docs/hil.md)."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError, field_validator
from pydantic import model_validator as checks

from edgeq.errors import BadInput, EdgeqError
from edgeq.pipeline.board import Runner
from edgeq.pipeline.engines import Engine
from edgeq.pipeline.hops import ACCURACY_DROP_MOST
from edgeq.pipeline.prepare import QuantiseOptions
from edgeq.pipeline.run_folder import read_file
from edgeq.report.wording import printable
from edgeq.virtual.faults import Faults

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_LINE = r"^[^\x00-\x1f\x7f]*$"
_MAC = r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$"
Name = Annotated[str, Field(pattern=_NAME)]
Line = Annotated[str, Field(min_length=1, max_length=500, pattern=_LINE)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]

MOST_BYTES = 1 << 20
MOST_JOBS = 100_000
_HINT = "docs/hil.md has every key"
_WHERE_KEYS = ("mac", "usb_serial", "port", "virtual", "place")
_SCHEMES = ("socket", "rfc2217")


class Part(BaseModel):
    """A table of the file: nothing in it is unknown, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Labgrid(Part):
    """`[labgrid]`: the coordinator that hands out places, its client where that is not on PATH, and which serial port
    is the board's where a place has several."""

    coordinator: str | None = None  # host:port; else LG_COORDINATOR
    client: str | None = None  # the program `labgrid-client`
    serial: str = "console"


class Bench(Part):
    """`[bench]`: what holds for every job."""

    name: Line = "bench"
    runs: Annotated[int, Field(ge=1, le=100_000)] = 10
    engines: Annotated[tuple[Engine, ...], Field(min_length=1)] = ("native",)
    retries: Annotated[int, Field(ge=0, le=100)] = 2
    take_out_after: PositiveInt = 3
    substitute: bool = False
    timeout_factor: Annotated[FiniteFloat, Field(gt=0, le=1000)] = 3.0
    lock_wait_s: Annotated[FiniteFloat, Field(ge=0)] = 60.0
    always_flash: bool = False
    gate: Line | None = None
    history: Line | None = None


class BoardEntry(Part):
    """`[[board]]`: one board and where it is."""

    name: Name
    board: Line
    mac: Annotated[str, Field(pattern=_MAC)] | None = None
    usb_serial: Line | None = None
    port: Line | None = None
    virtual: Runner | None = None
    runner: Runner | None = None
    place: Line | None = None
    power: tuple[Line, ...] = ()
    quarantine: Line | None = None
    optional: bool = False
    faults: Faults = Faults()

    @field_validator("faults", mode="before")
    @classmethod
    def _known_faults(cls, value: Any) -> Any:
        known = [field.name for field in fields(Faults)]
        for key in value if isinstance(value, dict) else ():
            if key not in known:
                raise ValueError(f"no fault is called {key!r}; {_nearest(str(key), known)}")
        return value

    @field_validator("port")
    @classmethod
    def _opens(cls, port: str | None) -> str | None:
        scheme, colons, _ = (port or "").partition("://")
        if colons and scheme not in _SCHEMES:
            raise ValueError(
                f"no board is behind {scheme}://, but behind a device, {' or '.join(_SCHEMES)}://HOST:PORT"
            )
        return port

    @checks(mode="after")
    def _is_somewhere(self) -> Self:
        given = [key for key in _WHERE_KEYS if getattr(self, key) is not None]
        if len(given) != 1:
            said = f"it has {' and '.join(given)}" if given else "it has none"
            raise ValueError(f"board {self.name} needs one of {', '.join(_WHERE_KEYS)}, and {said}")
        if self.virtual is not None and self.runner is not None:
            raise ValueError(f"board {self.name} is made for the run: virtual says already who executes it")
        if self.virtual is None and self.faults != Faults():
            raise ValueError(f"board {self.name} is not virtual: it has faults of its own")
        return self


class ModelEntry(Part):
    """`[[model]]`: a model, how it is quantised, where it runs, and what it must reach."""

    source: Line
    name: Name = ""
    boards: tuple[str, ...] | None = None
    engines: Annotated[tuple[Engine, ...], Field(min_length=1)] | None = None
    data: Line | None = None
    per_tensor: bool = False
    observer: Line | None = None
    effort: Literal["quick", "normal", "best"] = "quick"
    calibration_samples: PositiveInt = 256
    input_shape: tuple[Literal[1], PositiveInt, PositiveInt, PositiveInt] | None = None
    top1_least: Share | None = None
    top1_drop_most: Share = ACCURACY_DROP_MOST
    baseline: Line | None = None
    repeat: Annotated[int, Field(ge=1, le=MOST_JOBS)] = 1

    @checks(mode="before")
    @classmethod
    def _named_by_its_source(cls, table: Any) -> Any:
        if isinstance(table, dict) and "name" not in table and isinstance(table.get("source"), str):
            last = table["source"].rstrip("/").rpartition("/")[2]
            own = last.rpartition(":")[2] if ".py:" in last else Path(last).stem
            return {**table, "name": re.sub(r"[^A-Za-z0-9._-]", "-", own).lstrip("._-")[:64]}
        return table

    def options(self) -> QuantiseOptions:
        """As `edgeq deploy` takes them."""
        return QuantiseOptions(
            not self.per_tensor, self.observer, self.calibration_samples, self.effort, self.data, self.input_shape
        )


class Settings(Part):
    """The file."""

    bench: Bench = Bench()
    board: Annotated[tuple[BoardEntry, ...], Field(min_length=1)]
    model: Annotated[tuple[ModelEntry, ...], Field(min_length=1)]
    labgrid: Labgrid = Labgrid()

    @checks(mode="after")
    def _names_hold_together(self) -> Self:
        boards = [entry.name for entry in self.board]
        for kind, names in (("boards", boards), ("models", [entry.name for entry in self.model])):
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                raise ValueError(f"two {kind} are called {twice[0]}")
        self._require_one_place_each()
        for model in self.model:
            for name in model.boards or ():
                if name not in boards:
                    raise ValueError(f"model {model.name} names a board {name!r}; {_nearest(name, boards)}")
        return self

    def _require_one_place_each(self) -> None:
        """Two boards at one place would wait for each other. Tags of labgrid may stand for many places."""
        there: dict[tuple[str, str], str] = {}
        for entry in self.board:
            mac = entry.mac and entry.mac.replace("-", ":").lower()
            place = None if entry.place is None or "=" in entry.place else entry.place
            where = {"mac": mac, "usb_serial": entry.usb_serial, "port": entry.port, "place": place}
            for key, value in where.items():
                if value is not None and (other := there.setdefault((key, value), entry.name)) != entry.name:
                    raise ValueError(f"boards {other} and {entry.name} have the same {key}: {value}")


@dataclass(frozen=True)
class BenchFile:
    """A `hil.toml` that was read: its settings, its bytes, and the folder that its paths start from."""

    settings: Settings
    path: Path
    text: bytes

    def board(self, name: str) -> BoardEntry:
        """The board of that name."""
        return next(entry for entry in self.settings.board if entry.name == name)

    def model(self, name: str) -> ModelEntry:
        """The model of that name."""
        return next(entry for entry in self.settings.model if entry.name == name)

    def beside(self, path: str) -> Path:
        """A path of the file."""
        return self.path.parent / path

    def source(self, model: ModelEntry) -> str:
        """What `edgeq deploy` takes: a path of the file where there is such a thing, else a name of the zoo."""
        file, colon, factory = model.source.rpartition(":")
        if colon and file.endswith(".py"):
            return f"{self.beside(file)}:{factory}"
        return str(self.beside(model.source)) if self.beside(model.source).exists() else model.source

    def baseline(self, model: ModelEntry, board: BoardEntry, engine: str) -> Path | None:
        """The report that a job's is compared with."""
        if model.baseline is None:
            return None
        path = model.baseline
        for token, value in (("model", model.name), ("board", board.name), ("engine", engine), ("kind", board.board)):
            path = path.replace(f"{{{token}}}", value)
        return self.beside(path)


def read_bench(path: Path) -> BenchFile:
    """Reads and checks a `hil.toml`. BadInput names the key, and for an unknown one the nearest that is known."""
    data = read_file(path)
    if len(data) > MOST_BYTES:
        raise BadInput(f"is no bench: it has more than {MOST_BYTES >> 20} MiB", where=str(path), hint=_HINT)
    try:
        table = tomllib.loads(data.decode())
        return BenchFile(Settings.model_validate(table), path, data)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"is not TOML: {printable(str(error))}", where=str(path), hint=_HINT) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        what, hint = _said(first["loc"], first["msg"], first["type"] == "extra_forbidden")
        raise BadInput(what, where=str(path), hint=hint) from error
    except EdgeqError as error:  # of a fault's own check
        error.where = str(path)
        raise


_FORMS = {
    _NAME: "a name is letters, digits, dots, dashes and underscores, a letter or a digit first, 64 at most",
    _LINE: "must be one line without control characters",
    _MAC: "must be an address as 24:0a:c4:12:34:56",
    "valid tuple": "must be a list: [...], or of tables [[...]]",
}
_TABLES: dict[str, type[BaseModel]] = {"bench": Bench, "board": BoardEntry, "model": ModelEntry, "labgrid": Labgrid}


def _said(loc: tuple[int | str, ...], message: str, unknown: bool) -> tuple[str, str]:
    """What is wrong where, and what to try."""
    named = ".".join(str(part + 1) if isinstance(part, int) else part for part in loc)
    field = printable(named)
    if not unknown:
        known = next((said for form, said in _FORMS.items() if form in message), message)
        what = printable(known.removeprefix("Value error, "))
        return (f"`{field}`: {what}" if field else what), _HINT
    table = _TABLES.get(str(loc[0]), Settings) if len(loc) > 1 else Settings
    return f"`{field}` is nothing a bench knows", f"{_nearest(str(loc[-1]), table.model_fields)} {_HINT}"


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    found = difflib.get_close_matches(name, known, n=1)
    return f"{found[0]}, perhaps?" if found else f"known: {', '.join(known)}."
