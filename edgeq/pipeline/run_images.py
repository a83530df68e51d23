"""`edgeq run`: pictures through the model in a board's flash; their labels, or its accuracy over a set of them."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from edgeq.bench.statistics import summarize
from edgeq.boards.board import load_board
from edgeq.errors import BadInput, BoardTrouble
from edgeq.link.session import Session
from edgeq.pipeline import board as boards
from edgeq.pipeline.bench import Basis, Unit, clock_of
from edgeq.pipeline.board import Runner, require_model
from edgeq.pipeline.picture_files import Picture, PictureSet
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.run_folder import APP, LOCK, MODEL_IMAGE, RunFolder
from edgeq.preprocess import IntegerRule, decode_section

Place = Literal["board", "tool"]  # where a picture is preprocessed; the bytes are the same

CLASSES_MOST = 4096
TRIGGER_S = 60.0
_POLL_S = 0.1
_DRAW_SEED = 0


@dataclass(frozen=True)
class Answer:
    """What the board says of one picture, and the run's clock ticks: a score a class (real values), or the class alone
    where the model ends with ARG_MAX."""

    scores: NDArray[np.float64]
    ticks: int
    preprocessed: Place
    choice: int | None = None

    def best(self, count: int) -> list[int]:
        """The `count` classes of the highest scores, the highest first; no more than the one where there are none."""
        if self.choice is not None:
            return [self.choice]
        return [int(index) for index in np.argsort(-self.scores, kind="stable")[:count]]


@dataclass(frozen=True)
class ClassScore:
    """How one class did: `right` of `samples`, and what else it was taken for: (class, times), most often first."""

    index: int
    samples: int
    right: int
    taken_for: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Scored:
    """A board's accuracy over a set of `available` pictures, of which `samples` were run."""

    data: str
    samples: int
    available: int
    right: int
    confusion: NDArray[np.int64]  # [true class, answered class]
    ticks: tuple[int, ...]
    preprocessed: Place

    @property
    def top1(self) -> float:
        """The share that was right."""
        return self.right / self.samples

    def worst(self, count: int) -> list[ClassScore]:
        """The `count` classes with the lowest share right; those without a mistake are not among them."""
        rows = [_class_score(index, row) for index, row in enumerate(self.confusion)]
        wrong = [row for row in rows if row.right < row.samples]
        return sorted(wrong, key=lambda row: (row.right / row.samples, row.index))[:count]

    def latency(self) -> dict[str, float]:
        """p50, p90, p99, min, max and mean of the runs, in the board's unit."""
        summary = summarize(list(self.ticks))
        return {name: getattr(summary, name) for name in ("p50", "p90", "p99", "min", "max", "mean")}


def _class_score(index: int, row: NDArray[np.int64]) -> ClassScore:
    order = [int(other) for other in np.argsort(-row, kind="stable") if other != index and row[other]]
    return ClassScore(index, int(row.sum()), int(row[index]), tuple((other, int(row[other])) for other in order))


