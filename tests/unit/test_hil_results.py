"""What a run came to: JUnit, Markdown, JSON and the page say the same, whatever the texts from outside hold."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from edgeq.errors import BoardTrouble, CheckFailed
from edgeq.hil.jobs import Job
from edgeq.hil.journal import Attempt, JobState, Story
from edgeq.hil.matrix import grids, page
from edgeq.hil.results import Row, as_json, headline, junit_text, markdown, require_good, rows_of, table
from edgeq.hil.settings import Settings

HOSTILE = "\x1b[2J<script>alert(1)</script>|`x`\u202e@all]]>&amp;\x00"
FIGURES = {"p50": 1500, "unit": "ns", "basis": "host", "flashed": True, "report": "report.html"}


def attempt(number: int, result: str, board: str = "b1", reason: str = "") -> Attempt:
    return Attempt(number, board, result, reason, 1.5, FIGURES if result == "passed" else {})  # type: ignore[arg-type]


JOBS = [Job("m", board, engine) for board in ("b1", "b2") for engine in ("native", "tflm")]
STORY = Story(
    "x",
    {
        "m/b1/native": JobState([attempt(1, "cut"), attempt(2, "passed")], "passed"),
        "m/b1/tflm": JobState([attempt(1, "failed", reason=HOSTILE)], "failed", HOSTILE),
        "m/b2/native": JobState([attempt(1, "infrastructure", "b2", HOSTILE)], "infrastructure", HOSTILE),
        "m/b2/tflm": JobState([], "skipped", "quarantine"),
    },
    out={"b2": HOSTILE},
    began="2026-01-02T03:04:05",
    resumed=1,
)
ROWS = rows_of(JOBS, STORY)
SETTINGS = Settings.model_validate(
    {
        "bench": {"name": "night & day"},
        "board": [{"name": n, "board": "esp32-wrover-b", "virtual": "host"} for n in ("b1", "b2")],
        "model": [{"source": "m.tflite"}],
    }
)


class Seen(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_all_forms_say_the_same() -> None:
    assert headline(ROWS) == "1 passed, 1 failed, 1 infrastructure, 1 skipped of 4 jobs"
    told = as_json("x", ROWS)
    assert [job["outcome"] for job in told["jobs"]] == ["passed", "failed", "infrastructure", "skipped"]
    assert set(told["outcomes"].values()) == {1}
    tags = [[child.tag for child in case if child.tag != "properties"] for case in _cases()]
    assert tags == [[], ["failure"], ["error"], ["skipped"]]
    assert [line.count(" | ") for line in markdown("x", ROWS).splitlines() if line.startswith("| ")] == [4] * 5
    seen = Seen(page(SETTINGS, ROWS, STORY))
    assert headline(ROWS) in seen.text and "night & day" in seen.text and "resumed 1 time" in seen.text
    assert "1.500 µs (host)" in seen.text and seen.links == ["#content", "jobs/m/b1/native/report.html"]
    assert "1 cut when the runner ended" in seen.text


def _cases() -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(junit_text("x", ROWS)).iter("testcase"))  # noqa: S314 - our own text


def test_attempts_are_on_record() -> None:
    properties = {p.get("name"): p.get("value") for p in _cases()[0].iter("property")}
    assert (properties["attempts"], properties["cut"], properties["latency"]) == ("2", "1", "1.500 µs (host)")
    assert ROWS[0].remark() == "2 attempts; 1 cut when the runner ended"
    moved = replace(ROWS[0], attempts=(attempt(1, "infrastructure"), attempt(2, "passed", "b2")))
    assert moved.remark() == "2 attempts; on board b2" and moved.board == "b2"


def test_text_from_outside_is_text() -> None:
    html = page(SETTINGS, ROWS, STORY)
    seen = Seen(html)
    assert "script" not in seen.tags and "\x1b" not in html and "\u202e" not in html and "\x00" not in html
    assert "<script>alert(1)</script>" in seen.text
    assert "<script>" not in markdown("x", ROWS) and "\x1b" not in markdown("x", ROWS)
    assert "\x1b" not in junit_text("x", ROWS) and not any("\x1b" in cell for row in table(ROWS) for cell in row)


def test_the_exit_is_that_of_the_gravest() -> None:
    with pytest.raises(CheckFailed, match="the first"):
        require_good(ROWS)
    with pytest.raises(BoardTrouble):
        require_good([row for row in ROWS if row.outcome != "failed"])
    require_good([row for row in ROWS if row.outcome in ("passed", "skipped")])


def test_a_repeated_model_is_one_cell() -> None:
    rows = [Row(Job("m", "b1", "native", n), "passed", "", (attempt(1, "passed"),)) for n in (1, 2, 3)]
    rows.append(Row(Job("m", "b1", "native", 4), "infrastructure", "dead", (attempt(1, "infrastructure"),)))
    ((_, (cell,)),) = grids(rows)[0].lines
    assert cell is not None
    assert (cell.words, cell.outcome, cell.shown.job.number) == ("3 passed, 1 infrastructure", "infrastructure", 4)
    (row,) = [row for row in table(rows) if row[2] != "passed"]
    assert row == table(rows)[0]
