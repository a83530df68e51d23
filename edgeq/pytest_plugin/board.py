"""The fixture `board`: one board for all tests of a process, virtual or real."""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from edgeq.boards.board import Board, load_board
from edgeq.hil.lock import board_lock, held
from edgeq.images.layout import layout_for
from edgeq.images.partitions import SUBTYPE_FACTORY, TABLE_OFFSET, write_partition_table
from edgeq.link.session import Session
from edgeq.pipeline import board as boards
from edgeq.pipeline.board import FlashContents, Runner, choose_runner
from edgeq.pipeline.making import flash_run
from edgeq.pipeline.progress import Quiet
from edgeq.pytest_plugin.wanted import Where


class Noted(Quiet):
    """What the user should know becomes a warning of pytest's."""

    def note(self, text: str) -> None:
        """Shown at the end of the test run."""
        warnings.warn(f"edgeq: {text}", stacklevel=2)


class ConnectedBoard:
    """A board with a port: `facts` says what it has, `real` whether it is one, `runner` what runs a virtual one.

    What a test wants on it is flashed when somebody looks: a test that only reads a report costs no flashing. A virtual
    board on which nothing was wanted yet has the firmware and no model; a real one what it came with.
    """

    def __init__(self, where: Where, stack: contextlib.ExitStack) -> None:
        self.facts: Board = load_board(where.board)
        self.real = where.port is not None
        self.runner: Runner | None = None if self.real else choose_runner(where.runner, Noted())
        self._url = where.port
        self._stack = stack
        self._holds: Path | None = None
        self._wanted: Path | None = None

    def __repr__(self) -> str:
        return f"<{self.facts.name}, {'real' if self.real else self.runner}>"

    @property
    def port(self) -> str:
        """What pyserial, esptool and `edgeq --port` take, with what is wanted in the board's flash."""
        if self._url is None:
            self._url = self._virtual(self.runner or "host")
        if self._wanted != self._holds and self._wanted is not None:
            self._holds = None  # whatever comes of it
            flash_run(self._wanted, self._url, Quiet())
            self._holds = self._wanted
        return self._url

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """A conversation with the board, begun; one at a time."""
        with boards.session(self.port) as talk:
            yield talk

    def info(self) -> dict[str, str]:
        """What the firmware says of itself and its board, see docs/link-protocol.md."""
        with self.session() as talk:
            return talk.info()

    def load(self, run: Path) -> None:
        """From now on the firmware and the model of that run folder."""
        self._wanted = run

    def holds(self, run: Path) -> None:
        """Somebody has flashed that run."""
        self._holds = self._wanted = run

    def _virtual(self, runner: Runner) -> str:
        with tempfile.TemporaryDirectory(prefix="edgeq-board-") as folder:
            app = boards.build(runner, self.facts, Path(folder), Quiet()).app_image
        table = layout_for(self.facts.flash_bytes, app_bytes=len(app))
        place = next(p.offset for p in table.partitions if p.subtype == SUBTYPE_FACTORY)
        contents = FlashContents(((TABLE_OFFSET, write_partition_table(table)), (place, app)), table, 0)
        return self._stack.enter_context(boards.virtual_board(runner, self.facts, contents)).url


@contextlib.contextmanager
def connected(where: Where) -> Iterator[ConnectedBoard]:
    """The board until the tests end. A real one belongs to one process of the test run at a time, and the others wait;
    where it is anybody else's, `edgeq hil run`'s say, BoardTrouble says whose."""
    with contextlib.ExitStack() as stack:
        if where.port is not None:
            lock, note = board_lock(where.port), Noted().note
            stack.enter_context(only_one(where.folder / lock.name))
            stack.enter_context(held(lock, f"the board behind {where.port}", wait_s=0, say=note))
        yield ConnectedBoard(where, stack)


@contextlib.contextmanager
def only_one(name: Path) -> Iterator[None]:
    """Among the processes of the test run."""
    name.parent.mkdir(parents=True, exist_ok=True)
    with name.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
