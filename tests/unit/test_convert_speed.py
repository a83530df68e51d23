"""A full ResNet-18 at 224 x 224 is converted within its bounds of time and memory."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "convert.py"


def test_resnet18_takes_less_than_five_seconds_and_a_gibibyte(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("convert_benchmark", SCRIPT)
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    seconds, peak = benchmark.measure(tmp_path)
    assert seconds < benchmark.MOST_SECONDS and peak < benchmark.MOST_BYTES
    assert (tmp_path / "resnet18.tflite").stat().st_size > 11 << 20
