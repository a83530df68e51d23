"""The report in a few lines: the rows that the console, Markdown and the page share, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgeq.report import wording
from edgeq.report.model import ArenaStep, BoardFacts, Difference, EngineRun, FlashPart, Hop, Latency, Report

COUNTS = ("instructions", "cycles")  # units that mean something per MAC


@dataclass(frozen=True)
class Verdict:
    """Whether the ledger holds: `good`, `open` where nothing was compared, `bad` where a hop differs."""

    state: Literal["good", "open", "bad"]
    text: str


def verdict(report: Report) -> Verdict:
    """The ledger in one sentence."""
    hops = report.ledger.hops
    wrong = [hop.name for hop in hops if hop.status == "differs"]
    if wrong:
        if len(wrong) == 1:
            return Verdict("bad", f"A hop of the ledger differs: {wrong[0]}")
        return Verdict("bad", f"{len(wrong)} hops of the ledger differ, the first is {wrong[0]}")
    if all(hop.status == "not run" for hop in hops):
        return Verdict("open", "Nothing was compared")
    return Verdict("good", f"The ledger holds: {ledger_line(hops)}")


def summary_rows(report: Report) -> list[tuple[str, str]]:
    """The compact table: (what, figure) pairs of plain text, to be escaped for where they are shown."""
    latency, macs = report.latency, report.model.macs
    return [*what_rows(report), *latency_rows(latency, macs, report.board), *_size_rows(report), *found_rows(report)]


def what_rows(report: Report) -> list[tuple[str, str]]:
    """What ran, on what and by what, and how often it is right."""
    model = report.model
    rows = [
        ("model", f"{model.name}, input {shape(model.input)}"),
        ("work", f"{wording.number(model.macs)} MAC, {wording.number(model.params)} parameters"),
        ("board", f"{board_line(report.board)}, engine {report.engine}"),
    ]
    built = [(run.engine, run.version) for run in report.engines] or [(report.engine, report.engine_version)]
    rows += [(f"engine {engine}", version) for engine, version in built if version]
    if report.accuracy:
        score = report.accuracy
        rows.append(
            (
                "accuracy",
                f"INT8 {wording.percent(score.int8_top1)}, float {wording.percent(score.float_top1)} top-1 "
                f"on {wording.counted(score.samples, 'sample')}",
            )
        )
    return rows


def latency_rows(latency: Latency, macs: int, board: BoardFacts) -> list[tuple[str, str]]:
    """Percentiles, extremes, and what they rest on."""
    time = p50_as_time(latency, board)
    return [
        ("latency p50", wording.quantity(latency.p50, latency.unit) + per_mac(latency, macs)),
        *([("p50 as time", time)] if time else []),
        ("latency p90, p99", f"{_figure(latency, latency.p90)}, {_figure(latency, latency.p99)}"),
        ("latency min, max", f"{_figure(latency, latency.min)}, {_figure(latency, latency.max)}"),
        ("basis", f"{basis(latency)}; {wording.counted(latency.n, 'run')}"),
    ]


def _size_rows(report: Report) -> list[tuple[str, str]]:
    sizes = report.sizes
    return [
        ("arena, scratch", f"{wording.size(sizes.arena_bytes)}, {wording.size(sizes.scratch_bytes)}"),
        (
            "in flash",
            f"model {wording.size(sizes.image_bytes)} (.tflite {wording.size(sizes.tflite_bytes)}), "
            f"firmware {wording.size(sizes.firmware_bytes)}",
        ),
    ]


def found_rows(report: Report) -> list[tuple[str, str]]:
    """TFLite Micro's arena, what was flashed, the ledger in a line."""
    sizes, rows = report.sizes, []
    if sizes.tflm_arena_bytes is not None and sizes.tflm_arena_bound_bytes is not None:
        rows.append(
            (
                "arena for TFLM",
                f"{wording.size(sizes.tflm_arena_bytes)} here, at most {wording.size(sizes.tflm_arena_bound_bytes)} "
                "on the board's chip",
            )
        )
    if report.flash:
        rows.append(
            (
                "flashed",
                f"{wording.size(report.flash.bytes)} in {report.flash.seconds:.1f} s, "
                f"{'verified' if report.flash.verified else 'not verified'}",
            )
        )
    rows.append(("ledger", ledger_line(report.ledger.hops)))
    return rows


def board_line(board: BoardFacts) -> str:
    """`esp32-wrover-b (real, 240 MHz)`."""
    clock = f", {board.clock_hz / 1e6:g} MHz" if board.clock_hz else ""
    return f"{board.name} ({board.kind}{clock})"


Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def engine_table(runs: Sequence[EngineRun]) -> Table:
    """The engines side by side: a head, and rows of figures. Empty rows where only one ran."""
    rows: list[tuple[str, ...]] = []
    if len(runs) > 1:
        for name in ("p50", "p90", "p99", "min", "max", "mean"):
            rows.append((name, *(_figure(run.latency, getattr(run.latency, name)) for run in runs)))
        rows.append(("arena", *(wording.size(run.arena_bytes) for run in runs)))
    return ("", *(run.engine for run in runs)), rows


