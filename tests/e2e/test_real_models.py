"""int8 models that others made: read, planned and run by the native engine, on this machine and on the emulated LX6.

Every answer is TFLite Micro's to the byte, and as many are right as the models are known for. This machine takes all
samples; the emulated core a few of each model, and all of them in the slow tier. The models and their samples lie
beside the project, or these tests skip.
"""

from __future__ import annotations

import gzip
import io
import shutil
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_host import EngineHost, Planned, compile_engine_host
from numpy.typing import NDArray
from PIL import Image
from shared_data import FOLDER

from edgeq import ops
from edgeq.boards.board import load_board
from edgeq.convert import file_layout, read_tflite, write_tflite
from edgeq.graph import Graph
from edgeq.images.model import ModelImage, write_model_image
from edgeq.pipeline import board as boards
from edgeq.pipeline.progress import Quiet
from edgeq.plan import Plan, Target, build_plan, encode_plan
from edgeq.plan.build import ANY

runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="the TFLM wheel is Linux x86-64")
ARENA = 1 << 22
BATCH = 50  # of the engine's inputs: every step's output comes back
ON_THE_REFERENCE = 4  # inputs that the integer reference runs too
FEW = 4  # inputs of each model on the emulated core, where the slow tier takes all
BOARD = load_board("esp32-wrover-b")
TOOLS = ("clang-22", "llvm-mc-22", "xtensa-lx106-elf-ld", "qemu-system-xtensa")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]

Samples = tuple[NDArray[np.int8], NDArray[np.int64] | None]  # inputs without their batch axis, and their classes


def seeded(*shape: int) -> Callable[[int], Samples]:
    """Random inputs, where a model comes without samples."""
    return lambda count: (np.random.default_rng(0).integers(-128, 128, (count, *shape), dtype=np.int8), None)


def every_integer(count: int) -> Samples:
    return np.arange(-128, 128, dtype=np.int8).reshape(-1, 1), None


def keywords(count: int) -> Samples:
    """MLPerf Tiny's inputs; the class is the last part of a file's name."""
    files = sorted((FOLDER / "kws01").glob("*.bin"))[:count]
    values = [np.frombuffer(path.read_bytes(), np.int8).reshape(49, 10, 1) for path in files]
    return np.stack(values), np.array([int(path.stem.rsplit("_", 1)[1]) for path in files])


def speech(count: int) -> Samples:
    """A second of sound each, as TensorFlow's own preprocessor for this model makes features of it."""
    folder, features = FOLDER / "tflm" / "micro_speech", []
    preprocessor = runtime.Interpreter.from_file(str(folder / "audio_preprocessor_int8.tflite"), arena_size=ARENA)
    words = {"silence": 0, "noise": 0, "yes": 2, "no": 3}
    for word in words:
        with wave.open(str(folder / f"{word}_1000ms.wav")) as sound:
            pulses = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        preprocessor.reset()
        rows = []
        for start in range(0, len(pulses) - 479, 320):
            preprocessor.set_input(pulses[None, start : start + 480], 0)
            preprocessor.invoke()
            rows.append(preprocessor.get_output(0).copy())
        features.append(np.concatenate(rows))
    return np.stack(features), np.array(list(words.values()))


def persons(count: int) -> Samples:
    """Ten grey pictures with and without a person, and TensorFlow's two, whose bytes are int8 as they are."""
    raw = [np.fromfile(FOLDER / "espressif" / "sample_images" / f"image{i}", np.uint8) ^ 0x80 for i in range(10)]
    pictures = FOLDER / "tflm" / "person_detection"
    raw += [
        np.asarray(Image.open(pictures / f"{name}.bmp").convert("L")).reshape(-1) for name in ("person", "no_person")
    ]
    return np.stack(raw).view(np.int8).reshape(-1, 96, 96, 1), np.array([1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0])


