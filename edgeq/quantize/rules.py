"""TFLite's INT8 rules as a torchao PT2E quantizer: where a graph is quantised, and which tensors share a scale.

Source of the rules: the TFLite 8-bit quantisation specification.

- activations: int8 per tensor, [-128, 127], any zero point;
- weights: int8 in [-127, 127] with zero point 0; a convolution's per output channel or per tensor, a linear layer's
  per tensor;
- biases: int32 with zero point 0 and scale = input scale * weight scale;
- a ReLU or ReLU6 behind a convolution, a linear layer or an addition is part of it: one output scale, behind it;
- what picks, moves or joins values (pooling, padding, reshaping, concatenation, nearest neighbours) keeps the scale;
- sigmoid and softmax give 1/256 and -128, tanh 1/128 and 0; what else computes has an output scale of its own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import replace

from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    QuantizationSpecBase,
    Quantizer,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from edgeq.errors import Unsupported
from edgeq.quantize.door import torch
from edgeq.quantize.fake import fake_activation, fake_weight
from edgeq.quantize.graphs import Graph, Node, aten
from edgeq.quantize.names import RELUS, operation, where_in_source
from edgeq.quantize.observers import Observer, activation_observer, bias_qparams, weight_observer


def _fixed(scale: float, zero_point: int) -> FixedQParamsQuantizationSpec:
    return FixedQParamsQuantizationSpec(
        dtype=torch.int8,
        scale=scale,
        zero_point=zero_point,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
    )


ZERO_TO_ONE = _fixed(1 / 256, -128)
MINUS_ONE_TO_ONE = _fixed(1 / 128, 0)


class TFLiteQuantizer(Quantizer):  # type: ignore[misc]  # torchao carries no types
    """Annotates every node of an exported graph, or refuses the graph by naming the nodes it has no rule for.

    For `training` the same places get torchao's fake quantisation instead of observers.
    """

    def __init__(self, *, per_channel: bool, observer: Observer, training: bool = False) -> None:
        self.observer = observer
        activation = fake_activation if training else activation_observer
        self.activation = QuantizationSpec(
            dtype=torch.int8,
            quant_min=-128,
            quant_max=127,
            qscheme=torch.per_tensor_affine,
            observer_or_fake_quant_ctr=activation(observer),
        )
        self.convolution_weight = _weight(per_channel, training)
        # FULLY_CONNECTED has one weight scale in TFLite's specification; older runtimes read more than one silently
        # wrong.
        self.linear_weight = _weight(False, training)
        # The fixed scale of what has one, through all that keeps it.
        self.fixed: dict[Node, FixedQParamsQuantizationSpec] = {}

    def annotate(self, model: Graph) -> Graph:
        calls = [node for node in model.graph.nodes if node.op == "call_function"]
        _refuse([node for node in calls if node.target not in RULES])
        for node in model.graph.nodes:
            if node.op == "placeholder":
                _mark(node, {}, self.activation)
        for node in calls:
            if Q_ANNOTATION_KEY not in node.meta:
                RULES[node.target](self, node)
        return model

    def validate(self, model: Graph) -> None:
        """Nothing is left to check: `annotate` refuses what it has no rule for."""

    def weighted(self, node: Node) -> None:
        """Convolution and linear: input, weight and the bias derived from both."""
        source, weight = _tensor(node, 0), _tensor(node, 1)
        if node.target == aten.linear.default:
            spec = self.linear_weight
        elif node.target == aten.conv_transpose2d.input and self.convolution_weight.ch_axis is not None:
            spec = replace(self.convolution_weight, ch_axis=1)
        else:
            spec = self.convolution_weight
        inputs: dict[Node, QuantizationSpecBase] = {source: self._spec(source), weight: spec}
        if len(node.args) > 2 and node.args[2] is not None:
            inputs[_tensor(node, 2)] = DerivedQuantizationSpec(
                derived_from=[(source, node), (weight, node)],
                derive_qparams_fn=bias_qparams,
                dtype=torch.int32,
                quant_min=-(2**31),
                quant_max=2**31 - 1,
                qscheme=spec.qscheme,
                ch_axis=None if spec.ch_axis is None else 0,
            )
        self._mark_with_relu(node, inputs)

    def two(self, node: Node) -> None:
        """Two tensors, each with a scale of its own; constants too."""
        if node.kwargs or len(node.args) > 2:
            raise Unsupported(f"{operation(node.target)} with a factor is not supported", where=where_in_source(node))
        self._mark_with_relu(node, self._inputs([_tensor(node, 0), _tensor(node, 1)]))

    def one(self, node: Node) -> None:
        """The output has a range of its own."""
        _mark(node, self._inputs([_tensor(node, 0)]), self.activation)

    def global_mean(self, node: Node) -> None:
        """Adaptive average pooling to one pixel: a mean, whose range is narrower than its input's."""
        size = node.args[1]
        if size not in (1, [1], [1, 1]):
            raise Unsupported(f"adaptive pooling to {size} is not supported, only to 1x1", where=where_in_source(node))
        self.one(node)

    def zero_to_one(self, node: Node) -> None:
        """Sigmoid and softmax."""
        self._mark_fixed(node, ZERO_TO_ONE)

    def minus_one_to_one(self, node: Node) -> None:
        """Tanh."""
        self._mark_fixed(node, MINUS_ONE_TO_ONE)

    def prelu(self, node: Node) -> None:
        """The slopes are int8 with a scale and zero point of their own."""
        _mark(node, self._inputs([_tensor(node, 0), _tensor(node, 1)]), self.activation)

    def pad(self, node: Node) -> None:
        """Zeros around; they are exact at any scale."""
        mode = node.args[2] if len(node.args) > 2 else "constant"
        value = node.args[3] if len(node.args) > 3 else None
        if mode != "constant" or value not in (None, 0, 0.0):
            raise Unsupported(f"padding by {mode} {value or ''}is not supported", where=where_in_source(node))
        self.keep(node)

    def keep(self, node: Node) -> None:
        """Values are picked or moved: the output has the input's scale and zero point."""
        self._mark_shared(node, [_tensor(node, 0)])

    def join(self, node: Node) -> None:
        """All inputs have the output's scale; what has a fixed one of its own is requantised in front."""
        sources = list(node.args[0])  # type: ignore[arg-type]  # aten says it is a list of tensors
        if len({self.fixed.get(source) for source in sources}) > 1:
            sources.sort(key=self.fixed.__contains__)  # the first one's scale is taken
        self._mark_shared(node, sources)

    def cut(self, node: Node) -> None:
        """A tuple of parts; each part is a `getitem` behind it."""
        _mark(node, self._inputs([_tensor(node, 0)]), None)
        for part in node.users:
            _mark(part, {}, SharedQuantizationSpec((_tensor(node, 0), node)))
            self._inherit(part, _tensor(node, 0))

    def _spec(self, source: Node) -> QuantizationSpecBase:
        return self.fixed.get(source, self.activation)

    def _inputs(self, sources: Iterable[Node]) -> dict[Node, QuantizationSpecBase]:
        return {source: self._spec(source) for source in sources}

    def _mark_shared(self, node: Node, sources: list[Node]) -> None:
        first = SharedQuantizationSpec((sources[0], node))
        inputs: dict[Node, QuantizationSpecBase] = {sources[0]: self._spec(sources[0])}
        for source in sources[1:]:
            inputs.setdefault(source, first)
        _mark(node, inputs, first)
        self._inherit(node, sources[0])

    def _mark_fixed(self, node: Node, spec: FixedQParamsQuantizationSpec) -> None:
        _mark(node, self._inputs([_tensor(node, 0)]), spec)
        self.fixed[node] = spec

    def _inherit(self, node: Node, source: Node) -> None:
        if source in self.fixed:
            self.fixed[node] = self.fixed[source]

    def _mark_with_relu(self, node: Node, inputs: dict[Node, QuantizationSpecBase]) -> None:
        users = list(node.users)
        if len(users) == 1 and users[0].target in RELUS:
            _mark(node, inputs, None)
            _mark(users[0], {}, self.activation)
        else:
            _mark(node, inputs, self.activation)


