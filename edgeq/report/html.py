"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from edgeq.report import summary, wording
from edgeq.report.charts import MOST_LAYERS, latency_chart, layers_chart
from edgeq.report.model import Report


def html(report: Report) -> str:
    """The page: headline, latency, layers, ledger, sizes, accuracy, how to reproduce it.

    Every text of the report is escaped; the page forbids itself any request. The same report gives the same bytes.
    """
    latency = report.latency
    return _template().render(
        report=report,
        verdict=summary.verdict(report),
        rows=summary.summary_rows(report),
        basis=summary.basis(latency),
        per_mac=summary.per_mac(latency, report.model.macs),
        latency_svg=latency_chart(latency),
        layers_svg=layers_chart(latency) if latency.layers else None,
        layers_total=sum(layer.value for layer in latency.layers) or 1,
        most_layers=MOST_LAYERS,
        engines=summary.engine_table(report),
        engine_steps=summary.step_table(report),
        lsb=summary.lsb,
        remark=summary.remark,
        wording=wording,
    )


@cache
def _template() -> Template:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    ).get_template("page.html.jinja")