def digits(count: int) -> Samples:
    def raw(name: str, header: int) -> NDArray[np.uint8]:
        return np.frombuffer(gzip.decompress((FOLDER / "mnist" / name).read_bytes()), np.uint8, offset=header)

    pixels = raw("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)[:count]
    return (pixels ^ 0x80).view(np.int8), raw("t10k-labels-idx1-ubyte.gz", 8)[:count].astype(np.int64)


def cifar(count: int) -> Samples:
    """The test pictures of CIFAR-10 as JPEG, which costs accuracy, the classes in turns."""
    values, classes = [], []
    with zipfile.ZipFile(FOLDER / "cifar10_jpg.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("test/") and name.endswith(".jpg"))
        folders = sorted({name.split("/")[1] for name in names})
        by_class = [[name for name in names if name.split("/")[1] == folder] for folder in folders]
        for i in range(count):
            picture = Image.open(io.BytesIO(archive.read(by_class[i % 10][i // 10])))
            values.append((np.asarray(picture) ^ 0x80).view(np.int8))
            classes.append(i % 10)
    return np.stack(values), np.array(classes)


@dataclass(frozen=True)
class Known:
    """A model, where its samples come from, how many of them are run, and how many of those it answers right."""

    file: str
    samples: Callable[[int], Samples]
    count: int
    right: int = 0  # as TFLite Micro does


MODELS = [
    Known("mlperf_tiny/ad01_int8.tflite", seeded(640), 100),
    Known("mlperf_tiny/kws_ref_model.tflite", keywords, 500, 452),
    Known("mlperf_tiny/pretrainedResnet_quant.tflite", cifar, 200, 145),
    Known("tflm/hello_world/hello_world_int8.tflite", every_integer, 256),
    Known("tflm/micro_speech/micro_speech_quantized.tflite", speech, 4, 4),
    Known("tflm/models/person_detect.tflite", persons, 12, 10),  # 8 of Espressif's ten, both of TensorFlow's
    Known("tinymaix/mbnet128_0.25_q.tflite", seeded(128, 128, 3), 4),
    Known("tinymaix/mnist_dw_q.tflite", digits, 1000, 906),
    Known("tinymaix/mnist_resnet_q.tflite", digits, 1000, 981),
    Known("tinymaix/mnist_valid_q.tflite", digits, 1000, 958),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> EngineHost:
    """The engine as it is shipped, without sanitizers."""
    program = tmp_path_factory.mktemp("real") / "engine_host"
    compile_engine_host(program, ["-O2"])
    return EngineHost(program)


def _params() -> list[Any]:
    if not FOLDER.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no models in {FOLDER}"))]
    return [pytest.param(known, id=Path(known.file).stem) for known in MODELS]


def tflm_answers(data: bytes, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    interpreter = runtime.Interpreter.from_bytes(data, arena_size=ARENA)
    answers = []
    for i in range(len(inputs)):
        interpreter.set_input(inputs[i : i + 1], 0)
        interpreter.invoke()
        answers.append(interpreter.get_output(0).copy())
    return np.concatenate(answers)


def planned(known: Known, target: Target) -> tuple[bytes, Graph, Plan, bytes]:
    """The file, what is read of it, its plan and its model image."""
    data = (FOLDER / known.file).read_bytes()
    graph = read_tflite(data, known.file)
    ops.check(graph)
    plan = build_plan(graph, file_layout(data), target)
    return data, graph, plan, write_model_image(ModelImage("real", encode_plan(plan), data))


def right(answers: NDArray[np.int8], classes: NDArray[np.int64]) -> int:
    """How many answers' highest score is their class."""
    return int(np.count_nonzero(answers.reshape(len(answers), -1).argmax(axis=1) == classes))


@pytest.mark.parametrize("known", _params())
def test_a_real_model_answers_as_in_tflite_micro(known: Known, engine: EngineHost) -> None:
    data, graph, plan, image = planned(known, ANY)
    inputs, classes = known.samples(known.count)
    assert len(inputs) == known.count
    model = Planned(graph, plan, image)
    batches = [(model, inputs[at : at + BATCH]) for at in range(0, len(inputs), BATCH)]
    answers = np.concatenate([outputs[graph.outputs[0]] for outputs in engine.run(batches)])
    np.testing.assert_array_equal(answers, tflm_answers(data, inputs))
    few = inputs[:ON_THE_REFERENCE]
    np.testing.assert_array_equal(ops.run(graph, {graph.inputs[0]: few})[graph.outputs[0]], answers[: len(few)])
    assert classes is None or right(answers, classes) == known.right


@pytest.mark.parametrize("known", _params())
def test_read_and_written_anew_it_is_the_same_model(known: Known) -> None:
    data, graph, _, _ = planned(known, ANY)
    anew = write_tflite(graph)
    again = read_tflite(anew, known.file)
    assert again == graph and list(again.tensors) == list(graph.tensors)
    for name, tensor in graph.tensors.items():  # whose values are no part of the comparison
        np.testing.assert_array_equal(again.tensors[name].data, tensor.data)
    assert write_tflite(again) == anew
    inputs, _ = known.samples(known.count)
    np.testing.assert_array_equal(tflm_answers(anew, inputs[:BATCH]), tflm_answers(data, inputs[:BATCH]))


@pytest.fixture(scope="module")
def lx6_app(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The firmware of the emulated core, with the kernels in its assembly."""
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)}")
    return boards.build("qemu_lx6", BOARD, tmp_path_factory.mktemp("lx6"), Quiet()).app_image


def lx6_answers(app: bytes, image: bytes, inputs: NDArray[np.int8]) -> list[bytes]:
    """The virtual board is booted once and takes one input after the other."""
    contents = boards.flash_contents(BOARD, app, image)
    with boards.virtual_board("qemu_lx6", BOARD, contents) as virtual, boards.session(virtual.url) as talk:
        boards.require_model(talk)
        size = talk.model().output.bytes
        answers = []
        for values in inputs:
            talk.write_input(values.tobytes())
            talk.run()
            answers.append(talk.read_output(size))
    return answers


def assert_lx6_is_tflm(known: Known, app: bytes, count: int) -> None:
    data, _, _, image = planned(known, boards.target_of(BOARD))
    inputs, classes = known.samples(known.count)
    expected = tflm_answers(data, inputs[:count])
    assert lx6_answers(app, image, inputs[:count]) == [answer.tobytes() for answer in expected]
    if count == known.count and classes is not None:
        assert right(expected, classes) == known.right  # which are the emulated core's answers


@pytest.mark.emulator
@pytest.mark.parametrize("known", _params())
def test_the_emulated_core_answers_as_tflite_micro(known: Known, lx6_app: bytes) -> None:
    assert_lx6_is_tflm(known, lx6_app, min(FEW, known.count))


@pytest.mark.slow
@pytest.mark.emulator
@pytest.mark.parametrize("known", _params())
def test_the_emulated_core_answers_all_samples(known: Known, lx6_app: bytes) -> None:
    assert_lx6_is_tflm(known, lx6_app, known.count)


def test_no_int8_model_is_left_out() -> None:
    """The float twins, what is not int8 (SVDF, int16) and the preprocessors, which are no networks, aside."""
    if not FOLDER.is_dir():
        pytest.skip(f"no models in {FOLDER}")
    others = ("_f.", "float", "fp32", "pretrainedResnet.", "keyword_scrambled", "audio_preprocessor")
    found = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.tflite")}
    assert {known.file for known in MODELS} == {name for name in found if not any(part in name for part in others)}
