"""`hil.toml`: which boards there are, which models run on them, and what is asked of each (docs/hil.md)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A table of the file: nothing in it is unknown, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Labgrid(Part):
    """`[labgrid]`: the coordinator that hands out places, its client where that is not on PATH, and which serial port
    is the board's where a place has several."""

    coordinator: str | None = None  # host:port; else LG_COORDINATOR
    client: str | None = None  # the program `labgrid-client`
    serial: str = "console"
