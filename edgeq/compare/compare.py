"""A run beside the one before it: every figure that a gate knows, each with its verdict."""

from __future__ import annotations

from edgeq.compare.equality import compare_hops
from edgeq.compare.finding import Comparison, Finding
from edgeq.compare.gate import Gate, Rule
from edgeq.compare.judge import exact
from edgeq.compare.latency import apart, compare_latency
from edgeq.compare.subject import Subject
from edgeq.report.model import EngineRun
from edgeq.report.wording import printable

MOST_UNKNOWN = 20  # layers that a gate names and a run has not


def compare(base: Subject, new: Subject, gate: Gate) -> Comparison:
    """What became of BASE's figures in NEW. What does not bear comparison is "not compared", with the reason."""
    findings = [
        *_engines(base, new, gate),
        *_sizes(base, new, gate),
        *_accuracy(base, new, gate),
        *compare_hops(base.hops, new.hops, gate.equality),
    ]
    return Comparison(base, new, gate, tuple(findings), _notes(base, new, gate))


def _engines(base: Subject, new: Subject, gate: Gate) -> list[Finding]:
    before = {run.engine: run for run in base.engines}
    after = {run.engine: run for run in new.engines}
    found = []
    for name in dict.fromkeys((*after, *before)):
        if name not in before or name not in after:
            where = "BASE" if name not in before else "NEW"
            found.append(Finding("latency", "total", "not compared", f"no engine {name} in {where}", name))
        else:
            found += _engine(before[name], after[name], _another_model_or_board(base, new), gate)
    return found


def _engine(base: EngineRun, new: EngineRun, why: str, gate: Gate) -> list[Finding]:
    why_no_latency = why or apart(base.latency, new.latency)
    if why_no_latency:
        found = [Finding("latency", "total", "not compared", why_no_latency, new.engine)]
    else:
        found = compare_latency(base, new, gate)
    limits = gate.sizes
    found.append(_size("arena", base.arena_bytes, new.arena_bytes, limits.arena_percent, why, new.engine))
    found.append(_size("scratch", base.scratch_bytes, new.scratch_bytes, limits.scratch_percent, why, new.engine))
    return found


def _sizes(base: Subject, new: Subject, gate: Gate) -> list[Finding]:
    """What lies in flash: a model's image holds its plan, which is of one board, and a firmware is of one kind."""
    board = _another_board(base, new)
    firmware = board or ("" if base.kind == new.kind else f"another kind of board: {base.kind}, now {new.kind}")
    limits = gate.sizes
    found = []
    if base.image_bytes is not None and new.image_bytes is not None:
        found.append(_size("model", base.image_bytes, new.image_bytes, limits.model_percent, board))
    if base.firmware_bytes is not None and new.firmware_bytes is not None:
        found.append(_size("firmware", base.firmware_bytes, new.firmware_bytes, limits.firmware_percent, firmware))
    return found


def _size(rule: Rule, base: int, new: int, limit_percent: float, why: str, engine: str = "") -> Finding:
    what = {"model": "model in flash", "firmware": "firmware in flash"}.get(rule, rule)
    if why:
        return Finding(rule, what, "not compared", why, engine, "bytes", base, new)
    judged = exact(base, new, limit_percent / 100)
    return Finding(
        rule, what, judged.verdict, judged.why, engine, "bytes", base, new,
        judged.change, judged.limit, weight=abs(judged.change or 0),
    )  # fmt: skip


def _accuracy(base: Subject, new: Subject, gate: Gate) -> list[Finding]:
    one, other = base.accuracy, new.accuracy
    if one is None and other is None:
        return []
    if one is None or other is None:
        why = f"{'BASE' if one is None else 'NEW'} was not scored"
        return [Finding("accuracy", "INT8 top-1", "not compared", why)]
    before, after = one.int8_top1, other.int8_top1
    change = after - before
    if one.samples != other.samples:
        why = f"other samples: {one.samples:,} in BASE, {other.samples:,} in NEW"
        return [Finding("accuracy", "INT8 top-1", "not compared", why, "", "share", before, after, change)]
    judged = exact(1.0, 1.0 - change, gate.accuracy.drop_points / 100)  # a drop is what grows
    return [
        Finding(
            "accuracy", "INT8 top-1", judged.verdict, judged.why, "", "share", before, after,
            change, None if judged.limit is None else -judged.limit, weight=abs(change),
        )
    ]  # fmt: skip


def _another_model_or_board(base: Subject, new: Subject) -> str:
    if base.input != new.input:
        one, other = ("×".join(map(str, subject.input)) for subject in (base, new))
        return f"another input: {one} in BASE, {other} in NEW"
    return _another_board(base, new)


def _another_board(base: Subject, new: Subject) -> str:
    return "" if base.board == new.board else f"another board: {base.board} in BASE, {new.board} in NEW"


def _notes(base: Subject, new: Subject, gate: Gate) -> tuple[str, ...]:
    """What no rule is about, and who reads the findings should know."""
    notes = []
    if base.model != new.model:
        notes.append(f"the models have different names: {base.model} in BASE, {new.model} in NEW")
    if base.clock_hz != new.clock_hz:
        notes.append(f"the core's clock differs: {_clock(base)} in BASE, {_clock(new)} in NEW")
    before = {run.engine: run for run in base.engines}
    for run in new.engines:
        old = before.get(run.engine)
        if old is None:
            continue
        if old.version != run.version:
            notes.append(f"engine {run.engine} is built otherwise: {old.version or 'unknown'}, now {run.version}")
        if old.latency.n != run.latency.n:
            notes.append(f"engine {run.engine} ran {old.latency.n:,} times in BASE, {run.latency.n:,} times in NEW")
    known = {layer.name for run in new.engines for layer in run.latency.layers}
    unknown = [f"the layer {name}" for name in gate.latency.layers if name not in known]
    if len(unknown) > MOST_UNKNOWN:
        unknown[MOST_UNKNOWN:] = [f"{len(unknown) - MOST_UNKNOWN:,} layers more"]
    notes += [f"the gate's limit for {what} holds none of NEW" for what in unknown]
    return tuple(map(printable, notes))


def _clock(subject: Subject) -> str:
    return "unknown" if subject.clock_hz is None else f"{subject.clock_hz / 1e6:g} MHz"
