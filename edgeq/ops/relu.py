"""RELU, which may rescale, and RELU6, which may not, where no operator in front has taken them in."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node
from edgeq.ops import lut
from edgeq.ops.numerics import (
    INT8_MAX,
    INT8_MIN,
    Ints,
    activation_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from edgeq.ops.operator import Lowering, Operator, require_same_quantisation, same_as_input


def _relu(graph: Graph, node: Node) -> Ints:
    """numerics.md#relu."""
    x, y = graph.input(node, 0), graph.output(node)
    factor = quantize_multiplier(float(np.float32(x.scale) / np.float32(y.scale)))
    scaled = multiply_by_quantized_multiplier(lut.distances(graph, node), *factor) + y.zero_point
    return np.clip(scaled, *activation_range("RELU", y.scale, y.zero_point))


def _relu6(graph: Graph, node: Node) -> Ints:
    """numerics.md#relu."""
    x = graph.input(node, 0)
    return np.clip(lut.INPUTS, *activation_range("RELU6", x.scale, x.zero_point))


def check_relu6(graph: Graph, node: Node) -> None:
    """int8, equal quantisation on both sides."""
    lut.check_one_input(graph, node)
    require_same_quantisation(graph, node, graph.input(node, 0), graph.output(node))


def clip_from_onnx(low: Lowering, node: Node) -> None:
    """Clip between constants: first to the output's scale, by RELU if the lower bound is zero, then within bounds."""
    x, y = low.graph.input(node, 0), low.graph.output(node)
    lowest, highest = (_bound(low, node, i, default) for i, default in ((1, -math.inf), (2, math.inf)))
    if y.quant is None or lowest > highest:
        raise Unsupported(f"Clip between {lowest:g} and {highest:g}", where=f"node {node.name}")
    if (lowest, highest) == (0, 6) and x.quant == y.quant:
        low.emit("RELU6", node.name, [x.name], node.outputs)
        return
    limits = [int(y.quant.quantise(np.array([bound]), "int8")[0]) for bound in (lowest, highest)]
    stages: list[tuple[str, int | None]] = []
    if lowest == 0:
        stages.append(("RELU", None))
    elif x.quant != y.quant:
        stages.append(("QUANTIZE", None))
    if lowest != 0 and limits[0] > INT8_MIN:
        stages.append(("MAXIMUM", limits[0]))
    if limits[1] < INT8_MAX or not stages:
        stages.append(("MINIMUM", limits[1]))
    source = x.name
    for i, (op, limit) in enumerate(stages, 1):
        result = y.name if i == len(stages) else low.activation(f"{y.name}/{op.lower()}", y.shape, y.quant)
        constant = [] if limit is None else [low.constant(f"{result}/bound", np.full(1, limit, np.int8), y.quant)]
        low.emit(op, node.name if result == y.name else result, [source, *constant], [result])
        source = result


def _bound(low: Lowering, node: Node, index: int, default: float) -> float:
    return (
        default
        if low.graph.optional_input(node, index) is None
        else float(low.graph.constant(node, index).reshape(-1)[0])
    )


def _relu6_cases() -> Iterable[Graph]:
    """With and without six among the integers."""
    for scale, zero_point in ((0.05, 3), (6 / 255, -128), (0.001, 0), (0.4, 126), (2.0, -5)):
        yield lut.case("RELU6", (scale, scale), (zero_point, zero_point))


RELU = Operator(
    name="RELU", code=19, options=None, fields={}, version=2, output_shape=same_as_input,
    check=lut.check_one_input, reference=lut.reference_of(_relu), cases=lambda: lut.rescaling_cases("RELU"),
    onnx=("Relu",), from_onnx=lut.from_onnx_as("RELU"), step=lut.step_of(_relu), element_wise=True,
)  # fmt: skip
RELU6 = Operator(
    name="RELU6", code=21, options=None, fields={}, version=2, output_shape=same_as_input,
    check=check_relu6, reference=lut.reference_of(_relu6), cases=_relu6_cases,
    onnx=("Clip",), from_onnx=clip_from_onnx, step=lut.step_of(_relu6), element_wise=True,
)  # fmt: skip
