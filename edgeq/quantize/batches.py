"""Running a network on several samples at once, where it takes several."""

from __future__ import annotations

from edgeq.quantize.door import torch


def takes_batches(module: torch.nn.Module, two: torch.Tensor) -> bool:
    """Whether a network scores two samples at once as it scores each: some are written for one."""
    try:
        with torch.no_grad():
            return torch.allclose(module(two), torch.cat([module(two[:1]), module(two[1:])]), rtol=1e-3, atol=1e-3)
    except Exception:  # the user's forward runs in here
        return False


def scores(module: torch.nn.Module, inputs: torch.Tensor, *, at_once: bool) -> torch.Tensor:
    """What the network makes of float [N, C, H, W]: [N, classes], computed at once or one by one."""
    if at_once:
        return module(inputs)  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped
    return torch.cat([module(inputs[index : index + 1]) for index in range(len(inputs))])
