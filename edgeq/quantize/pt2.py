"""A `.pt2` of `torch.export.save`, read as what it is: a zip of JSON and plain tensors.

`torch.export.load` unpickles, evaluates expressions as Python and calls whatever function of torch a file names; it is
not used. Here nothing of the file is executed: its operations are looked up among those that `rules.py` and
`simplify.py` know, weights are taken as numbers of the size that their shape says, pickled ones are refused.
"""

from __future__ import annotations

import io
import json
import math
import operator
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.errors import BadInput, Unsupported
from edgeq.quantize.aten_builder import AtenBuilder
from edgeq.quantize.door import torch
from edgeq.quantize.graphs import Graph, Node
from edgeq.quantize.rules import RULES
from edgeq.quantize.simplify import REWRITTEN

MOST_JSON_BYTES = 1 << 26
MOST_WEIGHT_BYTES = 1 << 30

# torch's numbers for dtypes (torch/_export/serde/schema.py, ScalarType): the ones that weights and counts have.
_DTYPES = {4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8"}
_TENSOR_INPUTS = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
_KNOWN = {f"torch.ops.{target}": target for target in (set(RULES) | REWRITTEN) - {operator.getitem}}

Json = Mapping[str, Any]


def read_pt2(data: bytes, where: str) -> tuple[Graph, tuple[int, ...]]:
    """The network, and the shape of its one input with 1 for a free batch.

    Raises:
        BadInput: not such a file, or one that contradicts itself.
        Unsupported: pickled weights, an operation without a rule, sizes that are not fixed, more than one input.
    """
    try:
        return _Reader(data, where).read()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, RuntimeError) as error:
        raise BadInput(
            f"is not a sound .pt2 ({type(error).__name__}: {str(error).partition(chr(10))[0]})",
            where=where,
            hint="torch.export.save(torch.export.export(model.eval(), (example,)), path)",
        ) from error


