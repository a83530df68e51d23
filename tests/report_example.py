"""A report as the pipeline builds one, for the tests of edgeq/report/."""

from __future__ import annotations

from typing import Any

_LAYERS = [
    ("pad", "PAD", "pad_s8", 41_200, 0),
    ("conv1", "CONV_2D", "conv2d_s8", 7_400_118, 602_112),
    ("maxpool", "MAX_POOL_2D", "max_pool2d_s8", 301_776, 0),
    *(
        (
            f"layer{stage}.{block}.conv{conv}",
            "CONV_2D",
            "conv2d_s8",
            3_100_000 // stage + 17 * conv,
            589_824 // stage,
        )
        for stage in (1, 2, 3, 4)
        for block in (0, 1)
        for conv in (1, 2)
    ),
    ("layer1.0.add", "ADD", "add_s8", 55_310, 0),
    ("avgpool", "MEAN", "mean_s8", 8_211, 0),
    ("fc", "FULLY_CONNECTED", "fully_connected_s8", 17_902, 1_280),
]

_RUNS = [23_901_884 + 3 * (run % 4) + 40 * (run == 17) for run in range(20)]


def example() -> dict[str, Any]:
    """A fresh dictionary of a sound report with every optional part in it but a second engine."""
    return {
        "schema": 1,
        "model": {
            "name": "resnet18-digits",
            "input": [1, 32, 32, 3],
            "macs": 2_811_904,
            "params": 701_466,
            "sha256": "5f" * 32,
        },
        "board": {
            "name": "esp32-wrover-b",
            "kind": "emulated",
            "flash_bytes": 4 << 20,
            "arena_bytes": 2 << 20,
            "scratch_bytes": 96 << 10,
            "model_slot_bytes": 1_507_328,
            "clock_hz": None,
        },
        "engine": "native",
        "accuracy": {
            "float_top1": 0.9944,
            "int8_top1": 0.9917,
            "samples": 360,
            "qdq_top1": 0.9889,
            "moved": [{"float_class": "8", "int8_class": "3", "count": 2, "lost": 1, "won": 0}],
        },
        "sizes": {
            "tflite_bytes": 748_032,
            "arena_bytes": 24_576,
            "scratch_bytes": 9_216,
            "image_bytes": 812_544,
            "firmware_bytes": 61_440,
            "tflm_arena_bytes": 52_903,
            "tflm_arena_bound_bytes": 53_216,
        },
        "flash": {"bytes": 873_984, "seconds": 9.4, "verified": True},
        "ledger": {
            "hops": [
                _hop("torch QDQ = ONNX", "within", 34, 16, max_lsb=1, allowed_lsb=1),
                _hop("ONNX = integer reference", "within", 34, 16, max_lsb=1, allowed_lsb=1),
                _hop("integer reference = TFLM", "equal", 1, 16, max_lsb=0),
                _hop("integer reference = native on host", "equal", 31, 16, max_lsb=0),
                _hop("integer reference = board", "equal", 31, 16, max_lsb=0),
                _hop("integer reference = LiteRT", "not run", 0, 0, note="ai-edge-litert is not installed"),
            ]
        },
        "latency": _latency(),
        "engine_version": "plain C kernels",
        "sqnr": [{"name": "conv1", "db": 38.2}, {"name": "maxpool", "db": None}],
        "quantisation": _quantisation(),
        "command": "edgeq deploy models/resnet18-digits --board esp32-wrover-b -o build/demo",
        "versions": {"edgeq": "0.1.0", "torch": "2.13.0", "esptool": "5.6.0"},
        "firmware": {
            "version": "0.1.0",
            "port": "qemu_lx6",
            "engines": ["native"],
            "facts": {"trigger": "virtual", "features": "golden,hash,profile"},
        },
        "arena_steps": [
            {"name": "pad", "live_bytes": 7_168, "read_bytes": 3_072, "written_bytes": 4_096},
            {"name": "conv1", "live_bytes": 24_576, "read_bytes": 4_096, "written_bytes": 16_384},
            {"name": "maxpool", "live_bytes": 20_480, "read_bytes": 16_384, "written_bytes": 4_096},
        ],
        "flash_map": [
            {"name": "partition table", "offset": 0x8000, "bytes": 0xC00, "used_bytes": 0xC00},
            {"name": "modelsel", "offset": 0x9000, "bytes": 0x2000, "used_bytes": 0x1000},
            {"name": "factory", "offset": 0x10000, "bytes": 0x100000, "used_bytes": 61_440},
            {"name": "coredump", "offset": 0x110000, "bytes": 0x10000, "used_bytes": 0},
            {"name": "model_0", "offset": 0x120000, "bytes": 0x170000, "used_bytes": 812_544},
            {"name": "model_1", "offset": 0x290000, "bytes": 0x170000, "used_bytes": 0},
        ],
        "warnings": ["12 calibration samples are few"],
    }


