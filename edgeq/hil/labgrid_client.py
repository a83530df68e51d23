"""The door to labgrid: its Python and its client are run as programs, and what they say is checked.

labgrid brings a pyserial of its own, so it lives in an environment of its own and is never imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from getpass import getuser
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from edgeq.errors import BoardTrouble, ToolMissing
from edgeq.link.escape import escape

LABGRID = "labgrid>=25"
_TEXT_CHARS_MAX = 300
_ANSWER_BYTES_MAX = 16 << 20  # a coordinator with thousands of resources
_ANSWER_S = 90.0  # behind every limit of the worker's own
_CONNECT_S = 10.0
_GIVE_BACK_S = 30.0
_POWER_S = 120.0
_HINT = "python3 -m venv ~/labgrid && ~/labgrid/bin/pip install labgrid; then `client` of [labgrid], or the PATH"

# Text of other machines; what is longer than any name has a reason to be is cut.
Text = Annotated[str, BeforeValidator(lambda value: value[:_TEXT_CHARS_MAX] if isinstance(value, str) else value)]
_S = TypeVar("_S", bound="_Said")
Value = str | int | float | bool | None


class _Said(BaseModel):
    """A part of what the worker says (`labgrid_worker.py`)."""

    model_config = ConfigDict(frozen=True)


class Match(_Said):
    """Patterns of the resources that belong to a place; `rename` is what the place calls them."""

    exporter: Text
    group: Text
    cls: Text
    name: Text
    rename: Text


class Place(_Said):
    """A place as the coordinator knows it; `acquired` is "host/user", or "" while nobody has it."""

    name: Text
    tags: dict[Text, Text]
    acquired: Text
    acquired_resources: tuple[Text, ...]  # exporter/group/cls/name
    reservation: Text
    matches: tuple[Match, ...]


class Resource(_Said):
    """Something that an exporter serves."""

    exporter: Text
    group: Text
    cls: Text
    name: Text
    avail: bool
    params: dict[Text, Value]
    extra: dict[Text, Value]

    @property
    def path(self) -> str:
        """As a place's `acquired_resources` name it."""
        return f"{self.exporter}/{self.group}/{self.cls}/{self.name}"


class Reservation(_Said):
    """A claim to a place with these tags, in the coordinator's queue."""

    token: Text
    owner: Text
    state: Literal["waiting", "allocated", "acquired", "expired", "invalid"]
    place: Text
    filter: dict[Text, Text]


class View(_Said):
    """All that the coordinator knows."""

    places: tuple[Place, ...]
    resources: tuple[Resource, ...]
    reservations: tuple[Reservation, ...]


class Refused(BoardTrouble):
    """The coordinator answered, and said no."""


def owner() -> str:
    """ "host/user", by which labgrid knows who has a place; labgrid-client takes it from the same."""
    return f"{os.environ.get('LG_HOSTNAME') or socket.gethostname()}/{os.environ.get('LG_USERNAME') or getuser()}"


def find_client(configured: str | None) -> Path:
    """`labgrid-client`: as configured, beside the Python that runs edgeq, or on the PATH. Raises ToolMissing."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(configured or "labgrid-client", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise ToolMissing("labgrid-client is not installed", where=configured or "", hint=_HINT)
    return Path(found)


def _knock(coordinator: str) -> None:
    """Raises BoardTrouble with the system's reason where nothing listens; gRPC would try for long, and not say."""
    host, _, port = coordinator.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise _absent(coordinator, error.strerror or "no answer") from error


def _absent(coordinator: str, why: str) -> BoardTrouble:
    return BoardTrouble(
        f"labgrid's coordinator is not there: {why}",
        where=coordinator,
        hint="start labgrid-coordinator there, or correct `coordinator` of [labgrid] or LG_COORDINATOR",
    )


def _python_of(client: Path) -> str:
    """The interpreter that labgrid is installed for: the one beside its client, or that of the script's first line."""
    program = client.resolve()  # pipx and others put a link on the PATH
    beside = program.with_name("python3")
    if beside.exists():
        return str(beside)
    with program.open("rb") as script:
        first = script.readline(_TEXT_CHARS_MAX).decode(errors="replace").strip()
    interpreter = first.removeprefix("#!").strip().split(" ")[0]
    if not first.startswith("#!") or not Path(interpreter).exists():
        raise ToolMissing("this labgrid-client names no Python that is here", where=str(client), hint=_HINT)
    return interpreter


