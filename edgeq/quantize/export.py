"""A quantised graph as QDQ ONNX: opset 18, batch 1, float NCHW in and out, the same bytes for the same graph.

Every quantised activation is one QuantizeLinear, whose output carries the label of `names.py`, and one
DequantizeLinear. Weights (int8) and biases (int32) are initialisers behind a DequantizeLinear, named `LABEL.weight`
and `LABEL.bias`; the node that uses them is named LABEL; values that are float end in `/float`. What the exporter
notes about its own run (stack traces with paths of the machine) is left out, but for the line of the user's code.
"""

from __future__ import annotations

import copy
from collections import Counter

import onnx

from edgeq.errors import Unsupported
from edgeq.quantize.door import quiet, torch
from edgeq.quantize.graphs import aten
from edgeq.quantize.names import label_of, maker_of, source_line

OPSET = 18
SOURCE = "edgeq.source"  # of a node: the line of the user's code, which errors of the converter name


def to_onnx(quantised: torch.fx.GraphModule, example: torch.Tensor, facts: dict[str, str]) -> bytes:
    """Serialise a graph that `label_activations` has labelled; `facts` become the file's metadata.

    Raises:
        Unsupported: the exporter cannot express the graph, or onnx's checker refuses what it made.
    """
    model, labels = _export(quantised, example)
    _strip(model)
    _rename(model.graph, labels)
    _say_lines(model.graph, quantised)
    for key in sorted(facts):
        model.metadata_props.add(key=key, value=facts[key])
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise Unsupported(f"the exported ONNX is not valid: {error}") from error
    return bytes(model.SerializeToString(deterministic=True))


def _export(quantised: torch.fx.GraphModule, example: torch.Tensor) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The model as the exporter makes it, and its values' labels: it names values as torch.export names nodes."""
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(_with_means(quantised), (example,))
            exported = torch.onnx.export(program, (example,), dynamo=True, opset_version=OPSET, verbose=False)
    except Exception as error:  # the exporter's errors share no class
        first_line = str(error).strip().partition("\n")[0]
        raise Unsupported(f"the ONNX exporter refuses the network: {first_line}") from error
    if exported is None:
        raise Unsupported("the ONNX exporter returned nothing")
    labels = {node.name: label for node in program.graph.nodes if (label := label_of(node))}
    return exported.model_proto, labels


def _with_means(quantised: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """A copy whose global pools are means: of a map in channels-last order, as a layer with one input channel makes it,
    the exporter writes the former as a strided view, which ONNX has as a gather behind the mean.
    """
    copied = copy.deepcopy(quantised)
    for node in copied.graph.nodes:
        if node.target is aten.adaptive_avg_pool2d.default:  # to 1x1: the rules take no other
            node.target, node.args = aten.mean.dim, (node.args[0], [2, 3], True)
    copied.recompile()
    return copied


def _strip(model: onnx.ModelProto) -> None:
    """Remove what varies from run to run and from machine to machine."""
    graph = model.graph
    for part in (
        model,
        graph,
        *graph.node,
        *graph.initializer,
        *graph.value_info,
        *graph.input,
        *graph.output,
    ):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def _rename(graph: onnx.GraphProto, labels: dict[str, str]) -> None:
    """Give activations, weights and the nodes between them the names that the user's network has for them."""
    producer = {output: node for node in graph.node for output in node.output}
    names = {value: f"{value}/float" for value in producer}
    names |= {graph.input[0].name: "input/float", graph.output[0].name: "output/float"}
    for node in graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        label = labels[node.output[0]]
        names[node.output[0]] = label
        node.name = f"{label}/quantize"
        source = producer.get(node.input[0])
        if source is not None and source.op_type == "Relu" and not _dequantises(producer[source.input[0]]):
            source.name = f"{label}/relu"
            source = producer[source.input[0]]
        if source is not None:
            source.name = label
            _name_weights(source, label, producer, names)

    times: Counter[str] = Counter()  # a constant that several layers have, say a bias of zeros, is dequantised by each
    for node in graph.node:
        if _dequantises(node):
            name = f"{names.get(node.input[0], node.input[0])}/dequantize"
            node.name = f"{name}_{times[name]}" if times[name] else name
            times[name] += 1
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
    for part in (*graph.initializer, *graph.value_info, *graph.input, *graph.output):
        part.name = names.get(part.name, part.name)


def _say_lines(graph: onnx.GraphProto, quantised: torch.fx.GraphModule) -> None:
    """Each node that bears a label says which line of the user's code it comes from."""
    lines = {label: source_line(maker_of(node)) for node in quantised.graph.nodes if (label := label_of(node))}
    for node in graph.node:
        if line := lines.get(node.name):
            node.metadata_props.add(key=SOURCE, value=line)


def _name_weights(
    layer: onnx.NodeProto, label: str, producer: dict[str, onnx.NodeProto], names: dict[str, str]
) -> None:
    """Name what a layer dequantises from constants; a weight shared by two layers keeps its first name."""
    for value, role in zip(layer.input[1:], ("weight", "bias"), strict=False):
        dequantise = producer.get(value)
        if dequantise is not None and _dequantises(dequantise) and dequantise.input[0] not in producer:
            names.setdefault(dequantise.input[0], f"{label}.{role}")


def _dequantises(node: onnx.NodeProto) -> bool:
    return node.op_type == "DequantizeLinear"
