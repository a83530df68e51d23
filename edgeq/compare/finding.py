"""What a comparison found: a finding for each figure, and the verdict of them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeq.compare.gate import Gate, Rule
from edgeq.compare.subject import Subject

Verdict = Literal["failed", "passed", "improved", "not compared"]


@dataclass(frozen=True)
class Finding:
    """One figure of BASE beside NEW's.

    `what` is `total` or the name of a layer, a hop or a size; `unit` that of `base` and `new`: of a latency, `bytes`,
    `share` (top-1, of one), or "" where they are no numbers (a hop's statuses are in `why`). `change` and `interval`
    are NEW over BASE less one; of a share the difference. `limit` is the change that is still allowed, of the same
    kind (a drop in accuracy is negative), None without one. `weight` sorts: how much the change matters, as a share of
    the whole it is a part of. `why` says what is to be said: why it failed, or was not compared.
    """

    rule: Rule
    what: str
    verdict: Verdict
    why: str = ""
    engine: str = ""
    unit: str = ""
    base: float | None = None
    new: float | None = None
    change: float | None = None
    limit: float | None = None
    interval: tuple[float, float] | None = None
    weight: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """All findings, in the order latency, layers, sizes, accuracy, equality; `notes` are what no gate holds."""

    base: Subject
    new: Subject
    gate: Gate
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Finding, ...]:
        """What the gate does not let pass."""
        return tuple(finding for finding in self.findings if finding.verdict == "failed")

    @property
    def unheld(self) -> str:
        """Why this gate held too little to be passed: nothing was compared, or not what it requires; else ""."""
        compared = {finding.rule for finding in self.findings if finding.verdict != "not compared"}
        if missing := [rule for rule in dict.fromkeys(self.gate.require) if rule not in compared]:
            return f"the gate requires {', '.join(missing)}, which could not be compared"
        if not compared and not self.gate.allow_nothing:
            return "nothing could be compared, so the gate has nothing to hold"
        return ""

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and there was something to hold."""
        return not self.failed and not self.unheld
