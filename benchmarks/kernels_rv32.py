"""What the plain kernels take on RV32IMC, the ESP32-C3's instruction set: the shapes of kernels.py, counted in QEMU.

    python benchmarks/kernels_rv32.py [--update]

The instructions are those of an inference of one step; where the reference is quick, the output has to be its bytes.
`make bench` calls this too.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from kernels import SHAPES, Row, image_of, options, row, said, sample_of, settle

from edgeq import ops
from edgeq.errors import CheckFailed
from edgeq.plan import Target

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from engine_rv32 import EngineRv32, compile_engine_rv32

BASELINE = Path(__file__).parent / "kernels-rv32.json"
REFERENCE_MACS = 20_000_000


def measure(shape: str, engine: EngineRv32) -> Row:
    """Raises CheckFailed where a byte is not the reference's."""
    graph = SHAPES[shape]()
    plan, image = image_of(graph, Target())
    output, instructions = engine.count(image, sample_of(graph))
    if ops.macs(graph) <= REFERENCE_MACS:
        name = graph.inputs[0]
        values = np.frombuffer(sample_of(graph), np.int8).reshape(graph.tensor(name).shape)
        if ops.run(graph, {name: values})[graph.outputs[0]].tobytes() != output:
            raise CheckFailed(f"{plan.steps[0].kernel.name} differs from the reference", where=shape)
    return row(shape, graph, plan, instructions)


def main() -> int:
    """Exit code 1 where something got worse."""
    arguments = options(__doc__)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "engine"
        compile_engine_rv32(program)
        for shape in (shape for shape in SHAPES if arguments.only in shape):
            found.append(measure(shape, EngineRv32(program)))
            print(said(found[-1]), flush=True)
    return settle(BASELINE, found, arguments)


if __name__ == "__main__":
    sys.exit(main())