class _Reader:
    def __init__(self, data: bytes, where: str) -> None:
        self.where = where
        self.builder = AtenBuilder()
        self.values: dict[str, Node] = {}
        try:
            self.archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise BadInput(f"is not a .pt2 ({error})", where=where) from error
        names = [name for name in self.archive.namelist() if re.fullmatch(r"[^/]+/models/[^/]+\.json", name)]
        if len(names) != 1:
            raise BadInput(f"{len(names)} models in it, not one", where=where, hint="made by torch.export.save")
        self.top, _, self.model = names[0].partition("/models/")
        self.model = self.model.removesuffix(".json")

    def read(self) -> tuple[Graph, tuple[int, ...]]:
        program = self._json(f"models/{self.model}.json")
        graph: Json = program["graph_module"]["graph"]
        signature: Json = program["graph_module"]["signature"]
        shape = self._inputs(graph, signature)
        strange: list[str] = []
        for item in graph["nodes"]:
            target = _KNOWN.get(item["target"])
            if target is None:
                strange.append(f"{str(item['target']).removeprefix('torch.ops.')} in {_place(item)}")
            elif not strange:
                self._call(item, target)
        if strange:
            raise Unsupported(
                f"there is no INT8 rule for {'; '.join(strange)}",
                where=self.where,
                hint="export with torch.export.export alone, without run_decompositions()",
            )
        outputs = [spec for spec in signature["output_specs"] if "user_output" in spec]
        if len(outputs) != 1 or len(signature["output_specs"]) != 1:
            raise Unsupported(f"{len(signature['output_specs'])} outputs; one is possible", where=self.where)
        return self.builder.module(self.values[outputs[0]["user_output"]["arg"]["as_tensor"]["name"]]), shape

    def _inputs(self, graph: Json, signature: Json) -> tuple[int, ...]:
        """Weights and the input, under the names that the calls use; returns the input's shape."""
        configs = {
            kind: self._json(f"data/{kind}/{self.model}_{kind}_config.json")["config"]
            for kind in ("weights", "constants")
        }
        shapes = []
        for spec in signature["input_specs"]:
            ((kind, facts),) = spec.items()
            if kind == "user_input":
                name = facts["arg"]["as_tensor"]["name"]
                self.values[name] = self.builder.input()
                shapes.append(self._shape_of_input(graph["tensor_values"][name]))
            elif kind in _TENSOR_INPUTS:
                key = facts[_TENSOR_INPUTS[kind]]
                folder = "weights" if key in configs["weights"] else "constants"
                name = facts["arg"]["name"]
                self.values[name] = self.builder.constant(self._tensor(folder, configs[folder][key], key))
            else:
                raise Unsupported(f"an input of kind {kind}", where=self.where)
        if len(shapes) != 1:
            raise Unsupported(f"{len(shapes)} inputs; one is possible", where=self.where)
        return shapes[0]

    def _shape_of_input(self, meta: Json) -> tuple[int, ...]:
        if meta["dtype"] != 7:
            raise Unsupported("an input that is not float32", where=self.where)
        sizes = [size.get("as_int") for size in meta["sizes"]]
        if None in sizes[1:]:
            raise Unsupported("an input whose size is not fixed", where=self.where, hint="only the batch may be free")
        return (sizes[0] or 1, *(int(size) for size in sizes[1:]))

    def _tensor(self, folder: str, entry: Json, key: str) -> torch.Tensor:
        """A tensor from its bytes; it may be a view of them with strides of its own."""
        where = f"{self.where}, {key}"
        meta: Json = entry["tensor_meta"]
        if entry["use_pickle"]:
            raise Unsupported("is pickled, and nothing is unpickled here", where=where, hint="move it to the CPU first")
        if meta["dtype"] not in _DTYPES:
            raise Unsupported(f"a tensor of dtype number {meta['dtype']}", where=where)
        kind = np.dtype(_DTYPES[meta["dtype"]])
        sizes, strides = ([int(n["as_int"]) for n in meta[what]] for what in ("sizes", "strides"))
        offset = int(meta["storage_offset"]["as_int"])
        if len(sizes) != len(strides) or min([offset, *sizes, *strides], default=0) < 0:
            raise BadInput("shape and strides contradict each other", where=where)
        reach = offset + 1 + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
        if max(reach, math.prod(sizes)) * kind.itemsize > MOST_WEIGHT_BYTES:
            raise Unsupported(f"a tensor of {sizes}", where=where, hint="no board holds as much")
        content = self._bytes(f"data/{folder}/{entry['path_name']}", MOST_WEIGHT_BYTES)
        if math.prod(sizes) and reach * kind.itemsize > len(content):
            raise BadInput(f"{len(content)} bytes are too few for {sizes}", where=where)
        flat = np.frombuffer(content[: len(content) // kind.itemsize * kind.itemsize], kind)
        values = torch.as_strided(torch.from_numpy(flat.copy()), sizes, strides, offset).contiguous()
        if values.is_floating_point():
            if not bool(torch.isfinite(values).all()):
                raise BadInput("holds NaN or infinity", where=where)
            values = values.float()
        return values

    def _call(self, item: Json, target: Any) -> None:
        """One operation, all its arguments by position, as `simplify.py` and `rules.py` read them."""
        given = {argument["name"]: argument["arg"] for argument in item["inputs"]}
        schema = [argument for argument in target._schema.arguments if not argument.kwarg_only]
        if unknown := set(given) - {argument.name for argument in schema}:
            raise Unsupported(f"the argument {min(unknown)}", where=f"{self.where}, {_place(item)}")
        last = max((i for i, argument in enumerate(schema) if argument.name in given), default=-1)
        arguments = [
            self._argument(given[argument.name], item) if argument.name in given else argument.default_value
            for argument in schema[: last + 1]
        ]
        meta = _meta(item)
        made = self.builder.call(target, arguments, meta)
        ((kind, outputs),) = item["outputs"][0].items()
        if kind == "as_tensor":
            self.values[outputs["name"]] = made
        elif kind == "as_tensors":
            for i, part in enumerate(outputs):
                self.values[part["name"]] = self.builder.call(operator.getitem, (made, i), meta)
        else:
            raise Unsupported(f"a result of kind {kind}", where=f"{self.where}, {_place(item)}")

    def _argument(self, argument: Json, item: Json) -> object:
        ((kind, value),) = argument.items()
        if kind == "as_none":
            return None
        if kind == "as_tensor":
            return self.values[value["name"]]
        if kind == "as_tensors":
            return [self.values[one["name"]] for one in value]
        if kind in ("as_int", "as_float", "as_bool", "as_ints", "as_floats", "as_bools", "as_string"):
            return value
        raise Unsupported(
            f"an argument of kind {kind.removeprefix('as_')}",
            where=f"{self.where}, {_place(item)}",
            hint="export with fixed sizes",
        )

    def _json(self, name: str) -> Json:
        loaded = json.loads(self._bytes(name, MOST_JSON_BYTES))
        if not isinstance(loaded, dict):
            raise BadInput(f"{name} is not a JSON object", where=self.where)
        return loaded

    def _bytes(self, name: str, most: int) -> bytes:
        try:
            with self.archive.open(f"{self.top}/{name}") as file:
                content = file.read(most + 1)
        except (KeyError, zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
            raise BadInput(f"has no sound {name} ({error})", where=self.where) from error
        if len(content) > most:
            raise BadInput(f"{name} has more than {most} bytes", where=self.where)
        return content


def _meta(item: Json) -> dict[str, object]:
    """Names for people: the module's path and class, and the lines of the model's Python. Nothing is looked up."""
    metadata = item.get("metadata", {})
    stack = {}
    for entry in str(metadata.get("nn_module_stack", "")).split(";"):
        key, _, rest = entry.partition(",")
        path, _, kind = rest.rpartition(",")
        if kind:
            stack[key] = (path, kind)
    return {"nn_module_stack": stack, "stack_trace": str(metadata.get("stack_trace", ""))}


def _place(item: Json) -> str:
    stack = list(_meta(item)["nn_module_stack"].values())  # type: ignore[attr-defined]  # made above
    return str(stack[-1][0] if stack and stack[-1][0] else item.get("name") or "the network")
