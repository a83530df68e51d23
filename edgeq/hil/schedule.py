"""Which board takes which job, and what becomes of the jobs of a board that is taken out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping

from edgeq.hil.jobs import Job, Kind


class Schedule:
    """The jobs that nobody has taken yet, by board, in their order. Any thread may call it.

    With `substitute`, the jobs of a board that is out go to others of its kind, as long as there are any.
    """

    def __init__(self, jobs: Iterable[Job], kinds: Mapping[str, Kind], *, substitute: bool) -> None:
        self._kinds = dict(kinds)
        self._queues: dict[str, deque[Job]] = {board: deque() for board in kinds}
        for job in jobs:
            self._queues[job.board].append(job)
        self._substitute = substitute
        self._there = set(kinds)  # boards that take jobs
        self._out: set[str] = set()
        self._busy: set[str] = set()
        self._stopped = False
        self._changed = threading.Condition()

    def take(self, board: str) -> Job | None:
        """The next job for that board, which is done with the one before; None where it will never have one again.

        Waits as long as another board of its kind may still leave it jobs.
        """
        with self._changed:
            self._busy.discard(board)
            self._changed.notify_all()
            while board in self._there and not self._stopped:
                for owner in (board, *self._left_behind(board)):
                    if self._queues[owner]:
                        self._busy.add(board)
                        return self._queues[owner].popleft()
                if not any(other in self._busy or self._queues[other] for other in self._others(board)):
                    break
                self._changed.wait()
            self._there.discard(board)
            return None

    def put_out(self, board: str, under_way: Job | None = None) -> list[Job]:
        """Takes a board out for good; gives back the jobs that nobody can do any more, `under_way` among them."""
        with self._changed:
            self._there.discard(board)
            self._busy.discard(board)
            self._out.add(board)
            if under_way is not None:
                self._queues[board].appendleft(under_way)
            lost: list[Job] = []
            if not self._others(board):
                for owner in dict.fromkeys((board, *self._left_behind(board))):
                    lost += self._queues[owner]
                    self._queues[owner].clear()
            self._changed.notify_all()
            return lost

    def stop(self) -> None:
        """Nobody gets another job."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _others(self, board: str) -> list[str]:
        """The boards that could do its jobs."""
        return [b for b in self._there if b != board and self._alike(b, board)]

    def _left_behind(self, board: str) -> list[str]:
        """The boards that are out and whose jobs it could do."""
        return [b for b in self._out if b != board and self._alike(b, board)]

    def _alike(self, one: str, other: str) -> bool:
        return self._substitute and self._kinds[one] == self._kinds[other]
