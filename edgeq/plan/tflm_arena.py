"""An upper bound of TensorFlow Lite Micro's arena on an ESP32, from the arena that its 64-bit build needs.

The arena holds what the planner lays out (activations, the kernels' scratch) and what stays (structures with pointers,
which are half as large on a 32-bit chip). ESP-NN's kernels ask for scratch that the reference kernels do not: the plan
is made once without it and once with it, as TFLM's planner makes it, and the bound is what the 64-bit build needs plus
the larger of the plan's growth and the largest single scratch, plus the bookkeeping of the requests.
"""

from __future__ import annotations

from edgeq.images.tflite_outline import Outline
from edgeq.plan.arena import Buffer, layout
from edgeq.plan.esp_nn import scratch_bytes

NODE_BYTES = 16  # ESP-NN's kernels keep a handle per operator, in memory that is aligned to 16
REQUEST_BYTES = 128  # per scratch: TFLM's request, its handle, and the planner's rows for it

_KERNELS_WITH_HANDLE = ("CONV_2D", "DEPTHWISE_CONV_2D", "SOFTMAX")


def esp32_arena_bound(outline: Outline, host_bytes: int, chip: str) -> int:
    """Bytes of an arena in which the model opens on `chip` with ESP-NN, if `host_bytes` do in TFLM's 64-bit build."""
    scratch = [scratch_bytes(outline, operator, chip) for operator in outline.operators]
    activations = _activations(outline)
    buffers = [Buffer(f"scratch {i}", size, i + 1, i + 1) for i, size in enumerate(scratch) if size]
    growth = layout([*activations, *buffers])[1] - layout(activations)[1]
    handles = sum(operator.name in _KERNELS_WITH_HANDLE for operator in outline.operators)
    extra = max(growth, max(scratch, default=0)) + REQUEST_BYTES * len(buffers) + NODE_BYTES * handles
    return -(-(host_bytes + extra) // 16) * 16


def _activations(outline: Outline) -> list[Buffer]:
    """What TFLM plans, with its lifetimes: the inputs from before the first operator, the outputs to the end."""
    first = dict.fromkeys(outline.inputs, 0)
    last = dict(first)
    for time, operator in enumerate(outline.operators, start=1):
        for i in operator.outputs:
            first.setdefault(i, time)
        for i in (*operator.inputs, *operator.outputs):
            if i in first:
                last[i] = time
    for i in outline.outputs:
        if i in first:
            last[i] = len(outline.operators)
    return [Buffer(f"{i:06}", outline.tensors[i].bytes, first[i], last[i]) for i in first if outline.tensors[i].planned]
