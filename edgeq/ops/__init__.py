"""The table of operators, and what is asked of a whole graph: its check, its reference run, its MACs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import ABSENT, Graph, Node
from edgeq.ops import (
    absolute,
    add,
    arg_max,
    batch_matmul,
    concatenation,
    conv2d,
    depthwise_conv2d,
    fully_connected,
    hard_swish,
    leaky_relu,
    logistic,
    maximum,
    mean,
    mirror_pad,
    mul,
    pad,
    pool2d,
    prelu,
    quantize,
    relu,
    reshape,
    resize,
    slices,
    softmax,
    space_depth,
    split,
    squeeze,
    transpose,
    transpose_conv,
)
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step

OPS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        absolute.OPERATOR,
        add.ADD,
        arg_max.OPERATOR,
        pool2d.AVERAGE_POOL_2D,
        batch_matmul.OPERATOR,
        concatenation.OPERATOR,
        conv2d.OPERATOR,
        depthwise_conv2d.OPERATOR,
        space_depth.DEPTH_TO_SPACE,
        squeeze.EXPAND_DIMS,
        fully_connected.OPERATOR,
        hard_swish.OPERATOR,
        leaky_relu.OPERATOR,
        logistic.LOGISTIC,
        maximum.MAXIMUM,
        pool2d.MAX_POOL_2D,
        mean.MEAN,
        maximum.MINIMUM,
        mirror_pad.OPERATOR,
        mul.OPERATOR,
        pad.PAD,
        pad.PADV2,
        prelu.OPERATOR,
        quantize.OPERATOR,
        relu.RELU,
        relu.RELU6,
        reshape.OPERATOR,
        resize.BILINEAR,
        resize.NEAREST,
        slices.SLICE,
        softmax.OPERATOR,
        space_depth.SPACE_TO_DEPTH,
        split.SPLIT,
        split.SPLIT_V,
        squeeze.SQUEEZE,
        slices.STRIDED_SLICE,
        add.SUB,
        mean.SUM,
        logistic.TANH,
        transpose.OPERATOR,
        transpose_conv.OPERATOR,
    )
}
BY_CODE: dict[int, Operator] = {operator.code: operator for operator in OPS.values()}
BY_ONNX: dict[str, Operator] = {form: operator for operator in OPS.values() for form in operator.onnx}

__all__ = ["BY_CODE", "BY_ONNX", "OPS", "Array", "Locate", "Lowering", "Operator", "Step"]


def operator(node: Node) -> Operator:
    """The operator of a node, or an error that names it."""
    try:
        return OPS[node.op]
    except KeyError:
        raise Unsupported(
            f"the operator {node.op} is not supported",
            where=f"node {node.name}",
            hint=f"supported: {', '.join(OPS)}",
        ) from None


def check(graph: Graph) -> None:
    """Every node's rules, shapes and factors, and that the graph is wholly integer."""
    for node in graph.nodes:
        try:
            _check_node(graph, node)
        except BadInput as e:  # a rule that several operators share does not know the node
            raise e if e.where else type(e)(e.what, where=f"node {node.name}", hint=e.hint) from e
    for tensor in graph.tensors.values():
        if tensor.dtype == "float32":
            raise Unsupported(
                f"tensor {tensor.name} is float32",
                where=graph.name,
                hint="only wholly integer models run on the board; quantise this one with `edgeq quantize`",
            )


def _check_node(graph: Graph, node: Node) -> None:
    op = operator(node)
    if not node.outputs:
        raise BadInput(f"{node.op} without an output")
    op.check(graph, node)
    shapes = op.output_shape(graph, node)
    expected = shapes if isinstance(shapes, list) else [shapes]
    if len(expected) != len(node.outputs):
        raise BadInput(f"{node.op} with {len(node.outputs)} outputs, not {len(expected)}")
    for shape, name in zip(expected, node.outputs, strict=True):
        if shape != graph.tensor(name).shape:
            raise BadInput(f"{node.op} gives {list(shape)}, but its output says {list(graph.tensor(name).shape)}")
    steps(graph, node, lambda constant: 0)  # factors and clamps that no kernel takes are refused here


def run(graph: Graph, feeds: Mapping[str, NDArray[np.int8]]) -> dict[str, Array]:
    """The integer reference: every activation of the graph, by name, for any leading batch size."""
    values: dict[str, Array] = dict(feeds)
    for name in graph.inputs:
        if name not in values:
            raise BadInput(f"the input {name} is not given", where=graph.name)
        expected = graph.tensor(name).shape[1:]
        if values[name].shape[1:] != expected or values[name].dtype != np.int8:
            raise BadInput(
                f"the input {name} is {values[name].dtype}{list(values[name].shape)}, "
                f"the model takes int8[N, {', '.join(map(str, expected))}]",
                where=graph.name,
            )
    for node in graph.nodes:
        values.update(evaluate(graph, node, values))
    return values


def evaluate(graph: Graph, node: Node, values: Mapping[str, Array]) -> dict[str, Array]:
    """One node of the integer reference on the given activations: its outputs by name."""
    inputs = []
    for name in node.inputs:
        if name != ABSENT:
            data = graph.tensors[name].data
            inputs.append(values[name] if data is None else data)
    results = operator(node).reference(graph, node, inputs)
    return dict(zip(node.outputs, results if isinstance(results, list) else [results], strict=True))


def steps(graph: Graph, node: Node, locate: Locate) -> list[Step]:
    """The node's steps, each with its inputs and its output; none where its output is a view of its input."""
    op = operator(node)
    made = [] if op.step is None else op.step(graph, node, locate)
    inputs = tuple(activations(graph, node))
    return [
        replace(step, inputs=step.inputs or inputs, output=step.output or node.outputs[0])
        for step in (made if isinstance(made, list) else [made])
    ]


def activations(graph: Graph, node: Node) -> list[str]:
    """The node's inputs that are not constants."""
    return [name for name in node.inputs if name != ABSENT and not graph.tensor(name).is_constant]


def macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference."""
    return sum(operator(node).macs(graph, node) for node in graph.nodes)
