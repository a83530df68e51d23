"""A run's report in all its forms, into the run's folder."""

from __future__ import annotations

from edgeq.pipeline import hops
from edgeq.pipeline.pages import pages
from edgeq.pipeline.run_folder import LEDGER, REPORT, RunFolder
from edgeq.report.model import Report, to_json
from edgeq.report.validate import check


def write_report(run: RunFolder, report: Report) -> None:
    """Checked against the schema first; `report.json` comes last, so that where it is the others are."""
    text = to_json(report)
    check(report.model_dump(mode="json", by_alias=True))
    run.write(LEDGER, hops.to_json(report.ledger.hops))
    for name, page in pages(report).items():
        run.write(name, page)
    run.write(REPORT, text.encode())
