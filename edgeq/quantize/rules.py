"""TFLite's INT8 rules as a torchao PT2E quantizer: where a graph is quantised, and which tensors share a scale.

Source of the rules: the TFLite 8-bit quantisation specification.

- activations: int8 per tensor, [-128, 127], any zero point;
- weights: int8 in [-127, 127] with zero point 0; a convolution's per output channel (axis 0) or per tensor, a linear
  layer's per tensor;
- biases: int32 with zero point 0 and scale = input scale * weight scale;
- a ReLU behind a convolution, a linear layer or an addition is part of it: one output scale, behind the ReLU;
- pooling and reshaping pick or move values and keep their scale; a mean and a sum have an output scale of their own.
"""

from __future__ import annotations

from collections.abc import Callable

from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    QuantizationSpecBase,
    Quantizer,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from edgeq.errors import Unsupported
from edgeq.quantize.door import torch
from edgeq.quantize.names import RELUS, place
from edgeq.quantize.observers import Observer, activation_observer, bias_qparams, weight_observer

Node = torch.fx.Node
aten = torch.ops.aten


class TFLiteQuantizer(Quantizer):  # type: ignore[misc]  # torchao carries no types
    """Annotates every node of an exported graph, or refuses the graph by naming a node it has no rule for."""

    def __init__(self, *, per_channel: bool, observer: Observer) -> None:
        self.observer = observer
        self.activation = QuantizationSpec(
            dtype=torch.int8,
            quant_min=-128,
            quant_max=127,
            qscheme=torch.per_tensor_affine,
            observer_or_fake_quant_ctr=activation_observer(observer),
        )
        self.convolution_weight = _weight(per_channel)
        # FULLY_CONNECTED has one weight scale in TFLite's specification; older runtimes read more than one silently
        # wrong.
        self.linear_weight = _weight(per_channel=False)

    def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
        for node in model.graph.nodes:
            if node.op == "placeholder":
                _mark(node, {}, self.activation)
            elif node.op == "call_function" and Q_ANNOTATION_KEY not in node.meta:
                rule = RULES.get(node.target)
                if rule is None:
                    raise Unsupported(
                        f"there is no INT8 rule for {node.target}",
                        where=place(node),
                        hint="one of " + ", ".join(sorted(str(target) for target in RULES)),
                    )
                rule(self, node)
        return model

    def validate(self, model: torch.fx.GraphModule) -> None:
        """Nothing is left to check: `annotate` refuses what it has no rule for."""

    def weighted(self, node: Node) -> None:
        """Convolution and linear: input, weight and the bias derived from both."""
        source, weight = _tensor(node, 0), _tensor(node, 1)
        spec = self.linear_weight if node.target == aten.linear.default else self.convolution_weight
        inputs: dict[Node, QuantizationSpecBase] = {source: self.activation, weight: spec}
        if len(node.args) > 2 and node.args[2] is not None:
            inputs[_tensor(node, 2)] = DerivedQuantizationSpec(
                derived_from=[(source, node), (weight, node)],
                derive_qparams_fn=bias_qparams,
                dtype=torch.int32,
                quant_min=-(2**31),
                quant_max=2**31 - 1,
                qscheme=spec.qscheme,
                ch_axis=spec.ch_axis,
            )
        self._mark_with_relu(node, inputs)

    def sum(self, node: Node) -> None:
        """Two tensors, each with a scale of its own."""
        if node.kwargs:
            raise Unsupported(f"an addition with {dict(node.kwargs)} is not supported", where=place(node))
        self._mark_with_relu(node, {_tensor(node, 0): self.activation, _tensor(node, 1): self.activation})

    def global_mean(self, node: Node) -> None:
        """Adaptive average pooling to one pixel: a mean, whose range is narrower than its input's."""
        if list(node.args[1]) != [1, 1]:  # type: ignore[arg-type]  # aten says it is a list of two
            raise Unsupported(f"adaptive pooling to {node.args[1]} is not supported, only to 1x1", where=place(node))
        self.mean(node)

    def mean(self, node: Node) -> None:
        """The output has a range of its own."""
        _mark(node, {_tensor(node, 0): self.activation}, self.activation)

    def keep(self, node: Node) -> None:
        """Values are picked or moved: the output has the input's scale and zero point."""
        source = _tensor(node, 0)
        _mark(node, {source: self.activation}, SharedQuantizationSpec((source, node)))

    def _mark_with_relu(self, node: Node, inputs: dict[Node, QuantizationSpecBase]) -> None:
        users = list(node.users)
        if len(users) == 1 and users[0].target in RELUS:
            _mark(node, inputs, None)
            _mark(users[0], {}, self.activation)
        else:
            _mark(node, inputs, self.activation)


RULES: dict[object, Callable[[TFLiteQuantizer, Node], None]] = {
    aten.conv2d.default: TFLiteQuantizer.weighted,
    aten.linear.default: TFLiteQuantizer.weighted,
    aten.add.Tensor: TFLiteQuantizer.sum,
    aten.add_.Tensor: TFLiteQuantizer.sum,
    aten.relu.default: TFLiteQuantizer.keep,
    aten.relu_.default: TFLiteQuantizer.keep,
    aten.max_pool2d.default: TFLiteQuantizer.keep,
    aten.avg_pool2d.default: TFLiteQuantizer.keep,
    aten.adaptive_avg_pool2d.default: TFLiteQuantizer.global_mean,
    aten.mean.dim: TFLiteQuantizer.mean,
    aten.flatten.using_ints: TFLiteQuantizer.keep,
    aten.view.default: TFLiteQuantizer.keep,
    aten.reshape.default: TFLiteQuantizer.keep,
}


def _weight(per_channel: bool) -> QuantizationSpec:
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric if per_channel else torch.per_tensor_symmetric,
        ch_axis=0 if per_channel else None,
        observer_or_fake_quant_ctr=weight_observer(per_channel),
    )


def _mark(node: Node, inputs: dict[Node, QuantizationSpecBase], output: QuantizationSpecBase | None) -> None:
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(input_qspec_map=inputs, output_qspec=output, _annotated=True)


def _tensor(node: Node, position: int) -> Node:
    argument = node.args[position]
    if not isinstance(argument, Node):
        raise Unsupported(f"{node.target} with the constant {argument!r} is not supported", where=place(node))
    return argument
