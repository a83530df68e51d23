"""`--effort`: how much is done for accuracy, and what each repair brought.

| effort | repairs |
|---|---|
| quick | none |
| normal | bias correction |
| best | ranges by `auto` where no observer is named, cross-layer equalisation, adaptive rounding, bias correction |

A repair is judged by the SQNR of the network's output against the user's float network, on samples that it was not
made from where there are enough; it is kept if that is higher with it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from edgeq.quantize.calibrate import Calibrated, calibrate, fixed
from edgeq.quantize.door import quiet, torch
from edgeq.quantize.noise import sqnr_db
from edgeq.quantize.observers import Observer
from edgeq.quantize.repair import repair
from edgeq.quantize.rules import TFLiteQuantizer

Effort = Literal["quick", "normal", "best"]
Repair = Literal["ranges", "equalisation", "rounding", "bias correction"]

REPAIRS: dict[Effort, tuple[Repair, ...]] = {
    "quick": (),
    "normal": ("bias correction",),
    "best": ("ranges", "equalisation", "rounding", "bias correction"),
}

# Samples that repairs are made from, and at most as many more that they are judged by.
SAMPLES = 64

# step(stage, done, total)
Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Effect:
    """The output's SQNR in dB without and with a repair, and whether it was kept."""

    repair: Repair
    before_db: float
    after_db: float

    @property
    def kept(self) -> bool:
        """Whether it made the output better."""
        return self.after_db > self.before_db


def calibrate_and_repair(
    module: torch.nn.Module,
    samples: torch.Tensor,
    *,
    per_channel: bool,
    observer: Observer | None,
    repairs: tuple[Repair, ...],
    step: Step,
) -> tuple[Calibrated, tuple[Effect, ...]]:
    """Quantise `module` with ranges from `samples` (float NCHW), then repair what was asked for, in that order.

    Raises:
        Unsupported: see `calibrate`.
    """
    if observer is not None:
        repairs = tuple(name for name in repairs if name != "ranges")
    taken: Observer = observer or "minmax"

    def calibrated(stage: str, *, equalised: bool = False) -> Calibrated:
        quantizer = TFLiteQuantizer(per_channel=per_channel, observer=taken)
        return calibrate(module, quantizer, samples, partial(step, stage), biases=bool(repairs), equalised=equalised)

    best = calibrated("calibrate")
    if not repairs:
        return best, ()
    made_from = samples[:SAMPLES]
    judged_by = samples[SAMPLES : 2 * SAMPLES] if len(samples) > SAMPLES else samples
    with quiet(), torch.no_grad():
        wanted = module(judged_by)

    def score(candidate: Calibrated) -> float:
        with quiet(), torch.no_grad():
            return sqnr_db(wanted.numpy(), candidate.quantised(judged_by).numpy())

    best_db = score(best)
    effects = []
    for done, name in enumerate(repairs):
        step("repair", done, len(repairs))
        if name == "ranges":
            candidate = fixed(best.observed, samples)
        elif name == "equalisation":
            candidate = calibrated("calibrate again", equalised=True)
        else:
            with quiet():
                candidate = replace(best, quantised=copy.deepcopy(best.quantised))
            repair(
                best.observed,
                candidate.quantised,
                made_from,
                rounding=name == "rounding",
                biases=name == "bias correction",
            )
        effect = Effect(name, best_db, score(candidate))
        effects.append(effect)
        if effect.kept:
            best, best_db = candidate, effect.after_db
            taken = "auto" if name == "ranges" else taken
    step("repair", len(repairs), len(repairs))
    return best, tuple(effects)
