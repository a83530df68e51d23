"""What jobs need before there is a board: gate and baselines read, every model made ready for each kind of board."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeq import __version__
from edgeq.boards.board import load_board
from edgeq.compare.gate import Gate
from edgeq.compare.subject import Subject
from edgeq.errors import BadInput, EdgeqError, NotWritten, ToolMissing
from edgeq.hil.jobs import Job, Kind, Outcome, kind_of
from edgeq.hil.out import MODELS
from edgeq.hil.settings import BenchFile, ModelEntry
from edgeq.hil.watcher import Watcher
from edgeq.pipeline.build_for import Built, Target, build_again, prepare_and_build
from edgeq.pipeline.compare import gate_of, subject_from
from edgeq.pipeline.engines import Choice
from edgeq.pipeline.run_folder import RunFolder
from edgeq.pipeline.source import Source, resolve
from edgeq.report.wording import printable
from edgeq.toolchain.esp_idf import find_esp_idf


@dataclass(frozen=True)
class Given:
    """What a bench's file names, found and read before anything is begun."""

    sources: Mapping[str, Source]  # by model
    gate: Gate
    baselines: Mapping[Path, Subject]
    rests_on: str  # SHA-256 over all of it


def read_given(bench: BenchFile, jobs: Iterable[Job]) -> Given:
    """BadInput where a board, a model, the gate or a baseline is not there; ToolMissing where nothing could build."""
    settings = bench.settings
    for entry in settings.board:
        load_board(_board(bench, entry.board))
    if any(kind_of(bench.board(job.board)).runner is None for job in jobs):
        find_esp_idf()
    sources = {model.name: resolve(bench.source(model)) for model in settings.model}
    gate = gate_of(bench.beside(settings.bench.gate)) if settings.bench.gate else Gate()
    baselines: dict[Path, Subject] = {}
    for job in jobs:
        path = bench.baseline(bench.model(job.model), bench.board(job.board), job.engine)
        if path is not None:
            baselines[path] = baselines.get(path) or subject_from(path)
            _require_like(job, load_board(_board(bench, bench.board(job.board).board)).name, baselines[path], path)
    files = [Path(source.path.partition(".py:")[0] + ".py" if ".py:" in source.path else source.path)
             for source in sources.values()]  # fmt: skip
    files += [bench.beside(settings.bench.gate)] if settings.bench.gate else []
    return Given(sources, gate, baselines, _digest(bench.text, [*files, *baselines]))


def _require_like(job: Job, board: str, baseline: Subject, path: Path) -> None:
    """Latencies of another board or engine are never compared: the gate would say yes to whatever the job measures."""
    engines = [run.engine for run in baseline.engines]
    if baseline.board == board and job.engine in engines:
        return
    what = printable(f"is of {baseline.board} with {' and '.join(engines)}")
    raise BadInput(
        f"{what}, and no baseline for {job.id}, which is of {board} with {job.engine}", where=str(path),
        hint="{kind} and {engine} in `baseline` stand for the job's board and engine",
    )  # fmt: skip


def _digest(text: bytes, files: Iterable[Path]) -> str:
    """Over the bench's file, the files beside it, and edgeq's version; of a folder, over all files in it."""
    digest = hashlib.sha256(f"{__version__}\0{len(text)}\0".encode() + text)
    for path in files:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class Unready:
    """A model that could not be made ready for a kind of board: how its jobs end, and why."""

    outcome: Outcome
    reason: str


Ready = Mapping[tuple[str, Kind], Built | Unready]


def make_ready(bench: BenchFile, given: Given, jobs: Iterable[Job], out: Path, watcher: Watcher) -> Ready:
    """Quantises, converts, plans and builds for every model and kind of board that a job needs. Raises NotWritten."""
    engines: dict[tuple[str, Kind], set[str]] = {}
    for job in jobs:
        engines.setdefault((job.model, kind_of(bench.board(job.board))), set()).add(job.engine)
    ready: dict[tuple[str, Kind], Built | Unready] = {}
    made: dict[tuple[str, str], Built] = {}  # by model and board: who executes a virtual one is no other quantisation
    for (name, kind), wanted in engines.items():
        choice: Choice = "both" if len(wanted) > 1 else "tflm" if "tflm" in wanted else "native"
        try:
            like = made.get((name, kind.board))
            built = _one(bench, given.sources[name], bench.model(name), kind, choice, like, out, watcher)
            ready[name, kind] = made[name, kind.board] = built
        except NotWritten:
            raise  # a full disk says nothing of the model, and ends the run, which then can go on
        except EdgeqError as e:
            outcome: Outcome = "infrastructure" if isinstance(e, ToolMissing) else "failed"
            ready[name, kind] = Unready(outcome, f"could not be made ready for {kind}: {e.what}")
    return ready


def _one(
    bench: BenchFile, source: Source, model: ModelEntry, kind: Kind, choice: Choice, like: Built | None, out: Path,
    watcher: Watcher,
) -> Built:  # fmt: skip
    target = Target(load_board(_board(bench, kind.board)), choice, kind.runner)
    folder = out / MODELS / model.name / f"{target.board.name}-{target.name}"
    with RunFolder.create(folder) as run, watcher.preparing(f"{model.name} for {kind}") as progress:
        if like is not None:
            return build_again(like, target, run, progress)
        return prepare_and_build(source, model.options(), target, run, progress)


def _board(bench: BenchFile, name: str) -> str:
    """A name of `edgeq boards`, or a path of the bench's file."""
    return str(bench.beside(name)) if name.endswith(".toml") or "/" in name else name
