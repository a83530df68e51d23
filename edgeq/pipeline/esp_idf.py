"""The firmware of a real board: what goes into it, its build by ESP-IDF, what of it goes into flash."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeq import __version__
from edgeq.bench.oracles import tflm_arena_bytes
from edgeq.boards.board import Board
from edgeq.boards.placement import place_arena
from edgeq.bundled import bundled
from edgeq.errors import BadInput, DoesNotFit
from edgeq.images.layout import layout_for
from edgeq.images.model import ModelImage, read_model_image
from edgeq.images.partitions import TABLE_OFFSET, write_partition_table
from edgeq.images.tflite_outline import read_outline
from edgeq.pipeline.board import FlashContents, flash_contents
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.run_folder import APP, BOOTLOADER, ELF, MAP, MODEL_IMAGE, PARTITIONS, REPORT, read_file
from edgeq.plan import decode_plan
from edgeq.plan.tflm_arena import esp32_arena_bound
from edgeq.toolchain.esp_idf import IdfBuild, build_project, find_esp_idf, write_project
from edgeq.toolchain.esp_idf_project import Application, Engine, project_files
from edgeq.toolchain.resolver import resolver_for, resolver_for_all

Embed = Literal["array", "partition"]

PROJECT = "firmware"

# What an application takes in flash beside a model that is built in, at most.
_CODE_BYTES = 768 << 10
_ARENA_LEAST, _SCRATCH_LEAST = 1024, 16
_ALIGNMENT = 16


@dataclass(frozen=True)
class Wanted:
    """What a real board's firmware shall be.

    `image` is the model image, which `embed="array"` needs: arena, scratch and operators are then the model's own.
    Otherwise they are what the board offers, and any model that fits it can follow. `arena_bytes` overrides either.
    """

    board: Board
    engines: tuple[Engine, ...] = ("native",)
    embed: Embed = "partition"
    image: bytes | None = None
    arena_bytes: int | None = None


def application(wanted: Wanted) -> Application:
    """The application that was asked for. Raises DoesNotFit where the board has no memory or flash for it."""
    board, built_in = wanted.board, wanted.embed == "array"
    if built_in and wanted.image is None:
        raise BadInput("which model shall be built in?", where="--embed array", hint="--model RUN")
    model = read_model_image(wanted.image) if built_in and wanted.image is not None else None
    scratch = _scratch(model) if model else board.scratch_bytes
    arena = wanted.arena_bytes or (_arena(model, wanted) if model else board.arena_bytes)
    arena = _aligned(max(arena, _ARENA_LEAST))
    placement = place_arena(board, arena, scratch)
    if placement.where == "nowhere":
        raise DoesNotFit(f"the arena takes {arena:,} bytes: {placement.why}", where=board.name)
    image = wanted.image if built_in else None
    return Application(
        board=board,
        engines=wanted.engines,
        arena_bytes=arena,
        arena_in_psram=placement.where == "psram",
        scratch_bytes=scratch,
        table=layout_for(board.flash_bytes, 0 if built_in else len(wanted.image or b""), _app_bytes(image)),
        version=__version__,
        resolver=_resolver(model) if "tflm" in wanted.engines else None,
        image=image,
    )


def _app_bytes(image: bytes | None) -> int:
    return _CODE_BYTES + len(image) if image else 0


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _scratch(model: ModelImage) -> int:
    return _aligned(max(decode_plan(model.plan).scratch_bytes, _SCRATCH_LEAST))


def _arena(model: ModelImage, wanted: Wanted) -> int:
    """What the model needs with the hungrier of the engines: exact for ours, an upper bound for TFLM."""
    needs = []
    if "native" in wanted.engines:
        needs.append(decode_plan(model.plan).arena_bytes)
    if "tflm" in wanted.engines:
        outline = read_outline(model.tflite, model.name)
        exact = tflm_arena_bytes(model.tflite, where=model.name)
        needs.append(esp32_arena_bound(outline, exact, wanted.board.chip.name))
    return max(needs)


def _resolver(model: ModelImage | None) -> str:
    if model is None:
        return resolver_for_all()
    return resolver_for(read_outline(model.tflite, model.name).operators, where=model.name)


def arena_from(run: Path) -> int:
    """The bytes of arena that the model of a finished run used, with the hungrier of its engines."""
    path = run / REPORT
    try:
        report = json.loads(read_file(path))
        used = [report["sizes"]["arena_bytes"], *(e.get("arena_bytes") for e in report.get("engines") or ())]
        return max(int(size) for size in used if size is not None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            "does not say what arena the run used", where=str(path), hint="run `edgeq deploy` again"
        ) from error


def read_image(path: Path) -> bytes:
    """The model image of a run's folder, or of a file."""
    return read_file(path / MODEL_IMAGE if path.is_dir() else path)


def generate(app: Application, folder: Path) -> None:
    """Writes the ESP-IDF project into that folder."""
    root = bundled("firmware")
    sources = {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
    write_project(folder, project_files(sources, app))


def build(app: Application, folder: Path, progress: Progress) -> IdfBuild:
    """Generates the project there and builds it; a second build in the same folder compiles what changed."""
    idf = find_esp_idf()
    progress.step("build firmware")
    generate(app, folder)
    return build_project(idf, folder, app.board.chip.name, progress.update)


def results(app: Application, built: IdfBuild) -> dict[str, bytes]:
    """What a run keeps of a build: the files that are flashed, and those that explain them."""
    return {
        BOOTLOADER: built.bootloader,
        PARTITIONS: write_partition_table(app.table),
        APP: built.app,
        ELF: built.elf,
        MAP: built.map,
    }


def contents(app: Application, built: IdfBuild, image: bytes, *, present: bytes = b"") -> FlashContents:
    """All that goes into the board's flash: with a model that is built in, no model partition is written."""
    if app.image is None:
        return flash_contents(app.board, built.app, image, bootloader=built.bootloader, present=present)
    table = app.table
    offset = next(p.offset for p in table.partitions if p.name == "factory")
    parts = (
        (app.board.chip.bootloader_offset, built.bootloader),
        (TABLE_OFFSET, write_partition_table(table)),
        (offset, built.app),
    )
    return FlashContents(parts, table, 0)
