"""TensorFlow Lite Micro behind the virtual board's firmware: a child process that speaks docs/tflm.md's protocol.

    python -m edgeq.pipeline.tflm_worker

The whole model runs in one interpreter that keeps every tensor, and its bytes are what the firmware shows. That
interpreter tells no times of operators, so each operator is also a model of its own, run on the same inputs, and what
that takes is the operator's time.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeq import ops
from edgeq.bench import tflm
from edgeq.convert import file_layout, read_tflite, write_tflite
from edgeq.errors import EdgeqError, Unsupported
from edgeq.graph import ABSENT, FileLayout, Graph, Node, Tensor

NAME_BYTES = 64
MODEL_BYTES_MOST = 1 << 26
_TEXT_BYTES = 200
_HEADER = struct.Struct("<2I")
_OPENED = struct.Struct("<3I")
_TENSOR = struct.Struct("<Ifi4H")
_STEP = struct.Struct("<3I")
_ENOUGH_BYTES = 1 << 24  # for one operator, or with every tensor kept; grown where it is not


class Request(IntEnum):
    """What the firmware asks."""

    OPEN = 1
    RUN = 2
    STEP = 3


class Status(IntEnum):
    """How it is answered."""

    DONE = 0
    REFUSED = 1  # with a text
    TOO_SMALL = 2  # with the arena's bytes that would do


class Stream(Protocol):
    """The part of a socket that is used here."""

    def recv(self, size: int, /) -> bytes:
        """Some bytes, none at the end."""

    def sendall(self, data: bytes, /) -> None:
        """Sends all of them."""


@dataclass(frozen=True)
class _Operator:
    """One operator: as the file's, and as a model of its own."""

    node: Node
    alone: Any  # an interpreter
    inputs: tuple[str, ...]  # activations, in the order of that model's inputs


@dataclass(frozen=True)
class _Step:
    """One output of an operator."""

    operator: _Operator
    output: str

    @property
    def is_first(self) -> bool:
        return self.output == self.operator.node.outputs[0]

    def macs(self, graph: Graph) -> int:
        """The operator's, at its first output."""
        node = self.operator.node
        return ops.operator(node).macs(graph, node) if self.is_first else 0


class Model:
    """An opened model. Raises TooSmall, tflm.Refused or an EdgeqError where it does not open."""

    def __init__(self, tflite: bytes, arena_bytes: int) -> None:
        self.graph = read_tflite(tflite, "the model")
        ops.check(self.graph)
        if len(self.graph.inputs) != 1 or len(self.graph.outputs) != 1:
            raise Unsupported("a model with more than one input or output")
        if self.graph.outputs[0] in self.graph.inputs:
            raise Unsupported("a model whose output is its input")
        self.arena_bytes = tflm.smallest_arena(tflite)
        if self.arena_bytes > arena_bytes:
            raise TooSmall(self.arena_bytes)
        self._file: FileLayout = file_layout(tflite)
        self._whole = _open(tflite, keep_all=True)
        operators = [_alone(self.graph, node) for node in self.graph.nodes]
        self._steps = [_Step(alone, name) for alone in operators for name in alone.node.outputs]

    def facts(self) -> bytes:
        """The answer to OPEN."""
        graph = self.graph
        names = [step.output.encode()[-NAME_BYTES:] for step in self._steps]
        rows = b"".join(
            _STEP.pack(step.macs(graph), ops.OPS[step.operator.node.op].code, len(name))
            + _tensor(graph.tensor(step.output))
            for step, name in zip(self._steps, names, strict=True)
        )
        output = 1 + [step.output for step in self._steps].index(graph.outputs[0])
        head = _OPENED.pack(self.arena_bytes, len(self._steps), output)
        return head + _tensor(graph.tensor(graph.inputs[0])) + rows + b"".join(names)

    def run(self, data: bytes) -> None:
        """The whole model on an input."""
        tensor = self.graph.tensor(self.graph.inputs[0])
        self._whole.set_input(np.frombuffer(data, np.int8).reshape(tensor.shape), 0)
        self._whole.invoke()

    def step(self, index: int) -> tuple[int, bytes]:
        """(nanoseconds of one operator alone, its output in the last run). They are the first output's, none the
        others'."""
        step = self._steps[index]
        output = self._value(step.output).tobytes()
        if not step.is_first:
            return 0, output
        operator = step.operator
        for i, name in enumerate(operator.inputs):
            operator.alone.set_input(self._value(name), i)
        begun = time.perf_counter_ns()
        operator.alone.invoke()
        return time.perf_counter_ns() - begun, output

    def _value(self, name: str) -> NDArray[np.int8 | np.int32]:
        return np.asarray(self._whole.GetTensor(self._file.tensor_index[name], 0)["tensor_data"])