def bench_example() -> dict[str, Any]:
    """A fresh dictionary of what `edgeq bench` makes of a board with two engines."""
    two = two_engines()
    return {
        "schema": 1,
        "kind": "bench",
        "model": {
            "name": "resnet18-digits",
            "input": [1, 32, 32, 3],
            "macs": 2_811_904,
            "image_bytes": 812_544,
            "image_sha256": "7a" * 32,
        },
        "board": two["board"] | {"flash_bytes": None},
        "engines": two["engines"],
        "equality": [
            {"engine": "native", "count": 16, "equal": 16},
            {"engine": "tflm", "count": 16, "equal": 15},
        ],
        "firmware": two["firmware"] | {"engines": ["native", "tflm"]},
        "versions": {"edgeq": "0.1.0", "python": "3.11.2"},
        "command": "edgeq bench --port /dev/ttyUSB0 --engine both",
    }


def _quantisation() -> dict[str, Any]:
    """Two layers with all that may be known of them, and one hint."""
    counts = [0, 3, 40, 900, 35, 2, 0, 1]
    activation = {
        "shape": [16, 8, 8],
        "db": 31.7,
        "own_db": 34.2,
        "median_channel_db": 28.5,
        "range": [-1.5, 2.25],
        "seen": [-1.75, 2.5],
        "clipped": 0.0031,
        "levels": 243,
        "channel_spread": 2.5,
        "histogram": {"low": -1.75, "high": 2.5, "counts": counts},
    }
    weight = {
        "shape": [16, 3, 7, 7],
        "per_channel": False,
        "db": 38.25,
        "worst_channel_db": 7.5,
        "channel_spread": 41.0,
        "range": [-0.5, 0.5],
        "histogram": {"low": -0.5, "high": 0.25, "counts": counts},
    }
    fixed = {
        "db": None,
        "own_db": None,
        "median_channel_db": None,
        "range": [0.0, 0.99609375],
        "seen": None,
        "clipped": 0.0,
        "histogram": None,
    }
    return {
        "weight_scales": "per-tensor",
        "observer": "mse",
        "effort": "best",
        "calibration_samples": 256,
        "samples": 16,
        "activations": [activation | {"name": "conv1"}, activation | fixed | {"name": "sigmoid"}],
        "weights": [weight | {"name": "conv1"}, weight | {"name": "fc", "worst_channel_db": None, "histogram": None}],
        "left_out": {
            "samples": 200,
            "db": 21.5,
            "top1": 0.985,
            "costs": [
                {"names": ["conv1", "maxpool"], "db": 28.0, "gain_db": 6.5, "top1_gain": 0.005},
                {"names": ["fc"], "db": 21.25, "gain_db": -0.25, "top1_gain": 0.0},
            ],
        },
        "hints": [
            {
                "rule": "weights",
                "found": "one channel of conv1 has weights 41 times the median channel's",
                "tries": "weights per channel: leave out --per-tensor",
                "layers": ["conv1", "fc"],
            }
        ],
        "repairs": [{"repair": "equalisation", "before_db": 20.5, "after_db": 21.75, "kept": True}],
        "training": {
            "images": 1295,
            "set_aside": 143,
            "kept": 1,
            "epochs": [
                {"number": 0, "trained_loss": None, "loss": 0.5, "top1": 0.875},
                {"number": 1, "trained_loss": 0.25, "loss": 0.3125, "top1": 0.9375},
            ],
        },
        "warnings": ["12 calibration samples are few"],
    }


def two_engines() -> dict[str, Any]:
    """The same with TFLite Micro beside the native engine, which has a step of its own for RESHAPE."""
    native = {"engine": "native", "version": "plain C kernels", "arena_bytes": 24_576, "scratch_bytes": 9_216}
    tflm = {"engine": "tflm", "version": "esp-tflite-micro 1.4.0", "arena_bytes": 49_900, "scratch_bytes": 0}
    slower = _latency() | {"p99": 24_000_001, "max": 24_000_001}
    slower["layers"] = [*slower["layers"], dict(_RESHAPE)]
    return example() | {"engines": [native | {"latency": _latency()}, tflm | {"latency": slower}]}


_RESHAPE = {"name": "flatten", "op": "RESHAPE", "kernel": "", "value": 412, "macs": 0, "values": [412]}


def _latency() -> dict[str, Any]:
    return {
        "basis": "emulated",
        "unit": "instructions",
        "n": 20,
        "p50": 23_901_887,
        "p90": 23_901_893,
        "p99": 23_901_927,
        "min": 23_901_884,
        "max": 23_901_927,
        "mean": 23_901_890.5,
        "layers": [
            {"name": name, "op": op, "kernel": kernel, "value": value, "macs": macs, "values": [value]}
            for name, op, kernel, value, macs in _LAYERS
        ],
        "values": list(_RUNS),
    }


def _hop(name: str, status: str, tensors: int, inputs: int, **more: Any) -> dict[str, Any]:
    fields = {"max_lsb": None, "allowed_lsb": 0, "first_difference": None, "note": ""} | more
    return {
        "name": name,
        "status": status,
        "equal": status == "equal",
        "tensors": tensors,
        "inputs": inputs,
        **fields,
    }
