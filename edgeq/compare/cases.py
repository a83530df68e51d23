"""A comparison as the results of a test run, for JUnit."""

from __future__ import annotations

from edgeq.compare import words
from edgeq.compare.finding import Comparison, Finding
from edgeq.report.junit import Case, CaseOutcome

_OUTCOMES: dict[str, CaseOutcome] = {
    "failed": "failed",
    "passed": "passed",
    "improved": "passed",
    "not compared": "skipped",
}


def cases(comparison: Comparison) -> list[Case]:
    """A case for each finding, under its rule; one more where the gate had too little to hold."""
    found = [_case(finding) for finding in comparison.findings]
    if comparison.unheld:
        found.append(Case("gate", "has something to hold", "error", comparison.unheld))
    return found


def _case(finding: Finding) -> Case:
    facts = {
        "BASE": words.figure(finding, finding.base),
        "NEW": words.figure(finding, finding.new),
        "change": words.change(finding),
        "limit": words.limit(finding),
    }
    known = {name: value for name, value in facts.items() if value}
    message = "" if finding.verdict in ("passed", "improved") else words.sentence(finding)
    what = f"{finding.what} ({finding.engine})" if finding.engine else finding.what
    return Case(finding.rule, what, _OUTCOMES[finding.verdict], message, finding.why, properties=known)