def step_table(runs: Sequence[EngineRun], *, by_cost: bool = False) -> Table:
    """Each tensor's time in each engine; a dash: no step of its own. Empty where only one engine ran.

    In the order of the engine with the most steps, or the costliest in any engine first.
    """
    if len(runs) < 2:
        return (), []
    longest = max(runs, key=lambda run: len(run.latency.layers))
    times: list[dict[str, float]] = [{} for _ in runs]
    for time, run in zip(times, runs, strict=True):
        for layer in run.latency.layers:  # several steps may write parts of one tensor
            time[layer.name] = time.get(layer.name, 0) + layer.value
    layers = {la.name: la for run in (longest, *runs) for la in reversed(run.latency.layers)}
    names = dict.fromkeys(la.name for run in (longest, *runs) for la in run.latency.layers)
    order = sorted(names, key=lambda name: -max(time.get(name, 0) for time in times)) if by_cost else names
    rows = [
        (name, layers[name].op, *(wording.number(time[name]) if name in time else "–" for time in times))
        for name in order
    ]
    return ("layer", "operator", *(f"{run.engine}, {run.latency.unit}" for run in runs)), rows


def layer_table(latency: Latency, most: int) -> Table:
    """The costliest layers first: share, value, MACs, cost per MAC; what is beyond `most` in one row."""
    layers = sorted(latency.layers, key=lambda layer: -layer.value)
    total = sum(layer.value for layer in layers) or 1
    counted = latency.unit in COUNTS

    def row(name: str, by: str, value: float, macs: int) -> tuple[str, ...]:
        cost = (f"{value / macs:.2f}" if macs else "–",) if counted else ()
        return (name, by, wording.percent(value / total), wording.number(value), wording.number(macs), *cost)

    rows = [row(la.name, la.kernel or la.op, la.value, la.macs) for la in layers[:most]]
    if rest := layers[most:]:
        rows.append(row(f"{len(rest)} more", "", sum(la.value for la in rest), sum(la.macs for la in rest)))
    return ("layer", "kernel", "share", latency.unit, "MAC", *(("per MAC",) if counted else ())), rows


def page_layer_table(latency: Latency) -> Table:
    """Every layer in the network's order: what ran it, its value and share, its MACs."""
    total = sum(layer.value for layer in latency.layers) or 1
    rows: list[tuple[str, ...]] = [
        (
            str(index), layer.name, layer.op, layer.kernel or "–", wording.number(layer.value),
            wording.percent(layer.value / total), wording.number(layer.macs),
        )
        for index, layer in enumerate(latency.layers, start=1)
    ]  # fmt: skip
    return ("#", "layer", "operator", "kernel", latency.unit, "share", "MAC"), rows


def arena_table(steps: Sequence[ArenaStep]) -> Table:
    """The arena while each step runs."""
    rows: list[tuple[str, ...]] = []
    for index, step in enumerate(steps, start=1):
        waits = step.live_bytes - step.read_bytes - step.written_bytes
        parts = (step.live_bytes, step.read_bytes, step.written_bytes, waits)
        rows.append((str(index), step.name, *(wording.number(count) for count in parts)))
    return ("#", "step", "live, bytes", "read", "written", "waiting"), rows


def flash_table(parts: Sequence[FlashPart]) -> Table:
    """What lies where in the flash."""
    rows: list[tuple[str, ...]] = [
        (part.name, f"{part.offset:#08x}", wording.number(part.bytes), wording.number(part.used_bytes))
        for part in parts
    ]
    return ("part", "offset", "bytes", "written"), rows


def ledger_line(hops: tuple[Hop, ...]) -> str:
    """How many hops have which status: `6 equal, 1 within bounds`."""
    names = {"equal": "equal", "within": "within bounds", "differs": "differ", "not run": "not run"}
    counts = Counter[str](hop.status for hop in hops)
    said = [f"{counts[status]} {name}" for status, name in names.items() if counts[status]]
    return ", ".join(said) or "no hop"


def basis(latency: Latency) -> str:
    """What the latency rests on; for a modelled one also the model and its error band."""
    said = wording.BASIS[latency.basis]
    if latency.error_share is None:
        return said
    return f"{said} ({latency.source}, ±{100 * latency.error_share:.0f} %)"


def shape(dims: tuple[int, ...]) -> str:
    """Dimensions of a tensor: 1×32×32×3."""
    return "×".join(str(dim) for dim in dims)


def difference(first: Difference) -> str:
    """Where two tensors first differ: `conv1 [0, 3, 1, 7]: 12, expected 13`."""
    said = first.tensor
    if first.index is not None:
        said += f" [{', '.join(str(i) for i in first.index)}]"
    if first.got is not None and first.expected is not None:
        said += f": {first.got}, expected {first.expected}"
    return said


def lsb(hop: Hop) -> str:
    """The largest difference beside its bound."""
    if hop.max_lsb is None:
        return "–"
    return f"{hop.max_lsb} of {hop.allowed_lsb}" if hop.allowed_lsb else str(hop.max_lsb)


def remark(hop: Hop) -> str:
    """What is to be said of a hop: where it first differs, and its note."""
    first = difference(hop.first_difference) if hop.first_difference else ""
    return "; ".join(part for part in (first, hop.note) if part)


def per_mac(latency: Latency, macs: int) -> str:
    """The p50 over the multiply-accumulates, where both mean something on the target."""
    if not macs or latency.unit not in COUNTS:
        return ""
    return f" ({latency.p50 / macs:.2f} per MAC)"


def p50_as_time(latency: Latency, board: BoardFacts) -> str:
    """What a p50 in cycles comes to at the board's clock; else nothing."""
    return wording.cycles_as_time(latency.p50, board.clock_hz) if latency.unit == "cycles" and board.clock_hz else ""


def _figure(latency: Latency, value: float) -> str:
    return wording.quantity(value, latency.unit)
