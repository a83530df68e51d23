"""The equality ledger: a hop that differs fails, whatever it was before."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.compare.finding import Finding, Verdict
from edgeq.compare.gate import EqualityLimits
from edgeq.report.model import Hop
from edgeq.report.summary import remark

_BETTER = ("differs", "within", "equal")


def compare_hops(base: Sequence[Hop], new: Sequence[Hop], limits: EqualityLimits) -> list[Finding]:
    """A finding for each hop of NEW in its order, and for each that is in BASE alone. `base` and `new` of a finding are
    the largest differences in LSB, where known."""
    before = {hop.name: hop for hop in base}
    names = {hop.name for hop in new}
    gone = [Finding("equality", hop.name, "not compared", "not in NEW") for hop in base if hop.name not in names]
    return [_hop(before.get(hop.name), hop, limits) for hop in new] + gone


def _hop(base: Hop | None, new: Hop, limits: EqualityLimits) -> Finding:
    was = base.status if base is not None and base.status != "not run" else None
    verdict: Verdict = "passed"
    if new.status == "not run":
        verdict = "not compared"
    elif new.status == "differs" or (limits.exact and was == "equal" and new.status != "equal"):
        verdict = "failed"
    elif was is not None and _BETTER.index(new.status) > _BETTER.index(was):
        verdict = "improved"
    said = [new.status if was in (None, new.status) else f"{new.status}, was {was}"]
    said += [remark(new)] if verdict != "passed" and remark(new) else []
    weight = 1.0 if was not in (None, new.status) else 0.0
    return Finding(
        "equality", new.name, verdict, ": ".join(said), unit="LSB",
        base=base.max_lsb if base else None, new=new.max_lsb, weight=weight,
    )  # fmt: skip
