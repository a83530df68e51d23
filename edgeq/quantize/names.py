"""Names a reader knows, from the modules of the user's network: `layer1.0.conv1`, not `quantize_per_tensor_3`.

A quantised tensor is named for the module whose result it holds: a convolution's with its folded batch norm and
ReLU is `layer1.0.conv1`, a block's sum `layer1.0.add`, the network's input `input`.
"""

from __future__ import annotations

import operator
import re
from pathlib import Path

from edgeq.quantize.door import torch

Node = torch.fx.Node

# fx carries this entry of a node's meta through every later export.
LABEL = "edgeq.label"

aten = torch.ops.aten
# Activations that are part of the operation in front of them.
RELUS = {aten.relu.default, aten.relu_.default, aten.relu6.default, aten.relu6_.default}

# Classes whose module is one operation, whose name says enough: torch's own layers, and nodes of an ONNX file.
ONE_OPERATION = ("torch.nn.modules.", "onnx.")

_TORCH = Path(torch.__file__).parent
_FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+)')


def operation(target: object) -> str:
    """`conv2d` for what a call node calls, `aten.conv2d.default`."""
    return getattr(target, "__name__", str(target)).removeprefix("aten.").partition(".")[0].rstrip("_")


def place(node: Node) -> str:
    """Where in the network a node is: its module's path, and the operation if the module holds several."""
    name = operation(node.target)
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return name
    path, module_class = stack[-1]
    if str(module_class).startswith(ONE_OPERATION) and path:
        return str(path)
    return f"{path}.{name}" if path else name


def where_in_source(node: Node) -> str:
    """`place`, and where known the innermost line of the user's own forward: `features.3 (net.py:12)`."""
    frame = _frame(node)
    return f"{place(node)} ({frame['file']}:{frame['line']})" if frame else place(node)


def source_line(node: Node) -> str | None:
    """The innermost line of the user's own forward without the folder, which is this machine's: `net.py:12`."""
    frame = _frame(node)
    return f"{Path(frame['file']).name}:{frame['line']}" if frame else None


def _frame(node: Node) -> re.Match[str] | None:
    frames = [
        frame
        for frame in _FRAME.finditer(str(node.meta.get("stack_trace") or ""))
        if not Path(frame["file"]).is_relative_to(_TORCH)
    ]
    return frames[-1] if frames else None


def label_activations(quantised: torch.fx.GraphModule) -> dict[str, Node]:
    """Label every activation's quantise node of a converted graph; returns label to node, in order.

    Labels are unique: the second `relu` is `relu_1`.
    """
    quantise = torch.ops.quantized_decomposed.quantize_per_tensor.default
    labels: dict[str, Node] = {}
    for node in quantised.graph.nodes:
        if node.target is not quantise:
            continue
        source = node.args[0]
        name = "input" if source.op == "placeholder" else place(_named_for(source))
        label, count = name, 0
        while label in labels:
            count += 1
            label = f"{name}_{count}"
        labels[label] = node
        node.meta.setdefault("custom", {})[LABEL] = label
    return labels


def label_of(node: Node) -> str | None:
    """The label that `label_activations` gave this node, or the node it was exported from."""
    label: str | None = (node.meta.get("custom") or {}).get(LABEL)
    return label


def maker_of(quantise: Node) -> Node:
    """The operation that computes what a quantise node rounds: in front of a fused ReLU, and of a requantisation."""
    return _named_for(quantise.all_input_nodes[0])


def _named_for(node: Node) -> Node:
    """The operation that a quantised result is named for.

    A fused ReLU's is the one in front, a part's of a chunk is the chunk, a requantised tensor's where it was made.
    """
    before = node.args[0] if node.args else None
    if not isinstance(before, Node):
        return node
    if str(node.target).startswith("quantized_decomposed."):
        return _named_for(before)
    if node.target is operator.getitem:
        return before
    if node.target in RELUS and not str(before.target).startswith("quantized_decomposed."):
        return before
    return node
