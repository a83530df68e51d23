"""What to try where INT8 costs accuracy: a rule for each cause that can be told from the measurements.

A network that lost next to nothing gets no hint, whatever its layers look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgeq.quantize.data_checks import FEW
from edgeq.quantize.effort import Effort
from edgeq.quantize.observers import Observer
from edgeq.quantize.ranges import percentile
from edgeq.quantize.trace import Activation
from edgeq.quantize.weights import Weight

# Below these nothing is wrong: the float top-1 share less the INT8 one, and the output's SQNR in dB.
LITTLE_LOST = 0.003
FINE_DB = 20.0

# A tensor, or a channel of it, whose own rounding leaves this much is no cause.
CLEAN_DB = 30.0

CLIPPED_MOST = 0.001  # of a tensor's values
SPREAD_MOST = 8.0  # three bits
EMPTY_MOST = 8.0  # the range over that of nearly all values
NEARLY_ALL = 0.999
NAMED = 3  # layers that a hint names

Rule = Literal["samples", "clipped", "outliers", "weights", "channels", "explain", "effort", "training"]


@dataclass(frozen=True)
class Hint:
    """What was found, what to try, and the layers it is about, the worst first."""

    rule: Rule
    found: str
    tries: str
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What the rules go by. Accuracies are shares; `activations` are in the network's order, the output last."""

    activations: Sequence[Activation]
    weights: Sequence[Weight]
    float_top1: float
    int8_top1: float
    calibration_samples: int
    per_channel: bool
    observer: Observer
    effort: Effort
    trained: bool
    explained: bool

    @property
    def lost(self) -> float:
        """Share of top-1 that INT8 costs."""
        return self.float_top1 - self.int8_top1


def hints(findings: Findings) -> tuple[Hint, ...]:
    """What to try, the most specific first; nothing if nothing is wrong."""
    output = findings.activations[-1]
    if findings.lost <= LITTLE_LOST and output.sqnr_db >= FINE_DB:
        return ()
    rules = (_samples, _clipped, _outliers, _weights, _channels, _explain, _effort)
    return tuple(hint for rule in rules if (hint := rule(findings)) is not None)


def _samples(findings: Findings) -> Hint | None:
    count = findings.calibration_samples
    if count >= FEW:
        return None
    return Hint("samples", f"only {count} calibration samples", f"--samples {FEW} or more, better 100")


def _clipped(findings: Findings) -> Hint | None:
    """A range that calibration found too narrow: by its method, or because its samples did not show the values."""
    found = sorted((a for a in findings.activations if a.clipped > CLIPPED_MOST), key=lambda a: -a.clipped)
    if not found:
        return None
    worst = found[0]
    what = f"{100 * worst.clipped:.2g} % of the values of {worst.name} are clipped"
    within = worst.seen is None or (worst.histogram.low >= worst.seen[0] and worst.histogram.high <= worst.seen[1])
    tries = "--observer minmax" if within and findings.observer != "minmax" else "more or other calibration samples"
    return Hint("clipped", what, tries, _names(found))


def _outliers(findings: Findings) -> Hint | None:
    """Ranges that rare values have widened, so that nearly all values share few levels."""
    found = sorted(
        (a for a in findings.activations if a.own_sqnr_db < CLEAN_DB and emptiness(a) > EMPTY_MOST),
        key=lambda a: a.own_sqnr_db,
    )
    if not found or findings.observer not in ("minmax", "moving-average"):
        return None
    worst = found[0]
    what = f"the range of {worst.name} is {emptiness(worst):.0f} times that of {100 * NEARLY_ALL:g} % of its values"
    return Hint("outliers", what, "--observer auto", _names(found))


def emptiness(activation: Activation) -> float:
    """How many times wider the represented range is than that of nearly all values."""
    low, high = percentile(activation.histogram, NEARLY_ALL)
    return (activation.range[1] - activation.range[0]) / (high - low) if high > low else 1.0


def _weights(findings: Findings) -> Hint | None:
    """One scale for channels of very different sizes."""
    found = sorted(
        (
            w for w in findings.weights
            if not w.per_channel and w.channel_spread > SPREAD_MOST and w.worst_channel_db < CLEAN_DB
        ),
        key=lambda w: w.worst_channel_db,
    )  # fmt: skip
    if not found:
        return None
    worst = found[0]
    what = f"one channel of {worst.name} has weights {worst.channel_spread:.0f} times the median channel's"
    convolution = any(len(weight.shape) == 4 for weight in found)
    if convolution and not findings.per_channel:
        return Hint("weights", what, "weights per channel: leave out --per-tensor or --preset note", _names(found))
    return Hint("weights", what, "--effort best", _names(found)) if findings.effort != "best" else None


def _channels(findings: Findings) -> Hint | None:
    """An activation has one scale by TFLite's rules; equalisation brings its channels together."""
    found = sorted(
        (a for a in findings.activations[1:-1] if a.channel_spread > SPREAD_MOST and a.median_channel_db < CLEAN_DB),
        key=lambda a: a.median_channel_db,
    )
    if not found or findings.effort == "best":
        return None
    what = f"one channel of {found[0].name} reaches {found[0].channel_spread:.0f} times as far as the median channel"
    return Hint("channels", what, "--effort best", _names(found))


def _explain(findings: Findings) -> Hint | None:
    if findings.explained:
        return None
    return Hint("explain", f"INT8 {_loss(findings)}", "--explain, which measures what each layer costs")


def _effort(findings: Findings) -> Hint | None:
    """What always remains: more repairs, then training."""
    what = f"INT8 {_loss(findings)} with --effort {findings.effort}"
    if findings.effort != "best":
        return Hint("effort", what, f"--effort {'normal' if findings.effort == 'quick' else 'best'}")
    return None if findings.trained else Hint("training", what, "--qat 2, which trains with INT8's rounding")


def _loss(findings: Findings) -> str:
    if findings.lost > LITTLE_LOST:
        return f"simulated costs {100 * findings.lost:.2f} points of top-1"
    return f"simulated leaves {findings.activations[-1].sqnr_db:.1f} dB in the output"


def _names(found: Sequence[Activation | Weight]) -> tuple[str, ...]:
    return tuple(part.name for part in found[:NAMED])
