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


@dataclass(frozen=True)
class TensorOutline:
    """A tensor's shape as the file gives it and its bytes; `planned`: whether the arena must hold it."""

    shape: tuple[int, ...]
    type: int  # TFLite's TensorType
    bytes: int
    planned: bool


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


@dataclass(frozen=True)
class Outline:
    """The one graph of a file."""

    tensors: tuple[TensorOutline, ...]
    operators: tuple[OperatorOutline, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_outline(data: bytes, name: str = "model.tflite") -> Outline:
    """The outline of a `.tflite` with one graph; BadInput for a damaged file, Unsupported for several graphs."""
    if len(data) < 8 or data[4:8] != IDENTIFIER:
        raise BadInput("is not a .tflite file (its identifier TFL3 is missing)", where=name)
    try:
        return _outline(schema.Model.GetRootAs(data, 0), len(data), name)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, KeyError, OverflowError) as e:
        raise BadInput(
            f"is damaged or truncated ({type(e).__name__})", where=name, hint="make or download the file again"
        ) from e


def _outline(model: Any, size: int, name: str) -> Outline:
    if model.SubgraphsLength() != 1:
        raise Unsupported(f"a model with {model.SubgraphsLength()} graphs", where=name, hint="only plain models run")
    sub = model.Subgraphs(0)
    lengths = (sub.TensorsLength(), sub.OperatorsLength(), sub.InputsLength(), sub.OutputsLength())
    if max(lengths) * 4 > size:  # an entry of a vector takes at least four bytes
        raise BadInput(f"a table claims {max(lengths)} entries in {size} bytes", where=name)
    tensors = tuple(_tensor(model, sub.Tensors(i)) for i in range(lengths[0]))
    operators = tuple(_operator(model, sub.Operators(i), size) for i in range(lengths[1]))
    inputs = tuple(int(sub.Inputs(i)) for i in range(lengths[2]))
    outputs = tuple(int(sub.Outputs(i)) for i in range(lengths[3]))
    named = {*inputs, *outputs, *(t for o in operators for t in (*o.inputs, *o.outputs) if t != -1)}
    if named and not 0 <= min(named) <= max(named) < len(tensors):
        raise BadInput("names a tensor that does not exist", where=name)
    return Outline(tensors, operators, inputs, outputs)


def _tensor(model: Any, tensor: Any) -> TensorOutline:
    if tensor.ShapeLength() > 8:
        raise ValueError("rank")
    shape = tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
    size = (math.prod(max(d, 0) for d in shape) * _TYPE_BITS.get(tensor.Type(), 8) + 7) // 8
    constant = model.Buffers(tensor.Buffer()).DataLength() > 0
    return TensorOutline(shape, int(tensor.Type()), size, not constant and not tensor.IsVariable() and size > 0)


def _operator(model: Any, operator: Any, size: int) -> OperatorOutline:
    if max(operator.InputsLength(), operator.OutputsLength()) * 4 > size or (
        operator.OpcodeIndex() >= model.OperatorCodesLength()
    ):
        raise IndexError("an operator's tables")
    code = model.OperatorCodes(operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _NAMES.get(number, f"operator {number}")
    custom = name == CUSTOM
    if custom:
        name = (code.CustomCode() or b"").decode("utf-8", "replace")
    return OperatorOutline(
        name,
        custom,
        tuple(int(operator.Inputs(i)) for i in range(operator.InputsLength())),
        tuple(int(operator.Outputs(i)) for i in range(operator.OutputsLength())),
        _options(operator),
    )


def _options(operator: Any) -> dict[str, int]:
    raw = operator.BuiltinOptions()
    for table, fields in _WINDOWS.items():
        if raw is not None and operator.BuiltinOptionsType() == getattr(schema.BuiltinOptions, table):
            options = getattr(schema, table)()
            options.Init(raw.Bytes, raw.Pos)
            return {name: int(getattr(options, name)()) for name in fields}
    return {}
