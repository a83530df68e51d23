"""The fixture `deployed_model`: a model that was quantised, built, flashed, verified and measured."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeq.errors import BadInput, EdgeqError
from edgeq.pipeline.deploy import deploy
from edgeq.pipeline.on_board import failures
from edgeq.pipeline.picture_files import Picture, open_set, read_picture
from edgeq.pipeline.prepare import QuantiseOptions
from edgeq.pipeline.progress import Quiet
from edgeq.pipeline.run_folder import REPORT, read_file
from edgeq.pipeline.run_images import Pictures, Scored
from edgeq.pytest_plugin.board import ConnectedBoard, Noted, only_one
from edgeq.pytest_plugin.wanted import Wanted, Where
from edgeq.report.model import Accuracy, Latency, Ledger, Report
from edgeq.report.validate import read_report
from edgeq.report.wording import quantity


@dataclass(frozen=True)
class Prediction:
    """What the board says of one picture: the best class with its label, a score a class (real values; none where the
    model answers the class alone), and the run's latency in the unit of the model's `latency`."""

    index: int
    label: str
    scores: NDArray[np.float64]
    latency: int


@dataclass(frozen=True, repr=False)
class DeployedModel:
    """A run of `edgeq deploy`: its folder, its report, and the board that has it in its flash."""

    folder: Path
    report: Report
    board: ConnectedBoard

    def __repr__(self) -> str:
        """Short: pytest prints it at every assertion that fails."""
        latency = self.latency
        return f"<{self.report.model.name}: {quantity(latency.p50, latency.unit)}, {latency.basis}, on {self.board!r}>"

    @property
    def latency(self) -> Latency:
        """Percentiles and layers, with what they rest on."""
        return self.report.latency

    @property
    def ledger(self) -> Ledger:
        """Every hop of the pipeline against the one before it."""
        return self.report.ledger

    @property
    def accuracy(self) -> Accuracy | None:
        """Top-1 in float and in INT8; None of a bare `.tflite`."""
        return self.report.accuracy

    @property
    def failures(self) -> list[str]:
        """Why `edgeq deploy` would end with 1: hops that differ, accuracy that fell. Empty where all is good."""
        return failures(self.report)

    def run(self, picture: str | Path | ArrayLike) -> Prediction:
        """Has the board name a picture: an image file, or pixels 0 to 255 [h, w] or [h, w, 1 or 3].

        The model must say how pictures become its input, as a folder with a model.toml does.
        """
        pixels = read_picture(Path(picture)) if isinstance(picture, str | Path) else _pixels(picture)
        with self.board.session() as talk:
            pictures = Pictures(talk)
            answer = pictures.classify(pixels)
            best = answer.best(1)[0]
            return Prediction(best, pictures.name(best), answer.scores, answer.ticks)

    def run_int8(self, values: ArrayLike) -> NDArray[np.int8 | np.int32]:
        """The model's output for an input as the network has it: int8 in NHWC, the batch of one left out or not. The
        answer is int8 in NHWC, or int32 where the model answers a class."""
        given = np.asarray(values)
        with self.board.session() as talk:
            model = talk.model()
            if given.dtype != np.int8 or given.size != model.input.bytes:
                wanted = "x".join(map(str, model.input.dims))
                raise BadInput(f"an input of {given.dtype} {list(given.shape)}; the model takes int8 {wanted}")
            talk.write_input(given.tobytes())
            talk.run()
            answer = talk.read_output(model.output.bytes)
        found: NDArray[np.int8 | np.int32] = np.frombuffer(answer, "<i4" if model.output.is_int32 else "i1")
        return found.reshape(model.output.dims)

    def score(self, data: str, limit: int | None = None) -> Scored:
        """The board's accuracy over labelled pictures, as `edgeq run --data` has it; with a limit over so many, drawn
        with a fixed seed."""
        with self.board.session() as talk:
            pictures = Pictures(talk)
            found = open_set(data, pictures.names(), pictures.classes, pictures.rule.white)
            return pictures.score(found, limit, Quiet())


def _pixels(values: ArrayLike) -> Picture:
    pixels = np.asarray(values)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise BadInput(
            f"{pixels.dtype} {list(pixels.shape)} is no picture",
            hint="uint8 [h, w], [h, w, 1] or [h, w, 3]; run_int8 takes the network's own input",
        )
    return pixels


class Deployments:
    """The runs of a test run. Each is made once for all its processes; one that failed fails at once from then on."""

    def __init__(self, where: Where, board: ConnectedBoard) -> None:
        self._where = where
        self._board = board
        self._failed: dict[Wanted, EdgeqError] = {}

    def get(self, wanted: Wanted) -> DeployedModel:
        """The model, on the board."""
        if earlier := self._failed.get(wanted):
            raise earlier
        try:
            folder = self._deployed(wanted)
        except EdgeqError as e:
            self._failed[wanted] = e
            raise
        self._board.load(folder)
        report = read_report(read_file(folder / REPORT), where=str(folder / REPORT))
        return DeployedModel(folder, report, self._board)

    def _deployed(self, wanted: Wanted) -> Path:
        where, board = self._where, self._board
        named = {**asdict(wanted), "board": where.board, "port": where.port, "runner": board.runner}
        key = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]
        folder = where.folder / key
        with only_one(folder):
            if not (folder / REPORT).exists():
                deploy(
                    wanted.model, folder, board_name=where.board, port=where.port, runner=board.runner,
                    engine=wanted.engine, runs=wanted.runs, options=QuantiseOptions(data=wanted.data),
                    progress=Noted(), command="pytest",
                )  # fmt: skip
                if board.real:
                    board.holds(folder)
        return folder
