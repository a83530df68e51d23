"""`make accuracy`: what INT8 costs, on every model that there is data for, as the table of docs/accuracy.md.

Each row is one `edgeq quantize MODEL ... --json`. Rows are kept in build/accuracy/ as they come, and made anew when
edgeq or the model has changed: what was interrupted goes on where it was. Rows whose model or data is absent are
skipped, and say so. CIFAR-10 is at the path in EDGEQ_CIFAR10, else in ../shared/data. Exit code 1 where a bar is
missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
MODELS, BUILD, PAGE = ROOT / "models", ROOT / "build" / "accuracy", ROOT / "docs" / "accuracy.md"
CIFAR10 = Path(os.environ.get("EDGEQ_CIFAR10") or SHARED / "cifar10_jpg.zip")
RESNET20 = SHARED / "resnet_cifar" / "resnet20-12fca82f.th"
LOSSLESS = SHARED / "cifar10_lossless_calib"
BLOWN_UP = 50.0


@dataclass(frozen=True)
class Model:
    """A model folder, made by `folder` if it has to be; what it `needs`, and how its data is called in the table."""

    name: str
    data: str
    needs: tuple[Path, ...]
    folder: Callable[[], Path]


@dataclass(frozen=True)
class Row:
    """One run: `arguments` of `edgeq quantize`, and how many points below float its integer top-1 may lie."""

    model: Model
    setting: str
    arguments: tuple[str, ...] = ()
    points: float | None = None


def lossless() -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10 training images as they are, one in a row of a PNG, for calibration; their classes are not told."""
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(LOSSLESS.glob("*.png"))]
    images = np.concatenate([picture.reshape(-1, 32, 32, 3) for picture in pictures])
    return images, np.zeros(len(images), np.int64)


def resnet20() -> Path:
    """The published ResNet-20, in a folder of its own."""
    folder = BUILD / "resnet20-cifar10"
    _write(
        folder / "model.toml",
        f"""name = "resnet20-cifar10"
factory = "{MODELS / "resnet_cifar.py"}:resnet_cifar"
weights = "{RESNET20}"
labels = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

[input]
shape = [1, 32, 32, 3]
scale = {1 / 255}
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[data]
name = "cifar10"
calibration = "{Path(__file__).resolve()}:lossless"
""",
    )
    return folder


def blown_up_mobilenet() -> Path:
    """models/mobilenetv2-cifar10 with one channel's range blown up in each block: the same function."""
    import torch
    from safetensors.torch import load_file, save

    sys.path.insert(0, str(ROOT))
    from models.mobilenet_v2 import blow_up, mobilenet_v2

    original, folder = MODELS / "mobilenetv2-cifar10", BUILD / "mobilenetv2-blown-up"
    network = mobilenet_v2()
    network.load_state_dict(load_file(original / "weights.safetensors"))
    with torch.no_grad():
        blow_up(network, BLOWN_UP)
    recipe = (original / "model.toml").read_text(encoding="utf-8").replace("../", f"{MODELS}/")
    _write(folder / "model.toml", recipe.replace('name = "mobilenetv2-cifar10"', 'name = "mobilenetv2-blown-up"'))
    (folder / "weights.safetensors").write_bytes(save(network.state_dict()))
    return folder


def _in_zoo(name: str) -> Callable[[], Path]:
    return lambda: MODELS / name


def _weights(name: str) -> Path:
    return MODELS / name / "weights.safetensors"


DIGITS = Model("resnet18-digits", "digits", (_weights("resnet18-digits"),), _in_zoo("resnet18-digits"))
RESNET20_CIFAR = Model("ResNet-20 (published)", "CIFAR-10 as JPEG", (RESNET20, LOSSLESS, CIFAR10), resnet20)
CIFAR = Model(
    "resnet18-cifar10", "CIFAR-10 as JPEG", (_weights("resnet18-cifar10"), CIFAR10), _in_zoo("resnet18-cifar10")
)
MOBILENET = Model(
    "mobilenetv2-cifar10", "CIFAR-10 as JPEG", (_weights("mobilenetv2-cifar10"), CIFAR10),
    _in_zoo("mobilenetv2-cifar10"),
)  # fmt: skip
BLOWN = Model(
    f"mobilenetv2-cifar10, blown up {BLOWN_UP:g}x", "CIFAR-10 as JPEG",
    (_weights("mobilenetv2-cifar10"), CIFAR10), blown_up_mobilenet,
)  # fmt: skip

