"""Some of the random graphs on the emulated core, with every kernel in its assembly that can run: equal bytes."""

from __future__ import annotations

import shutil

import pytest
from equality_fuzz import Ready, prepared, seeded

from edgeq.bench.ledger import BoardTrace, HopResult, compare_board
from edgeq.bench.oracles import has_tflm
from edgeq.boards.board import load_board
from edgeq.link.messages import RunFlag
from edgeq.pipeline import board as boards
from edgeq.pipeline.progress import Quiet

GRAPHS = 300
PARTS = 6
BOARD = load_board("esp32-wrover-b")
TOOLS = ("clang-22", "llvm-mc-22", "xtensa-lx106-elf-ld", "qemu-system-xtensa")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.emulator,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(not has_tflm(), reason="the TFLM wheel is Linux x86-64"),
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return boards.build("qemu_lx6", BOARD, tmp_path_factory.mktemp("lx6"), Quiet()).app_image


def on_the_core(app: bytes, ready: Ready) -> HopResult:
    """Every step of every input, by the hashes that the board makes of its outputs."""
    planned = ready.plans[1]
    contents = boards.flash_contents(BOARD, app, planned.image)
    with boards.virtual_board("qemu_lx6", BOARD, contents) as virtual, boards.session(virtual.url) as talk:
        boards.require_model(talk)
        steps, rows = talk.steps(), []

        def fetch(index: int, step: int) -> bytes:
            talk.write_input(ready.inputs[index].tobytes())
            talk.run(steps=step + 1)
            return talk.read_step(step, steps[step].output_bytes)

        for data in ready.inputs:
            talk.write_input(data.tobytes())
            talk.run(RunFlag.HASH)
            rows.append(tuple(talk.hashes()))
        return compare_board(ready.name, BoardTrace(planned.plan.completed(), tuple(rows), fetch), ready.expected)


@pytest.mark.parametrize("part", range(PARTS))
def test_random_graphs_are_equal_on_the_emulated_core(part: int, app: bytes) -> None:
    ran, kernels = 0, set()
    for name, graph in seeded(range(part, GRAPHS, PARTS)):
        ready = prepared(name, graph)
        hop = on_the_core(app, ready)
        assert hop.equal, hop
        ran += 1
        kernels |= {step.kernel.name for step in ready.plans[1].plan.steps}
    assert ran == GRAPHS // PARTS and "conv2d_s8_mac16" in kernels
