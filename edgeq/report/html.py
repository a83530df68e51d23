"""The report, or a quantisation alone, as one HTML page that needs nothing but itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from edgeq.report import explain, summary, wording
from edgeq.report.charts import MOST_LAYERS, latency_chart, layers_chart, spread_chart
from edgeq.report.histograms import histogram_chart
from edgeq.report.memory import arena_chart, flash_chart
from edgeq.report.model import Report
from edgeq.report.quantisation import Moved, Quantisation


@dataclass(frozen=True)
class Picture:
    """A histogram with what is said below it."""

    title: str
    svg: str
    caption: str


def html(report: Report) -> str:
    """The page: headline, warnings, latency, layers, ledger, arena, flash, accuracy, how to reproduce it.

    Every text of the report is escaped; the page forbids itself any request. The same report gives the same bytes.
    """
    latency = report.latency
    return template("page.html.jinja").render(
        report=report,
        scores=explain.accuracy_rows(report.accuracy) if report.accuracy else [],
        samples=report.accuracy.samples if report.accuracy else 0,
        moved=report.accuracy.moved if report.accuracy else (),
        quantisation=report.quantisation,
        pictures=_pictures(report.quantisation),
        explain=explain,
        verdict=summary.verdict(report),
        rows=summary.summary_rows(report),
        basis=summary.basis(latency),
        per_mac=summary.per_mac(latency, report.model.macs),
        p50_as_time=summary.p50_as_time(latency, report.board),
        latency_svg=latency_chart(latency),
        spread_svg=spread_chart(latency) if latency.values and latency.min < latency.max else None,
        arena_svg=arena_chart(report.arena_steps) if report.arena_steps else None,
        flash_svg=flash_chart(report.flash_map, report.board.flash_bytes) if report.flash_map else None,
        board=summary.board_line(report.board),
        layers=summary.page_layer_table(latency),
        lsb=summary.lsb,
        remark=summary.remark,
        arena_table=summary.arena_table(report.arena_steps),
        flash_table=summary.flash_table(report.flash_map),
        layers_svg=layers_chart(latency) if latency.layers else None,
        most_layers=MOST_LAYERS,
        engines=summary.engine_table(report.engines),
        engine_steps=summary.step_table(report.engines),
        wording=wording,
    )


def quantisation_html(
    name: str,
    scores: list[tuple[str, float]],
    samples: int,
    moved: tuple[Moved, ...],
    quantisation: Quantisation | None,
) -> str:
    """The page of a quantisation that went onto no board: top-1 shares by what was scored, and why they are so."""
    return template("quantisation.html.jinja").render(
        name=wording.printable(name),
        scores=scores,
        samples=samples,
        moved=moved,
        quantisation=quantisation,
        pictures=_pictures(quantisation),
        explain=explain,
        wording=wording,
    )


def _pictures(made: Quantisation | None) -> list[Picture]:
    """Of each layer that has histograms, its activation's and its weight's."""
    if made is None:
        return []
    weights = {weight.name: weight for weight in made.weights}
    pictures = []
    for index, activation in enumerate(made.activations):
        if activation.histogram:
            svg = histogram_chart(activation.histogram, activation.range, f"activation-{index}")
            seen = f", {explain.span(activation.seen)} in calibration" if activation.seen else ""
            clipped = f", {explain.tiny(activation.clipped)} clipped" if activation.clipped else ""
            own, channel = explain.decibels(activation.own_db), explain.decibels(activation.median_channel_db)
            caption = f"{own} dB alone, median channel {channel} dB; {activation.levels} levels in use{seen}{clipped}"
            pictures.append(Picture(f"{activation.name}, activations", svg, caption))
        weight = weights.get(activation.name)
        if weight is not None and weight.histogram:
            svg = histogram_chart(weight.histogram, weight.range, f"weight-{index}", lowest=-127)
            scales = "the widest channel's levels" if weight.per_channel else "one scale"
            caption = (
                f"{explain.decibels(weight.db)} dB, worst channel {explain.decibels(weight.worst_channel_db)} dB; "
                f"{scales}, largest channel {weight.channel_spread:.1f} times the median"
            )
            pictures.append(Picture(f"{weight.name}, weights", svg, caption))
    return pictures


@cache
def template(name: str, folder: Path | None = None) -> Template:
    """A page's template of this folder, or of another that extends those of this one."""
    here = Path(__file__).parent
    return Environment(
        loader=FileSystemLoader([folder, here] if folder else here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    ).get_template(name)
