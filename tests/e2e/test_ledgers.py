"""Networks that people bring from torch: every hop of the ledger, from torch to the native engine, is clean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_host import EngineHost, Planned, compile_engine_host

from edgeq.boards.board import load_board
from edgeq.pipeline.hops import software_hops
from edgeq.pipeline.prepare import Prepared, QuantiseOptions, prepare
from edgeq.pipeline.progress import Quiet
from edgeq.pipeline.run_folder import RunFolder
from edgeq.pipeline.source import resolve

TESTS = Path(__file__).parents[1]
MODELS = TESTS.parent / "models"

# Random pictures of three brightnesses a class; no more is needed for ranges and for a ledger.
DATA = """
import numpy as np

def pictures():
    random = np.random.default_rng(0)
    labels = np.arange(80) % 10
    return random.integers(0, 160, (80, 32, 32, 3)) + 9 * labels[:, None, None, None], labels
"""

TOML = """
name = "{name}"
factory = "{factory}"
[input]
shape = [1, 32, 32, 3]
scale = 0.00392156862745098
mean = [0.4, 0.4, 0.4]
std = [0.2, 0.2, 0.2]
[data]
name = "data.py:pictures"
"""


def prepared(folder: Path, name: str, factory: str, options: QuantiseOptions) -> Prepared:
    (folder / "data.py").write_text(DATA)
    (folder / "model.toml").write_text(TOML.format(name=name, factory=factory))
    with RunFolder.create(folder / "run") as run:
        return prepare(resolve(str(folder)), options, load_board("esp32-wrover-b"), run, Quiet())


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> EngineHost:
    program = tmp_path_factory.mktemp("ledgers") / "engine_host"
    compile_engine_host(program, ["-O2"])
    return EngineHost(program)


def assert_clean(model: Prepared, engine: EngineHost) -> None:
    hops = {hop.name: hop for hop in software_hops(model, Quiet())}
    assert list(hops) == ["torch", "onnx", "litert", "tflm"]
    assert hops["tflm"].equal
    for hop in hops.values():
        assert hop.status in ("equal", "within"), hop
        assert hop.tensors >= len(model.model.graph.nodes) // 2 and hop.inputs == len(model.inputs) == 16
    planned = Planned(model.model.graph, model.plan, model.image)
    ((outputs),) = engine.run([(planned, model.inputs)])
    assert outputs
    for name, values in outputs.items():
        np.testing.assert_array_equal(values, model.reference[name], err_msg=name)


FACTORIES = {
    "resnet20": f"{MODELS / 'resnet_cifar.py'}:resnet_cifar",
    "mobilenet-v2": f"{TESTS / 'mobilenets.py'}:mobilenet_v2",
    "mobilenet-v3-small": f"{TESTS / 'mobilenets.py'}:mobilenet_v3_small",
}


def test_every_hop_of_a_resnet20_is_clean(tmp_path: Path, engine: EngineHost) -> None:
    options = QuantiseOptions(calibration_samples=16)
    assert_clean(prepared(tmp_path, "resnet20", FACTORIES["resnet20"], options), engine)


@pytest.mark.slow
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("effort", ["quick", "best"])
@pytest.mark.parametrize("name", FACTORIES)
def test_every_hop_is_clean_however_it_is_quantised(
    name: str, effort: str, per_channel: bool, tmp_path: Path, engine: EngineHost
) -> None:
    options = QuantiseOptions(per_channel, calibration_samples=32, effort=effort)
    assert_clean(prepared(tmp_path, name, FACTORIES[name], options), engine)
