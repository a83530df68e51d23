"""Which layers cost most: each is left in float in turn, and the network's output is measured again.

What is left in float is all that shares one scale: the tensor that a layer makes, what only moves or picks its values
(pooling, padding, reshaping), what is concatenated with it; and the weights and biases of the layers that make them.
Their quantise and dequantise are passed by, everything else stays int8. How much better the output becomes is what
this part costs alone; costs do not add up, since noise of several layers meets in the output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.quantize.calibrate import Calibrated
from edgeq.quantize.door import quiet, torch
from edgeq.quantize.graphs import Graph, Node, is_dequantise
from edgeq.quantize.images import Labels
from edgeq.quantize.names import maker_of
from edgeq.quantize.noise import ratio_db
from edgeq.quantize.rules import RULES, TFLiteQuantizer
from edgeq.quantize.trace import Activation, qparams_of
from edgeq.quantize.weights import float_constants

# What is computed for one layer: about as many values of activations, in as many samples as that is, within bounds.
VALUES = 64 * 2**20
FEWEST, MOST = 16, 256

# Samples at once: all their activations are held, so that only what follows a layer is computed again.
BATCH = 8

MOVES = {TFLiteQuantizer.keep, TFLiteQuantizer.pad, TFLiteQuantizer.join, TFLiteQuantizer.cut}

Step = Callable[[int, int], None]


@dataclass(frozen=True)
class Cost:
    """What one scale costs: the activations that share it, and how much the output gains where they are float.

    `sqnr_db` is the output's with them in float, `gain_db` how much that is more than with everything in int8,
    `top1_gain` how much larger the share of right classes is. A gain may be negative: errors may cancel.
    """

    names: tuple[str, ...]
    sqnr_db: float
    gain_db: float
    top1_gain: float


@dataclass(frozen=True)
class LeaveOneOut:
    """All costs, the highest first, on `samples` samples; output SQNR and top-1 share with everything in int8."""

    samples: int
    sqnr_db: float
    top1: float
    costs: tuple[Cost, ...]


def affordable_samples(activations: Sequence[Activation]) -> int:
    """How many samples the budget allows for a network with those activations."""
    values = sum(math.prod(activation.shape) for activation in activations)
    return min(max(VALUES // max(values, 1), FEWEST), MOST)


def leave_one_out(
    calibrated: Calibrated,
    labels: Mapping[str, Node],
    inputs: torch.Tensor,
    classes: Labels,
    step: Step,
    *,
    batch: int = BATCH,
) -> LeaveOneOut:
    """Measure each part on float NCHW `inputs`, `batch` samples at a time, against the calibrated network in float."""
    groups = shared_scales(labels)
    parts = [_Part.of(calibrated, [labels[name] for name in names]) for names in groups]
    everything, scores = _Score(), [_Score() for _ in parts]
    with quiet(), torch.no_grad():
        for start in range(0, len(inputs), batch):
            some = slice(start, start + batch)
            wanted = _Runner(calibrated.observed).run(inputs[some])
            known = _Known(calibrated.quantised)
            everything.add(known.run(inputs[some]), wanted, classes[some])
            for part, score in zip(parts, scores, strict=True):
                made = _WithFloats(calibrated.quantised, part).run(inputs[some], initial_env=known.without(part))
                score.add(made, wanted, classes[some])
            step(min(start + batch, len(inputs)), len(inputs))
    base_db, base_top1 = everything.sqnr_db, everything.top1
    costs = [
        Cost(names, score.sqnr_db, _gain(score.sqnr_db, base_db), score.top1 - base_top1)
        for names, score in zip(groups, scores, strict=True)
    ]
    costs.sort(key=lambda cost: (-cost.gain_db, -cost.top1_gain))
    return LeaveOneOut(len(inputs), base_db, base_top1, tuple(costs))


def shared_scales(labels: Mapping[str, Node]) -> list[tuple[str, ...]]:
    """Labels in groups that share a scale since one is the other moved or joined; in the network's order."""
    group_of: dict[Node, list[str]] = {}
    names = {node: label for label, node in labels.items()}
    groups: list[list[str]] = []
    for label, node in labels.items():
        group = [label]
        groups.append(group)
        group_of[node] = group
        for source in _moved_from(node.all_input_nodes[0]):
            if source in names and qparams_of(source) == qparams_of(node) and group_of[source] is not group:
                joined = group_of[source]
                joined += group
                groups = [kept for kept in groups if kept is not group]
                for member in group:
                    group_of[labels[member]] = joined
                group = joined
    order = list(labels)
    return [tuple(sorted(group, key=order.index)) for group in groups]


def _moved_from(node: Node) -> list[Node]:
    """The quantise nodes whose values `node` moves, if that is all it does."""
    if is_dequantise(node):
        return node.all_input_nodes
    if RULES.get(node.target) not in MOVES:
        return []
    return [found for source in node.all_input_nodes for found in _moved_from(source)]


def _gain(db: float, before: float) -> float:
    return 0.0 if db == before else db - before


@dataclass(frozen=True)
class _Part:
    """What is left in float: dequantise nodes to pass by, and constants to take; `behind` is all that follows."""

    passed_by: frozenset[Node]
    constants: dict[Node, torch.Tensor]
    behind: frozenset[Node]

    @classmethod
    def of(cls, calibrated: Calibrated, quantises: list[Node]) -> _Part:
        passed_by = frozenset(user for node in quantises for user in node.users if is_dequantise(user))
        constants: dict[Node, torch.Tensor] = {}
        for node in quantises:
            constants |= float_constants(calibrated, maker_of(node))
        behind = {*passed_by, *constants}
        for node in calibrated.quantised.graph.nodes:
            if not behind.isdisjoint(node.all_input_nodes):
                behind.add(node)
        return cls(passed_by, constants, frozenset(behind))


class _Runner(torch.fx.Interpreter):
    def __init__(self, graph: Graph) -> None:
        super().__init__(graph, garbage_collect_values=False)

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Past the observers: calibration is over."""
        return args[0]

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """On copies where it writes into its arguments, as `relu_` does: they are needed again."""
        if getattr(getattr(target, "_schema", None), "is_mutable", False):
            args = [value.clone() if isinstance(value, torch.Tensor) else value for value in args]
        return super().call_function(target, tuple(args), kwargs)


class _Known(_Runner):
    """Computes everything in int8, and keeps it."""

    def without(self, part: _Part) -> dict[Node, Any]:
        """What was computed, but for what follows the part."""
        return {node: value for node, value in self.env.items() if node not in part.behind and node.op != "output"}


class _WithFloats(_Runner):
    """Leaves a part in float."""

    def __init__(self, graph: Graph, part: _Part) -> None:
        super().__init__(graph)
        self.part = part

    def run_node(self, n: Node) -> Any:
        if n in self.part.constants:
            return self.part.constants[n]
        if n in self.part.passed_by:
            return self.env[n.all_input_nodes[0].all_input_nodes[0]]
        return super().run_node(n)


class _Score:
    """Signal, noise and right classes, added up over batches."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0
        self.right = self.samples = 0

    def add(self, made: torch.Tensor, wanted: torch.Tensor, classes: Labels) -> None:
        scores, exact = made.numpy().astype(np.float64), wanted.numpy().astype(np.float64)
        self.signal += float((exact**2).sum())
        self.noise += float(((exact - scores) ** 2).sum())
        self.right += int((scores.argmax(axis=1) == classes).sum())
        self.samples += len(scores)

    @property
    def sqnr_db(self) -> float:
        return ratio_db(self.signal, self.noise)

    @property
    def top1(self) -> float:
        return self.right / self.samples
