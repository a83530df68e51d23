"""A `.tflite` after a change to its object form: what no converter would write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = schema.TensorType


def edited(data: bytes, change: Callable[[Any], Any]) -> bytes:
    """The file after the change; its constants no longer lie on 16 bytes."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def tensor(model: Any, name: str) -> Any:
    """The tensor of that name."""
    (found,) = [t for t in model.subgraphs[0].tensors if t.name in (name, name.encode())]
    return found


def operator(model: Any, op: str, source: int, target: int) -> Any:
    """A new operator without options, for the caller to put somewhere."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, op)
    code.version = 1
    model.operatorCodes.append(code)
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = len(model.operatorCodes) - 1, [source], [target]
    return made


def twin(model: Any, index: int, kind: int) -> int:
    """A tensor of another type with the same shape and meaning; returns its index."""
    (sub,) = model.subgraphs
    made, inner = schema.TensorT(), sub.tensors[index]
    made.name, made.shape, made.type, made.buffer = f"twin {len(sub.tensors)}", inner.shape, kind, 0
    if kind != TYPES.FLOAT32:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = inner.quantization.scale
        shift = 128 if kind == TYPES.UINT8 else 0
        made.quantization.zeroPoint = np.asarray(inner.quantization.zeroPoint) + shift
    sub.tensors.append(made)
    return len(sub.tensors) - 1


def converted_ends(kind: int) -> Callable[[Any], None]:
    """As TFLiteConverter makes ends: a QUANTIZE in front, a DEQUANTIZE (or a QUANTIZE to uint8) behind."""

    def change(model: Any) -> None:
        (sub,) = model.subgraphs
        before, after = (twin(model, ends[0], kind) for ends in (sub.inputs, sub.outputs))
        last = "DEQUANTIZE" if kind == TYPES.FLOAT32 else "QUANTIZE"
        sub.operators.insert(0, operator(model, "QUANTIZE", before, sub.inputs[0]))
        sub.operators.append(operator(model, last, sub.outputs[0], after))
        sub.inputs, sub.outputs = [before], [after]

    return change
