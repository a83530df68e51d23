"""What the quantiser found out, as the report says it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeq.report.quantisation import (
    Activation,
    Cost,
    Epoch,
    Hint,
    Histogram,
    LeaveOneOut,
    Moved,
    Quantisation,
    Repair,
    Training,
    Weight,
)

if TYPE_CHECKING:  # torch is imported by the step that needs it
    from edgeq.quantize.quantize import QuantizedModel
    from edgeq.quantize.ranges import Histogram as Counts

PICTURED = 4  # layers whose histograms are kept
BARS = 64

# A tensor of zeros that is not zero in int8 has no finite SQNR.
LOWEST_DB = -300.0


def quantisation_of(done: QuantizedModel, effort: str) -> Quantisation:
    """All that is known of a quantisation; the layers that did worst keep their histograms."""
    worst = worst_layers(done)
    return Quantisation(
        weight_scales="per-channel" if done.per_channel else "per-tensor",
        observer=done.observer,
        effort=effort,
        calibration_samples=done.calibration_samples,
        samples=len(done.ledger.labels),
        activations=tuple(
            Activation(
                name=a.name, shape=a.shape, db=_db(a.sqnr_db), own_db=_db(a.own_sqnr_db),
                median_channel_db=_db(a.median_channel_db), range=a.range, seen=a.seen, clipped=a.clipped,
                levels=a.levels, channel_spread=a.channel_spread,
                histogram=_bars(a.histogram) if a.name in worst else None,
            )
            for a in done.activations
        ),
        weights=tuple(
            Weight(
                name=w.name, shape=w.shape, per_channel=w.per_channel, db=_db(w.sqnr_db),
                worst_channel_db=_db(w.worst_channel_db), channel_spread=w.channel_spread, range=w.range,
                histogram=_bars(w.histogram) if w.name in worst else None,
            )
            for w in done.weights
        ),
        left_out=_left_out(done),
        hints=tuple(Hint(rule=h.rule, found=h.found, tries=h.tries, layers=h.layers) for h in done.hints),
        repairs=tuple(
            Repair(repair=e.repair, before_db=_db(e.before_db), after_db=_db(e.after_db), kept=e.kept)
            for e in done.effects
        ),
        training=_training(done),
        warnings=done.warnings,
    )  # fmt: skip


def worst_layers(done: QuantizedModel) -> tuple[str, ...]:
    """Labels of the layers that cost most, where that was measured; else of those that rounding hurts most."""
    if done.left_out is not None:
        return tuple(cost.names[0] for cost in done.left_out.costs[:PICTURED])
    noise = {activation.name: activation.own_sqnr_db for activation in done.activations}
    for weight in done.weights:
        noise[weight.name] = min(noise[weight.name], weight.sqnr_db)
    return tuple(sorted(noise, key=noise.__getitem__)[:PICTURED])


def moved(
    float_classes: NDArray[np.int64], int8_classes: NDArray[np.int64], labels: NDArray[np.int64], names: Sequence[str]
) -> tuple[Moved, ...]:
    """Samples that the two networks take for different classes, by pair of classes, the most frequent pair first.

    All arrays are [N]; `names` may be empty.
    """
    pairs = Counter[tuple[int, int]]()
    lost, won = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for index in np.flatnonzero(float_classes != int8_classes):
        pair = int(float_classes[index]), int(int8_classes[index])
        pairs[pair] += 1
        lost[pair] += int(pair[0] == labels[index])
        won[pair] += int(pair[1] == labels[index])

    def name(index: int) -> str:
        return names[index] if index < len(names) else str(index)

    return tuple(
        Moved(float_class=name(pair[0]), int8_class=name(pair[1]), count=count, lost=lost[pair], won=won[pair])
        for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    )


def _left_out(done: QuantizedModel) -> LeaveOneOut | None:
    found = done.left_out
    if found is None:
        return None
    costs = tuple(
        Cost(names=c.names, db=_db(c.sqnr_db), gain_db=_db(c.gain_db), top1_gain=c.top1_gain) for c in found.costs
    )
    return LeaveOneOut(samples=found.samples, db=_db(found.sqnr_db), top1=found.top1, costs=costs)


def _training(done: QuantizedModel) -> Training | None:
    tuned = done.tuning
    if tuned is None:
        return None
    epochs = tuple(Epoch(number=e.number, trained_loss=e.trained_loss, loss=e.loss, top1=e.top1) for e in tuned.epochs)
    return Training(images=tuned.images, set_aside=tuned.set_aside, kept=tuned.kept, epochs=epochs)


def _bars(histogram: Counts) -> Histogram:
    counts, edges = np.histogram(histogram.centres, BARS, (histogram.low, histogram.high), weights=histogram.counts)
    return Histogram(low=float(edges[0]), high=float(edges[-1]), counts=tuple(int(count) for count in counts))


def _db(db: float) -> float | None:
    return None if db == math.inf else max(db, LOWEST_DB)
