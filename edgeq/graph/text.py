"""A graph as text, one line a node: for goldens and for people."""

from __future__ import annotations

import hashlib

from edgeq.graph.graph import ABSENT, Graph, QuantParams, Tensor


def to_text(graph: Graph) -> str:
    """The graph, readable: inputs, one line per node with shapes and quantisation, outputs."""
    lines = [f"graph {graph.name}"]
    lines += [f"input  {_tensor(graph.tensor(n))}" for n in graph.inputs]
    for node in graph.nodes:
        attrs = "".join(f" {k}={v}" for k, v in sorted(node.attrs.items()))
        outputs = ", ".join(_tensor(graph.tensor(n)) for n in node.outputs)
        inputs = ", ".join("-" if n == ABSENT else _operand(graph.tensor(n)) for n in node.inputs)
        lines.append(f"{node.op:<18}{outputs} <- {inputs}{attrs}")
    lines += [f"output {n}" for n in graph.outputs]
    return "\n".join(lines) + "\n"


def _tensor(tensor: Tensor) -> str:
    shape = "x".join(str(d) for d in tensor.shape) or "scalar"
    return f"{tensor.name} {tensor.dtype}[{shape}]{_quant(tensor.quant)}"


def _operand(tensor: Tensor) -> str:
    if tensor.data is None:
        return tensor.name
    if tensor.elements <= 8 and tensor.quant is None:
        return f"{tensor.data.tolist()}"
    digest = hashlib.sha256(tensor.data.tobytes()).hexdigest()[:8]
    return f"{_tensor(tensor)}#{digest}"


def _quant(quant: QuantParams | None) -> str:
    if quant is None:
        return ""
    if quant.is_per_channel:
        return f"*{min(quant.scale):.6g}..{max(quant.scale):.6g}@{quant.axis}"
    return f"*{quant.scale[0]:.6g}{quant.zero_point[0]:+d}"
