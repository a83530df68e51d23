"""How large TensorFlow Lite Micro's arena must be for a model, here and on a board's chip."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.bench.oracles import tflm_arena_bytes
from edgeq.errors import ToolMissing, Unsupported
from edgeq.images.tflite_outline import read_outline
from edgeq.plan.tflm_arena import esp32_arena_bound


@dataclass(frozen=True)
class TflmArena:
    """`host_bytes` is exact for the interpreter installed here, `chip_bytes` an upper bound for `chip`."""

    chip: str
    host_bytes: int
    chip_bytes: int


def tflm_arena(tflite: bytes, chip: str) -> TflmArena | None:
    """The two sizes; None where the interpreter is not installed, or does not run the model."""
    try:
        host_bytes = tflm_arena_bytes(tflite)
    except (ToolMissing, Unsupported):
        return None
    return TflmArena(chip, host_bytes, esp32_arena_bound(read_outline(tflite), host_bytes, chip))
