"""A trained model from disk as a PyTorch module: by its `model.toml`, by a factory, or as a file that holds it all.

A factory's file is the user's code and is run. Everything else is data and cannot run anything: weights are
safetensors, or `torch.load` with `weights_only=True`; a `.pt2` (`pt2.py`) and a float ONNX file (`from_onnx.py`) are
read as lists of operations.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph
from edgeq.quantize.door import quiet, safetensors, torch
from edgeq.quantize.from_onnx import network_of
from edgeq.quantize.pt2 import read_pt2
from edgeq.quantize.recipe import InputFacts, Recipe, Shape, bare_recipe, name_from, read_recipe
from edgeq.quantize.user_code import load_function

# Files that hold network and weights.
FILES = (".onnx", ".pt2")

# What torch.nn.DataParallel puts in front of every name.
PARALLEL = "module."


@dataclass(frozen=True)
class LoadedModel:
    """A network in eval mode that takes float NCHW and returns [N, classes], and what is known about it.

    `weights_sha256` is of the weights' file; of the state dict's safetensors bytes where there is no file.
    """

    recipe: Recipe
    module: torch.nn.Module
    classes: int
    weights_sha256: str


def load_model(
    model: str,
    *,
    input_shape: Shape | None = None,
    read_onnx: Callable[[bytes, str], Graph] | None = None,
) -> LoadedModel:
    """Load a folder with a `model.toml`, an `.onnx` or `.pt2`, or `path/file.py:factory`.

    `input_shape` is NHWC; a bare factory needs one, and what else says its shape has to agree. `read_onnx` gives
    the graph of ONNX operators in a file's bytes; without it, ONNX is refused.

    Raises:
        BadInput: a missing or broken file, a factory that fails, weights that do not fit, an input
            shape that the network refuses.
        Unsupported: a file with an operation that has no INT8 rule.
    """
    path = Path(model)
    if path.is_dir():
        recipe = read_recipe(path)
        if input_shape is not None and input_shape != recipe.input.shape:
            raise BadInput(f"its model.toml has an input of {list(recipe.input.shape)}", where=model)
        return _from_factory(recipe) if recipe.file is None else _from_file(recipe, read_onnx)
    if path.suffix in FILES:
        return _from_bare_file(path, input_shape, read_onnx)
    return _from_factory(_bare_factory(model, input_shape))


def _from_factory(recipe: Recipe) -> LoadedModel:
    module = build(recipe)
    weights = recipe.weights_path
    if weights is None:
        digest = hashlib.sha256(safetensors.save(module.state_dict())).hexdigest()
    else:
        content = _read_bytes(weights)
        _fill(module, _state_dict(weights, content), weights)
        digest = hashlib.sha256(content).hexdigest()
    return LoadedModel(recipe, module, _try_once(module, recipe), digest)


def _from_file(recipe: Recipe, read_onnx: Callable[[bytes, str], Graph] | None) -> LoadedModel:
    path = recipe.folder / str(recipe.file)
    module, shape, digest = _read(path, read_onnx)
    if shape != recipe.input.shape:
        raise BadInput(f"takes {list(shape)} (NHWC), not {list(recipe.input.shape)}", where=str(path))
    return LoadedModel(recipe, module, _try_once(module, recipe), digest)


def _from_bare_file(
    path: Path, input_shape: Shape | None, read_onnx: Callable[[bytes, str], Graph] | None
) -> LoadedModel:
    module, shape, digest = _read(path, read_onnx)
    if input_shape not in (None, shape):
        raise BadInput(f"takes {list(shape)} (NHWC), not {list(input_shape or ())}", where=str(path))
    recipe = bare_recipe(path, shape)
    return LoadedModel(recipe, module, _try_once(module, recipe), digest)


def _read(path: Path, read_onnx: Callable[[bytes, str], Graph] | None) -> tuple[torch.nn.Module, Shape, str]:
    """The network in a file, its input's shape NHWC, and the SHA-256 of the file."""
    content, where = _read_bytes(path), str(path)
    if path.suffix == ".pt2":
        module, shape = read_pt2(content, where)
    elif path.suffix == ".onnx" and read_onnx is not None:
        graph = read_onnx(content, path.stem)
        module, shape = network_of(graph), graph.tensor(graph.inputs[0]).shape
    else:
        raise Unsupported(f"files of kind {path.suffix or '(none)'} are not quantised", where=where)
    if len(shape) != 4 or shape[0] != 1:
        raise Unsupported(f"an input of {list(shape)}; images are [1, C, H, W]", where=where)
    return module, (1, shape[2], shape[3], shape[1]), hashlib.sha256(content).hexdigest()


