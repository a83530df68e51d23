"""The classic collapse of MobileNetV2 per tensor, and the best effort's recovery, on the integer path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgeq.pipeline.making import quantise_to
from edgeq.pipeline.prepare import QuantiseOptions
from edgeq.pipeline.progress import Quiet

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "mobilenetv2-cifar10"
CIFAR10 = ROOT.parent / "shared" / "data" / "cifar10_jpg.zip"

sys.path.insert(0, str(ROOT))
from models.mobilenet_v2 import blow_up, mobilenet_v2  # noqa: E402  # models/ is no package of the project


def trained() -> torch.nn.Module:
    network = mobilenet_v2()
    network.load_state_dict(load_file(MODEL / "weights.safetensors"))
    return network.eval()


def test_blowing_up_channels_changes_nothing_in_float() -> None:
    network, blown = trained(), trained()
    blow_up(blown, 50)
    torch.manual_seed(0)
    images = torch.randn(8, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(blown(images), network(images), rtol=1e-3, atol=1e-3)
    changed = [name for name, values in blown.state_dict().items() if not values.equal(network.state_dict()[name])]
    assert any("conv.1.0" in name for name in changed)


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR10.exists(), reason=f"no {CIFAR10}")
def test_the_best_effort_recovers_a_mobilenet_that_collapses_per_tensor(tmp_path: Path) -> None:
    blown = trained()
    blow_up(blown, 50)
    save_file(blown.state_dict(), tmp_path / "weights.safetensors")
    recipe = (MODEL / "model.toml").read_text().replace("../", f"{ROOT}/models/")
    recipe = recipe.partition("[data]")[0] + f'[data]\nname = "cifar10:{CIFAR10}"\nscored_samples = 500\n'
    (tmp_path / "model.toml").write_text(recipe)

    def points_lost(effort: str) -> float:
        options = QuantiseOptions(per_channel=False, calibration_samples=128, effort=effort)
        done = quantise_to(str(tmp_path), tmp_path / "model.onnx", options, Quiet())
        assert done.int8_top1 is not None and done.samples == 500
        return 100 * (done.float_top1 - done.int8_top1)

    assert points_lost("quick") > 10
    assert points_lost("best") <= 2
