"""A thread for each board, which takes jobs until there are none for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import BoardTrouble, ToolMissing
from edgeq.hil.attempt import Ask, attempt
from edgeq.hil.boards import NotThere, Rack
from edgeq.hil.jobs import Job, Outcome, kind_of
from edgeq.hil.out import JOBS
from edgeq.hil.places import Borrowed
from edgeq.hil.prepare import Given, Ready, Unready
from edgeq.hil.schedule import Schedule
from edgeq.hil.settings import BoardEntry
from edgeq.hil.telling import Telling
from edgeq.hil.watch import Stopped
from edgeq.pipeline.build_for import Built

_PATIENCE_S = 3.0  # of an interrupt, before it is said who keeps it waiting


@dataclass(frozen=True)
class Work:
    """What jobs are made of: the boards, where results go, what the bench's file names, and the models made ready."""

    rack: Rack
    out: Path
    given: Given
    ready: Ready


def work(what: Work, tell: Telling) -> None:
    """Every job that is left, each board in a thread of its own. A fault in one of them ends all, and goes through."""
    for job in tell.left():
        ready = what.ready[job.model, kind_of(what.rack.bench.board(job.board))]
        if isinstance(ready, Unready):
            tell.decided(job, ready.outcome, ready.reason)
    left = tell.left()
    entries = [entry for entry in what.rack.bench.settings.board if any(job.board == entry.name for job in left)]
    stop, faults = threading.Event(), []
    schedule = Schedule(
        left, {entry.name: kind_of(entry) for entry in entries}, substitute=what.rack.bench.settings.bench.substitute
    )

    def serve(entry: BoardEntry) -> None:
        try:
            _Server(what, tell, schedule, entry, stop).serve()
        except BaseException as e:
            faults.append(e)
            stop.set()
            schedule.stop()
        finally:
            done[entry.name].set()

    # Not the threads' own `join`: interrupted, it takes a thread that is at work for one that has ended.
    done = {entry.name: threading.Event() for entry in entries}
    try:
        for entry in entries:  # daemons: a second interrupt does not wait for them
            threading.Thread(target=serve, args=(entry,), name=entry.name, daemon=True).start()
        for one in done.values():
            one.wait()
    except BaseException:
        stop.set()
        schedule.stop()
        _wait_for(done, tell)
        raise
    if faults:
        raise faults[0]


def _wait_for(done: Mapping[str, threading.Event], tell: Telling) -> None:
    """Till all have given up their boards; whoever interrupted is told what takes its time, as a power hook does."""
    end_s = time.monotonic() + _PATIENCE_S
    busy = [board for board, one in done.items() if not one.wait(max(end_s - time.monotonic(), 0))]
    if busy:
        tell.watcher.note(f"interrupted; {', '.join(busy)}: giving the board back (once more: leave at once)")
    for one in done.values():
        one.wait()


class _Server:
    """One board at work."""

    def __init__(self, what: Work, tell: Telling, schedule: Schedule, entry: BoardEntry, stop: threading.Event) -> None:
        self._what, self._tell, self._schedule, self._entry, self._stop = what, tell, schedule, entry, stop
        self._bench = what.rack.bench.settings.bench
        self._in_trouble = 0  # attempts in a row

    def serve(self) -> None:
        """Takes jobs until there are none. Boards that do not open are out at once."""
        try:
            with self._what.rack.open(self._entry, self._tell.watcher.note, self._stop.is_set) as borrowed:
                while (job := self._schedule.take(self._entry.name)) is not None:
                    if not self._do(job, borrowed):
                        return
        except Stopped:
            return
        except (BoardTrouble, ToolMissing) as e:
            if not self._stop.is_set():
                skipped = isinstance(e, NotThere) and self._entry.optional
                self._leave(str(e.what), "skipped" if skipped else "infrastructure")

    def _do(self, job: Job, borrowed: Borrowed) -> bool:
        """The job to its outcome, with further attempts after infrastructure trouble alone. False: the board is out."""
        ask = self._ask(job)
        for further in range(self._bench.retries, -1, -1):
            trouble = self._attempt(ask, borrowed)
            if trouble is None:
                self._in_trouble = 0
                return True
            if borrowed.lost():  # whoever has it now is not to be disturbed
                self._leave(trouble, under_way=job)
                return False
            self._in_trouble += 1
            if self._in_trouble >= self._bench.take_out_after:
                self._leave(
                    f"{self._in_trouble} attempts in a row ended in trouble, the last: {trouble}", under_way=job
                )
                return False
            self._recover(borrowed, job)
            if not further:
                self._tell.decided(job, "infrastructure", trouble)
        return True

    def _attempt(self, ask: Ask, borrowed: Borrowed) -> str | None:
        """One attempt; the trouble that it met, None where it came to an end."""
        job, began_s = ask.job, time.monotonic()
        progress = self._tell.watcher.board(self._entry.name, job)
        self._tell.begun(job, self._entry.name)
        try:
            verdict = attempt(ask, borrowed.port, self._stop, progress)
            if why := borrowed.lost():
                raise BoardTrouble(why)
        except Stopped:
            self._tell.ended(job, "cut", "the run was interrupted", time.monotonic() - began_s)
            raise
        except (BoardTrouble, ToolMissing) as e:
            if self._stop.is_set():  # an interrupt at the keyboard ends esptool as well
                self._tell.ended(job, "cut", "the run was interrupted", time.monotonic() - began_s)
                raise Stopped from e
            why = borrowed.lost()
            trouble = f"{why}: {e.what}" if why not in ("", e.what) else e.what
            self._tell.ended(job, "infrastructure", trouble, time.monotonic() - began_s)
            return trouble
        self._tell.ended(job, verdict.result, verdict.reason, time.monotonic() - began_s, verdict.figures)
        return None

    def _recover(self, borrowed: Borrowed, job: Job) -> None:
        """The power switch, where there is one. That it fails is the next attempt's trouble."""
        if borrowed.cycle_power is None:
            return
        self._tell.watcher.board(self._entry.name, job).step("cycle power")
        try:
            borrowed.cycle_power()
        except BoardTrouble as e:
            self._tell.watcher.note(f"board {self._entry.name}: {e.what}")

    def _leave(self, reason: str, outcome: Outcome = "infrastructure", under_way: Job | None = None) -> None:
        """The board is out; what nobody else can do ends so."""
        self._tell.out(self._entry.name, reason)
        for job in self._schedule.put_out(self._entry.name, under_way):
            self._tell.decided(job, outcome, f"board {self._entry.name} is out: {reason}")

    def _ask(self, job: Job) -> Ask:
        what, bench = self._what, self._what.rack.bench
        model, entry = bench.model(job.model), bench.board(job.board)
        built = what.ready[job.model, kind_of(entry)]
        if not isinstance(built, Built):
            raise AssertionError("a job that is not ready was decided before")
        baseline = bench.baseline(model, entry, job.engine)
        return Ask(
            job=job, built=built, model=model, bench=self._bench, folder=what.out / JOBS / job.id,
            gate=what.given.gate, baseline=what.given.baselines[baseline] if baseline else None,
        )  # fmt: skip
