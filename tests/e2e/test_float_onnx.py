"""Float ONNX from anywhere becomes a torch network that computes the same, or is refused by the node's name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from command_line import edgeq, good, refused
from float_nets import NETS, FloatNet
from onnx import TensorProto, helper, numpy_helper

from edgeq.bench.ledger import compare_layers
from edgeq.bench.oracles import onnx_trace
from edgeq.bundled import bundled
from edgeq.convert import convert_onnx
from edgeq.convert.float_onnx import is_quantised, read_float_onnx
from edgeq.errors import BadInput, Unsupported
from edgeq.quantize.from_onnx import OPERATORS, network_of
from edgeq.quantize.model import load_model
from edgeq.quantize.quantize import quantize
from edgeq.quantize.recipe import DataFacts

IMAGE = (1, 4, 6, 8)
ROW = (1, 12)

DATA = """
import numpy as np

def pictures():
    random = np.random.default_rng(0)
    return random.integers(0, 256, (40, {size}, {size}, 3)), np.arange(40) % 4
"""


def random(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


# operator -> cases of (shape of the input, constants behind it, attributes), and how many outputs there are
CASES: dict[str, list[tuple[tuple[int, ...], list[Any], dict[str, Any]]]] = {
    "Add": [(IMAGE, [random(1, 4, 1, 1)], {}), (IMAGE, ["x"], {})],
    "AveragePool": [
        (IMAGE, [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        (IMAGE, [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
        (IMAGE, [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ],
    "BatchNormalization": [(IMAGE, [random(4), random(4, seed=2), random(4), random(4) ** 2], {"epsilon": 0.1})],
    "Clip": [(IMAGE, [np.float32(0), np.float32(6)], {}), (IMAGE, [np.float32(0)], {})],
    "Concat": [(IMAGE, ["x", random(1, 2, 6, 8)], {"axis": 1})],
    "Conv": [
        (IMAGE, [random(3, 4, 3, 3), random(3)], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
        (IMAGE, [random(4, 1, 3, 3)], {"group": 4, "pads": [0, 0, 1, 1], "strides": [2, 2]}),
        (IMAGE, [random(3, 4, 3, 2)], {"auto_pad": "SAME_UPPER", "strides": [2, 1]}),
        (IMAGE, [random(3, 4, 2, 2)], {"auto_pad": "SAME_LOWER"}),
        (IMAGE, [random(3, 4, 2, 2)], {"dilations": [2, 3], "auto_pad": "VALID"}),
    ],
    "ConvTranspose": [
        (IMAGE, [random(4, 3, 3, 3), random(3)], {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]})
    ],
    "Div": [(IMAGE, [np.float32(3)], {}), (IMAGE, [random(4, 1, 1) + 5], {})],
    "Dropout": [(IMAGE, [], {})],
    "Flatten": [(IMAGE, [], {})],
    "Gemm": [
        (ROW, [random(5, 12), random(5)], {"transB": 1}),
        (ROW, [random(12, 5), random(1)], {"alpha": 0.5, "beta": 2.0}),
        (ROW, [random(12, 5)], {}),
    ],
    "GlobalAveragePool": [(IMAGE, [], {})],
    "HardSigmoid": [(IMAGE, [], {"alpha": 1 / 6})],
    "HardSwish": [(IMAGE, [], {})],
    "Identity": [(IMAGE, [], {})],
    "LeakyRelu": [(IMAGE, [], {"alpha": 0.2})],
    "MatMul": [(ROW, [random(12, 5)], {}), ((1, 3, 12), [random(12, 5)], {})],
    "MaxPool": [
        (IMAGE, [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        (IMAGE, [], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ],
    "Mul": [(IMAGE, ["x"], {}), (IMAGE, [random(1, 4, 1, 1)], {})],
    "PRelu": [(IMAGE, [random(4, 1, 1)], {})],
    "Pad": [
        (IMAGE, [integers(0, 0, 1, 2, 0, 0, 3, 0)], {}),
        (IMAGE, [integers(1, 2), np.float32(0), integers(-1)], {}),
    ],
    "ReduceMean": [(IMAGE, [integers(2, 3)], {"keepdims": 0}), (IMAGE, [integers(-1, -2)], {})],
    "Relu": [(IMAGE, [], {})],
    "Reshape": [(IMAGE, [integers(1, -1, 4)], {})],
    "Resize": [
        (IMAGE, [None, np.array([1, 1, 2, 3], np.float32)], {"mode": "nearest"}),
        (
            IMAGE,
            [None, np.array([1, 1, 2, 2], np.float32)],
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        ),
    ],
    "Sigmoid": [(IMAGE, [], {})],
    "Slice": [
        (IMAGE, [integers(1, -5), integers(3, 100), integers(1, 3)], {}),
        (IMAGE, [integers(0), integers(8), integers(-1), integers(3)], {}),
    ],
    "Softmax": [(ROW, [], {}), (IMAGE, [], {"axis": 1})],
    "Split": [(IMAGE, [integers(1, 3)], {"axis": 1})],
    "Squeeze": [((1, 4, 1, 1), [integers(2, 3)], {})],
    "Sub": [(IMAGE, [random(1)], {}), (IMAGE, ["x"], {})],
    "Tanh": [(IMAGE, [], {})],
    "Transpose": [(IMAGE, [], {"perm": [0, 2, 3, 1]}), (ROW, [], {})],
    "Unsqueeze": [(ROW, [integers(2)], {})],
}  # fmt: skip


def one_node(op: str, shape: tuple[int, ...], constants: list[Any], attrs: dict[str, Any]) -> bytes:
    names, initialisers = ["x"], []
    for i, values in enumerate(constants):
        names.append("" if values is None else "x" if isinstance(values, str) else f"c{i}")
        if isinstance(values, np.ndarray | np.float32):
            initialisers.append(numpy_helper.from_array(np.asarray(values), f"c{i}"))
    outputs = ["y", "y1"] if op == "Split" else ["y"]
    node = helper.make_node(op, names, outputs, name=f"the {op}", **attrs)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node], "one", [value("x", TensorProto.FLOAT, shape)], [value("y", TensorProto.FLOAT, None)], initialisers
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


def assert_computes_the_same(data: bytes) -> None:
    graph = read_float_onnx(data, "net")
    x = random(*graph.tensor(graph.inputs[0]).shape, seed=7)
    (expected,) = onnxruntime.InferenceSession(data).run(["y"], {graph.inputs[0]: x})
    with torch.no_grad():
        found = network_of(graph)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_every_operator_has_a_case_and_is_documented() -> None:
    assert set(CASES) == set(OPERATORS)
    page = (bundled("models").parent / "docs" / "models.md").read_text()
    named = page.partition("these operators are read:")[2].partition(".")[0]
    assert sorted(re.findall(r"`(\w+)`", named)) == sorted(OPERATORS)


@pytest.mark.parametrize("op", CASES)
def test_it_computes_what_onnxruntime_does(op: str) -> None:
    for case in CASES[op]:
        assert_computes_the_same(one_node(op, *case))


@pytest.mark.parametrize("net", NETS)
def test_a_whole_network_computes_what_onnxruntime_does(net: str) -> None:
    data = NETS[net]().model().SerializeToString()
    assert not is_quantised(data)
    assert_computes_the_same(data)


REFUSED = {
    "a bound alone": ("MaxPool", IMAGE, [], {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1]}, "side to side"),
    "reflection": ("Pad", IMAGE, [integers(0, 0, 1, 1, 0, 0, 1, 1)], {"mode": "reflect"}, "zeros"),
    "another hard sigmoid": ("HardSigmoid", IMAGE, [], {"alpha": 0.3}, "alpha 0.3"),
    "interpolation": ("Resize", IMAGE, [None, np.array([1, 1, 2, 2], np.float32)], {"mode": "linear"}, "nearest"),
    "one dimension": ("Conv", (1, 4, 9), [random(3, 4, 3)], {}, "two dimensions"),
    "a mean of everything": ("ReduceMean", IMAGE, [], {}, "all axes"),
    "no rule at all": ("Elu", IMAGE, [], {}, "no INT8 rule for Elu"),
    "division by zero": ("Div", IMAGE, [np.float32(0)], {}, "divides by zero"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_has_no_counterpart_is_refused_with_the_node(why: str) -> None:
    op, shape, constants, attrs, words = REFUSED[why]
    with pytest.raises(BadInput, match=words) as caught:
        network_of(read_float_onnx(one_node(op, shape, constants, attrs), "net"))
    assert caught.value.where == f"node the {op}"


def test_all_operators_without_a_rule_are_named_at_once() -> None:
    net = FloatNet(1, 3, 4, 4)
    net.node("Elu", ["x"], "e")
    net.node("Selu", [net.node("Relu", ["e"], "r")], "y")
    with pytest.raises(Unsupported, match=r"Elu; Selu in node the y"):
        network_of(read_float_onnx(net.model().SerializeToString(), "net"))


def test_weights_that_are_no_numbers_are_refused() -> None:
    weights = random(3, 4, 1, 1)
    weights[0, 0] = np.nan
    with pytest.raises(BadInput, match="NaN"):
        network_of(read_float_onnx(one_node("Conv", IMAGE, [weights], {}), "net"))


def free_batch() -> bytes:
    """As an exporter writes a flatten for any batch: the new shape is computed from the old one."""
    net = FloatNet(1, 3, 8, 8)
    net.conv("x", "stem", 4, 3, 3, 3, pads=[1] * 4, strides=[2, 2])
    net.node("Shape", ["stem"], "sizes")
    net.node("Gather", ["sizes", net.constant("first", np.array([0], np.int64))], "batch")
    net.node("Concat", ["batch", net.constant("rest", np.array([64], np.int64))], "wanted", axis=0)
    net.dense(net.node("Reshape", ["stem", "wanted"], "flat"), 64, 4)
    model = net.model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


def test_a_free_batch_becomes_one() -> None:
    data = free_batch()
    assert_computes_the_same(data)
    assert read_float_onnx(data, "net").tensors["flat"].shape == (1, 64)


def test_a_transpose_in_front_is_left_to_the_data() -> None:
    """As tf2onnx writes them: the file takes NHWC, the network in it NCHW."""
    model = NETS["residual"]().model()
    model.graph.node.insert(0, helper.make_node("Transpose", ["image"], ["x"], name="first", perm=[0, 3, 1, 2]))
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 16, 16, 3)))
    data = bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())
    graph = read_float_onnx(data, "net")
    assert graph.inputs == ("x",) and graph.tensor("x").shape == (1, 3, 16, 16)
    x = random(1, 16, 16, 3)
    (expected,) = onnxruntime.InferenceSession(data).run(["y"], {"image": x})
    with torch.no_grad():
        found = network_of(graph)(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_damaged_files_are_refused() -> None:
    data = NETS["residual"]().model().SerializeToString()
    random_bytes = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(data[: int(random_bytes.integers(1, len(data)))])
        damaged[int(random_bytes.integers(len(damaged)))] ^= 1 << int(random_bytes.integers(8))
        with pytest.raises(BadInput):
            network_of(read_float_onnx(bytes(damaged), "net"))


def test_it_is_quantised_by_the_same_rules_and_every_layer_is_the_integer_one(tmp_path: Path) -> None:
    """From the file to an integer graph whose layers are within one of onnxruntime on the QDQ model."""
    path = tmp_path / "residual.onnx"
    path.write_bytes(NETS["residual"]().model().SerializeToString())
    (tmp_path / "data.py").write_text(DATA.format(size=16))
    loaded = load_model(str(path), read_onnx=read_float_onnx)
    assert (loaded.recipe.name, loaded.recipe.input.shape, loaded.classes) == ("residual", (1, 16, 16, 3), 5)
    done = quantize(loaded, data=DataFacts(name=f"{tmp_path}/data.py:pictures"))
    graph = convert_onnx(done.onnx_bytes, "residual")
    names = [node.outputs[0] for node in graph.nodes]
    assert {"the stem.c", "the pooled", "the a.c", "the b", "the sum", "the mean", "the y"} <= set(names)
    hop = compare_layers("onnx", graph, onnx_trace(done.onnx_bytes, list(graph.tensors), done.ledger.inputs_nchw))
    assert hop.status in ("equal", "within") and hop.tensors >= 7


def test_a_model_toml_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(NETS["residual"]().model().SerializeToString())
    toml = 'name = "mine"\nfile = "net.onnx"\nlabels = {labels}\n[input]\nshape = [1, {size}, 16, 3]\nscale = 0.5\n'
    (tmp_path / "model.toml").write_text(toml.format(labels=list("abcde"), size=16))
    loaded = load_model(str(tmp_path), read_onnx=read_float_onnx)
    assert (loaded.recipe.name, loaded.recipe.labels, loaded.recipe.input.scale) == ("mine", tuple("abcde"), 0.5)
    (tmp_path / "model.toml").write_text(toml.format(labels=[], size=8))
    with pytest.raises(BadInput, match=r"takes \[1, 16, 16, 3\] \(NHWC\), not \[1, 8, 16, 3\]"):
        load_model(str(tmp_path), read_onnx=read_float_onnx)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('file = "a.onnx"\nfactory = "a.py:make"', "either factory or file"),
        ("", "either factory or file"),
        ('file = "a.onnx"\nweights = "a.pt"', "belong to a factory"),
    ],
)
def test_a_model_toml_says_one_network(tmp_path: Path, keys: str, words: str) -> None:
    (tmp_path / "model.toml").write_text(f'name = "mine"\n{keys}\n[input]\nshape = [1, 8, 8, 3]\n')
    with pytest.raises(BadInput, match=words):
        load_model(str(tmp_path))


def test_the_command_takes_a_bare_file_with_data(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(NETS["residual"]().model().SerializeToString())
    (tmp_path / "data.py").write_text(DATA.format(size=16))
    done = edgeq("quantize", "net.onnx", "--data", "data.py:pictures", "-o", "q.onnx", cwd=tmp_path)
    assert "INT8 top-1, integer" in good(done) and "they go in as they are" in " ".join(done.stderr.split())
    assert is_quantised((tmp_path / "q.onnx").read_bytes())
    refused(edgeq("quantize", "net.onnx", cwd=tmp_path), 2, "no data to calibrate with", "--data")
    refused(edgeq("quantize", "q.onnx", cwd=tmp_path), 2, "is quantised already", "edgeq convert")


FACTORY = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


def test_a_factory_is_given_with_its_input_shape(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FACTORY)
    (tmp_path / "data.py").write_text(DATA.format(size=9))
    asked = ("quantize", "net.py:make", "--data", "data.py:pictures")
    good(edgeq(*asked, "--input-shape", "1x9x7x3", cwd=tmp_path))
    model = onnx.load(tmp_path / "model.onnx")
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 9, 7]
    refused(edgeq(*asked, cwd=tmp_path), 2, "needs an input shape", "--input-shape 1x32x32x3")
    refused(edgeq(*asked, "--input-shape", "9x7x3", cwd=tmp_path), 2, "1xHxWxC, not '9x7x3'")
