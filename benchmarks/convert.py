"""How long a full ResNet-18 takes from QDQ ONNX to `.tflite`, and how much memory.

    python benchmarks/convert.py

makes the model (width 1.0, 224 x 224, 1000 classes, seeded weights, 11.7 MB), converts it in a process of its own and
prints seconds and peak memory. Exit code 1 above 5 s or 1 GiB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MOST_SECONDS, MOST_BYTES = 5.0, 1 << 30


class _ResNet18:
    """QDQ as torch exports it: per-channel weights, float biases, every activation quantised."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        self.initialisers.append(numpy_helper.from_array(values, name))
        return name

    def _node(self, op: str, inputs: list[str], output: str, **attrs: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attrs))
        return output

    def _qdq(self, x: str, scale: float = 0.05, zero_point: int = -128) -> str:
        params = [
            self._constant(f"{x}.scale", np.float32(scale)[...]),
            self._constant(f"{x}.zero", np.int8(zero_point)[...]),
        ]
        return self._node(
            "DequantizeLinear", [self._node("QuantizeLinear", [x, *params], f"{x}.q"), *params], f"{x}.dq"
        )

    def _operands(self, name: str, *shape: int) -> list[str]:
        values = self._constant(f"{name}.w.q", self.rng.integers(-127, 128, shape, dtype=np.int8))
        scale = self._constant(f"{name}.w.scale", self.rng.uniform(0.001, 0.002, shape[0]).astype(np.float32))
        zero = self._constant(f"{name}.w.zero", np.zeros(shape[0], np.int8))
        weights = self._node("DequantizeLinear", [values, scale, zero], f"{name}.w", axis=0)
        return [weights, self._constant(f"{name}.b", self.rng.uniform(-1, 1, shape[0]).astype(np.float32))]

    def _conv(self, x: str, name: str, shape: tuple[int, ...], stride: int, relu: bool) -> str:
        pads = [shape[2] // 2] * 4
        y = self._node("Conv", [x, *self._operands(name, *shape)], name, pads=pads, strides=[stride] * 2)
        return self._qdq(self._node("Relu", [y], f"{name}.relu") if relu else y, zero_point=-128 if relu else 0)

    def model(self) -> bytes:
        """The bytes of the ONNX file."""
        x = self._conv(self._qdq("x", 0.02, -3), "stem", (64, 3, 7, 7), 2, relu=True)
        x = self._node("MaxPool", [x], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        x, channels = self._qdq(x), 64
        for stage, width in enumerate((64, 128, 256, 512)):
            for block in range(2):
                name, stride = f"s{stage}b{block}", 2 if stage and not block else 1
                a = self._conv(x, f"{name}.a", (width, channels, 3, 3), stride, relu=True)
                b = self._conv(a, f"{name}.c", (width, width, 3, 3), 1, relu=False)
                if stride > 1:
                    x = self._conv(x, f"{name}.d", (width, channels, 1, 1), stride, relu=False)
                x, channels = self._qdq(self._node("Relu", [self._node("Add", [b, x], name)], f"{name}.relu")), width
        x = self._node("Flatten", [self._qdq(self._node("GlobalAveragePool", [x], "mean"), 0.02)], "flat")
        y = self._qdq(self._node("Gemm", [x, *self._operands("fc", 1000, 512)], "fc", transB=1), 0.1, 0)
        value = helper.make_tensor_value_info
        ends = [value("x", TensorProto.FLOAT, (1, 3, 224, 224))], [value(y, TensorProto.FLOAT, (1, 1000))]
        graph = helper.make_graph(self.nodes, "resnet18", *ends, self.initialisers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return bytes(model.SerializeToString())


# What the process does that is measured: imports, then the conversion.
_CHILD = """
import pathlib, re, sys, time
start = time.perf_counter()
from edgeq.convert import convert_onnx, write_tflite
imported = time.perf_counter()
path = pathlib.Path(sys.argv[1])
path.with_suffix(".tflite").write_bytes(write_tflite(convert_onnx(path.read_bytes(), path.name)))
# Not getrusage's maximum, which counts the parent's memory from before the exec.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) * 1024
print(imported - start, time.perf_counter() - imported, peak)
"""


def measure(folder: Path) -> tuple[float, float]:
    """(seconds, peak bytes) of converting the model, imports included."""
    path = folder / "resnet18.onnx"
    path.write_bytes(_ResNet18().model())
    ran = subprocess.run([sys.executable, "-c", _CHILD, path], check=True, capture_output=True, text=True)
    imports, conversion, peak = map(float, ran.stdout.split())
    print(f"{imports:.2f} s imports, {conversion:.2f} s conversion, {peak / 2**20:.0f} MiB at most")
    return imports + conversion, peak


def main() -> int:
    """Exit code 1 above the limits."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak = measure(Path(folder))
    return int(seconds > MOST_SECONDS or peak > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
