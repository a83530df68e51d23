"""The report's page in a browser: it renders, asks for nothing, complains of nothing; a keyboard gets everywhere."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from chromium import CHROMIUM, shown
from report_example import example, two_engines

from edgeq.report.html import html
from edgeq.report.validate import read_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="not installed: chromium")

HEADINGS = [
    "Warnings", "Summary", "Latency", "Engines", "Layers", "Equality ledger", "Sizes", "Arena over the steps",
    "Flash map", "Accuracy", "Quantisation", "To reproduce it",
]  # fmt: skip
# 4.5 : 1 is WCAG's AA for text; of the words on a card, in the page's own colours.
CONTRAST = """(() => {
  const light = rgb => { const [r, g, b] = rgb.match(/[\\d.]+/g).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b }
  const on = light(getComputedStyle(document.querySelector("section")).backgroundColor)
  return ["section h2", "section > p", ".status.good", "summary", "td"].map(which => {
    const of = light(getComputedStyle(document.querySelector(which)).color)
    return (Math.max(on, of) + .05) / (Math.min(on, of) + .05) }) })()"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    file.write_text(html(read_report(json.dumps(two_engines()))))
    return file


@pytest.mark.parametrize(("width", "dark"), [(1000, False), (390, True)])
def test_it_renders_and_asks_for_nothing(page: Path, tmp_path: Path, width: int, dark: bool) -> None:
    with shown(page, tmp_path / "profile", width=width, dark=dark) as there:
        browser = there.browser
        headings = browser.value('[...document.querySelectorAll("h2")].map(h => h.textContent)')
        levels = browser.value('[...document.querySelectorAll("h1,h2,h3")].map(h => Number(h.tagName[1]))')
        drawn = browser.value('[...document.querySelectorAll("svg")].map(s => s.getBoundingClientRect().width)')
        over = browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        contrast = browser.value(CONTRAST)
        colour = browser.value("getComputedStyle(document.body).backgroundColor")
        assert there.requests == [page.as_uri()] and there.complaints == []
    assert headings == HEADINGS
    assert levels[0] == 1 and all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(drawn) == 7 and all(100 < each <= width for each in drawn)
    assert over == 0, "it scrolls sideways"
    assert min(contrast) >= 4.5
    assert (sum(map(int, colour[4:-1].split(","))) < 3 * 128) == dark


def test_a_keyboard_gets_everywhere(page: Path, tmp_path: Path) -> None:
    with shown(page, tmp_path / "profile") as there:
        browser = there.browser
        browser.press("Tab")
        assert browser.value("document.activeElement.className") == "skip"
        assert browser.value("document.activeElement.getBoundingClientRect().left") >= 0
        assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        reached = set()
        for _ in range(60):
            browser.press("Tab")
            reached.add(browser.value("document.activeElement.textContent.trim().slice(0, 20)"))
        summaries = browser.value('[...document.querySelectorAll("summary")].map(s => s.textContent.slice(0, 20))')
        assert summaries and reached >= set(summaries)
        named = browser.value(
            '[...document.querySelectorAll("table")].every(t => t.caption && t.caption.textContent.trim()'
            ' && [...t.querySelectorAll("th")].every(h => h.scope))'
        )
        assert named is True


def test_what_would_be_noticed(tmp_path: Path) -> None:
    """A page that asks and complains, so that the silence of the others means something."""
    file = tmp_path / "bad.html"
    file.write_text('<img src="other.png"><script>console.error("oh"); nothing.here</script>')
    with shown(file, tmp_path / "profile") as there:
        assert there.requests == [file.as_uri(), (tmp_path / "other.png").as_uri()]
        assert any('"oh"' in said for said in there.complaints) and any("nothing" in said for said in there.complaints)


def test_a_report_with_little_in_it(tmp_path: Path) -> None:
    data = example() | {"arena_steps": [], "flash_map": [], "warnings": [], "quantisation": None, "accuracy": None}
    data["latency"] |= {"values": [], "layers": []}
    file = tmp_path / "little.html"
    file.write_text(html(read_report(json.dumps(data))))
    with shown(file, tmp_path / "profile") as there:
        assert there.requests == [file.as_uri()] and there.complaints == []
        assert "Flash map" not in there.browser.value("document.body.textContent")
