"""Keras through TensorFlow's converter, in an environment of its own that is made once and kept in the user's cache.

These tests need a network for pip the first time, and are skipped where there is none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Done, edgeq, environment, good, refused
from shared_data import FOLDER

from edgeq.quantize.keras import PYTHON

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

ROOT = Path(__file__).parents[2]
MLPERF = FOLDER / "mlperf_tiny" / "pretrainedResnet.h5"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# What a user of Keras has: a network in each of the forms, and one that would run code.
MODELS = """
import keras
import tensorflow as tf
from keras import layers as L

keras.utils.set_random_seed(0)
x = image = keras.Input((12, 12, 3))
x = L.Rescaling(1 / 255)(x)
x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(8, 3, padding="same", use_bias=False)(x)))
x = L.DepthwiseConv2D(3, strides=2, padding="same", activation="relu")(x)
x = L.MaxPooling2D()(L.Add()([x, L.Conv2D(8, 1)(x)]))
x = L.Dropout(0.3)(L.GlobalAveragePooling2D()(x))
net = keras.Model(image, L.Dense(4, activation="softmax", kernel_regularizer="l2")(x))
net.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
net.save("net.keras")
net.save("net.h5")
net.export("exported")
tf.saved_model.save(net, "saved")

def harm(x):
    open("harm", "w").close()
    return x

bad = keras.Sequential([keras.Input((12, 12, 3)), L.Lambda(harm), L.Flatten(), L.Dense(4)])
bad.save("lambda.keras")
bad.save("lambda.h5")

class Writes(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([1, 12, 12, 3])])
    def __call__(self, x):
        tf.io.write_file("harm", "harm")
        return tf.reshape(x, [1, -1])

writes = Writes()
tf.saved_model.save(writes, "writes", signatures=writes.__call__)
"""


@pytest.fixture(scope="session")
def tensorflow() -> dict[str, str]:
    """The variables under which edgeq finds a Python with TensorFlow."""
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["tensorflow"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgeq-tests"
    folder = cache / f"tensorflow-py{sys.version_info.major}{sys.version_info.minor}"
    python, finished = folder / "bin" / "python", folder / "finished"
    if not finished.is_file() or json.loads(finished.read_text()) != extra:
        venv.create(folder, with_pip=True, clear=True)
        done = subprocess.run(
            [python, "-m", "pip", "install", "-q", *extra], capture_output=True, text=True, timeout=1200
        )
        if done.returncode:
            pytest.skip(f"pip cannot install TensorFlow: {done.stderr.strip().splitlines()[-1:]}")
        finished.write_text(json.dumps(extra))
    return environment(**{PYTHON: str(python)})


@pytest.fixture(scope="module")
def folder(tensorflow: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of MODELS, and pictures."""
    made = tmp_path_factory.mktemp("keras")
    subprocess.run([tensorflow[PYTHON], "-c", MODELS], cwd=made, check=True, capture_output=True, timeout=600)
    (made / "harm").unlink(missing_ok=True)
    random = np.random.default_rng(0)
    np.savez(made / "data.npz", images=random.integers(0, 256, (80, 12, 12, 3), np.uint8), labels=np.arange(80) % 4)
    return made


def with_tensorflow(*arguments: object, cwd: Path, env: dict[str, str]) -> Done:
    """edgeq, with time for TensorFlow to start in."""
    return edgeq(*arguments, cwd=cwd, env=env, limit_s=900)


def ledger_of(run: Path) -> dict[str, dict[str, Any]]:
    return {hop["name"]: hop for hop in json.loads((run / "ledger.json").read_text())["hops"]}


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "exported", "saved"])
def test_every_form_is_quantised(name: str, folder: Path, tensorflow: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "net.tflite"
    done = with_tensorflow("quantize", name, "--data", "data.npz", "-o", output, "--json", cwd=folder, env=tensorflow)
    told = json.loads(good(done))
    assert told["observer"] == "TensorFlow" and told["samples"] == 16
    assert abs(told["float_top1"] - told["int8_top1"]) <= 1 / 16
    ledger = json.loads(good(edgeq("verify", output, "--runner", "host", "--json", cwd=folder)))["hops"]
    assert {hop["name"]: hop["status"] for hop in ledger if hop["name"] in ("tflm", "native-host")} == {
        "tflm": "equal", "native-host": "equal",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [("lambda.keras", "'Lambda'"), ("lambda.h5", "'Lambda'"), ("writes", "the operation WriteFile")],
)
def test_code_in_a_model_does_not_run(name: str, words: str, folder: Path, tensorflow: dict[str, str]) -> None:
    refused(
        with_tensorflow("quantize", name, "--data", "data.npz", cwd=folder, env=tensorflow), 2, words, "is not loaded"
    )
    assert not (folder / "harm").exists()


def test_a_damaged_file_is_an_error(folder: Path, tensorflow: dict[str, str], tmp_path: Path) -> None:
    for name in ("net.keras", "net.h5"):
        data = (folder / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        refused(with_tensorflow("quantize", tmp_path / name, "--data", "data.npz", cwd=folder, env=tensorflow), 2, name)


@pytest.mark.skipif(not MLPERF.is_file(), reason=f"no models in {FOLDER}")
def test_mlperf_tinys_resnet8_reaches_a_board(tensorflow: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(
        f'name = "resnet8"\nfile = "{MLPERF.resolve()}"\nlabels = {list(CLASSES)}\n[input]\nshape = [1, 32, 32, 3]\n'
        f'[data]\nname = "{(FOLDER / "cifar10_jpg.zip").resolve()}"\nscored_samples = 1000\n'
        "[expected]\nfloat_top1 = 0.7\n"
    )
    good(with_tensorflow("deploy", tmp_path, "-o", tmp_path / "run", "--json", cwd=tmp_path, env=tensorflow))
    hops = ledger_of(tmp_path / "run")
    assert list(hops) == ["keras", "torch", "onnx", "litert", "tflm", "native-host", "native-qemu_lx6"]
    assert hops["keras"]["status"] == "within" and "top-1" in hops["keras"]["note"]
    assert {hops[name]["status"] for name in ("tflm", "native-host", "native-qemu_lx6")} == {"equal"}
    assert hops["litert"]["status"] in ("equal", "within")
