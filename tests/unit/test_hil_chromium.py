"""The page of a run in a browser: many boards with the longest names scroll in their own box, never the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import CHROMIUM, shown

from edgeq.hil.jobs import jobs_of
from edgeq.hil.journal import Event, replay
from edgeq.hil.matrix import MOST_IN_A_CELL, page
from edgeq.hil.results import rows_of
from edgeq.hil.settings import Settings

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="not installed: chromium")

LONGEST = "w" * 63
SAID = "no answer; " * 40


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """Twelve boards by two models by two engines; the last board is in trouble at great length."""
    boards = [{"name": f"b{i}", "board": "esp32-wrover-b", "virtual": "host"} for i in range(11)]
    boards.append({"name": LONGEST, "board": "esp32-wrover-b", "place": LONGEST})  # type: ignore[dict-item]
    models = [{"source": "m.tflite", "name": name} for name in ("m", "x" * 64)]
    table = {"bench": {"name": "z" * 80, "engines": ["native", "tflm"]}, "board": boards, "model": models}
    settings = Settings.model_validate(table)
    jobs = jobs_of(settings)
    events: list[Event] = [
        {"event": "run", "format": 1, "rests_on": "", "jobs": [job.id for job in jobs], "at": "2026-01-01T00:00:00"}
    ]
    for job in jobs:
        trouble = job.board == LONGEST
        outcome = {"outcome": "infrastructure", "reason": SAID} if trouble else {"outcome": "passed", "reason": ""}
        events.append({"event": "outcome", "job": job.id, **outcome})
    story = replay(events)
    file = tmp_path / "matrix.html"
    file.write_text(page(settings, rows_of(jobs, story), story))
    return file


@pytest.mark.parametrize(("width", "dark"), [(1000, False), (390, True), (320, False)])
def test_the_page_never_scrolls_sideways(matrix: Path, tmp_path: Path, width: int, dark: bool) -> None:
    with shown(matrix, tmp_path / "profile", width=width, dark=dark) as there:
        over = there.browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        boxes = there.browser.value('[...document.querySelectorAll(".scroll")].map(s => s.scrollWidth - s.clientWidth)')
        board = there.browser.value('document.querySelector("tbody tr:last-child th").getBoundingClientRect().width')
        cells = there.browser.value('[...document.querySelectorAll("tbody td")].map(c => c.textContent)')
        assert there.requests == [matrix.as_uri()] and there.complaints == []
    assert over == 0
    assert boxes == [0, 0, 0, 0] or width < 1000  # on a phone, a table scrolls within its card
    assert board < width / 2
    assert sum(SAID.strip() in cell for cell in cells) == 4  # in full once a job, below
    assert sum(SAID[: MOST_IN_A_CELL - 1] + "…" in cell for cell in cells) == 4
