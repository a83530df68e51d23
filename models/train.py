"""Train a model folder's network on the data its `model.toml` names, and write its weights.

    python models/train.py resnet18-digits --seed 0

Needs `pip install edgeq[torch,demo]`. With one seed and one version of torch on one kind of CPU, the weights come
out the same each time. The held-out images are scored once, after training; nothing is chosen by them. After each
epoch the state is written beside the weights, as `weights.training`; the same command goes on from there, and ends in
the same weights as one that was never stopped.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from edgeq.errors import BadInput, EdgeqError
from edgeq.quantize.data import load_split, preprocess
from edgeq.quantize.images import Images
from edgeq.quantize.model import build
from edgeq.quantize.recipe import Recipe, read_recipe

MODELS = Path(__file__).resolve().parent


def tensors(images: Images, recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    """Preprocessed images as NCHW and their labels."""
    inputs = torch.from_numpy(preprocess(images.pixels, recipe.input)).permute(0, 3, 1, 2).contiguous()
    return inputs, torch.from_numpy(images.labels)


def jitter(images: torch.Tensor) -> torch.Tensor:
    """Each image turned by up to 10 degrees, scaled by up to 8 %, and shifted by up to 9 % of its size."""
    count = len(images)
    angle = (torch.rand(count) * 2 - 1) * math.radians(10)
    scale = 1 + (torch.rand(count) * 2 - 1) * 0.08
    shift = (torch.rand(count, 2) * 2 - 1) * 0.18  # the sampling grid spans -1 to 1
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], dim=1)
    grid = F.affine_grid(rows.view(count, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def crop_and_flip(images: torch.Tensor) -> torch.Tensor:
    """Each image shifted by up to an eighth of its size, what comes in mirrored; every other one flipped sideways."""
    count, channels, height, width = images.shape
    more = height // 8
    padded = F.pad(images, (more, more, more, more), mode="reflect")
    rows = torch.arange(height) + torch.randint(0, 2 * more + 1, (count, 1))
    columns = torch.arange(width).expand(count, width)
    columns = torch.where(torch.rand(count, 1) < 0.5, columns.flip(1), columns)
    columns = columns + torch.randint(0, 2 * more + 1, (count, 1))
    one, channel = torch.arange(count)[:, None, None, None], torch.arange(channels)[None, :, None, None]
    return padded[one, channel, rows[:, None, :, None], columns[:, None, None, :]]


@dataclass(frozen=True)
class Regime:
    """How a network is trained: Nesterov SGD with a one-cycle rate up to `rate`, and label smoothing.

    `bfloat16` computes convolutions in bfloat16, which CPUs that have it do several times faster; weights, sums and
    what is written stay float32.
    """

    epochs: int
    batch: int
    rate: float
    augment: Callable[[torch.Tensor], torch.Tensor]
    bfloat16: bool = False


REGIMES = {
    "resnet18-digits": Regime(epochs=60, batch=64, rate=0.1, augment=jitter),
    "resnet18-cifar10": Regime(epochs=80, batch=128, rate=0.2, augment=crop_and_flip, bfloat16=True),
    "mobilenetv2-cifar10": Regime(epochs=4, batch=128, rate=0.2, augment=crop_and_flip),
}


def top1(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of images whose highest score is their label."""
    model.eval()
    with torch.no_grad():
        answers = torch.cat([model(part).argmax(dim=1) for part in images.split(500)])
    return float((answers == labels).float().mean())


