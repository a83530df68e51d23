"""What TFLite Micro, ESP-NN and edgeq will refuse of a `.tflite`, or get wrong, before anything is built: docs/lint.md.

Works on any file, with operators that edgeq knows or not. The rules of TFLite Micro and ESP-NN are here and in
`lint_rules`; edgeq's own are asked of `edgeq.ops`, operator by operator.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeq import ops
from edgeq.convert.lint_rules import EDGEQ, ERROR, Finding
from edgeq.convert.passes.integer_edges import CONVERSIONS as EDGE_CONVERSIONS
from edgeq.convert.passes.integer_edges import EDGE_TYPES, integer_edges
from edgeq.convert.tflite import SCHEMA_VERSION, read_operators, read_tflite
from edgeq.errors import BadInput, EdgeqError
from edgeq.graph import Graph
from edgeq.images.tflite_outline import TYPE_NAMES, OperatorOutline, Outline, TensorOutline, read_outlines
from edgeq.ops.logistic import LOGISTIC_OUTPUT, TANH_OUTPUT
from edgeq.ops.softmax import OUTPUT as SOFTMAX_OUTPUT

_TYPES = schema.TensorType
_RANGES = {_TYPES.INT8: (-128, 127), _TYPES.UINT8: (0, 255), _TYPES.INT16: (-32768, 32767)}


@dataclass(frozen=True)
class _Operands:
    """Where an operator with weights reads what, and along which axis the weights may have a scale each."""

    x: int = 0
    weights: int = 1
    bias: int = 2
    axis: int = 0


_WEIGHTED = {
    "CONV_2D": _Operands(),
    "DEPTHWISE_CONV_2D": _Operands(axis=3),
    "TRANSPOSE_CONV": _Operands(x=2, bias=3),
    "FULLY_CONNECTED": _Operands(),
}
_HYBRID = (*_WEIGHTED, "SVDF", "BATCH_MATMUL", "UNIDIRECTIONAL_SEQUENCE_LSTM")
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "CAST")
# These write the integers that they read, or an average of them.
_SAME_SCALE = (
    "MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "MAXIMUM", "MINIMUM", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PAD",
    "PADV2", "MIRROR_PAD", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "RELU6", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "PACK", "UNPACK", "GATHER",
)  # fmt: skip
# These compute with what the integers stand for; ARG_MAX only compares them.
_COMPARED = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "PAD", "PADV2", "RELU6")  # by TFLite Micro, or used
_SCALED = (frozenset(ops.OPS) - {*_SAME_SCALE, "ARG_MAX"}) | {*_COMPARED}
_OUTPUTS = {"SOFTMAX": SOFTMAX_OUTPUT, "LOGISTIC": LOGISTIC_OUTPUT, "TANH": TANH_OUTPUT}
_SAME_SCALE_TOLERANCE = 1e-6  # of TFLite Micro's pools
_BIAS_TOLERANCE = 0.02  # of the output's scale, TFLite Micro's for FULLY_CONNECTED
_MOST_CLASSES = 511  # numerics.md#softmax
_WITHOUT_ESP_NN = ("TRANSPOSE_CONV", "BATCH_MATMUL", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM")
_VECTOR_BYTES = 16
_SHOWN = 5


def lint(data: bytes, name: str, builtins: Collection[str], customs: Collection[str]) -> list[Finding]:
    """All findings, in the file's order; BadInput for a file that cannot be read at all.

    `builtins` and `customs` are the names of the operators that TFLite Micro has.
    """
    outlines = read_outlines(data, name)
    if not outlines:
        raise BadInput("holds no graph", where=name, hint="make or download the file again")
    found = list(_of_file(outlines))
    for number, outline in enumerate(outlines):
        prefix = f"graph {number}, " if len(outlines) > 1 else ""
        linted = _Graph(outline, data, frozenset(builtins), frozenset(customs))
        findings = [*linted.ends(), *linted.all_tensors(), *linted.all_operators(number == 0)]
        found += [replace(f, where=prefix + f.where) for f in findings]
    return list(dict.fromkeys(found))


def _of_file(outlines: tuple[Outline, ...]) -> Iterator[Finding]:
    if outlines[0].version != SCHEMA_VERSION:
        yield Finding("schema-version", "file", f"schema version {outlines[0].version}, not {SCHEMA_VERSION}")
    if len(outlines) > 1:
        yield Finding("several-graphs", "file", f"{len(outlines)} graphs")


class _Graph:
    def __init__(self, outline: Outline, data: bytes, builtins: Collection[str], customs: Collection[str]) -> None:
        self.outline, self.data = outline, data
        self.tensors = outline.tensors
        self.runtime = {False: builtins, True: customs}
        activations = {t for o in outline.operators for t in (*o.inputs, *o.outputs) if t >= 0}
        self.used = sorted(activations | {*outline.inputs, *outline.outputs})
        self.readers = Counter(t for o in outline.operators for t in o.inputs)

    def ends(self) -> Iterator[Finding]:
        inputs, outputs = self.outline.inputs, self.outline.outputs
        if len(inputs) != 1 or len(outputs) != 1:
            yield Finding("several-ends", "file", f"{len(inputs)} inputs and {len(outputs)} outputs")
        for index in inputs:
            shape = self.tensors[index].shape
            if len(shape) > 1 and shape[0] > 1:
                yield Finding("batch", self._tensor(index), f"the input's batch size is {shape[0]}")

    def all_tensors(self) -> Iterator[Finding]:
        unaligned = []
        for index in self.used:
            tensor, where = self.tensors[index], self._tensor(index)
            yield from self._of_tensor(tensor, where)
            if tensor.offset is not None and tensor.type == _TYPES.INT8 and tensor.offset % _VECTOR_BYTES:
                unaligned.append(str(index))
        if unaligned:
            shown = ", ".join(unaligned[:_SHOWN]) + (", ..." if len(unaligned) > _SHOWN else "")
            what = f"{len(unaligned)} constants do not start on a {_VECTOR_BYTES}-byte boundary (tensors {shown})"
            yield Finding("vector-alignment", "file", what)

    def _of_tensor(self, tensor: TensorOutline, where: str) -> Iterator[Finding]:
        if tensor.offset is None and min(tensor.shape, default=1) < 1:
            yield Finding("dynamic-shape", where, f"its shape {list(tensor.shape)} is not fixed")
        if tensor.offset is not None and tensor.constant_bytes != tensor.bytes and not tensor.sparse:
            said = f"{TYPE_NAMES.get(tensor.type, tensor.type)}{list(tensor.shape)}"
            yield Finding("constant-size", where, f"holds {tensor.constant_bytes} bytes, {said} takes {tensor.bytes}")
        if tensor.offset is not None and tensor.type == _TYPES.INT32 and tensor.offset % 4:
            yield Finding("unaligned-constant", where, f"an int32 constant at byte {tensor.offset} of the file")
        if tensor.sparse:
            yield Finding("sparse", where, "its values are stored sparsely")
        if tensor.variable:
            yield Finding("variable", where, "it keeps its value from one inference to the next")
        wrong = [s for s in tensor.scales if not (math.isfinite(s) and s > 0)]
        if wrong:
            yield Finding("scale", where, f"has a scale of {wrong[0]}")
        low, high = _RANGES.get(tensor.type, (-(2**31), 2**31 - 1))
        if tensor.scales and any(not low <= z <= high for z in tensor.zero_points):
            yield Finding("scale", where, f"has a zero point outside [{low}, {high}]")

    def all_operators(self, first: bool) -> Iterator[Finding]:
        operators = self.outline.operators
        floats = [self._is_float(o) for o in operators]
        integers = any(self._reads(o, _TYPES.INT8) or self._reads(o, _TYPES.INT16) for o in operators)
        whole = any(floats) and not integers
        if whole:
            yield Finding("float-model", "file", f"{sum(floats)} of {len(operators)} operators compute in float32")
        asked = self._read() if first else [None] * len(operators)
        for i, (operator, in_float, answer) in enumerate(zip(operators, floats, asked, strict=True)):
            where = self._operator(i)
            if kind := self._converts_end(operator):
                what = (
                    f"converts a {kind} end: TFLite Micro does so on the board, edgeq leaves it out and has int8 ends"
                )
                yield Finding("converted-ends", where, what)
                continue
            found = [Finding(rule, where, what) for rule, what in self._of_operator(operator, in_float and not whole)]
            yield from found
            told = any(EDGEQ in f.who and f.severity == ERROR for f in found) or (whole and in_float)
            if answer is not None and not told:
                yield from self._of_engine(operator, where, answer)

    def _read(self) -> list[Graph | EdgeqError | None]:
        """What edgeq reads of each operator; nothing where it takes them all."""
        try:
            ops.check(integer_edges(read_tflite(self.data)))
        except EdgeqError:
            return read_operators(self.data)
        return [None] * len(self.outline.operators)

    def _converts_end(self, operator: OperatorOutline) -> str:
        """The type of the model's end that it converts from or to, as `integer_edges` leaves it out; else nothing."""
        if (
            operator.custom
            or operator.name not in EDGE_CONVERSIONS
            or min(len(operator.inputs), len(operator.outputs)) < 1
        ):
            return ""
        (x, *_), (y, *_) = operator.inputs, operator.outputs
        inputs, outputs = self.outline.inputs, self.outline.outputs
        first = operator.name == "QUANTIZE" and x in inputs and x not in outputs and self.readers[x] == 1
        last = y in outputs and not self.readers[y] and x not in inputs
        kinds = [TYPE_NAMES[self.tensors[t].type].lower() for t, end in ((x, first), (y, last)) if end]
        return next((kind for kind in kinds if kind in EDGE_TYPES), "")

    def _of_operator(self, operator: OperatorOutline, in_float: bool) -> Iterator[tuple[str, str]]:
        if operator.name not in self.runtime[operator.custom]:
            yield "missing-operator", f"TFLite Micro has no {operator.name}"
        known = None if operator.custom else ops.OPS.get(operator.name)
        if known is not None and operator.version > known.version:
            yield "operator-version", f"version {operator.version}; edgeq is tested with {known.version}"
        if self._is_hybrid(operator):
            yield "hybrid", "float32 activations times integer weights"
        elif in_float:
            yield "float-island", "computes in float32 among integer operators"
        if self._reads(operator, _TYPES.UINT8) and not operator.custom and operator.name not in _CONVERSIONS:
            yield "unsigned", "reads uint8"
        if self._reads(operator, _TYPES.INT8):
            yield from self._of_weights(operator)
            yield from self._of_bias(operator)
            yield from self._of_scales(operator)
            yield from self._of_esp_nn(operator)

    def _of_weights(self, operator: OperatorOutline) -> Iterator[tuple[str, str]]:
        at = _WEIGHTED.get(operator.name)
        weights = self._given(operator, at.weights) if at else None
        if at is None or weights is None or weights.type != _TYPES.INT8:
            return
        if any(weights.zero_points) and operator.name != "FULLY_CONNECTED":  # which takes it into account
            yield "weights-not-symmetric", "its weights have a zero point that is not 0"
        if weights.offset is not None and _holds_lowest(self.data, weights):
            yield "weights-minus-128", "weights of -128"
        if len(weights.scales) < 2:
            return
        if operator.name == "FULLY_CONNECTED":
            yield "per-channel-fully-connected", f"{len(weights.scales)} scales"
        if weights.axis != at.axis:
            yield "channel-axis", f"its weights have scales along axis {weights.axis}, not {at.axis}"
        elif at.axis >= len(weights.shape) or len(weights.scales) != weights.shape[at.axis]:
            yield "channel-count", f"{len(weights.scales)} scales for weights of {list(weights.shape)}"

    def _of_bias(self, operator: OperatorOutline) -> Iterator[tuple[str, str]]:
        at = _WEIGHTED.get(operator.name)
        if at is None:
            return
        x, weights, bias = (self._given(operator, i) for i in (at.x, at.weights, at.bias))
        if operator.name == "DEPTHWISE_CONV_2D" and bias is None and weights is not None and weights.shape[-1:] != (1,):
            yield "depthwise-bias", "has no bias: a build with assertions counts one value, and stops"
        outputs = [self.tensors[i] for i in operator.outputs if i >= 0]
        if x is None or weights is None or bias is None or not outputs:
            return
        if not (x.scales and weights.scales and bias.scales and outputs[0].scales):
            return
        products = np.asarray(weights.scales) * x.scales[0]
        biases = np.asarray(bias.scales)
        if biases.size not in (1, products.size) or not np.all(np.isfinite(products)) or not outputs[0].scales[0] > 0:
            return
        furthest = float(np.abs(products - biases).max() / outputs[0].scales[0])
        if furthest > _BIAS_TOLERANCE:
            yield "bias-scale", f"its bias' scale is {furthest:.3g} of the output's away from input times weights"

    def _of_scales(self, operator: OperatorOutline) -> Iterator[tuple[str, str]]:
        tensors = [self.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
        integers = [t for t in tensors if t.type == _TYPES.INT8 and t.scales and t.zero_points]
        if operator.name in _SCALED and any(t.type == _TYPES.INT8 and not t.scales for t in tensors):
            yield "no-scale", "reads or writes int8 that has no scale"
        pairs = [(t.scales[0], t.zero_points[0]) for t in integers]
        if operator.name in _SAME_SCALE and any(not _alike(pairs[0], p) for p in pairs[1:]):
            shown = ", ".join(f"{s:g}{z:+d}" for s, z in list(dict.fromkeys(pairs))[:_SHOWN])
            yield "same-scale", f"wants one scale and zero point for all that it reads and writes, has {shown}"
        wanted = _OUTPUTS.get(operator.name)
        if wanted is not None and operator.outputs and pairs:
            y = self.tensors[operator.outputs[0]]
            scale, zero = wanted.scale[0], wanted.zero_point[0]
            if y.type == _TYPES.INT8 and (y.scales[:1], y.zero_points[:1]) != ((scale,), (zero,)):
                yield "output-scale", f"its output must have scale {scale:g} and zero point {zero}"
        if operator.name == "SOFTMAX" and tensors[0].shape and tensors[0].shape[-1] > _MOST_CLASSES:
            yield "softmax-classes", f"{tensors[0].shape[-1]} classes: it stops or shifts too far if most are equal"

    def _of_esp_nn(self, operator: OperatorOutline) -> Iterator[tuple[str, str]]:
        x, other = self._given(operator, 0), self._given(operator, 1)
        if x is None:
            return
        if operator.name == "CONV_2D" and other is not None and x.shape[3:] != other.shape[3:]:
            yield "grouped-convolution", f"weights of {list(other.shape)} for an input of {list(x.shape)}"
        dilation = max(operator.options.get("DilationHFactor", 1), operator.options.get("DilationWFactor", 1))
        if dilation > 1:
            yield "slow-kernel", f"a dilation of {dilation}"
        elif operator.name in ("ADD", "MUL") and other is not None and x.shape != other.shape:
            yield "slow-kernel", "operands of two shapes"
        elif operator.name in _WITHOUT_ESP_NN:
            yield "slow-kernel", "ESP-NN has no kernel for it"

    def _of_engine(self, operator: OperatorOutline, where: str, answer: Graph | EdgeqError) -> Iterator[Finding]:
        kinds = [TYPE_NAMES.get(t.type, "") for t in self._activations(operator)]
        if not operator.custom and operator.name in _CONVERSIONS and "FLOAT32" in kinds:
            yield Finding("float-island", where, f"converts between {' and '.join(kinds).lower()} inside the model")
            return
        if operator.custom or operator.name not in ops.OPS:
            yield Finding("unknown-operator", where, f"edgeq has no {operator.name}")
            return
        others = sorted({kind.lower() for kind in kinds} - {"int8"})
        if others:
            yield Finding("not-int8", where, f"works on {', '.join(others)}")
            return
        try:
            if isinstance(answer, EdgeqError):
                raise answer
            ops.check(answer)
        except EdgeqError as e:
            yield Finding("engine-rule", where, e.what, e.hint)

    def _is_float(self, operator: OperatorOutline) -> bool:
        return not operator.custom and operator.name not in _CONVERSIONS and self._reads(operator, _TYPES.FLOAT32)

    def _is_hybrid(self, operator: OperatorOutline) -> bool:
        at = _WEIGHTED.get(operator.name, _Operands())
        x, weights = self._given(operator, at.x), self._given(operator, at.weights)
        return (
            not operator.custom and operator.name in _HYBRID and x is not None and weights is not None
            and x.type == _TYPES.FLOAT32 and weights.type in (_TYPES.INT8, _TYPES.UINT8, _TYPES.INT4)
        )  # fmt: skip

    def _activations(self, operator: OperatorOutline) -> list[TensorOutline]:
        """What it reads and writes that is no constant."""
        operands = [self.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
        return [tensor for tensor in operands if tensor.offset is None]

    def _reads(self, operator: OperatorOutline, kind: int) -> bool:
        return any(self.tensors[i].type == kind and self.tensors[i].offset is None for i in operator.inputs if i >= 0)

    def _given(self, operator: OperatorOutline, at: int) -> TensorOutline | None:
        there = at < len(operator.inputs) and operator.inputs[at] >= 0
        return self.tensors[operator.inputs[at]] if there else None

    def _operator(self, index: int) -> str:
        return f"operator {index} {self.outline.operators[index].name}"

    def _tensor(self, index: int) -> str:
        return f"tensor {index} {self.tensors[index].name}".rstrip()


def _alike(a: tuple[float, int], b: tuple[float, int]) -> bool:
    return abs(a[0] - b[0]) <= _SAME_SCALE_TOLERANCE and a[1] == b[1]


def _holds_lowest(data: bytes, tensor: TensorOutline) -> bool:
    start = tensor.offset or 0
    return b"\x80" in memoryview(data)[start : start + tensor.constant_bytes].tobytes()
