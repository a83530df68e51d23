"""TFLite Micro's interpreter on models that may end the process: each is opened and run in a child of its own.

    python tflm_alone.py < MODELS > OUTCOMES

MODELS are lengths and files; OUTCOMES is a JSON list of how each ended: "refused", "died", or "ran" with a digest of
what it answers to seeded inputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ARENA = 1 << 22


def outcomes(models: Sequence[bytes]) -> list[str]:
    """How each model ended, from one process for all."""
    stdin = b"".join(struct.pack("<I", len(data)) + data for data in models)
    command = [sys.executable, "-P", str(Path(__file__))]
    ran = subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=300)
    return list(json.loads(ran.stdout))


def _models(stdin: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(stdin):
        (size,) = struct.unpack_from("<I", stdin, at)
        yield stdin[at + 4 : at + 4 + size]
        at += 4 + size


def _answer(data: bytes) -> str:
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema
    from tflite_micro.python.tflite_micro import runtime

    sub, rng = schema.Model.GetRootAs(data, 0).Subgraphs(0), np.random.default_rng(0)
    try:
        interpreter = runtime.Interpreter.from_bytes(data, arena_size=ARENA)
        for i in range(sub.InputsLength()):
            details = interpreter.get_input_details(i)
            values = rng.integers(-128, 128, details["shape"]).astype(details["dtype"])
            interpreter.set_input(values, i)
        interpreter.invoke()
    except (RuntimeError, ValueError):
        return "refused"
    outputs = b"".join(interpreter.get_output(i).tobytes() for i in range(sub.OutputsLength()))
    return f"ran {hashlib.sha256(outputs).hexdigest()}"


def _in_a_child(data: bytes) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, _answer(data).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return answer if status == 0 else "died"


if __name__ == "__main__":
    import tflite_micro.python.tflite_micro.runtime  # noqa: F401  # once, for all children

    json.dump([_in_a_child(data) for data in _models(sys.stdin.buffer.read())], sys.stdout)
