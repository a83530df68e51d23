"""Names a reader knows, from the modules of the user's network: `layer1.0.conv1`, not `quantize_per_tensor_3`.

A quantised tensor is named for the module whose result it holds: a convolution's with its folded batch norm and
ReLU is `layer1.0.conv1`, a block's sum `layer1.0.add`, the network's input `input`.
"""

from __future__ import annotations

from edgeq.quantize.door import torch

Node = torch.fx.Node

# fx carries this entry of a node's meta through every later export.
LABEL = "edgeq.label"
RELUS = {torch.ops.aten.relu.default, torch.ops.aten.relu_.default}


def place(node: Node) -> str:
    """Where in the network a node is: its module's path, and the operation if the module holds several."""
    operation = str(node.target).removeprefix("aten.").partition(".")[0].rstrip("_")
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return operation
    path, module_class = stack[-1]
    if str(module_class).startswith("torch.nn.modules.") and path:
        return str(path)
    return f"{path}.{operation}" if path else operation


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
        name = "input" if source.op == "placeholder" else place(_behind_relu(source))
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


def _behind_relu(node: Node) -> Node:
    """The operation a fused ReLU belongs to; any other node itself."""
    before = node.args[0] if node.target in RELUS else None
    if isinstance(before, Node) and not str(before.target).startswith("quantized_decomposed."):
        return before
    return node
