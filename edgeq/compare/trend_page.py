"""A history as one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path

from edgeq.compare import trend
from edgeq.compare.trend import Trend
from edgeq.compare.trend_chart import trend_chart
from edgeq.report.html import template


def trend_html(found: Trend) -> str:
    """A curve and a table for each kind of number; every text is escaped. The same history gives the same bytes."""
    curves = [(one, trend_chart((one,), f"trend-{index}")) for index, one in enumerate(found.curves)]
    return template("trend.html.jinja", Path(__file__).parent).render(curves=curves, notes=found.notes, trend=trend)
