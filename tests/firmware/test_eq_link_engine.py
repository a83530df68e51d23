"""The real firmware on the host under ASan and UBSan, with a model, through the link: its bytes are the reference's."""

import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edgeq import ops
from edgeq.convert.tflite import file_layout, read_tflite, write_tflite
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.images.layout import layout_for
from edgeq.images.model import ModelImage, write_model_image
from edgeq.images.partitions import write_partition_table
from edgeq.link.frames import Frame, encode
from edgeq.link.messages import Request, RunFlag, SelftestResult
from edgeq.link.session import Session
from edgeq.link.transport import PipeTransport
from edgeq.ops import conv2d
from edgeq.plan import Target, build_plan, encode_plan
from edgeq.toolchain.build import build_firmware

FLASH_BYTES = 2 << 20


def two_steps() -> Graph:
    """A convolution and an ADD of its output to itself."""
    graph = conv2d.case((1, 9, 8, 3), 5, (3, 3), stride=(2, 2))
    z = Tensor("z", graph.tensor("y").shape, "int8", QuantParams.per_tensor(0.9, 4))
    add = Node("ADD", "twice", ("y", "y"), ("z",), {"activation": "NONE"})
    return Graph("two-steps", {**graph.tensors, "z": z}, (*graph.nodes, add), ("x",), ("z",))


def flash_with(image: bytes, path: Path) -> Path:
    """A flash in which the model image is at its place."""
    table = layout_for(FLASH_BYTES)
    flash = bytearray(b"\xff" * FLASH_BYTES)
    for at, data in ((0x8000, write_partition_table(table)), (table.model_slots[0].offset, image)):
        flash[at : at + len(data)] = data
    path.write_bytes(flash)
    return path


@dataclass(frozen=True)
class Deployed:
    """What a board holds and what must come out of it."""

    command: list[str]
    input: bytes
    outputs: list[bytes]  # of each step
    macs: int


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    folder: Path = tmp_path_factory.mktemp("board")
    firmware = build_firmware(
        "host", board="esp32-wrover-b", arena_bytes=16384, scratch_bytes=16384,
        flash_bytes=FLASH_BYTES, out=folder, sanitize=True,
    )  # fmt: skip
    tflite = write_tflite(two_steps())
    graph = read_tflite(tflite)
    x = np.random.default_rng(1).integers(-128, 128, (1, 9, 8, 3), dtype=np.int8)
    values = ops.run(graph, {"x": x})
    golden = x.tobytes() + values["z"].tobytes()
    wrong = bytearray(golden)
    wrong[-1] ^= 1
    plan = encode_plan(build_plan(graph, file_layout(tflite)))
    image = write_model_image(ModelImage("two-steps", plan, tflite, golden + bytes(wrong)))
    firmware.elf.chmod(0o755)
    command = [str(firmware.elf), str(flash_with(image, folder / "flash.bin"))]
    return Deployed(command, x.tobytes(), [values["y"].tobytes(), values["z"].tobytes()], ops.macs(graph))


@pytest.fixture
def board(deployed: Deployed) -> Iterator[Session]:
    pipe = PipeTransport(deployed.command)
    session = Session(pipe, time.monotonic)
    session.hello()
    yield session
    pipe.close()


def test_the_boards_bytes_are_the_references(board: Session, deployed: Deployed) -> None:
    model = board.model()
    steps = board.steps()
    assert (model.name, model.steps, model.goldens) == ("two-steps", 2, 2)
    assert [s.op for s in steps] == [3, 0]
    assert sum(s.macs for s in steps) == deployed.macs
    assert [s.output_bytes for s in steps] == [len(out) for out in deployed.outputs]
    board.write_input(deployed.input)
    ticks = board.run(RunFlag.HASH | RunFlag.PROFILE)
    assert board.read_output(model.output.bytes) == deployed.outputs[-1]
    assert board.hashes() == [hashlib.sha256(out).digest()[:8] for out in deployed.outputs]
    profile = board.profile()
    assert len(profile) == 2
    assert sum(profile) == ticks > 0
    board.load_golden(0)
    board.run(steps=1)
    assert board.read_step(0, steps[0].output_bytes) == deployed.outputs[0]


def test_golden_samples(board: Session, deployed: Deployed) -> None:
    assert board.selftest(0) == SelftestResult(True, 0)
    assert board.selftest(1) == SelftestResult(False, len(deployed.outputs[-1]) - 1)


def test_a_plan_of_an_older_kernel_is_refused_by_its_version(deployed: Deployed, tmp_path: Path) -> None:
    """Before anything else: the scratch, too, is less than the kernel needs now."""
    tflite = write_tflite(conv2d.case((1, 9, 8, 4), 5, (3, 3)))
    plan = build_plan(read_tflite(tflite), file_layout(tflite), Target(mac16=True, scratch_bytes=16384))
    (step,) = plan.steps
    assert step.kernel.version > 1 and plan.scratch_bytes > 8

    def refusal(version: int) -> str:
        older = replace(step, kernel=replace(step.kernel, version=version))
        less = replace(plan, steps=(older,), scratch_bytes=plan.scratch_bytes - 8)
        image = write_model_image(ModelImage("older", encode_plan(less), tflite, b""))
        pipe = PipeTransport([deployed.command[0], str(flash_with(image, tmp_path / "flash.bin"))])
        session = Session(pipe, time.monotonic)
        session.hello()
        said = session.info()["model_error"]
        pipe.close()
        return said

    assert "unsupported: the model needs another version of a kernel" in refusal(step.kernel.version - 1)
    assert "scratch is too small" in refusal(step.kernel.version)


def test_a_reboot(board: Session) -> None:
    before = board.info()
    board.reboot()
    board.hello()
    assert board.info() == before
    assert before["clock_unit"] == "ns"
    assert "conv2d_s8:1" in before["kernels"].split(",")


def test_frames_of_any_arguments_leave_the_model_alone(deployed: Deployed) -> None:
    """Sound frames with lengths, offsets and indices at the edges; then the board still gives the right bytes."""
    rng = random.Random(3)
    numbers = (0, 0, 1, 2, 216, 217, 248, 249, 0x7FFFFFFF, 0xFFFFFFFF)
    requests = [r for r in Request if r is not Request.REBOOT]
    pipe = PipeTransport(deployed.command)
    session = Session(pipe, time.monotonic)
    session.hello()
    for n in range(2000):
        payload = b"".join(rng.choice(numbers).to_bytes(4, "little") for _ in range(rng.randrange(4)))
        pipe.write(encode(Frame(rng.choice(requests), 1 + n % 255, payload + rng.randbytes(rng.choice((0, 0, 1))))))
        if n % 50 == 49:
            session.hello()
    session.write_input(deployed.input)
    session.run()
    assert session.read_output(len(deployed.outputs[-1])) == deployed.outputs[-1]
    pipe.close()
