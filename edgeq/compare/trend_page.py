"""A history as one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path

from edgeq.compare import trend
from edgeq.compare.history import History
from edgeq.compare.trend_chart import trend_chart
from edgeq.report.html import template

MOST_NOTES = 20


def trend_html(history: History) -> str:
    """A curve and a table for each kind of number; every text is escaped. The same history gives the same bytes."""
    series = trend.series_of(history.entries)
    curves = [(one, trend_chart((one,), f"trend-{index}")) for index, one in enumerate(series)]
    notes = list(history.notes[:MOST_NOTES])
    if len(history.notes) > MOST_NOTES:
        notes.append(f"and {len(history.notes) - MOST_NOTES} lines more")
    return template("trend.html.jinja", Path(__file__).parent).render(curves=curves, notes=notes, trend=trend)
