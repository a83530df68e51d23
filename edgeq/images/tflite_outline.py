"""What any `.tflite` holds, in outline: its operators by TFLite's own codes, the sizes of its tensors.

`edgeq.convert.tflite` reads the operators that edgeq knows, with all their rules. This reads every file, and knows no
operator: it is for what is made of codes and sizes alone (a resolver, a bound of an arena).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgeq.errors import BadInput, Unsupported

IDENTIFIER = b"TFL3"
CUSTOM = "CUSTOM"

_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
TYPE_NAMES = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
_TYPE_BITS = {
    **{getattr(schema.TensorType, name): 64 for name in ("INT64", "UINT64", "FLOAT64", "COMPLEX64")},
    **{getattr(schema.TensorType, name): 32 for name in ("FLOAT32", "INT32", "UINT32")},
    **{getattr(schema.TensorType, name): 16 for name in ("FLOAT16", "INT16", "UINT16")},
    **{getattr(schema.TensorType, name): 8 for name in ("INT8", "UINT8", "BOOL")},
    schema.TensorType.INT4: 4,
    schema.TensorType.COMPLEX128: 128,
}
_MOVES = ("Padding", "StrideW", "StrideH", "DilationWFactor", "DilationHFactor")
# Options that say how a window moves: the table's name in the schema, and the fields in question.
_WINDOWS = {
    "Conv2DOptions": _MOVES,
    "DepthwiseConv2DOptions": (*_MOVES, "DepthMultiplier"),
}


class Entries:
    """Counts what a file lists: without, a small file whose tables all share one long list is not read to its end."""

    SHARED = 2  # so often may a sound file mention its own bytes; writers share next to nothing

    def __init__(self, file_bytes: int) -> None:
        self._left = file_bytes * self.SHARED

    def take(self, count: int, size: int = 4) -> int:
        """`count` entries of `size` bytes; gives the count, or BadInput where the file cannot hold that many."""
        self._left -= count * size
        if count < 0 or self._left < 0:
            raise BadInput("lists more than its bytes can hold", hint="make or download the file again")
        return count


@dataclass(frozen=True)
class TensorOutline:
    """A tensor's shape as the file gives it and its bytes; `planned`: whether the arena must hold it."""

    shape: tuple[int, ...]
    type: int  # TFLite's TensorType
    bytes: int
    planned: bool
    name: str = ""
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0  # of the scales, where there are several
    offset: int | None = None  # of a constant's bytes in the file
    constant_bytes: int = 0
    variable: bool = False
    sparse: bool = False


@dataclass(frozen=True)
class OperatorOutline:
    """An operator by the schema's name, with tensor indices (-1: left out).

    `name` is a custom operator's own name where `custom` is true. `options` are a convolution's padding, strides,
    dilations and depth multiplier by the schema's names, and nothing for others.
    """

    name: str
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int] = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True)
class Outline:
    """One graph of a file; `version` is the schema's, as the file says it."""

    tensors: tuple[TensorOutline, ...]
    operators: tuple[OperatorOutline, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int = 3


def read_outline(data: bytes, name: str = "model.tflite") -> Outline:
    """The outline of a `.tflite` with one graph; BadInput for a damaged file, Unsupported for several graphs."""
    outlines = read_outlines(data, name)
    if len(outlines) != 1:
        raise Unsupported(f"a model with {len(outlines)} graphs", where=name, hint="only plain models run")
    return outlines[0]


def read_outlines(data: bytes, name: str = "model.tflite") -> tuple[Outline, ...]:
    """The outline of every graph of a `.tflite`; BadInput for a damaged file."""
    if len(data) < 8 or data[4:8] != IDENTIFIER:
        raise BadInput(
            "is not a .tflite file (its identifier TFL3 is missing)", where=name,
            hint="`edgeq convert` makes one of a QDQ .onnx, `edgeq quantize` the .onnx of a float model",
        )  # fmt: skip
    try:
        model, entries = schema.Model.GetRootAs(data, 0), Entries(len(data))
        count = entries.take(model.SubgraphsLength())
        return tuple(_outline(model, model.Subgraphs(i), entries) for i in range(count))
    except BadInput as e:
        raise BadInput(e.what, where=name, hint=e.hint) from e
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, KeyError, OverflowError) as e:
        raise BadInput("is damaged or truncated", where=name, hint="make or download the file again") from e


