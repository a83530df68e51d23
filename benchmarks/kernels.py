"""What each convolution and linear shape takes with the kernel that the planner chooses, on the emulated core.

    python benchmarks/kernels.py [--update]

Random full-range data, nonzero zero points, a scale for each channel. Every layer is planned twice, for the board
(kernels.json) and without its kernels in assembly (kernels-plain.json), and both plans run on the same core: the
outputs have to be the same bytes. The instructions are those of the whole step, copies and transforms included. `make
bench` calls this too.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import numpy as np

from edgeq import ops
from edgeq.boards.board import Board, load_board
from edgeq.convert import file_layout, write_tflite
from edgeq.errors import CheckFailed
from edgeq.graph import Graph
from edgeq.images.model import ModelImage, write_model_image
from edgeq.link.messages import RunFlag
from edgeq.ops import conv2d, depthwise_conv2d, fully_connected
from edgeq.pipeline import board as boards
from edgeq.pipeline.progress import Quiet
from edgeq.plan import Plan, Target, build_plan, encode_plan

BASELINE, PLAIN = (Path(__file__).parent / name for name in ("kernels.json", "kernels-plain.json"))
BOARD = "esp32-wrover-b-16mb"
TOLERANCE = 0.02
SCALE, WEIGHT_SCALE = 0.05, 0.011  # of the input; the mean one of the weights


class Row(TypedDict):
    """One measured shape."""

    shape: str
    kernel: str
    macs: int
    instructions: int
    scratch_bytes: int


def _spread(products: int, scale: float = SCALE, weight_scale: float = WEIGHT_SCALE) -> float:
    """An output scale with which sums of so many random products fill the int8 range."""
    uniform = 74.0  # standard deviation of the whole int8 range
    return math.sqrt(products) * uniform * uniform * scale * weight_scale / 50


def _conv(size: int, inputs: int, outputs: int, height: int, width: int, stride: int = 1) -> Graph:
    return conv2d.case(
        (1, height, width, inputs), outputs, (size, size), stride=(stride, stride), padding="SAME",
        scales=(SCALE, _spread(size * size * inputs)), seed=inputs,
    )  # fmt: skip


SHAPES: dict[str, Callable[[], Graph]] = {
    "conv2d 3x3 64->64 56x56": lambda: _conv(3, 64, 64, 56, 56),
    "conv2d 3x3 128->128 28x28": lambda: _conv(3, 128, 128, 28, 28),
    "conv2d 3x3 256->256 14x14": lambda: _conv(3, 256, 256, 14, 14),
    "conv2d 3x3 512->512 7x7": lambda: _conv(3, 512, 512, 7, 7),
    "conv2d 1x1 s2 64->128 56x56": lambda: _conv(1, 64, 128, 56, 56, stride=2),
    "conv2d 1x1 64->64 25x5": lambda: _conv(1, 64, 64, 25, 5),
    "conv2d 7x7 s2 3->64 224x224": lambda: _conv(7, 3, 64, 224, 224, stride=2),
    "depthwise 3x3 64 25x5": lambda: depthwise_conv2d.case(64, sides=(25, 5), out_scale=_spread(9, 0.06, 0.0175)),
    "fully_connected 512->1000": lambda: fully_connected.case(
        512, 1000, per_channel=True, out_scale=_spread(512, 0.04, 0.0055)
    ),
}


def image_of(graph: Graph, target: Target) -> tuple[Plan, bytes]:
    """A graph's plan for a target, and the model image with it."""
    tflite = write_tflite(graph)
    plan = build_plan(graph, file_layout(tflite), target)
    return plan, write_model_image(ModelImage("kernel", encode_plan(plan), tflite, b""))


def sample_of(graph: Graph) -> bytes:
    """An input of any bytes."""
    shape = graph.tensor(graph.inputs[0]).shape
    return np.random.default_rng(1).integers(-128, 128, shape, dtype=np.int8).tobytes()


def row(shape: str, graph: Graph, plan: Plan, instructions: int) -> Row:
    """What is written of a measured shape."""
    kernel = plan.steps[0].kernel.name
    return Row(
        shape=shape, kernel=kernel, macs=ops.macs(graph), instructions=instructions, scratch_bytes=plan.scratch_bytes
    )


def measure(shape: str, board: Board, firmware: bytes) -> tuple[Row, Row]:
    """With the kernel that is chosen, and with the plain one. Raises CheckFailed where they differ in a byte."""
    graph = SHAPES[shape]()
    rows, outputs = [], []
    for target in (boards.target_of(board), Target()):
        plan, image = image_of(graph, target)
        output, instructions = _run(board, firmware, image, sample_of(graph))
        outputs.append(output)
        rows.append(row(shape, graph, plan, instructions))
    chosen, plain = rows
    if outputs[0] != outputs[1]:
        raise CheckFailed(f"{chosen['kernel']} differs from the plain kernel", where=shape)
    return chosen, plain


def _run(board: Board, firmware: bytes, image: bytes, sample: bytes) -> tuple[bytes, int]:
    """The output and the instructions of a plan's one step."""
    contents = boards.flash_contents(board, firmware, image)
    with boards.virtual_board("qemu_lx6", board, contents) as virtual, boards.session(virtual.url) as talk:
        boards.require_model(talk)
        talk.write_input(sample)
        talk.run(RunFlag.PROFILE)
        (instructions,) = talk.profile()
        return talk.read_output(talk.model().output.bytes), instructions


def worse(baseline: list[Row], found: list[Row]) -> list[str]:
    """The shapes that take over 2 % more than they did, and those that are gone."""
    before, now = ({row["shape"]: row["instructions"] for row in rows} for rows in (baseline, found))
    gone = [f"{shape}: is gone" for shape in before if shape not in now]
    return gone + [
        f"{shape}: {before[shape]:,} to {count:,} instructions"
        for shape, count in now.items()
        if shape in before and count > before[shape] * (1 + TOLERANCE)
    ]


def said(row: Row) -> str:
    """A line of the table on the console."""
    a_product = row["instructions"] / row["macs"]
    return f"{row['shape']:<32}{row['kernel']:<28}{a_product:>8.3f} a MAC{row['scratch_bytes']:>9,} B scratch"


def options(description: str | None) -> argparse.Namespace:
    """What the tables' programs are called with."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--update", action="store_true", help="write the new baseline")
    parser.add_argument("--only", default="", help="shapes that this is a part of; compared, never written")
    return parser.parse_args()


def settle(path: Path, found: list[Row], arguments: argparse.Namespace) -> int:
    """Writes a new baseline, or compares with the old one; 1 where something got worse."""
    baseline = json.loads(path.read_text()) if path.exists() else []
    if not arguments.only and (arguments.update or not baseline):
        path.write_text(json.dumps(found, indent=2) + "\n")
        return 0
    for line in (lost := [line for line in worse(baseline, found) if not arguments.only or "gone" not in line]):
        print(f"worse: {line}", file=sys.stderr)
    return 1 if lost else 0


def main() -> int:
    """Exit code 1 where something got worse."""
    arguments = options(__doc__)
    board = load_board(BOARD)
    with tempfile.TemporaryDirectory() as folder:
        firmware = boards.build("qemu_lx6", board, Path(folder), Quiet()).app_image
    chosen, plain = [], []
    for shape in (shape for shape in SHAPES if arguments.only in shape):
        rows = measure(shape, board, firmware)
        print(*map(said, rows), sep="\n", flush=True)
        chosen.append(rows[0])
        plain.append(rows[1])
    return max(settle(BASELINE, chosen, arguments), settle(PLAIN, plain, arguments))


if __name__ == "__main__":
    sys.exit(main())
