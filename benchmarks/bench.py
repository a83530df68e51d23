"""`make bench`: what a deploy costs on the emulated core, against the committed baseline.

Instructions, bytes of arena and flash: exact and repeatable, so that a change of over 2 % is the code's, not the
machine's. `--update` writes the new baseline; say in the commit why it got worse, if it did.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from edgeq.pipeline.deploy import deploy
from edgeq.pipeline.progress import Quiet
from edgeq.report.model import Report

BASELINE = Path(__file__).parent / "resnet18-digits.json"
TOLERANCE = 0.02


def figures(report: Report) -> dict[str, int]:
    """What is tracked: a name that says its unit, and a whole number."""
    sizes = report.sizes
    tracked = {
        "total, instructions": int(report.latency.p50),
        "arena, bytes": sizes.arena_bytes,
        "scratch, bytes": sizes.scratch_bytes,
        "model image, bytes": sizes.image_bytes,
        "firmware, bytes": sizes.firmware_bytes,
    }
    return tracked | {f"{layer.name}, instructions": int(layer.value) for layer in report.latency.layers}


def worse(baseline: dict[str, int], found: dict[str, int]) -> list[str]:
    """The figures that grew by over 2 %, and those that are gone."""
    gone = [f"{name}: was {value:,}, is gone" for name, value in baseline.items() if name not in found]
    grown = [
        f"{name}: {baseline[name]:,} to {value:,} ({100 * (value / max(baseline[name], 1) - 1):+.1f} %)"
        for name, value in found.items()
        if name in baseline and value > baseline[name] * (1 + TOLERANCE)
    ]
    return gone + grown


def main() -> int:
    """Exit code 1 where something got worse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write the new baseline")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = deploy("resnet18-digits", Path(folder), runner="qemu_lx6", progress=Quiet())
    found = figures(report)
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    for name, value in found.items():
        change = f"{100 * (value / baseline[name] - 1):+7.2f} %" if baseline.get(name) else ""
        print(f"{name:<44}{value:>14,}{change:>12}")
    if arguments.update or not baseline:
        BASELINE.write_text(json.dumps(found, indent=2) + "\n")
        return 0
    for line in (lost := worse(baseline, found)):
        print(f"worse: {line}", file=sys.stderr)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
