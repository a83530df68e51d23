"""How a comparison says things: the lines and cells that console, Markdown, JUnit and annotations share."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from edgeq.compare.finding import Comparison, Finding
from edgeq.report import wording

HEAD = ("", "what", "BASE", "NEW", "change", "limit", "")
MARKS = {"failed": "✗", "passed": "✓", "improved": "↓", "not compared": "–"}


def headline(comparison: Comparison) -> str:
    """The verdict in a sentence without its full stop."""
    failed = comparison.failed
    if failed:
        worst = ordered(comparison)[0]
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return f"Worse than the gate allows: {name(worst)} {change(worst) or worst.why}{more}"
    if comparison.unheld:
        return f"Not passed: {comparison.unheld}"
    counts = Counter(finding.verdict for finding in comparison.findings)
    said = [f"{counts['passed'] + counts['improved']} compared"]
    said += [f"{counts[verdict]} {verdict}" for verdict in ("improved", "not compared") if counts[verdict]]
    return f"Nothing is worse than the gate allows: {', '.join(said)}"


def ordered(comparison: Comparison) -> list[Finding]:
    """What failed first, then by how much the change matters."""
    return sorted(comparison.findings, key=lambda found: (found.verdict != "failed", -found.weight))


def changed(comparison: Comparison) -> list[Finding]:
    """What is not as it was, in that order: all that failed or improved, and what else moved, came or went."""
    return [found for found in ordered(comparison) if _is_changed(found)]


def _is_changed(found: Finding) -> bool:
    return found.verdict in ("failed", "improved") or bool(found.weight)


def shown(comparison: Comparison) -> list[Finding]:
    """What is read first: the latency of an inference, if it has a figure, and all that changed."""
    return [found for found in ordered(comparison) if _is_shown(found)]


def folded(comparison: Comparison) -> list[Finding]:
    """The rest, in its own order."""
    return [found for found in comparison.findings if not _is_shown(found)]


def _is_shown(found: Finding) -> bool:
    return _is_changed(found) or (found.rule == "latency" and found.new is not None)


def name(finding: Finding) -> str:
    """What a finding is about: `layer conv1`, `latency, tflm`."""
    what = {"layer": f"layer {finding.what}", "equality": f"hop {finding.what}", "latency": "latency"}
    said = what.get(finding.rule, finding.what)
    return f"{said}, {finding.engine}" if finding.engine and finding.engine != "native" else said


def figure(finding: Finding, value: float | None) -> str:
    """One side's figure with its unit; a dash where there is none."""
    if value is None:
        return "–"
    if finding.unit == "share":
        return wording.percent(value)
    return wording.quantity(value, finding.unit)


def change(finding: Finding) -> str:
    """The change with its sign: `+3.07 %`, `none`; with its interval, if any; "" where unknown."""
    if finding.change is None:
        return ""
    if finding.unit == "share" and finding.change:
        return f"{100 * finding.change:+.2f} points"
    said = _signed(finding.change)
    if finding.interval is None:
        return said
    low, high = finding.interval
    return f"{said} ({_signed(low)} to {_signed(high)})"


def limit(finding: Finding) -> str:
    """What the gate allows."""
    if finding.limit is None:
        return ""
    if finding.unit == "share":
        return f"{100 * finding.limit:+g} points"
    return f"{100 * finding.limit:+g} %"


def row(finding: Finding) -> tuple[str, ...]:
    """A finding under `HEAD`."""
    return (
        f"{MARKS[finding.verdict]} {finding.verdict}", name(finding), figure(finding, finding.base),
        figure(finding, finding.new), change(finding), limit(finding), finding.why,
    )  # fmt: skip


def sentence(finding: Finding) -> str:
    """A finding in one line: `layer conv1: 121,212 instructions, was 117,600 instructions: +3.07 %, limit +1 %`."""
    said = name(finding)
    if finding.new is not None and finding.base is not None:
        said += f": {figure(finding, finding.new)}, was {figure(finding, finding.base)}"
    facts = [change(finding), f"limit {limit(finding)}" if limit(finding) else "", finding.why]
    rest = ", ".join(fact for fact in facts if fact)
    return f"{said}: {rest}" if rest else said


def title(comparison: Comparison) -> str:
    """What was compared on what."""
    new = comparison.new
    return f"{new.model} on {new.board}"


def basis(comparison: Comparison) -> str:
    """What NEW's latencies rest on, each word once."""
    known = dict.fromkeys(run.latency.basis for run in comparison.new.engines)
    return "; ".join(wording.BASIS[word] for word in known)


def fields(comparison: Comparison) -> dict[str, Any]:
    """The comparison for `--json`."""
    return {
        "passed": comparison.passed,
        "headline": headline(comparison),
        "unheld": comparison.unheld,
        "base": _side(comparison, "base"),
        "new": _side(comparison, "new"),
        "findings": [asdict(finding) for finding in comparison.findings],
        "notes": list(comparison.notes),
        "gate": json.loads(comparison.gate.model_dump_json()),  # an infinite limit becomes null
    }


def _side(comparison: Comparison, side: str) -> dict[str, Any]:
    subject = comparison.base if side == "base" else comparison.new
    return {"model": subject.model, "input": list(subject.input), "board": subject.board, "kind": subject.kind}


def _signed(share: float) -> str:
    """Per cent with two digits; a change too small for them keeps its first, for no change is hidden."""
    if not share:
        return "none"
    return f"{100 * share:+.2f} %" if abs(share) >= 5e-5 else f"{100 * share:+.1g} %"
