"""What TFLite Micro, ESP-NN and edgeq will refuse of a `.tflite`, or get wrong, before anything is built: docs/lint.md.

Works on any file, with operators that edgeq knows or not. The rules of TFLite Micro and ESP-NN are here; edgeq's own
are asked of `edgeq.ops`, operator by operator.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeq import ops
from edgeq.convert.tflite import SCHEMA_VERSION, read_operators, read_tflite
from edgeq.errors import BadInput, EdgeqError
from edgeq.graph import Graph
from edgeq.images.tflite_outline import OperatorOutline, Outline, TensorOutline, read_outlines
from edgeq.ops.logistic import LOGISTIC_OUTPUT, TANH_OUTPUT
from edgeq.ops.softmax import OUTPUT as SOFTMAX_OUTPUT

TFLM, ESP_NN, EDGEQ = "TFLite Micro", "ESP-NN", "edgeq"
ERROR, WARNING, NOTE = "error", "warning", "note"

_REQUANTISE = "quantise the model again; edgeq's own rules and TFLiteConverter's do this right"
_INTEGER = "quantise all of it: `edgeq quantize`, or TFLiteConverter with a data set and TFLITE_BUILTINS_INT8"


@dataclass(frozen=True)
class Rule:
    """How bad its breach is, who refuses the model or gets it wrong, and what to do."""

    severity: str
    who: tuple[str, ...]
    hint: str


RULES: dict[str, Rule] = {
    "schema-version": Rule(ERROR, (TFLM,), "convert the model again with a current converter"),
    "several-graphs": Rule(ERROR, (EDGEQ,), "export without control flow; or run it in TFLite Micro alone"),
    "several-ends": Rule(ERROR, (EDGEQ,), "export a model of one input and one output"),
    "dynamic-shape": Rule(ERROR, (TFLM, EDGEQ), "export with fixed shapes, batch size 1"),
    "batch": Rule(ERROR, (EDGEQ,), "export with batch size 1"),
    "constant-size": Rule(ERROR, (TFLM, EDGEQ), "make or download the file again"),
    "unaligned-constant": Rule(ERROR, (EDGEQ,), "read and write the file with a current converter, which aligns"),
    "vector-alignment": Rule(NOTE, (ESP_NN,), "write the file anew: `edgeq` and TFLiteConverter align to 16 bytes"),
    "scale": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "sparse": Rule(ERROR, (TFLM, EDGEQ), "convert without sparsity"),
    "variable": Rule(ERROR, (EDGEQ,), "run it in TFLite Micro: the native engine has no state between inferences"),
    "float-model": Rule(ERROR, (EDGEQ,), _INTEGER),
    "float-island": Rule(ERROR, (EDGEQ,), _INTEGER),
    "hybrid": Rule(ERROR, (TFLM, EDGEQ), _INTEGER),
    "unsigned": Rule(ERROR, (TFLM, EDGEQ), "quantise to int8: uint8 is TFLite's form before 2020"),
    "weights-not-symmetric": Rule(ERROR, (TFLM, EDGEQ), "quantise weights symmetrically, zero point 0"),
    "weights-minus-128": Rule(WARNING, (TFLM,), "quantise weights to [-127, 127], as TFLite's specification wants"),
    "channel-axis": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "channel-count": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "per-channel-fully-connected": Rule(
        WARNING, (TFLM,), "quantise dense layers per tensor where the runtime is an old one: it takes the first scale"
    ),
    "bias-scale": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "same-scale": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "output-scale": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "softmax-classes": Rule(WARNING, (TFLM,), "leave SOFTMAX out: the largest logit is the largest probability"),
    "grouped-convolution": Rule(ERROR, (ESP_NN,), "use the native engine: ESP-NN reads the weights as if of one group"),
    "slow-kernel": Rule(NOTE, (ESP_NN,), "the reference kernel runs instead, about ten times slower"),
    "missing-operator": Rule(ERROR, (TFLM,), "express it with other operators, or leave it to the application"),
    "unknown-operator": Rule(ERROR, (EDGEQ,), "run it in TFLite Micro, or express it with the operators of the list"),
    "operator-version": Rule(NOTE, (TFLM, EDGEQ), "neither looks at versions: compare the outputs with `edgeq verify`"),
    "engine-rule": Rule(ERROR, (EDGEQ,), _REQUANTISE),
}

_TYPES = schema.TensorType
_TYPE_NAMES = {code: name for name, code in vars(_TYPES).items() if isinstance(code, int)}
_RANGES = {_TYPES.INT8: (-128, 127), _TYPES.UINT8: (0, 255), _TYPES.INT16: (-32768, 32767)}
# Where the weights of an operator are, and along which axis they may have a scale each.
_WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0, "FULLY_CONNECTED": 0}
_BIASED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_HYBRID = (*_WEIGHTED, "SVDF", "BATCH_MATMUL", "UNIDIRECTIONAL_SEQUENCE_LSTM")
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "CAST")
# These write the integers that they read, or an average of them.
_SAME_SCALE = (
    "MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "MAXIMUM", "MINIMUM", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PAD",
    "PADV2", "MIRROR_PAD", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "RELU6", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "PACK", "UNPACK", "GATHER",
)  # fmt: skip
_OUTPUTS = {"SOFTMAX": SOFTMAX_OUTPUT, "LOGISTIC": LOGISTIC_OUTPUT, "TANH": TANH_OUTPUT}
_SAME_SCALE_TOLERANCE = 1e-6  # of TFLite Micro's pools
_BIAS_TOLERANCE = 0.02  # of the output's scale, TFLite Micro's for FULLY_CONNECTED
_MOST_CLASSES = 511  # numerics.md#softmax
_WITHOUT_ESP_NN = ("TRANSPOSE_CONV", "BATCH_MATMUL", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM")
_VECTOR_BYTES = 16
_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """A breach of one rule: where in the file, and what is wrong there."""

    rule: str
    where: str
    what: str

    @property
    def severity(self) -> str:
        """error: someone refuses the model or gets it wrong; warning: some runtimes do; note: it costs time."""
        return RULES[self.rule].severity

    @property
    def who(self) -> tuple[str, ...]:
        """Who refuses it, gets it wrong, or is slow."""
        return RULES[self.rule].who

    @property
    def hint(self) -> str:
        """What to do."""
        return RULES[self.rule].hint


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
        found += [Finding(f.rule, prefix + f.where, f.what) for f in findings]
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
            said = f"{_TYPE_NAMES.get(tensor.type, tensor.type)}{list(tensor.shape)}"
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
            found = [Finding(rule, where, what) for rule, what in self._of_operator(operator, in_float and not whole)]
            yield from found
            told = any(EDGEQ in f.who and f.severity == ERROR for f in found) or (whole and in_float)
            if answer is not None and not told:
                yield from self._of_engine(operator, where, answer)

    def _read(self) -> list[Graph | EdgeqError | None]:
        """What edgeq reads of each operator; nothing where it takes them all."""
        try:
            ops.check(read_tflite(self.data))
        except EdgeqError:
            return read_operators(self.data)
        return [None] * len(self.outline.operators)

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
        weights = self._given(operator, 1)
        axis = _WEIGHTED.get(operator.name)
        if axis is None or weights is None or weights.type != _TYPES.INT8:
            return
        if any(weights.zero_points) and operator.name != "FULLY_CONNECTED":  # which takes it into account
            yield "weights-not-symmetric", "its weights have a zero point that is not 0"
        if weights.offset is not None and _holds_lowest(self.data, weights):
            yield "weights-minus-128", "weights of -128"
        if len(weights.scales) < 2:
            return
        if operator.name == "FULLY_CONNECTED":
            yield "per-channel-fully-connected", f"{len(weights.scales)} scales"
        if weights.axis != axis:
            yield "channel-axis", f"its weights have scales along axis {weights.axis}, not {axis}"
        elif axis >= len(weights.shape) or len(weights.scales) != weights.shape[axis]:
            yield "channel-count", f"{len(weights.scales)} scales for weights of {list(weights.shape)}"

    def _of_bias(self, operator: OperatorOutline) -> Iterator[tuple[str, str]]:
        given = [self._given(operator, i) for i in range(3)]
        x, weights, bias = given
        outputs = [self.tensors[i] for i in operator.outputs if i >= 0]
        if operator.name not in _BIASED or x is None or weights is None or bias is None or not outputs:
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
        if operator.custom or operator.name not in ops.OPS:
            yield Finding("unknown-operator", where, f"edgeq has no {operator.name}")
            return
        try:
            if isinstance(answer, EdgeqError):
                raise answer
            ops.check(answer)
        except EdgeqError as e:
            yield Finding("engine-rule", where, e.what)

    def _is_float(self, operator: OperatorOutline) -> bool:
        return not operator.custom and operator.name not in _CONVERSIONS and self._reads(operator, _TYPES.FLOAT32)

    def _is_hybrid(self, operator: OperatorOutline) -> bool:
        weights = self._given(operator, 1)
        x = self._given(operator, 0)
        return (
            not operator.custom and operator.name in _HYBRID and x is not None and weights is not None
            and x.type == _TYPES.FLOAT32 and weights.type in (_TYPES.INT8, _TYPES.UINT8, _TYPES.INT4)
        )  # fmt: skip

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


def refused(findings: Iterable[Finding]) -> bool:
    """Whether any of them is an error."""
    return any(f.severity == ERROR for f in findings)
