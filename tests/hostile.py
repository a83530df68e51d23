"""Damaged copies of sound models, read in a process of bounded time and memory.

    python hostile.py onnx|tflite FIRST COUNT
    python hostile.py onnx|tflite FILE

reads the copies of seeds FIRST to FIRST + COUNT - 1 as `edgeq convert`, `lint` and `fit` would, and prints as JSON how
many ended how: in an error of that name, or "read". Or reads the one file and prints its error. Anything else that is
raised ends the process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MEMORY_BYTES = 3 << 29  # numpy, onnx and TFLite's schema alone map a third of it
SECONDS_A_FILE = 5.0
TESTS = Path(__file__).parent


def damaged(data: bytes, seed: int) -> bytes:
    """A copy cut off, with bits turned over, with a stretch repeated, left out or overwritten; or several of these."""
    rng, out = np.random.default_rng(seed), bytearray(data)
    for _ in range(int(rng.choice((1, 1, 1, 2, 3)))):
        at, end = sorted(int(i) for i in rng.integers(0, len(out) + 1, 2))
        end = min(end, at + int(rng.choice((1, 4, 16, 256))))
        match int(rng.integers(0, 12)):
            case 0:
                del out[at:]
            case 1:
                del out[at:end]
            case 2:
                out[at:at] = out[at:end]
            case 3:
                out[at:end] = bytes(rng.choice((0x00, 0x7F, 0x80, 0xFF), end - at).astype(np.uint8))
            case _:
                for i in rng.integers(0, len(out), int(rng.choice((1, 1, 2, 4)))):
                    out[i] ^= 1 << int(rng.integers(0, 8))
        if not out:
            return b""
    return bytes(out)


EXTREMES = (-(2**63), -(2**31), -1, 0, 1, 2, 7, 1 << 16, 2**31 - 1, 2**31, 2**62, 2**63 - 1)
REALS = (0.0, -1.0, float("nan"), float("inf"), 1e-45, 3e38, -0.0)


def edited(data: bytes, seed: int) -> bytes:
    """An ONNX file with one to three fields changed: a number, a name, an operator, a shape, a value."""
    import onnx

    rng, model = np.random.default_rng(seed), onnx.load_from_string(data)
    graph = model.graph

    def any_of(things: Any) -> Any:
        return things[int(rng.integers(0, len(things)))]

    for _ in range(int(rng.choice((1, 1, 2, 3)))):
        node, constant = any_of(graph.node), any_of(graph.initializer)
        match int(rng.integers(0, 9)):
            case 0 if node.attribute:
                attribute = any_of(node.attribute)
                attribute.i = any_of(EXTREMES)
                if attribute.ints:
                    attribute.ints[int(rng.integers(0, len(attribute.ints)))] = any_of(EXTREMES)
            case 1 if constant.dims:
                constant.dims[int(rng.integers(0, len(constant.dims)))] = any_of(EXTREMES)
            case 2:
                constant.data_type = int(rng.integers(0, 24))
            case 3:
                values = np.frombuffer(constant.raw_data, np.uint8).copy()
                if constant.data_type == onnx.TensorProto.FLOAT and values.size >= 4:
                    values.view(np.float32)[int(rng.integers(0, values.size // 4))] = any_of(REALS)
                elif values.size:
                    values[int(rng.integers(0, values.size))] ^= 255
                constant.raw_data = values.tobytes()
            case 4 if node.input:
                node.input[int(rng.integers(0, len(node.input)))] = any_of([any_of(any_of(graph.node).output), "", "x"])
            case 5:
                node.op_type = any_of(graph.node).op_type
            case 6:
                dim = any_of(any_of(any_of([graph.input, graph.value_info or graph.input])).type.tensor_type.shape.dim)
                dim.dim_value = any_of(EXTREMES)
            case 7:
                graph.node.remove(node)
                if rng.random() < 0.5:
                    graph.node.append(node)
                if not graph.node:
                    break
            case _:
                node.output[0] = any_of([any_of(any_of(graph.node).output), "x", ""])
    return bytes(model.SerializeToString())


def read_onnx_model(data: bytes) -> None:
    """What `edgeq convert` does."""
    from edgeq.convert import convert_onnx, write_tflite

    write_tflite(convert_onnx(data, "model.onnx"))


def read_tflite_model(data: bytes) -> None:
    """What `edgeq lint`, `edgeq convert` and `edgeq fit` do."""
    from edgeq import ops
    from edgeq.convert import file_layout, integer_edges, lint, read_tflite, write_tflite
    from edgeq.plan import build_plan, encode_plan

    lint.lint(data, "model.tflite", (), ())
    graph = integer_edges(read_tflite(data))
    ops.check(graph)
    anew = write_tflite(graph)
    encode_plan(build_plan(read_tflite(anew), file_layout(anew)))


def sound(kind: str) -> list[bytes]:
    """The models that are damaged."""
    sys.path.append(str(TESTS / "unit"))
    if kind == "tflite":
        from edited import TYPES, converted_ends, edited
        from graphs import every_kernel

        from edgeq.convert import write_tflite

        whole = write_tflite(every_kernel())
        return [whole, edited(whole, converted_ends(TYPES.FLOAT32))]
    from test_convert_onnx import MODELS

    return [make() for make, _ in MODELS.values()]


READERS: dict[str, Callable[[bytes], None]] = {"onnx": read_onnx_model, "tflite": read_tflite_model}


def outcome(read: Callable[[bytes], None], data: bytes, whole: bool = False) -> str:
    """How reading ends: the error's name, or the `whole` error."""
    from edgeq.errors import EdgeqError

    start = time.process_time()  # of this process alone: the machine may be busy with others
    try:
        read(data)
        ended = "read"
    except EdgeqError as e:
        assert e.what, repr(e)
        ended = str(e) if whole else type(e).__name__
    assert time.process_time() - start < SECONDS_A_FILE
    return ended


def limited(kind: str, first: int, count: int) -> dict[str, int]:
    """The outcomes of `count` damaged copies, from a child process under limits."""
    command = [sys.executable, __file__, kind, str(first), str(count)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 + count)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return dict(json.loads(ran.stdout))


def bound_memory() -> None:
    """From here on a MemoryError ends what takes more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main() -> None:
    """The child's part."""
    kind = sys.argv[1]
    if len(sys.argv) == 3:
        bound_memory()
        print(json.dumps(outcome(READERS[kind], Path(sys.argv[2]).read_bytes(), whole=True)))
        return
    first, count = int(sys.argv[2]), int(sys.argv[3])
    originals = sound(kind)
    bound_memory()
    ends: Counter[str] = Counter()
    for seed in range(first, first + count):
        change = edited if kind == "onnx" and seed % 2 else damaged
        data = change(originals[seed // 2 % len(originals)], seed)
        try:
            ends[outcome(READERS[kind], data)] += 1
        except BaseException:
            print(f"seed {seed}", file=sys.stderr)
            raise
    print(json.dumps(ends))


if __name__ == "__main__":
    main()
