"""The user's own Python: a function in a file. The file is run; what it raises is shown with its place."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from edgeq.errors import BadInput


def load_function(path: Path, function: str) -> Callable[..., object]:
    """The function from the user's file, which may import the files beside it.

    Raises:
        BadInput: no such file or function, or importing it raised.
    """
    if not path.is_file():
        raise BadInput("no such file", where=str(path))
    name = f"edgeq_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput("not a Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadInput(f"importing it failed: {error}", where=str(path)) from error
    finally:
        sys.path.remove(str(path.parent))
    found: Callable[..., object] | None = getattr(module, function, None)
    if found is None or not callable(found):
        raise BadInput(f"there is no function {function} in it", where=str(path))
    return found