def _outline(model: Any, sub: Any, entries: Entries) -> Outline:
    take = entries.take
    tensors = tuple(_tensor(model, sub.Tensors(i), entries) for i in range(take(sub.TensorsLength())))
    operators = tuple(_operator(model, sub.Operators(i), entries) for i in range(take(sub.OperatorsLength())))
    inputs = tuple(int(sub.Inputs(i)) for i in range(take(sub.InputsLength())))
    outputs = tuple(int(sub.Outputs(i)) for i in range(take(sub.OutputsLength())))
    named = {*inputs, *outputs, *(t for o in operators for t in (*o.inputs, *o.outputs) if t != -1)}
    if named and not 0 <= min(named) <= max(named) < len(tensors):
        raise BadInput("names a tensor that does not exist")
    return Outline(tensors, operators, inputs, outputs, int(model.Version()))


def _tensor(model: Any, tensor: Any, entries: Entries) -> TensorOutline:
    if tensor.ShapeLength() > 8:
        raise ValueError("rank")
    shape = tuple(int(tensor.Shape(i)) for i in range(entries.take(tensor.ShapeLength())))
    size = (math.prod(max(d, 0) for d in shape) * _TYPE_BITS.get(tensor.Type(), 8) + 7) // 8
    buffer = model.Buffers(tensor.Buffer())
    held = buffer.DataLength()
    constant = held > 0
    quant = tensor.Quantization()
    scales: tuple[float, ...] = ()
    zeros: tuple[int, ...] = ()
    if quant is not None and entries.take(quant.ScaleLength()):
        scales = tuple(quant.ScaleAsNumpy().tolist())
    if quant is not None and entries.take(quant.ZeroPointLength(), 8):
        zeros = tuple(quant.ZeroPointAsNumpy().tolist())
    return TensorOutline(
        shape, int(tensor.Type()), size, not constant and not tensor.IsVariable() and size > 0,
        name=_text(tensor.Name(), entries), scales=scales, zero_points=zeros,
        axis=int(quant.QuantizedDimension()) if quant is not None else 0,
        offset=int(buffer._tab.Vector(buffer._tab.Offset(4))) if constant else None, constant_bytes=held,
        variable=bool(tensor.IsVariable()), sparse=tensor.Sparsity() is not None,
    )  # fmt: skip


def _text(raw: bytes | None, entries: Entries) -> str:
    entries.take(len(raw or b""), 1)
    return (raw or b"").decode("utf-8", "replace")


def _operator(model: Any, operator: Any, entries: Entries) -> OperatorOutline:
    if operator.OpcodeIndex() >= model.OperatorCodesLength():
        raise IndexError("an operator's code")
    code = model.OperatorCodes(operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _NAMES.get(number, f"operator {number}")
    custom = name == CUSTOM
    if custom:
        name = _text(code.CustomCode(), entries)
    return OperatorOutline(
        name,
        custom,
        tuple(int(operator.Inputs(i)) for i in range(entries.take(operator.InputsLength()))),
        tuple(int(operator.Outputs(i)) for i in range(entries.take(operator.OutputsLength()))),
        _options(operator),
        int(code.Version()),
    )


def _options(operator: Any) -> dict[str, int]:
    raw = operator.BuiltinOptions()
    for table, fields in _WINDOWS.items():
        if raw is not None and operator.BuiltinOptionsType() == getattr(schema.BuiltinOptions, table):
            options = getattr(schema, table)()
            options.Init(raw.Bytes, raw.Pos)
            return {name: int(getattr(options, name)()) for name in fields}
    return {}
