"""Other people's engines, each giving every activation it can: TFLite Micro, LiteRT's reference kernels, onnxruntime.

Each raises ToolMissing where its package is not installed: that hop of the ledger then reads "not run".
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.bench.ledger import Trace, Values
from edgeq.errors import ToolMissing, Unsupported
from edgeq.graph import FileLayout, Graph

_ARENA_START = 1 << 20
_ARENA_MOST = 1 << 28
_ARENA_SEARCH_S = 120
_REASON_CHARS = 120


def has_tflm() -> bool:
    """Whether TFLite Micro's interpreter is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def require_tflm() -> None:
    """ToolMissing where it is not."""
    if not has_tflm():
        raise ToolMissing("TFLite Micro's interpreter is not installed", hint="pip install edgeq[verify]")


def tflm_arena_bytes(tflite: bytes, *, where: str = "") -> int:
    """The smallest arena in which TFLite Micro's interpreter opens and runs the model: one byte less fails.

    That is exact for the interpreter that is installed, a 64-bit build with reference kernels; `edgeq.plan.tflm_arena`
    derives a bound for an ESP32 from it. Raises ToolMissing without the interpreter, Unsupported where it refuses the
    model.
    """
    require_tflm()
    command = [sys.executable, "-P", "-m", "edgeq.bench.tflm"]
    try:
        found = subprocess.run(command, input=tflite, capture_output=True, timeout=_ARENA_SEARCH_S)
    except subprocess.TimeoutExpired as e:
        raise Unsupported(f"TFLite Micro does not open the model in {_ARENA_SEARCH_S} s", where=where) from e
    said = found.stderr.decode("utf-8", "replace").strip()
    if found.returncode < 0:
        raise Unsupported("the model breaks TFLite Micro's interpreter", where=where)
    if found.returncode:
        raise Unsupported(f"TFLite Micro refuses the model: {said}", where=where, hint="use --engine native")
    return int(found.stdout)


def tflm_trace(tflite: bytes, graph: Graph, file: FileLayout, inputs: NDArray[np.int8]) -> dict[str, Values]:
    """Every activation in TFLite Micro's interpreter, [inputs, ...], keyed by name. `inputs` is [N, H, W, C]."""
    require_tflm()
    from tflite_micro.python.tflite_micro import runtime

    interpreter = None
    arena = _ARENA_START
    while interpreter is None:
        try:
            interpreter = runtime.Interpreter.from_bytes(
                tflite, arena_size=arena, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors
            )
        except RuntimeError as e:  # it says so little that a too small arena cannot be told from anything else
            arena *= 4
            if arena > _ARENA_MOST:
                raise Unsupported("TFLite Micro refuses the model", where=graph.name) from e
    rows: list[dict[str, Values]] = []
    for sample in inputs:
        interpreter.set_input(sample[None], 0)
        interpreter.invoke()
        tensors = {n: interpreter.GetTensor(file.tensor_index[n], 0) for n in _activations(graph)}
        rows.append({n: _row(tensor["tensor_data"]) for n, tensor in tensors.items()})
    return _stacked(rows)


def litert_trace(tflite: bytes, graph: Graph, file: FileLayout, inputs: NDArray[np.int8]) -> dict[str, Values]:
    """Every activation in LiteRT with its reference kernels. Raises Unsupported where it refuses the model."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(
            model_content=tflite,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as e:  # it is stricter than TFLite Micro: some old files name an axis that is not
        why = " ".join(str(e).split())[:_REASON_CHARS]
        raise Unsupported(f"LiteRT refuses the model: {why}", where=graph.name) from e
    rows: list[dict[str, Values]] = []
    for sample in inputs:
        interpreter.set_tensor(file.tensor_index[graph.inputs[0]], sample[None])
        interpreter.invoke()
        rows.append({n: _row(interpreter.get_tensor(file.tensor_index[n])) for n in _activations(graph)})
    return _stacked(rows)


def onnx_trace(onnx_model: bytes, names: Sequence[str], inputs_nchw: NDArray[np.float32]) -> dict[str, Values]:
    """The integer activations `names` in onnxruntime without optimisation, turned to NHWC."""
    try:
        import onnxruntime
    except ImportError as e:
        raise ToolMissing("onnxruntime is not installed", hint="pip install edgeq[verify]") from e
    import onnx

    model = onnx.load_from_string(onnx_model)
    made = {output for node in model.graph.node for output in node.output}
    wanted = [n for n in names if n in made]
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in wanted)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0].name
    rows = [dict(zip(wanted, map(_row, session.run(wanted, {feed: x[None]})), strict=True)) for x in inputs_nchw]
    return {n: to_nhwc(v) for n, v in _stacked(rows).items()}


def to_nhwc(values: Values) -> Values:
    """[N, C, H, W] to [N, H, W, C]; other ranks stay as they are."""
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1)) if values.ndim == 4 else values


def _activations(graph: Graph) -> list[str]:
    return [*graph.inputs, *(output for node in graph.nodes for output in node.outputs)]


def _row(values: Values) -> Values:
    return np.array(values[0])  # without the batch of one, and not the interpreter's own memory


def _stacked(rows: Sequence[Trace]) -> dict[str, Values]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]} if rows else {}