Rule = Callable[[TFLiteQuantizer, Node], None]
RULES: dict[object, Rule] = {
    aten.conv2d.default: TFLiteQuantizer.weighted,
    aten.conv_transpose2d.input: TFLiteQuantizer.weighted,
    aten.linear.default: TFLiteQuantizer.weighted,
    aten.add.Tensor: TFLiteQuantizer.two,
    aten.add_.Tensor: TFLiteQuantizer.two,
    aten.sub.Tensor: TFLiteQuantizer.two,
    aten.sub_.Tensor: TFLiteQuantizer.two,
    aten.mul.Tensor: TFLiteQuantizer.two,
    aten.mul_.Tensor: TFLiteQuantizer.two,
    aten.relu.default: TFLiteQuantizer.keep,
    aten.relu_.default: TFLiteQuantizer.keep,
    aten.relu6.default: TFLiteQuantizer.keep,
    aten.relu6_.default: TFLiteQuantizer.keep,
    aten.leaky_relu.default: TFLiteQuantizer.one,
    aten.leaky_relu_.default: TFLiteQuantizer.one,
    aten.prelu.default: TFLiteQuantizer.prelu,
    aten.hardswish.default: TFLiteQuantizer.one,
    aten.hardswish_.default: TFLiteQuantizer.one,
    aten.hardsigmoid.default: TFLiteQuantizer.one,
    aten.hardsigmoid_.default: TFLiteQuantizer.one,
    aten.sigmoid.default: TFLiteQuantizer.zero_to_one,
    aten.sigmoid_.default: TFLiteQuantizer.zero_to_one,
    aten.softmax.int: TFLiteQuantizer.zero_to_one,
    aten.tanh.default: TFLiteQuantizer.minus_one_to_one,
    aten.tanh_.default: TFLiteQuantizer.minus_one_to_one,
    aten.max_pool2d.default: TFLiteQuantizer.keep,
    aten.avg_pool2d.default: TFLiteQuantizer.keep,
    aten.adaptive_avg_pool2d.default: TFLiteQuantizer.global_mean,
    aten.mean.dim: TFLiteQuantizer.one,
    aten.pad.default: TFLiteQuantizer.pad,
    aten.upsample_nearest2d.vec: TFLiteQuantizer.keep,
    aten.cat.default: TFLiteQuantizer.join,
    aten.chunk.default: TFLiteQuantizer.cut,
    aten.split.Tensor: TFLiteQuantizer.cut,
    aten.split_with_sizes.default: TFLiteQuantizer.cut,
    operator.getitem: TFLiteQuantizer.keep,
    aten.slice.Tensor: TFLiteQuantizer.keep,
    aten.flatten.using_ints: TFLiteQuantizer.keep,
    aten.view.default: TFLiteQuantizer.keep,
    aten.reshape.default: TFLiteQuantizer.keep,
    aten.permute.default: TFLiteQuantizer.keep,
    aten.transpose.int: TFLiteQuantizer.keep,
    aten.squeeze.dim: TFLiteQuantizer.keep,
    aten.squeeze.dims: TFLiteQuantizer.keep,
    aten.unsqueeze.default: TFLiteQuantizer.keep,
}


def _refuse(strange: list[Node]) -> None:
    """All that has no rule, each with its place, so that they can be replaced in one go."""
    if strange:
        first, *others = strange
        more = "".join(f"; {operation(node.target)} in {where_in_source(node)}" for node in others)
        raise Unsupported(
            f"there is no INT8 rule for {operation(first.target)}{more}",
            where=where_in_source(first),
            hint="one of " + ", ".join(sorted({operation(target) for target in RULES})),
        )


def _weight(per_channel: bool, training: bool) -> QuantizationSpec:
    observer = fake_weight if training else weight_observer
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric if per_channel else torch.per_tensor_symmetric,
        ch_axis=0 if per_channel else None,
        observer_or_fake_quant_ctr=observer(per_channel),
    )


def _mark(node: Node, inputs: dict[Node, QuantizationSpecBase], output: QuantizationSpecBase | None) -> None:
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(input_qspec_map=inputs, output_qspec=output, _annotated=True)


def _tensor(node: Node, position: int) -> Node:
    argument = node.args[position]
    if not isinstance(argument, Node):
        raise Unsupported(
            f"{operation(node.target)} with the constant {argument!r} is not supported", where=where_in_source(node)
        )
    return argument