class TooSmall(Exception):
    """The arena is too small; the argument is the size that would do."""

    def __init__(self, needed_bytes: int) -> None:
        self.needed_bytes = needed_bytes


def _open(tflite: bytes, *, keep_all: bool = False) -> Any:
    arena_bytes = _ENOUGH_BYTES
    while True:
        try:
            return tflm.open_model(tflite, arena_bytes, keep_all=keep_all)
        except tflm.Refused:
            arena_bytes *= 4
            if arena_bytes > tflm.MOST_ARENA_BYTES:
                raise


def _alone(graph: Graph, node: Node) -> _Operator:
    inputs = tuple(dict.fromkeys(n for n in node.inputs if n != ABSENT and not graph.tensor(n).is_constant))
    part = graph.rebuilt([node], inputs=inputs, outputs=node.outputs, metadata={})
    return _Operator(node, _open(write_tflite(part)), inputs)


def _tensor(tensor: Tensor) -> bytes:
    """As the firmware's eq_tensor: bytes, scale, zero point, NHWC with ones in front of the last dimension.

    An int32 has scale 1 and zero point 0.
    """
    n, *rest = tensor.shape
    if n != 1 or len(rest) > 3 or max(tensor.shape) > 0xFFFF:
        raise Unsupported(f"an activation of {list(tensor.shape)}", where=f"tensor {tensor.name}")
    dims = (1, *(1,) * (3 - len(rest)), *rest)
    scale, zero_point = (1.0, 0) if tensor.dtype == "int32" else (tensor.scale, tensor.zero_point)
    return _TENSOR.pack(tensor.bytes, scale, zero_point, *dims)


def serve(stream: Stream) -> None:
    """Greets, then answers until the stream ends. A request that makes no sense ends it too."""
    version = f"{tflm.version()} on this machine; each operator timed alone"
    _answer(stream, Status.DONE, version.encode())
    model: Model | None = None
    while header := _receive(stream, _HEADER.size, end=True):
        kind, size = _HEADER.unpack(header)
        payload = _receive(stream, _bounded(kind, size, model))
        if kind == Request.OPEN:
            model = _answer_open(stream, payload)
        elif model is None:
            raise ValueError("nothing is open")
        elif kind == Request.RUN:
            model.run(payload)
            _answer(stream, Status.DONE)
        else:
            took, output = model.step(int.from_bytes(payload, "little"))
            _answer(stream, Status.DONE, struct.pack("<Q", took) + output)


def _bounded(kind: int, size: int, model: Model | None) -> int:
    """The payload's size, if a request of that kind can have it."""
    wanted = model.graph.tensor(model.graph.inputs[0]).bytes if model else 0
    least, most = {
        Request.OPEN: (4, 4 + MODEL_BYTES_MOST),
        Request.RUN: (wanted, wanted),
        Request.STEP: (4, 4),
    }[Request(kind)]
    if not least <= size <= most:
        raise ValueError(f"{size} bytes in a request {kind}")
    return size


def _answer_open(stream: Stream, payload: bytes) -> Model | None:
    try:
        model = Model(payload[4:], int.from_bytes(payload[:4], "little"))
        facts = model.facts()
    except TooSmall as e:
        _answer(stream, Status.TOO_SMALL, struct.pack("<I", e.needed_bytes))
    except (EdgeqError, tflm.Refused) as e:
        _answer(stream, Status.REFUSED, str(e).encode()[:_TEXT_BYTES])
    else:
        _answer(stream, Status.DONE, facts)
        return model
    return None


def _answer(stream: Stream, status: Status, payload: bytes = b"") -> None:
    stream.sendall(_HEADER.pack(status, len(payload)) + payload)


def _receive(stream: Stream, size: int, *, end: bool = False) -> bytes:
    """Exactly `size` bytes; none where `end` is allowed and the stream is at it. Raises EOFError inside a message."""
    data = b""
    while len(data) < size:
        part = stream.recv(min(size - len(data), 1 << 20))
        if not part:
            if end and not data:
                return b""
            raise EOFError(f"{len(data)} bytes of {size}")
        data += part
    return data


def main() -> None:
    """Serves the socket that is stdin."""
    with socket.socket(fileno=sys.stdin.fileno()) as stream:
        serve(stream)


if __name__ == "__main__":
    main()
