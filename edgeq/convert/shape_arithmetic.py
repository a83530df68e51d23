"""Shapes that a `.tflite` computes from shapes (SHAPE, STRIDED_SLICE, PACK, ...), although all of them are fixed.

TFLite Micro takes the shape of a RESHAPE's output from the file, not from the operand that says it; so does edgeq, and
leaves out what only computes such an operand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeq.graph import Node, Tensor

_INTEGERS = (schema.TensorType.INT32, schema.TensorType.INT64)
_RESHAPE = schema.BuiltinOperator.RESHAPE
_SHAPE = 1  # which of RESHAPE's inputs is the shape
_MAX_OPERANDS = 16  # more make no such operator, and a damaged file may claim any number


def shape_arithmetic(model: Any, sub: Any, operators: int) -> frozenset[int]:
    """Which of the `operators` of a subgraph compute nothing but shapes that RESHAPE reads."""
    readers: dict[int, list[tuple[int, int]]] = {}
    for i in range(operators):
        for position in range(min(sub.Operators(i).InputsLength(), _MAX_OPERANDS)):
            readers.setdefault(sub.Operators(i).Inputs(position), []).append((i, position))
    ends = {sub.Outputs(i) for i in range(sub.OutputsLength())}
    left_out: set[int] = set()

    def is_shape(tensor: int) -> bool:
        if not 0 <= tensor < sub.TensorsLength() or tensor in ends or sub.Tensors(tensor).Type() not in _INTEGERS:
            return False
        reading = readers.get(tensor, [])
        return bool(reading) and all(
            i in left_out or (p == _SHAPE and _code(model, sub, i) == _RESHAPE) for i, p in reading
        )

    for i in reversed(range(operators)):
        written = [sub.Operators(i).Outputs(o) for o in range(min(sub.Operators(i).OutputsLength(), _MAX_OPERANDS))]
        if written and sub.Operators(i).InputsLength() <= _MAX_OPERANDS and all(is_shape(tensor) for tensor in written):
            left_out.add(i)
    return frozenset(left_out)


def _code(model: Any, sub: Any, operator: int) -> int:
    code = model.OperatorCodes(sub.Operators(operator).OpcodeIndex())
    return max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))


def known_shapes(nodes: Sequence[Node], tensors: Mapping[str, Tensor], computed: set[str]) -> dict[str, Tensor]:
    """The tensors without those that were `computed` by what is left out; RESHAPE's shapes are constants instead."""
    kept = {name: tensor for name, tensor in tensors.items() if name not in computed}
    for node in nodes:
        for name in node.inputs[_SHAPE : _SHAPE + 1]:
            if name in computed:
                shape = np.array(tensors[node.outputs[0]].shape, np.int32)
                kept[name] = Tensor(name, shape.shape, "int32", None, shape)
    return kept
