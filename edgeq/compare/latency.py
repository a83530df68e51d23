"""The latency of one engine: an inference, and each of its layers."""

from __future__ import annotations

import math
from dataclasses import replace

from edgeq.compare.finding import Finding
from edgeq.compare.gate import Gate, LatencyLimits, NoiseLimits, Rule
from edgeq.compare.judge import Judged, exact, noisy, ratio_less_one
from edgeq.compare.layers import match
from edgeq.report.model import EngineRun, Latency, Layer
from edgeq.report.wording import percent

# What is counted or computed comes out the same every time; a clock does not.
EXACT = ("emulated", "modelled")

_NOT_HELD = "shown, not held: a process of a machine that does other things (noise.hold_host)"
_Pair = tuple[Layer, Layer]  # the same layer in BASE and in NEW


def apart(base: Latency, new: Latency) -> str:
    """Why two latencies cannot be compared; "" where they can."""
    for what, one, other in (
        ("basis", base.basis, new.basis),
        ("unit", base.unit, new.unit),
        ("cost model", base.source, new.source),
    ):
        if one != other:
            return f"another {what}: {one or 'none'} in BASE, {other or 'none'} in NEW"
    return ""


def compare_latency(base: EngineRun, new: EngineRun, gate: Gate) -> list[Finding]:
    """Findings on an engine's latencies, which are of one basis and unit."""
    total = _total(base.latency, new.latency, gate)
    found = [_finding("latency", "total", new, total, abs(total.change or 0)), *_layers(base, new, gate)]
    return found if new.latency.basis != "host" or gate.noise.hold_host else [_shown(finding) for finding in found]


def _shown(finding: Finding) -> Finding:
    """A finding on a process: what else its machine does is in the figure, and an interval of one run knows nothing
    of that."""
    if finding.verdict == "not compared":
        return finding
    return replace(finding, verdict="not compared", why=_NOT_HELD, limit=None, weight=0.0)


def _finding(rule: Rule, what: str, run: EngineRun, judged: Judged, weight: float, *said: str) -> Finding:
    if run.latency.basis not in EXACT and judged.verdict not in ("failed", "improved"):
        weight = 0.0  # as far as is known, nothing changed
    why = "; ".join(filter(None, (judged.why, *said)))
    return Finding(
        rule, what, judged.verdict, why, run.engine, run.latency.unit,
        judged.base, judged.new, judged.change, judged.limit, judged.interval, weight,
    )  # fmt: skip


def _total(base: Latency, new: Latency, gate: Gate) -> Judged:
    limit = gate.latency.total_percent / 100
    if base.basis in EXACT:
        return exact(base.p50, new.p50, limit)
    if not (base.values and new.values):
        why = f"{'NEW' if base.values else 'BASE'} does not hold the values of its runs"
        return Judged(base.p50, new.p50, "not compared", why, ratio_less_one(base.p50, new.p50), limit)
    return noisy(base.values, new.values, limit, gate.noise)


def _layers(base: EngineRun, new: EngineRun, gate: Gate) -> list[Finding]:
    layers = base.latency.layers, new.latency.layers
    if not all(layers):
        missing = " and ".join(name for name, known in zip(("BASE", "NEW"), layers, strict=True) if not known)
        return [Finding("layer", "all layers", "not compared", f"no profile in {missing}", new.engine)]
    wholes = _sum(layers[0]), _sum(layers[1])
    matched = match(*layers)
    limits = [_limit(pair, wholes, gate.latency) for pair in matched.both]
    tests = sum(limit is not None for limit in limits)
    return [
        *(
            _layer(pair, limit, new, wholes, gate.noise, tests)
            for pair, limit in zip(matched.both, limits, strict=True)
        ),
        *(_alone(layer, "new: not in BASE", new, wholes[1]) for layer in matched.new),
        *(_alone(layer, "gone: not in NEW", new, wholes[0]) for layer in matched.gone),
    ]


def _layer(
    pair: _Pair, limit: float | None, run: EngineRun, wholes: tuple[float, float], noise: NoiseLimits, tests: int
) -> Finding:
    base, new = pair
    if limit is None:
        judged = _too_small(pair, wholes)
    elif run.latency.basis in EXACT:
        judged = exact(base.value, new.value, limit)
    else:
        judged = noisy(base.values or (base.value,), new.values or (new.value,), limit, noise, tests)
    renamed = f"called {base.name} in BASE" if base.name != new.name else ""
    kernel = f"kernel {new.kernel or 'unknown'}, was {base.kernel or 'unknown'}" if base.kernel != new.kernel else ""
    weight = abs(judged.new - judged.base) / (wholes[0] or 1)
    return _finding("layer", new.name, run, judged, weight, renamed, kernel)


def _alone(layer: Layer, why: str, run: EngineRun, whole: float) -> Finding:
    """A layer that is new or gone: a fact; what it costs stands in the total."""
    weight = layer.value / (whole or 1)
    return Finding("layer", layer.name, "not compared", why, run.engine, run.latency.unit, weight=weight)


def _limit(pair: _Pair, wholes: tuple[float, float], limits: LatencyLimits) -> float | None:
    """A layer's limit as a share; None where it is too small in both runs to be held."""
    own = limits.layers.get(pair[1].name)
    if own is not None:
        return own / 100
    return limits.layer_percent / 100 if _share(pair, wholes) >= limits.least_share_percent / 100 else None


def _too_small(pair: _Pair, wholes: tuple[float, float]) -> Judged:
    base, new = pair[0].value, pair[1].value
    why = f"not held: {percent(_share(pair, wholes))} of the whole"
    return Judged(base, new, "passed", why, ratio_less_one(base, new))


def _share(pair: _Pair, wholes: tuple[float, float]) -> float:
    """The layer's share of its run, of the two the larger."""
    return max(layer.value / whole if whole else 0.0 for layer, whole in zip(pair, wholes, strict=True))


def _sum(layers: tuple[Layer, ...]) -> float:
    return math.fsum(layer.value for layer in layers)
