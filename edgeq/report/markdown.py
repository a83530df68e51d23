"""The report as GitHub-flavoured Markdown, for a pull request or a release note."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgeq.report import explain, wording
from edgeq.report.model import Report
from edgeq.report.quantisation import Quantisation
from edgeq.report.summary import (
    arena_table,
    engine_table,
    flash_table,
    lsb,
    remark,
    step_table,
    summary_rows,
    verdict,
)
from edgeq.report.text import histogram, memory_bars, memory_uses

_MARKS = re.compile(r"([\\`*_\[\]<>|~&#$])")


def markdown(report: Report) -> str:
    """The page as Markdown: verdict, warnings, headline table, how the runs are spread, ledger, memory, layers, how to
    reproduce it."""
    latency = report.latency
    parts = [
        f"# {escape(report.model.name)} on {escape(report.board.name)}",
        f"**{escape(verdict(report).text)}.**",
        *(["\n".join(f"- Warning: {escape(warning)}" for warning in report.warnings)] if report.warnings else []),
        _table(("", ""), summary_rows(report)),
        _drawn(memory_bars(memory_uses(report))),
        *(["## Latency", _drawn(histogram(latency))] if latency.values else []),
        "## Equality ledger",
        _table(
            ("hop", "result", "tensors", "inputs", "max LSB", ""),
            (
                (hop.name, hop.status, str(hop.tensors), str(hop.inputs), lsb(hop), remark(hop))
                for hop in report.ledger.hops
            ),
        ),
    ]
    if report.engines:
        parts += ["## Engines", _table(*engine_table(report.engines)), _table(*step_table(report.engines))]
    if latency.layers:
        parts += [
            "## Layers",
            _table(
                ("layer", "operator", "kernel", f"{latency.unit} ({latency.basis})", "MAC"),
                (
                    (layer.name, layer.op, layer.kernel, wording.number(layer.value), wording.number(layer.macs))
                    for layer in latency.layers
                ),
            ),
        ]
    if report.flash_map:
        parts += ["## Flash map", _table(*flash_table(report.flash_map))]
    if report.arena_steps:
        parts += ["## Arena over the steps", _table(*arena_table(report.arena_steps))]
    if report.accuracy and report.accuracy.moved:
        parts += ["## Classes that moved", _table(*explain.moved_table(report.accuracy.moved))]
    if report.quantisation:
        parts += _quantisation(report.quantisation)
    parts.append("## To reproduce it")
    if report.command:
        parts.append(f"    {report.command}")
    versions = [("model SHA-256", report.model.sha256), *report.versions.items()]
    parts.append(_table(("", ""), versions))
    return "\n\n".join(parts) + "\n"


def _quantisation(made: Quantisation) -> list[str]:
    parts = ["## Quantisation", escape(f"{explain.settings(made)}.")]
    if made.hints:
        parts.append("\n".join(f"- {escape(found)}: **{escape(tries)}**" for found, tries in explain.hint_lines(made)))
    if made.left_out:
        parts.append(_table(*explain.cost_table(made.left_out.costs[: explain.MOST])))
    if made.repairs:
        parts.append(_table(*explain.repair_table(made)))
    if made.training:
        parts += [escape(explain.training_caption(made.training)), _table(*explain.training_table(made.training))]
    parts += [_table(*explain.activation_table(made.activations)), _table(*explain.weight_table(made.weights))]
    return parts


def _drawn(lines: Iterable[str]) -> str:
    """Text as it is laid out."""
    return "\n".join(f"    {line}" for line in lines)


def escape(text: str) -> str:
    """`text` so that Markdown shows it as it is. It has no line ends: the report's texts are printable."""
    return _MARKS.sub(r"\\\1", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head_and_rows = [tuple(escape(cell) for cell in row) for row in (head, *rows)]
    lines = [head_and_rows[0], tuple("---" for _ in head), *head_and_rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