def build(recipe: Recipe) -> torch.nn.Module:
    """The factory's network with the factory's own weights, in eval mode.

    Raises:
        BadInput: no such file or function, or the user's code raised.
    """
    file_name, _, function = str(recipe.factory).rpartition(":")
    path = (recipe.folder / file_name).resolve()
    factory = load_function(path, function)
    try:
        module = factory(**recipe.kwargs)
    except Exception as error:  # whatever the user's code raises is the user's to see, with its place
        raise BadInput(f"{function}() failed: {error}", where=str(path)) from error
    if not isinstance(module, torch.nn.Module):
        raise BadInput(f"{function}() returned a {type(module).__name__}, not a torch.nn.Module", where=str(path))
    return module.eval()


def _bare_factory(model: str, input_shape: Shape | None) -> Recipe:
    file_name, colon, function = model.rpartition(":")
    if not (colon and file_name.endswith(".py") and function.isidentifier()):
        raise BadInput(
            "not a model: no such folder, and not file.py:factory",
            where=model,
            hint="a folder with a model.toml, such as models/resnet18-digits",
        )
    if input_shape is None:
        raise BadInput(
            "a bare factory needs an input shape",
            where=model,
            hint="--input-shape 1x32x32x3, or a model.toml beside it",
        )
    path = Path(file_name)
    return Recipe(
        name=name_from(f"{path.stem}-{function}"),
        factory=f"{path.name}:{function}",
        folder=path.parent,
        input=InputFacts(shape=input_shape),
    )


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read it ({error.strerror})", where=str(path)) from error


def _state_dict(path: Path, content: bytes) -> Mapping[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            loaded: object = safetensors.load(content)
        else:
            with quiet():
                loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise BadInput(
            f"not readable as weights ({str(error).partition(chr(10))[0]})",
            where=str(path),
            hint="save a state dict with safetensors.torch.save_file",
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(isinstance(item, torch.Tensor) for item in loaded.values()):
        raise BadInput("it does not hold a state dict (names to tensors)", where=str(path))
    return loaded


def _fill(module: torch.nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    wanted = module.state_dict()
    if all(name.startswith(PARALLEL) for name in state):
        state = {name.removeprefix(PARALLEL): tensor for name, tensor in state.items()}
    # Counts of training batches are of no use here, and old checkpoints have none.
    uncounted = {name for name in wanted if name.endswith(".num_batches_tracked") and name not in state}
    problems = [f"{name} is missing" for name in wanted if name not in state and name not in uncounted]
    problems += [f"{name} is not in the network" for name in state if name not in wanted]
    problems += [
        f"{name} is {list(state[name].shape)}, the network wants {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    problems += [
        f"{name} holds NaN or infinity"
        for name, tensor in state.items()
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise BadInput(
            f"the weights do not fit: {problems[0]}{more}",
            where=str(path),
            hint="check kwargs in model.toml (width, num_classes)",
        )
    module.load_state_dict({**{name: wanted[name] for name in uncounted}, **state})


def _try_once(module: torch.nn.Module, recipe: Recipe) -> int:
    """Run the network on zeros; returns how many classes it scores."""
    _, height, width, channels = recipe.input.shape
    try:
        with torch.no_grad():
            scores = module(torch.zeros(1, channels, height, width))
    except Exception as error:
        raise BadInput(
            f"the network refuses an input of {list(recipe.input.shape)} (NHWC): {error}", where=recipe.name
        ) from error
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or scores.shape[0] != 1:
        raise BadInput("the network does not return one tensor [1, classes]", where=recipe.name)
    if recipe.labels and len(recipe.labels) != scores.shape[1]:
        raise BadInput(
            f"{len(recipe.labels)} labels for {scores.shape[1]} classes",
            where=str(recipe.folder / "model.toml"),
        )
    return int(scores.shape[1])
