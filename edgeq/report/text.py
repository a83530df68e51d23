"""A report, or a bench, as plain text of 80 columns: for the console, and to be pasted into a pull request. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgeq.report import explain, wording
from edgeq.report.bench import BenchReport, Equality
from edgeq.report.bins import bins
from edgeq.report.columns import bar, columns, pairs
from edgeq.report.model import BoardFacts, EngineRun, Firmware, Hop, Latency, Report
from edgeq.report.quantisation import Quantisation
from edgeq.report.summary import (
    basis,
    board_line,
    engine_table,
    found_rows,
    latency_rows,
    layer_table,
    lsb,
    remark,
    shape,
    step_table,
    what_rows,
)

MOST_LAYERS = 40
_BAR = 30
Use = tuple[str, int, int | None]  # what, its bytes, those there are of it


def bench_text(bench: BenchReport) -> list[str]:
    """What a board alone tells: latency of each engine, equality, memory, layers, versions."""
    model, board, runs = bench.model, bench.board, bench.engines
    rows = [
        ("model", f"{model.name}, input {shape(model.input)}"),
        ("work", f"{wording.number(model.macs)} MAC"),
        ("board", board_line(board)),
        *((f"engine {run.engine}", run.version) for run in runs if run.version),
        *_latency_rows(runs, model.macs, board),
        *((f"equality {made.engine}", _equality(made)) for made in bench.equality),
        *_version_rows(bench.versions, bench.firmware),
    ]
    uses: list[Use] = [*_arenas(runs, board.arena_bytes), ("scratch", runs[0].scratch_bytes, board.scratch_bytes)]
    if model.image_bytes:
        uses.append(("flash, model", model.image_bytes, board.model_slot_bytes))
    return _joined(pairs(rows), *_latencies(runs), memory_bars(uses), _layers(runs))


def report_text(report: Report) -> list[str]:
    """A run: the same, and accuracy, ledger, flash, what to try, what it warned of."""
    runs = _runs(report)
    rows = [
        *what_rows(report),
        *_latency_rows(runs, report.model.macs, report.board),
        *found_rows(report),
        *_version_rows(report.versions, report.firmware),
    ]
    return _joined(
        pairs(rows),
        *_latencies(runs),
        memory_bars(memory_uses(report)),
        _hints(report.quantisation) if report.quantisation else [],
        ledger_text(report.ledger.hops),
        _layers(runs),
        pairs([("warning", warning) for warning in report.warnings]),
    )


def histogram(latency: Latency, engine: str = "") -> list[str]:
    """A bar for each bin of the runs, whose least value stands before it; where all are equal, that they are."""
    values, of = latency.values, f"{engine}: " if engine else ""
    if len(values) < 2:
        return [f"{of}one run, which has no spread"] if values else []
    if min(values) == max(values):
        return [f"{of}all {len(values):,} runs took exactly the same"]
    found = bins(values)
    most = max(bin.count for bin in found)
    rows = [
        (wording.quantity(b.low, latency.unit), f"{bar(b.count / most, _BAR):<{_BAR}}", str(b.count)) for b in found
    ]
    return columns((f"{of}from", "", "runs"), rows, names=())


def memory_uses(report: Report) -> list[Use]:
    """What a run takes of the board's memories."""
    board = report.board
    uses = [*_arenas(_runs(report), board.arena_bytes), ("scratch", report.sizes.scratch_bytes, board.scratch_bytes)]
    # Not what is small by design: the partition table, the slots' records.
    large = (part for part in report.flash_map if part.used_bytes and part.bytes > 0x10000)
    return [*uses, *((f"flash, {part.name}", part.used_bytes, part.bytes) for part in large)]


def memory_bars(uses: Iterable[Use]) -> list[str]:
    """A bar each against what there is of it, where that is known."""
    rows = [
        (
            name,
            wording.size(used),
            f"of {wording.size(most)}",
            f"[{bar(used / most):<24}]",
            wording.percent(used / most),
        )
        if most
        else (name, wording.size(used), "", "", "")
        for name, used, most in uses
    ]
    return columns(("memory", "used", "", "", ""), rows)


def ledger_text(hops: Sequence[Hop]) -> list[str]:
    """The ledger as a table; what is to be said of a hop stands below it."""
    rows = [(hop.name, hop.status, str(hop.tensors), str(hop.inputs), lsb(hop)) for hop in hops]
    head, *lines = columns(("hop", "result", "tensors", "inputs", "LSB"), rows, names=(0, 1))
    said = [[line, *(pairs([("", remark(hop))]) if remark(hop) else [])] for hop, line in zip(hops, lines, strict=True)]
    return [head, *(line for lines in said for line in lines)]


def _runs(report: Report) -> tuple[EngineRun, ...]:
    """The engines that ran, also where it was one."""
    sizes = report.sizes
    return report.engines or (
        EngineRun(
            engine=report.engine,
            version=report.engine_version,
            arena_bytes=sizes.arena_bytes,
            scratch_bytes=sizes.scratch_bytes,
            latency=report.latency,
        ),
    )


def _latency_rows(runs: Sequence[EngineRun], macs: int, board: BoardFacts) -> list[tuple[str, str]]:
    """Of several engines the figures stand side by side, in a table of their own."""
    first = runs[0].latency
    if len(runs) == 1:
        return latency_rows(first, macs, board)
    return [("basis", f"{basis(first)}; {wording.counted(first.n, 'run')} with each engine")]


def _latencies(runs: Sequence[EngineRun]) -> list[list[str]]:
    """How the runs are spread; of several engines also their figures side by side."""
    if len(runs) == 1:
        return [histogram(runs[0].latency)]
    return [columns(*engine_table(runs)), *(histogram(run.latency, run.engine) for run in runs)]


def _arenas(runs: Sequence[EngineRun], capacity: int | None) -> list[Use]:
    if len(runs) == 1:
        return [("arena", runs[0].arena_bytes, capacity)]
    return [(f"arena, {run.engine}", run.arena_bytes, capacity) for run in runs]


def _equality(made: Equality) -> str:
    if not made.count:
        return "not compared: the model image has no golden samples"
    return f"{made.equal} of {wording.counted(made.count, 'golden sample')} equal to the byte"


def _version_rows(versions: dict[str, str], firmware: Firmware | None) -> list[tuple[str, str]]:
    made = ", ".join(f"{name} {version}" for name, version in versions.items())
    rows = [("versions", made)] if made else []
    if firmware:
        rows.insert(0, ("firmware", f"{firmware.version} ({firmware.port})" if firmware.port else firmware.version))
    return rows


def _hints(made: Quantisation) -> list[str]:
    return [line for found, tries in explain.hint_lines(made) for line in pairs([("found", found), ("try", tries)])]


def _layers(runs: Sequence[EngineRun]) -> list[str]:
    """One engine's layers, the costliest first; of several engines the layers side by side."""
    if not any(run.latency.layers for run in runs):
        return []
    if len(runs) == 1:
        return columns(*layer_table(runs[0].latency, MOST_LAYERS), names=(0, 1))
    head, rows = step_table(runs, by_cost=True)
    rest = [f"{len(rows) - MOST_LAYERS} more layers"] if len(rows) > MOST_LAYERS else []
    return [*columns(head, rows[:MOST_LAYERS], names=(0, 1)), *rest]


def _joined(*blocks: list[str]) -> list[str]:
    """The blocks that hold something, an empty line between them."""
    lines: list[str] = []
    for block in blocks:
        lines += ([""] if lines and block else []) + block
    return lines
