"""`docs/operators.md` from the table of operators: `make docs` writes it, a test holds it fresh."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from edgeq import ops
from edgeq.ops import Operator

_HEAD = """# Operators

The TFLite operators that edgeq reads, writes and runs, all on int8. `make docs` writes this page from the table in
`edgeq/ops/`, where each operator has its facts, its rules and its integer reference. A `.tflite` that breaks a rule is
refused with the rule and the node.

Every operator here runs in TensorFlow Lite Micro, with equal bytes, and in the native engine by the kernels that its
row names; where there is none, the output is the input's bytes under another shape. `v` is the operator's version that
TFLite Micro reads. An ONNX operator is taken quantised, as QDQ or QOperator; a Relu, or a Clip between 0 and 6, behind
an operator that has a fused activation becomes part of it.

| operator | takes | native kernels | from ONNX |
|---|---|---|---|
"""


def page() -> str:
    """The page's text."""
    return _HEAD + "".join(_row(op) for _, op in sorted(ops.OPS.items()))


def _row(op: Operator) -> str:
    takes = _sentence(op.check)
    rule = re.search(r"numerics\.md#[a-z0-9-]+", op.reference.__doc__ or "")
    rule_link = f" ([its rule]({rule[0]}))" if rule else ""
    kernels = ", ".join(f"`{kernel}`" for kernel in _kernels(op)) or "none"
    forms = ", ".join(f"`{form}`" for form in op.onnx)
    onnx = "" if op.from_onnx is None else f"{forms}: {_sentence(op.from_onnx)}"
    anchor = op.name.lower().replace("_", "-")
    return f'| <a id="{anchor}"></a>`{op.name}` v{op.version} | {takes}{rule_link} | {kernels} | {onnx} |\n'


def _kernels(op: Operator) -> list[str]:
    made = (ops.steps(graph, node, lambda constant: 0) for graph in op.cases() for node in graph.nodes)
    return sorted({step.kernel for steps in made for step in steps})


def _sentence(function: Callable[..., Any]) -> str:
    """What the function's docstring says first, on one line."""
    paragraph = (function.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(paragraph.split()).removesuffix(".").replace("|", r"\|")


if __name__ == "__main__":
    sys.stdout.write(page())
