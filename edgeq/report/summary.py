"""The report in a few lines: the rows that the console, Markdown and the page share, and the verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from edgeq.report import wording
from edgeq.report.model import Difference, Hop, Latency, Report


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
    model, sizes, latency = report.model, report.sizes, report.latency
    rows = [
        ("model", f"{model.name}, input {shape(model.input)}"),
        ("work", f"{wording.number(model.macs)} MAC, {wording.number(model.params)} parameters"),
        ("board", f"{report.board.name} ({report.board.kind}), engine {report.engine}"),
    ]
    if report.accuracy:
        score = report.accuracy
        rows.append(
            (
                "accuracy",
                f"INT8 {wording.percent(score.int8_top1)}, float {wording.percent(score.float_top1)} top-1 "
                f"on {wording.counted(score.samples, 'sample')}",
            )
        )
    built = [(run.engine, run.version) for run in report.engines] or [(report.engine, report.engine_version)]
    rows[3:3] = [(f"engine {engine}", version) for engine, version in built if version]
    rows += [
        ("latency p50", wording.quantity(latency.p50, latency.unit) + per_mac(latency, model.macs)),
        ("latency p90, p99", f"{_figure(latency, latency.p90)}, {_figure(latency, latency.p99)}"),
        ("latency min, max", f"{_figure(latency, latency.min)}, {_figure(latency, latency.max)}"),
        ("basis", f"{basis(latency)}; {wording.counted(latency.n, 'run')}"),
        ("arena, scratch", f"{wording.size(sizes.arena_bytes)}, {wording.size(sizes.scratch_bytes)}"),
        (
            "in flash",
            f"model {wording.size(sizes.image_bytes)} (.tflite {wording.size(sizes.tflite_bytes)}), "
            f"firmware {wording.size(sizes.firmware_bytes)}",
        ),
    ]
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


def engine_table(report: Report) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The engines side by side: a head, and rows of figures. Empty rows where only one ran."""
    runs = report.engines
    rows: list[tuple[str, ...]] = []
    if runs:
        for name in ("p50", "p90", "p99", "min", "max", "mean"):
            rows.append((name, *(_figure(run.latency, getattr(run.latency, name)) for run in runs)))
        rows.append(("arena", *(wording.size(run.arena_bytes) for run in runs)))
    return ("", *(run.engine for run in runs)), rows


def step_table(report: Report) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Each tensor's time in each engine, in the order of the engine with the most steps; a dash: no step of its own."""
    runs = report.engines
    if not runs:
        return (), []
    longest = max(runs, key=lambda run: len(run.latency.layers))
    times = [{layer.name: layer.value for layer in run.latency.layers} for run in runs]
    known = {layer.name for layer in longest.latency.layers}
    layers = [*longest.latency.layers, *(la for run in runs for la in run.latency.layers if la.name not in known)]
    rows = [
        (layer.name, layer.op, *(wording.number(time[layer.name]) if layer.name in time else "–" for time in times))
        for layer in {layer.name: layer for layer in layers}.values()
    ]
    return ("layer", "operator", *(f"{run.engine}, {run.latency.unit}" for run in runs)), rows


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
    if not macs or latency.unit not in ("instructions", "cycles"):
        return ""
    return f" ({latency.p50 / macs:.2f} per MAC)"


def _figure(latency: Latency, value: float) -> str:
    return wording.quantity(value, latency.unit)
