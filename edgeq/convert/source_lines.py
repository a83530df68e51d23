"""Which line of the user's code an ONNX node comes from, where the file says it: for errors, which name the node.

edgeq's own quantiser says it (`edgeq.source`), and so does torch's exporter, by a stack trace of each node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError

SOURCE = "edgeq.source"
STACK_TRACE = "pkg.torch.onnx.stack_trace"
_FRAME = re.compile(r'File "(?P<file>[^"\n]{1,500})", line (?P<line>\d{1,9})')
_OF_TORCH = re.compile(r"[\\/]torch[\\/]")
_MOST = 1 << 16  # characters of a stack trace that are looked at: its end is the innermost


def with_line(where: str, data: bytes) -> str:
    """`node N` or `tensor T`, as an error names it, with what writes it in the ONNX file `data` and its line."""
    kind, _, name = where.partition(" ")
    if kind not in ("node", "tensor") or not name:
        return where
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return where
    if kind == "tensor":
        writers = [_name(node, i) for i, node in enumerate(model.graph.node) if name in node.output]
        if not writers:
            return where
        where, name = f"{where} of node {writers[0]}", writers[0]
    for part in _wholes(name):
        lines = {_line(node) for i, node in enumerate(model.graph.node) if _name(node, i) == part} - {""}
        if lines:
            return f"{where} ({lines.pop()})" if len(lines) == 1 else where
    return where


def _wholes(name: str) -> Iterator[str]:
    """The name, and those of which it may be a part: a pass calls what it makes of a node NODE/PART."""
    yield name
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _name(node: onnx.NodeProto, index: int) -> str:
    return node.name or f"{node.op_type}_{index}"


def _line(node: onnx.NodeProto) -> str:
    notes: dict[str, str] = {note.key: note.value for note in node.metadata_props}
    if SOURCE in notes:
        return notes[SOURCE]
    frames = [f for f in _FRAME.finditer(notes.get(STACK_TRACE, "")[-_MOST:]) if not _OF_TORCH.search(f["file"])]
    return f"{frames[-1]['file']}:{frames[-1]['line']}" if frames else ""
