"""A trained PyTorch model from disk: its `model.toml`, the user's own Python factory, its weights.

The factory's file is the user's code and is run. Weights are data: safetensors, or `torch.load` with
`weights_only=True`, so that a weights file cannot run anything.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from edgeq.errors import BadInput
from edgeq.quantize.door import quiet, safetensors, torch
from edgeq.quantize.recipe import InputFacts, Recipe, read_recipe
from edgeq.quantize.user_code import load_function

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


def load_model(model: str, *, input_shape: tuple[int, int, int, int] | None = None) -> LoadedModel:
    """Load a folder with a `model.toml`, or `path/file.py:factory` with `input_shape` (NHWC).

    Raises:
        BadInput: a missing or broken file, a factory that fails, weights that do not fit, an input
            shape that the network refuses.
    """
    recipe = _recipe_of(model, input_shape)
    module = build(recipe)
    weights = recipe.weights_path
    if weights is None:
        digest = hashlib.sha256(safetensors.save(module.state_dict())).hexdigest()
    else:
        content = _read_bytes(weights)
        _fill(module, _state_dict(weights, content), weights)
        digest = hashlib.sha256(content).hexdigest()
    return LoadedModel(recipe, module, _try_once(module, recipe), digest)


def build(recipe: Recipe) -> torch.nn.Module:
    """The factory's network with the factory's own weights, in eval mode.

    Raises:
        BadInput: no such file or function, or the user's code raised.
    """
    file_name, _, function = recipe.factory.rpartition(":")
    path = (recipe.folder / file_name).resolve()
    factory = load_function(path, function)
    try:
        module = factory(**recipe.kwargs)
    except Exception as error:  # whatever the user's code raises is the user's to see, with its place
        raise BadInput(f"{function}() failed: {error}", where=str(path)) from error
    if not isinstance(module, torch.nn.Module):
        raise BadInput(f"{function}() returned a {type(module).__name__}, not a torch.nn.Module", where=str(path))
    return module.eval()


def _recipe_of(model: str, input_shape: tuple[int, int, int, int] | None) -> Recipe:
    folder = Path(model)
    if folder.is_dir():
        return read_recipe(folder)
    file_name, colon, function = model.rpartition(":")
    if not (colon and file_name.endswith(".py") and function.isidentifier()):
        raise BadInput(
            "not a model: no such folder, and not file.py:factory",
            where=model,
            hint="a folder with a model.toml, such as models/resnet18-digits",
        )
    if input_shape is None or input_shape[0] != 1 or min(input_shape) < 1:
        raise BadInput(
            "a bare factory needs an input shape (1, H, W, C)",
            where=model,
            hint="write a model.toml beside it",
        )
    path = Path(file_name)
    _, height, width, channels = input_shape
    return Recipe(
        name=f"{path.stem}-{function}",
        factory=f"{path.name}:{function}",
        folder=path.parent,
        input=InputFacts(shape=(1, height, width, channels)),
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
