"""The one door to torch: whoever imports this without torch gets an error that says how to install it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from edgeq.errors import ToolMissing


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's chatter (GPU extensions it does not find, deprecations of its own) from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


try:
    with quiet():
        import safetensors.torch as safetensors
        import torch as torch
        import torchao as torchao
except ImportError as error:
    raise ToolMissing(
        f"quantising needs torch, torchao and safetensors ({error})", hint="pip install edgeq[torch]"
    ) from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: no sum depends on how many cores there are, and single images gain little by more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


__all__ = ["one_thread", "quiet", "safetensors", "torch", "torchao"]
