"""NCHW becomes NHWC throughout, so that a Transpose is left only where the model itself mixes axes.

Needs: ONNX operators on integer tensors. Promises: what a Conv, a pool and their like read and write is NHWC,
convolution weights are OHWI; axes, amounts and flattened weights follow; a Transpose that is left names stored axes.
The rule of each operator is in its file (`turn`); one without is element-wise, or takes its operands as ONNX has them.
"""

from __future__ import annotations

from edgeq.errors import Unsupported
from edgeq.graph import Graph
from edgeq.ops import BY_ONNX
from edgeq.ops.layout import Turning, element_wise, unturned, usual


def to_nhwc(graph: Graph) -> Graph:
    """Graph -> Graph."""
    turning = Turning(graph)
    inputs = tuple(turning.write(name) for name in graph.inputs)
    for node in graph.nodes:
        operator = BY_ONNX.get(node.op)
        if operator is None:
            raise Unsupported(
                f"the ONNX operator {node.op} is not supported", where=f"node {node.name}",
                hint=f"supported: {', '.join(sorted(BY_ONNX))}",
            )  # fmt: skip
        turn = operator.turn or (element_wise if operator.element_wise else unturned)
        turn(turning, node)
    outputs = tuple(_output(turning, name) for name in graph.outputs)
    return graph.rebuilt(turning.nodes, turning.tensors, inputs=inputs, outputs=outputs)


def _output(turning: Turning, name: str) -> str:
    """An output leaves channels last, or as ONNX has it where the model turned it itself."""
    rank = len(turning.graph.tensor(name).shape)
    as_is = turning.layout(name) in (usual(rank), tuple(range(rank)))
    return turning.read(name, None if as_is else usual(rank))
