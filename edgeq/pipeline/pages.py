"""What a run folder shows of its report: each file is drawn from `report.json` alone."""

from __future__ import annotations

from edgeq.pipeline.hops import ACCURACY_DROP_MOST
from edgeq.pipeline.run_folder import JUNIT, REPORT_HTML, REPORT_MARKDOWN
from edgeq.report.cases import cases
from edgeq.report.html import html
from edgeq.report.junit import junit
from edgeq.report.markdown import markdown
from edgeq.report.model import Report


def pages(report: Report) -> dict[str, bytes]:
    """HTML, Markdown and JUnit, by the names of their files."""
    suite = f"{report.model.name} on {report.board.name}"
    texts = {
        REPORT_HTML: html(report),
        REPORT_MARKDOWN: markdown(report),
        JUNIT: junit(suite, cases(report, ACCURACY_DROP_MOST)),
    }
    return {name: text.encode() for name, text in texts.items()}