class Pictures:
    """A board that takes pictures. `place` None lets the cheaper side preprocess, by the bytes to be sent; `engine`
    None leaves the model to the engine that has it."""

    def __init__(self, talk: Session, place: Place | None = None, engine: str | None = None) -> None:
        if engine is not None:
            talk.choose_engine(engine)
        require_model(talk)
        self._talk = talk
        self._place = place
        self._names: dict[int, str | None] = {}
        self.info = talk.info()
        self.model = talk.model()
        self.basis: Basis
        self.unit: Unit
        self.basis, self.unit = clock_of(self.info)
        known = talk.pictures()
        if not known.section:
            raise BadInput(
                "its model image does not say how pictures become its input",
                where=self.model.name,
                hint="deploy a folder with a model.toml, whose [input] says it",
            )
        self.room_bytes = known.room_bytes
        try:
            self.rule: IntegerRule = decode_section(known.section, self.model.name)
        except BadInput as e:  # the board's words, not the user's
            raise BoardTrouble(f"the board says what cannot be: {e.what}", hint="flash the model again") from e
        self.classes = self._count_classes()
        if (self.rule.height, self.rule.width, self.rule.channels) != self.model.input.dims[1:]:
            raise BoardTrouble("the board's preprocessing is for another input", hint="flash the model again")

    def _count_classes(self) -> int:
        """As many as there are scores; where the answer is the class alone, as many as there are labels."""
        output = self.model.output
        if output.is_int32 and math.prod(output.dims) == 1:
            return next((i for i in range(CLASSES_MOST) if self._label(i) is None), CLASSES_MOST)
        if output.bytes > CLASSES_MOST or output.dims[3] != output.bytes:
            raise BadInput(f"an output of {list(output.dims)} is no score a class", where=self.model.name)
        return output.bytes

    def name(self, index: int) -> str:
        """The label of a class, or its number."""
        return self._label(index) or str(index)

    def _label(self, index: int) -> str | None:
        if index not in self._names:
            self._names[index] = self._talk.label(index)
        return self._names[index]

    def names(self) -> list[str]:
        """The labels of all classes; empty where the image has none."""
        if self._talk.label(0) is None:
            self._names = dict.fromkeys(range(self.classes))
            return []
        return [self.name(index) for index in range(self.classes)]

    def send(self, picture: Picture) -> Place:
        """Makes the picture the input; returns who preprocessed it."""
        place = self._place or ("board" if min(self.room_bytes, self.model.input.bytes) >= picture.size else "tool")
        if place == "board":
            self._talk.write_picture(picture.tobytes(), *picture.shape)
        else:
            self._talk.write_input(self.rule.apply(picture).tobytes())
        return place

    def classify(self, picture: Picture) -> Answer:
        """Runs one picture."""
        place = self.send(picture)
        return self._answer(self._talk.run(), place)

    def classify_triggered(self, picture: Picture, progress: Progress, wait_s: float = TRIGGER_S) -> Answer:
        """Sends a picture and lets the trigger pin start its run: plays a virtual one, waits for a real one."""
        kind = self.info.get("trigger", "none")
        if kind not in ("virtual", "pin"):
            raise BadInput("this board has no trigger", hint="build its firmware with one, or leave out --trigger")
        place = self.send(picture)
        before = self._talk.pin().runs
        if kind == "virtual":
            self._talk.pin(False)
            self._talk.pin(True)
        else:
            progress.note("raise the trigger pin")
        end_s = time.monotonic() + wait_s
        while (state := self._talk.pin()).runs == before or not state.done:
            if time.monotonic() > end_s:
                raise BoardTrouble(f"no rising edge of the trigger in {wait_s:g} s", hint="check its wire")
            time.sleep(_POLL_S)
        return self._answer(state.ticks, place)

    def score(self, pictures: PictureSet, limit: int | None, progress: Progress) -> Scored:
        """The accuracy over the set; with a limit, over so many of them, drawn with a fixed seed."""
        if not self.classes:
            raise BadInput(
                "it answers a class, and has no labels: how many there are is not known", where=self.model.name
            )
        available = len(pictures.labels)
        chosen = np.arange(available)
        if limit is not None and limit < available:
            chosen = np.random.RandomState(_DRAW_SEED).permutation(available)[:limit]
        confusion = np.zeros((self.classes, self.classes), np.int64)
        ticks: list[int] = []
        place: Place = "tool"
        for done, index in enumerate(chosen, start=1):
            answer = self.classify(pictures.read(int(index)))
            confusion[pictures.labels[index], answer.best(1)[0]] += 1
            ticks.append(answer.ticks)
            place = answer.preprocessed
            progress.update(done / len(chosen), f"{int(confusion.trace())} of {done} right")
        right = int(confusion.trace())
        return Scored(pictures.name, len(chosen), available, right, confusion, tuple(ticks), place)

    def _answer(self, ticks: int, place: Place) -> Answer:
        output = self.model.output
        data = self._talk.read_output(output.bytes)
        if not output.is_int32:
            q = np.frombuffer(data, np.int8).astype(np.float64)
            return Answer((q - output.zero_point) * output.scale, ticks, place)
        choice = int.from_bytes(data, "little", signed=True)
        if not 0 <= choice < (self.classes or CLASSES_MOST):
            raise BoardTrouble(f"the board answers class {choice} of {self.classes}", hint="flash the model again")
        return Answer(np.zeros(0), ticks, place, choice)


@contextlib.contextmanager
def board_to_run(port: str | None, run: Path | None) -> Iterator[Session]:
    """The board behind `port`, or a virtual one that is booted from a run's files."""
    if (port is None) == (run is None):
        raise BadInput("say which board", hint="--port PORT of a board, or --run RUN for a virtual one")
    with contextlib.ExitStack() as stack:
        if run is not None:
            port = stack.enter_context(_booted(run))
        yield stack.enter_context(boards.session(str(port)))


@contextlib.contextmanager
def _booted(path: Path) -> Iterator[str]:
    run = RunFolder.open(path)
    facts = json.loads(run.read(LOCK))
    runner = str(facts.get("runner"))
    if runner not in get_args(Runner):
        raise BadInput("the run is not of a virtual board", where=str(path), hint="--port PORT of its board")
    board = load_board(str(facts.get("board")))
    contents = boards.flash_contents(board, run.read(APP), run.read(MODEL_IMAGE))
    with boards.virtual_board(cast(Runner, runner), board, contents) as virtual:
        yield virtual.url


def answer_json(pictures: Pictures, answer: Answer, top: int) -> dict[str, Any]:
    """For `--json`."""
    return {
        "model": pictures.model.name,
        "engine": pictures.info.get("engine", "native"),
        "labels": [
            {
                "class": i,
                "label": pictures.name(i),
                "score": None if answer.choice is not None else float(answer.scores[i]),
            }
            for i in answer.best(top)
        ],
        "latency": {"value": answer.ticks, "unit": pictures.unit, "basis": pictures.basis},
        "preprocessed": answer.preprocessed,
    }


def scored_json(pictures: Pictures, scored: Scored) -> dict[str, Any]:
    """For `--json`."""
    return {
        "model": pictures.model.name,
        "engine": pictures.info.get("engine", "native"),
        "data": scored.data,
        "samples": scored.samples,
        "available": scored.available,
        "right": scored.right,
        "top1": scored.top1,
        "labels": pictures.names(),
        "confusion": scored.confusion.tolist(),
        "latency": {**scored.latency(), "unit": pictures.unit, "basis": pictures.basis},
        "preprocessed": scored.preprocessed,
    }
