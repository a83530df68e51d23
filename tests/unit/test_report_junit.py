"""edgeq/report/junit.py: what is written can be read, counts are right, and no text of a board breaks it."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from edgeq.report.junit import Case, junit

CASES = [
    Case("gate", "latency", "passed", seconds=0.25, properties={"limit": "2 %"}),
    Case("gate", "conv1", "failed", "3 % slower", "103 of 100"),
    Case("board", "w1", "error", "no answer", output="last words"),
    Case("board", "w2", "skipped", "quarantined"),
]


def _suite(text: str) -> ElementTree.Element:
    suite = ElementTree.fromstring(text).find("testsuite")  # noqa: S314  # our own text
    assert suite is not None
    return suite


def test_counts_and_outcomes() -> None:
    suite = _suite(junit("hil", CASES))
    assert [suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped")] == ["hil", "4", "1", "1", "1"]
    kinds = [[child.tag for child in case] for case in suite]
    assert kinds == [["properties"], ["failure"], ["error", "system-out"], ["skipped"]]
    failure = suite.find("testcase/failure")
    assert failure is not None and (failure.get("message"), failure.text) == ("3 % slower", "103 of 100")


@given(st.text(st.characters()))
def test_any_text_can_be_read_and_what_can_be_printed_is_unchanged(text: str) -> None:
    case = next(iter(_suite(junit(text, [Case(text, text, "failed", text, text, text, properties={text: text})]))))
    if text.isprintable():
        assert case.get("name") == text and (case.findtext("failure") or "") == text


def test_control_characters_and_markup_are_shown() -> None:
    text = junit("s", [Case("g", "\x1b[31m<b>&\ud800\ufffe", "passed")])
    assert "\x1b" not in text and "\\x1b[31m&lt;b&gt;&amp;\\ud800\\ufffe" in text
