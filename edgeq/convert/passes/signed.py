"""uint8 becomes int8: every integer and its zero point less 128, which changes no real number.

Needs: integer tensors with their quantisation. Promises: no uint8.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, QuantParams, Tensor

OFFSET = 128


def signed(graph: Graph) -> Graph:
    """Graph -> Graph."""
    return graph.rebuilt(graph.nodes, {name: _signed(tensor) for name, tensor in graph.tensors.items()})


def _signed(tensor: Tensor) -> Tensor:
    if tensor.dtype != "uint8":
        return tensor
    if tensor.quant is None:
        raise Unsupported("uint8 without a scale", where=f"tensor {tensor.name}", hint="quantise it")
    quant = QuantParams(tensor.quant.scale, tuple(z - OFFSET for z in tensor.quant.zero_point), tensor.quant.axis)
    data = None if tensor.data is None else (tensor.data.astype(np.int16) - OFFSET).astype(np.int8)
    return replace(tensor, dtype="int8", quant=quant, data=data)