class Training:
    """A network under training; `state` is all that its next epoch depends on."""

    def __init__(self, recipe: Recipe, regime: Regime, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.regime, self.images, self.labels = regime, images, labels
        # The faster layout for bfloat16; another one for float32 would change the weights that are shipped.
        self.layout = torch.channels_last if regime.bfloat16 else torch.contiguous_format
        self.model = build(recipe).to(memory_format=self.layout)
        steps = regime.epochs * (len(images) // regime.batch)
        self.optimiser = torch.optim.SGD(
            self.model.parameters(), lr=regime.rate, momentum=0.9, weight_decay=5e-4, nesterov=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, max_lr=regime.rate, total_steps=steps)
        self.done = 0

    def epoch(self) -> float:
        """All images once, in a new order; the mean loss."""
        self.model.train()
        batch, total = self.regime.batch, 0.0
        batches = [part for part in torch.randperm(len(self.images)).split(batch) if len(part) == batch]
        for chosen in batches:
            inputs = self.regime.augment(self.images[chosen]).contiguous(memory_format=self.layout)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.regime.bfloat16):
                scores = self.model(inputs)
            loss = F.cross_entropy(scores.float(), self.labels[chosen], label_smoothing=0.05)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            total += loss.item()
        self.done += 1
        return total / len(batches)

    def save(self, path: Path, run: str) -> None:
        """Write the state beside and rename, so that a killed run loses one epoch at most."""
        state = {
            "run": run,
            "done": self.done,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
        }
        partial = path.with_suffix(".training-partial")
        torch.save(state, partial)
        partial.replace(path)

    def resume(self, path: Path, run: str) -> None:
        """Go on from a state of the same run; another run's is left alone until the first epoch overwrites it."""
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["run"] != run:
            return
        self.done = state["done"]
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        print(f"going on after epoch {self.done} of {path}")


def train(recipe: Recipe, regime: Regime, seed: int, checkpoint: Path) -> nn.Module:
    """Train and score; prints a line per epoch."""
    if recipe.data is None:
        raise BadInput("its model.toml names no data", where=recipe.name)
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # sums of several threads depend on how many there are
    torch.use_deterministic_algorithms(True)
    split = load_split(recipe.data, folder=recipe.folder, size=recipe.input.shape[1:3], names=recipe.labels)
    training = Training(recipe, regime, *tensors(split.train, recipe))
    run = f"{recipe.model_dump(mode='json', exclude={'folder', 'expected'})} {regime.epochs} epochs, seed {seed}"
    training.resume(checkpoint, run)
    start = time.monotonic()
    while training.done < regime.epochs:
        loss = training.epoch()
        training.save(checkpoint, run)
        elapsed = time.monotonic() - start
        print(f"epoch {training.done:3}/{regime.epochs}  loss {loss:.4f}  {elapsed:5.0f} s", flush=True)
    print(f"train    top-1 {top1(training.model, training.images, training.labels):.4f}  ({len(split.train)} images)")
    held_out = top1(training.model, *tensors(split.held_out, recipe))
    print(f"held out top-1 {held_out:.4f}  ({len(split.held_out)} images)")
    return training.model


def main() -> int:
    parser = argparse.ArgumentParser(description="Train a model folder's network and write its weights.")
    parser.add_argument("model", help="a folder beside this file, such as resnet18-digits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="other than the model's own number")
    arguments = parser.parse_args()
    try:
        recipe = read_recipe(MODELS / arguments.model)
        if recipe.weights_path is None:
            raise BadInput("its model.toml names no file of weights", where=recipe.name)
        if recipe.name not in REGIMES:
            raise BadInput("no regime for it in train.py", where=recipe.name, hint=f"one of {', '.join(REGIMES)}")
        regime = REGIMES[recipe.name]
        checkpoint = recipe.weights_path.with_suffix(".training")
        model = train(recipe, replace(regime, epochs=arguments.epochs or regime.epochs), arguments.seed, checkpoint)
    except EdgeqError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    # Written beside and renamed: whoever reads the old weights meanwhile reads whole ones.
    partial = recipe.weights_path.with_suffix(".partial")
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, partial)
    partial.chmod(0o644)  # safetensors writes for the owner alone
    partial.replace(recipe.weights_path)
    checkpoint.unlink()
    print(f"wrote {recipe.weights_path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
