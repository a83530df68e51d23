"""ONNX operators become TFLite's, each by its file under `ops/`.

Needs: integer tensors in NHWC. Promises: TFLite operators alone.
"""

from __future__ import annotations

from edgeq.errors import Unsupported
from edgeq.graph import Graph
from edgeq.ops import BY_ONNX, Lowering


def lower(graph: Graph) -> Graph:
    """Graph -> Graph."""
    low = Lowering(graph)
    for node in graph.nodes:
        operator = BY_ONNX.get(node.op)
        if operator is None or operator.from_onnx is None:
            raise Unsupported(
                f"the ONNX operator {node.op} is not supported", where=f"node {node.name}",
                hint=f"supported: {', '.join(sorted(BY_ONNX))}",
            )  # fmt: skip
        operator.from_onnx(low, node)
    return graph.rebuilt(low.nodes, low.tensors)