PER_TENSOR_BEST = ("--per-tensor", "--effort", "best")
ROWS = (
    Row(DIGITS, "per channel", (), 0.3),
    Row(DIGITS, "`--preset note`", ("--preset", "note")),
    Row(DIGITS, "per tensor, best", PER_TENSOR_BEST),
    Row(RESNET20_CIFAR, "per channel", (), 0.5),
    Row(RESNET20_CIFAR, "`--preset note`", ("--preset", "note")),
    Row(RESNET20_CIFAR, "per tensor, best", PER_TENSOR_BEST, 1.5),
    Row(CIFAR, "per channel", (), 0.5),
    Row(CIFAR, "`--preset note`", ("--preset", "note")),
    Row(CIFAR, "per tensor, best", PER_TENSOR_BEST),
    Row(MOBILENET, "per channel", ()),
    Row(MOBILENET, "`--preset note`", ("--preset", "note")),
    Row(MOBILENET, "per tensor, best", PER_TENSOR_BEST),
    Row(BLOWN, "`--preset note`", ("--preset", "note")),
    Row(BLOWN, "per tensor, best", PER_TENSOR_BEST, 2.0),
)


def made(row: Row) -> dict[str, Any]:
    """The answer of `edgeq quantize --json`, from before where nothing has changed since."""
    folder = row.model.folder()
    command = ["quantize", str(folder), *row.arguments, "--json", "-o", str(BUILD / "model.onnx")]
    kept = BUILD / f"{_fingerprint(folder, command)}.json"
    if not kept.exists():
        environment = {**os.environ, "EDGEQ_CIFAR10": str(CIFAR10)}
        edgeq = [sys.executable, "-c", "from edgeq.cli import main; main()", *command]
        answer = subprocess.run(edgeq, stdout=subprocess.PIPE, env=environment, check=True).stdout
        json.loads(answer)
        _write(kept, answer.decode())
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def _fingerprint(folder: Path, command: list[str]) -> str:
    """Of all that a row depends on but the data set and the libraries."""
    digest = hashlib.sha256("\n".join(command).encode())
    rooms = ("convert", "graph", "ops", "preprocess", "quantize")
    sources = [path for room in rooms for path in (ROOT / "edgeq" / room).rglob("*.py")]
    inputs = sorted([*sources, ROOT / "edgeq" / "pipeline" / "scoring.py", *MODELS.glob("*.py"), *folder.iterdir()])
    for path in inputs:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def line(row: Row, found: dict[str, Any]) -> str:
    """The table's line."""
    lost = 100 * (found["int8_top1"] - found["float_top1"])
    bar = "" if row.points is None else f"-{row.points:g}: {'met' if met(row, found) else '**missed**'}"
    shares = " | ".join(f"{100 * found[key]:.2f}" for key in ("float_top1", "qdq_top1", "int8_top1"))
    kept = ", ".join(effect["repair"] for effect in found["effects"] if effect["kept"]) or "-"
    return (
        f"| {row.model.name} | {row.model.data} | {found['samples']:,} | {row.setting} | {found['observer']} | {kept} "
        f"| {shares} | {lost:+.2f} | {bar} |"
    )


def met(row: Row, found: dict[str, Any]) -> bool:
    """Whether the integer network lies no more points below float than it may."""
    return row.points is None or 100 * (found["float_top1"] - found["int8_top1"]) <= row.points


HEAD = """# Accuracy

What INT8 costs: top-1 in per cent on held-out samples, of the float network, of the same network with every activation
and weight rounded in float (simulated), and of the integer network as the board runs it (the integer reference, which
TFLite Micro and the engine equal to the byte). `make accuracy` makes this page from `edgeq quantize ... --json`; the
bars are how many points of float's top-1 the integer network may lose.

- *per channel* is what `edgeq quantize` does when nothing else is said; `--preset note` is per tensor by the extremes,
  without repairs; *per tensor, best* is `--per-tensor --effort best`.
- CIFAR-10 as JPEG is a copy of its test images at about 31 dB, which costs networks that were trained on the lossless
  images some points. The published ResNet-20 is calibrated with lossless training images, the others with their own.
- *blown up* computes the same: one channel of the first projection and one filter of each depthwise layer behind an
  expansion are 50 times larger, and the weights behind or in front as much smaller. One scale cannot hold both.

| model | data | samples | weights, effort | observer | repairs kept | float | simulated | INT8 | points | bar |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Make docs/accuracy.md.")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="rows whose model's name holds it; prints them alone"
    )
    arguments = parser.parse_args()
    lines, skipped, missed = [], {}, 0
    rows = [row for row in ROWS if arguments.only in row.model.name]
    for number, row in enumerate(rows, 1):
        absent = [path for path in row.model.needs if not path.exists()]
        if absent:
            skipped[row.model.name] = (
                f"no {absent[0].relative_to(ROOT) if absent[0].is_relative_to(ROOT) else absent[0].name}"
            )
            continue
        print(f"{number}/{len(rows)}: {row.model.name}, {row.setting}", file=sys.stderr, flush=True)
        found = made(row)
        missed += not met(row, found)
        lines.append(line(row, found))
        print(lines[-1], flush=True)
    notes = [f"- {name}: not made here, there is {why}" for name, why in skipped.items()]
    print("\n".join(notes), file=sys.stderr)
    if not arguments.only:
        _write(PAGE, HEAD + "\n".join(lines) + "\n" + ("\n" + "\n".join(notes) + "\n" if notes else ""))
    return 1 if missed else 0


def _write(path: Path, text: str) -> None:
    """Beside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
