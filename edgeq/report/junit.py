"""Results as JUnit XML, the form that GitHub, GitLab and Jenkins draw: a gate's rules, a bench's jobs, a run's hops."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree  # written alone, never read

CaseOutcome = Literal["passed", "failed", "error", "skipped"]

# XML 1.0 has no form at all for these, not even as a reference.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One result. `failed` is a check that said no, `error` trouble that kept it from being asked.

    `message` is one line, `details` any text below it, `output` what was printed on the way; `seconds` is None where
    nothing was timed.
    """

    group: str
    name: str
    outcome: CaseOutcome
    message: str = ""
    details: str = ""
    output: str = ""
    seconds: float | None = None
    properties: dict[str, str] = field(default_factory=dict)


def junit(suite: str, cases: Sequence[Case]) -> str:
    """The cases as one suite. What XML cannot hold is written as an escape; the same cases give the same text."""
    counts = Counter(case.outcome for case in cases)
    totals = {
        "tests": str(len(cases)), "failures": str(counts["failed"]), "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]), "time": _seconds(sum(case.seconds or 0 for case in cases)),
    }  # fmt: skip
    root = ElementTree.Element("testsuites", totals)
    drawn = ElementTree.SubElement(root, "testsuite", {"name": _text(suite), **totals})
    for case in cases:
        _draw(drawn, case)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _draw(suite: ElementTree.Element, case: Case) -> None:
    named = {"classname": _text(case.group), "name": _text(case.name), "time": _seconds(case.seconds or 0)}
    drawn = ElementTree.SubElement(suite, "testcase", named)
    if case.properties:
        pairs = ElementTree.SubElement(drawn, "properties")
        for name, value in case.properties.items():
            ElementTree.SubElement(pairs, "property", {"name": _text(name), "value": _text(value)})
    if case.outcome != "passed":
        tag = {"failed": "failure", "error": "error", "skipped": "skipped"}[case.outcome]
        said = ElementTree.SubElement(drawn, tag, {"message": _text(case.message)})
        said.text = _text(case.details) or None
    if case.output:
        ElementTree.SubElement(drawn, "system-out").text = _text(case.output)


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _text(text: str) -> str:
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
