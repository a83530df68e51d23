"""The first half of a deploy, which needs no board: MODEL quantised, converted and planned, its board's firmware built,
and every hop of the ledger that runs on this machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgeq.bench.ledger import HopResult
from edgeq.boards.board import Board
from edgeq.images.partitions import write_partition_table
from edgeq.pipeline import board as boards
from edgeq.pipeline import esp_idf, hops
from edgeq.pipeline.board import FlashContents, Runner
from edgeq.pipeline.engines import Choice, engines_of
from edgeq.pipeline.lint import lint_warnings
from edgeq.pipeline.prepare import Prepared, QuantiseOptions, prepare
from edgeq.pipeline.progress import Noted, Progress
from edgeq.pipeline.run_folder import APP, MAP, PARTITIONS, RunFolder
from edgeq.pipeline.source import Source

REAL = "esp-idf"  # in place of a runner


@dataclass(frozen=True)
class Target:
    """Where a model goes: a board of that kind, virtual where a `runner` executes it, with these engines."""

    board: Board
    engine: Choice
    runner: Runner | None = None

    @property
    def name(self) -> str:
        """What the lock file calls it."""
        return REAL if self.runner is None else self.runner


@dataclass(frozen=True)
class Built:
    """All that goes onto a board, and what the hops on this machine found. `bootloader` is of a real board alone.

    `warnings` are what was noted on the way, and what `edgeq lint` says of the model.
    """

    target: Target
    prepared: Prepared
    app: bytes
    bootloader: bytes
    ledger: tuple[HopResult, ...]
    warnings: tuple[str, ...] = ()

    def contents(self, present: bytes = b"") -> FlashContents:
        """What is to be flashed, given what the flash holds now (`boards.present_flash`)."""
        board, image = self.target.board, self.prepared.image
        return boards.flash_contents(board, self.app, image, bootloader=self.bootloader, present=present)


def prepare_and_build(
    source: Source, options: QuantiseOptions, target: Target, run: RunFolder, progress: Progress
) -> Built:
    """Every file of the way lies in `run`; ESP-IDF's project beside it, so that the next build compiles what changed.

    Raises DoesNotFit where the board is too small for the model.
    """
    progress = Noted(progress)
    prepared = prepare(source, options, target.board, run, progress)
    app, bootloader = _build(target, prepared, run, progress)
    progress.step("verify on this machine")
    ledger = hops.software_hops(prepared, progress)
    warnings = (*progress.notes, *lint_warnings(prepared.model.tflite, prepared.model.name))
    return _whole(Built(target, prepared, app, bootloader, tuple(ledger), warnings), run, progress)


def build_again(built: Built, target: Target, run: RunFolder, progress: Progress) -> Built:
    """The same model for the same board with another runner or other engines; `run` gets what differs."""
    app, bootloader = _build(target, built.prepared, run, progress)
    progress.step("verify on this machine")
    ledger = tuple(hop for hop in built.ledger if hop.name != hops.HOST_HOP)
    return _whole(replace(built, target=target, app=app, bootloader=bootloader, ledger=ledger), run, progress)


def _whole(built: Built, run: RunFolder, progress: Progress) -> Built:
    """With the partition table in the run, and the native engine on this machine in the ledger, unless that is the
    board."""
    run.write(PARTITIONS, write_partition_table(built.contents().table), locked=True)
    if built.target.runner == "host":
        return built
    return replace(built, ledger=(*built.ledger, hops.host_hop(built.prepared, built.target.board, progress)))


def _build(target: Target, prepared: Prepared, run: RunFolder, progress: Progress) -> tuple[bytes, bytes]:
    """Application and bootloader, for a board that is large enough."""
    boards.check_fits(target.board, prepared.plan.arena_bytes, prepared.plan.scratch_bytes)
    if target.engine != "native" and prepared.tflm_arena:
        boards.check_fits(target.board, prepared.tflm_arena.chip_bytes, 0)
    if target.runner is not None:
        progress.step("build firmware")
        firmware = boards.build(target.runner, target.board, run.path, progress)
        run.write(APP, firmware.app_image, locked=True)
        return firmware.app_image, b""
    app = esp_idf.application(esp_idf.Wanted(target.board, engines_of(target.engine), image=prepared.image))
    built = esp_idf.build(app, run.home / esp_idf.PROJECT, progress)
    for name, data in esp_idf.results(app, built).items():
        run.write(name, data, locked=name != MAP)
    return built.app, built.bootloader
