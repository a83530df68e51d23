"""A report as the results of a test run, for JUnit: hops of the ledger, accuracy, fit, the latency that was found."""

from __future__ import annotations

from edgeq.report.junit import Case, CaseOutcome
from edgeq.report.model import Accuracy, Hop, Report
from edgeq.report.summary import basis, lsb, remark
from edgeq.report.wording import percent, quantity, size

_OUTCOMES: dict[str, CaseOutcome] = {
    "equal": "passed",
    "within": "passed",
    "differs": "failed",
    "not run": "skipped",
}


def cases(report: Report, drop_most: float) -> list[Case]:
    """A case for each hop, for accuracy, for each memory, and for each engine's latency, which holds its figures.

    Accuracy fails where INT8 is over `drop_most`, a share of one, below float; latency asserts nothing.
    """
    found = [_hop(hop) for hop in report.ledger.hops]
    if report.accuracy:
        found.append(_accuracy(report.accuracy, drop_most))
    found += _fit(report)
    runs = report.engines
    for engine, latency in [(run.engine, run.latency) for run in runs] or [(report.engine, report.latency)]:
        figures = {name: quantity(getattr(latency, name), latency.unit) for name in ("p50", "p90", "p99", "min", "max")}
        known = {**figures, "runs": str(latency.n), "basis": basis(latency)}
        found.append(Case("latency", engine, "passed", properties=known))
    return found


def _hop(hop: Hop) -> Case:
    facts = {"tensors": str(hop.tensors), "inputs": str(hop.inputs), "max LSB": lsb(hop)}
    outcome = _OUTCOMES[hop.status]
    said = (f"{hop.status}; {remark(hop)}" if remark(hop) else hop.status) if outcome != "passed" else ""
    return Case("ledger", hop.name, outcome, said, properties=facts)


def _accuracy(score: Accuracy, drop_most: float) -> Case:
    facts = {"INT8": percent(score.int8_top1), "float": percent(score.float_top1), "samples": str(score.samples)}
    drop = score.float_top1 - score.int8_top1
    said = f"{100 * drop:.2f} points below float, {100 * drop_most:g} are allowed" if drop > drop_most else ""
    return Case("accuracy", "top-1", "failed" if said else "passed", said, properties=facts)


def _fit(report: Report) -> list[Case]:
    """Memories whose capacity is known."""
    sizes, board = report.sizes, report.board
    uses = [("arena", sizes.arena_bytes, board.arena_bytes), ("scratch", sizes.scratch_bytes, board.scratch_bytes)]
    uses += [(f"flash, {part.name}", part.used_bytes, part.bytes) for part in report.flash_map]
    return [
        Case("fit", name, "failed" if used > most else "passed", f"{used:,} of {most:,} bytes" if used > most else "",
             properties={"used": size(used), "of": size(most)})
        for name, used, most in uses
        if most is not None
    ]  # fmt: skip
