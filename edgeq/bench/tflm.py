"""TensorFlow Lite Micro's interpreter, and why it refuses a model. For child processes: it takes over their stderr.

    python -m edgeq.bench.tflm < model.tflite

prints the smallest arena in which the interpreter opens and runs the model, or, on stderr with exit code 1, what TFLM
said when it refused. TFLM writes its complaints to the process's own stderr, and ends the process where a model
breaks it: neither may happen to the tool itself.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import metadata
from typing import Any

MOST_ARENA_BYTES = 1 << 28
_COMPLAINT_CHARS = 300


class Refused(Exception):
    """TFLM does not open or run the model; the text is what it printed."""


def version() -> str:
    """The installed interpreter's version."""
    return f"tflite-micro {metadata.version('tflite-micro')}"


def open_model(tflite: bytes, arena_bytes: int, *, keep_all: bool = False) -> Any:
    """An interpreter with an arena of that size; `keep_all` keeps every tensor readable, in a larger arena."""
    runtime = _runtime()
    configs = runtime.InterpreterConfig
    config = configs.kPreserveAllTensors if keep_all else configs.kAllocationRecording
    with tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            return runtime.Interpreter.from_bytes(tflite, arena_size=arena_bytes, intrepreter_config=config)
        except (RuntimeError, ValueError) as e:
            said.seek(0)
            text = " ".join(said.read().decode("utf-8", "replace").split())
            raise Refused(text[-_COMPLAINT_CHARS:] or str(e)) from e
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def smallest_arena(tflite: bytes) -> int:
    """The smallest arena in bytes with which the model opens and runs; Refused where none does."""
    _runtime()  # once, not in each child
    too_small, enough = 0, 1 << 12
    while not _opens(tflite, enough):
        if enough >= MOST_ARENA_BYTES:
            open_model(tflite, enough).invoke()  # says why
            raise Refused("it opens or not by chance")
        too_small, enough = enough, enough * 2
    while enough - too_small > 1:
        middle = (enough + too_small) // 2
        too_small, enough = (too_small, middle) if _opens(tflite, middle) else (middle, enough)
    return enough


def _runtime() -> Any:
    from tflite_micro.python.tflite_micro import runtime

    return runtime


def _opens(tflite: bytes, arena_bytes: int) -> bool:
    """Whether it opens and runs. Tried in a forked child: in some arenas that are too small TFLM breaks the process."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            open_model(tflite, arena_bytes).invoke()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def main() -> int:
    """The child's part."""
    try:
        print(smallest_arena(sys.stdin.buffer.read()))
    except (Refused, RuntimeError) as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
