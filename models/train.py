"""Train a model folder's network on the data its `model.toml` names, and write its weights.

    python models/train.py resnet18-digits --seed 0

Needs `pip install edgeq[torch,demo]`. With one seed and one version of torch on one kind of CPU, the weights come
out the same each time. The held-out images are scored once, after training; nothing is chosen by them.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
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


def top1(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of images whose highest score is their label."""
    model.eval()
    with torch.no_grad():
        return float((model(images).argmax(dim=1) == labels).float().mean())


def train(recipe: Recipe, seed: int, epochs: int, batch: int = 64) -> nn.Module:
    """Nesterov SGD with a one-cycle rate and label smoothing; prints a line per epoch."""
    if recipe.data is None:
        raise BadInput("its model.toml names no data", where=recipe.name)
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # sums of several threads depend on how many there are
    torch.use_deterministic_algorithms(True)
    split = load_split(recipe.data, folder=recipe.folder, size=recipe.input.shape[1:3], names=recipe.labels)
    images, labels = tensors(split.train, recipe)
    held_images, held_labels = tensors(split.held_out, recipe)
    model = build(recipe)
    steps = epochs * (len(images) // batch)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.1, total_steps=steps)
    start = time.monotonic()
    for epoch in range(1, epochs + 1):
        model.train()
        total = 0.0
        batches = torch.randperm(len(images)).split(batch)
        for chosen in (indices for indices in batches if len(indices) == batch):
            scores = model(jitter(images[chosen]))
            loss = F.cross_entropy(scores, labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * batch
        mean_loss = total / (len(images) - len(images) % batch)
        print(f"epoch {epoch:3}/{epochs}  loss {mean_loss:.4f}  {time.monotonic() - start:5.0f} s", flush=True)
    print(f"train    top-1 {top1(model, images, labels):.4f}  ({len(labels)} images)")
    print(f"held out top-1 {top1(model, held_images, held_labels):.4f}  ({len(held_labels)} images)")
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description="Train a model folder's network and write its weights.")
    parser.add_argument("model", help="a folder beside this file, such as resnet18-digits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    try:
        recipe = read_recipe(MODELS / arguments.model)
        if recipe.weights_path is None:
            raise BadInput("its model.toml names no file of weights", where=recipe.name)
        model = train(recipe, arguments.seed, arguments.epochs)
    except EdgeqError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    # Written beside and renamed: whoever reads the old weights meanwhile reads whole ones.
    partial = recipe.weights_path.with_suffix(".partial")
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, partial)
    partial.chmod(0o644)  # safetensors writes for the owner alone
    partial.replace(recipe.weights_path)
    print(f"wrote {recipe.weights_path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