class Worker:
    """A connection to the coordinator: labgrid's Python with `labgrid_worker.py`, for as long as the block lasts.

    At its end the worker gives back all that it acquired and reserved; `given_back` then says whether it could.
    `keep_open` is a file that it holds open as long as it lives. Raises ToolMissing and BoardTrouble.
    """

    def __init__(self, client: Path, coordinator: str, *, keep_open: int | None = None) -> None:
        self.given_back = True
        self._coordinator, self._client = coordinator, client
        self._rest = b""
        argv = [_python_of(client), str(Path(__file__).with_name("labgrid_worker.py")), coordinator, owner()]
        _knock(coordinator)
        try:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=() if keep_open is None else (keep_open,),
                start_new_session=True,  # a Ctrl-C is edgeq's to handle: the worker must still release
            )
        except OSError as error:
            what = f"labgrid's Python does not start: {error.strerror}"
            raise ToolMissing(what, where=argv[0], hint=_HINT) from error

    def __enter__(self) -> Worker:
        try:
            self._answer()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def look(self) -> View:
        """What the coordinator knows now."""
        return self._parsed(View, self._ask("look"))

    def reserve(self, wanted: Mapping[str, str]) -> Reservation:
        """A new reservation of any place with these tags, of which `name` is the place's own name."""
        return self._parsed(Reservation, self._ask("reserve", filter=dict(wanted)))

    def poll(self, token: str) -> Reservation:
        """The reservation, which is kept for another minute."""
        return self._parsed(Reservation, self._ask("poll", token=token))

    def cancel(self, token: str) -> None:
        """Ends a reservation."""
        self._ask("cancel", token=token)

    def acquire(self, place: str) -> None:
        """Takes a place that is free, or allocated to a reservation of ours. Raises Refused."""
        self._ask("acquire", place=place)

    def release(self, place: str) -> None:
        """Gives a place back, if it is `owner`'s."""
        self._ask("release", place=place)

    def _ask(self, do: str, **request: Any) -> Any:
        line = json.dumps({"do": do, **request}).encode() + b"\n"
        try:
            _pipe(self._child.stdin).write(line)
            _pipe(self._child.stdin).flush()
        except (OSError, ValueError) as error:
            raise self._gone("ended") from error
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = json.loads(self._line())
        except ValueError as error:
            raise self._gone("does not speak as it should") from error
        if isinstance(answer, dict) and "ok" in answer:
            return answer["ok"]
        kind, text = (answer.get("error"), answer.get("text")) if isinstance(answer, dict) else (None, None)
        said = escape(str(text)[:_TEXT_CHARS_MAX])
        if kind == "no-labgrid":
            raise ToolMissing(f"this Python has no {LABGRID}: {said}", where=str(self._client), hint=_HINT)
        if kind == "refused":
            raise Refused(f"labgrid's coordinator refuses: {said}", where=self._coordinator)
        raise _absent(self._coordinator, said)

    def _line(self) -> bytes:
        out = _pipe(self._child.stdout)
        deadline = time.monotonic() + _ANSWER_S
        parts = [self._rest]
        size = len(self._rest)
        while b"\n" not in parts[-1]:
            ready, _, _ = select.select([out], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(out.fileno(), 1 << 16) if ready else b""
            size += len(data)
            if not data or size > _ANSWER_BYTES_MAX:
                raise self._gone("ended" if ready else "does not answer")
            parts.append(data)
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line

    def _parsed(self, kind: type[_S], value: Any) -> _S:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            raise self._gone(f"says what it should not ({error.errors()[0]['msg']})") from error

    def _gone(self, what: str) -> BoardTrouble:
        return BoardTrouble(f"the connection to labgrid's coordinator {what}", where=self._coordinator)

    def _close(self) -> None:
        """The end of its stdin is the worker's sign to give all back."""
        with contextlib.suppress(OSError):
            _pipe(self._child.stdin).close()
        try:
            self.given_back = self._child.wait(_GIVE_BACK_S) == 0
        except subprocess.TimeoutExpired:
            self.given_back = False
        finally:
            self._child.kill()
            self._child.wait()
            _pipe(self._child.stdout).close()


def cycle_power(client: Path, coordinator: str, place: str) -> None:
    """Has labgrid take the supply of a place that we hold away and give it back. Raises BoardTrouble."""
    argv = [str(client), "-x", coordinator, "-p", place, "power", "cycle"]
    host, _, user = owner().rpartition("/")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LG_") or key == "LG_PROXY"}
    try:
        done = subprocess.run(
            argv,
            env={**kept, "LG_HOSTNAME": host, "LG_USERNAME": user},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_POWER_S,
        )
    except subprocess.TimeoutExpired:
        raise BoardTrouble(f"labgrid's power switch took more than {_POWER_S:.0f} s", where=place) from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise BoardTrouble(f"labgrid's power switch failed: {escape(lines[-1][:_TEXT_CHARS_MAX])}", where=place)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("Popen was asked for pipes")
    return pipe
