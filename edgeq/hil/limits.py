"""How long a job may take, from its plan: bounds far above what was ever counted, so that only what hangs meets them.

    steps     work = 40 * MACs + 100 * output bytes + 2,000     operations of a step; ten times as many for tflm
    inference = sum of work / speed                             speed: the clock of a real board, SPEED of a virtual one
    link      = 2 * 10 bits * bytes / 115,200 + 0.02 s * requests
    job       = 30 s + factor * (inferences * inference + link)
    step      = 2 s + factor * largest work / speed             from one sign of life to the next

The counted instructions a MAC are 0.3 to 14 (docs/kernels.md), those of TensorFlow Lite Micro's reference kernels up to
a hundred. Flashing has a limit of its own, at esptool's door: 120 s and thirty bits a byte for each try.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeq.link.messages import WRITE_MAX_BYTES
from edgeq.link.session import Patience
from edgeq.pipeline.build_for import Built
from edgeq.pipeline.engines import Engine

SPEED = {"host": 200e6, "qemu_lx6": 5e6}  # operations a second, on a machine that has much else to do
_PER_MAC, _PER_BYTE, _PER_STEP = 40, 100, 2_000
_TFLM = 10
_BAUD = 115_200
ANSWER_S = 0.5  # of six times that a request is sent; a board that is dead or holds nothing answers none
_REQUEST_S, _START_S, _STEP_S = 0.02, 30.0, 2.0


@dataclass(frozen=True)
class Limits:
    """Seconds: for all of an attempt once the board is flashed, and for one step of the model."""

    job_s: float
    step_s: float

    def patience(self) -> Patience:
        """What a session waits for."""
        return Patience(ANSWER_S, self.step_s)


def limits(built: Built, engine: Engine, runs: int, factor: float) -> Limits:
    """Of a job that verifies every input of `built` and measures `runs` inferences and a profile."""
    plan, inputs = built.prepared.plan, built.prepared.inputs
    work = [_PER_MAC * step.macs + _PER_BYTE * plan.tensors[step.output].bytes + _PER_STEP for step in plan.steps]
    runner = built.target.runner
    speed = (SPEED[runner] if runner else built.target.board.clock_hz) / (_TFLM if engine == "tflm" else 1)
    inferences = 2 * len(inputs) + runs + 1  # each input is verified, and tested by the board itself
    writes = len(inputs) * math.ceil(inputs[0].size / WRITE_MAX_BYTES)
    requests = writes + inferences * (3 + len(plan.steps) // 32) + 3 * len(plan.steps)
    link_s = 2 * 10 * inputs.size / _BAUD + _REQUEST_S * requests
    return Limits(
        job_s=_START_S + factor * (inferences * sum(work) / speed + link_s),
        step_s=_STEP_S + factor * max(work) / speed,
    )
