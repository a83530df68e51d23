"""Adaptive rounding: each weight goes up or down so that its layer's output changes least.

AdaRound (Nagel et al. 2020, arXiv:2004.10568) shows that rounding to the nearest is not the best rounding, and that
the best is nearly the one with the least expected square of its layer's output error. With a channel's errors
d = q - w / s, each -1 < d < 1, that is the quadratic d H d of the inputs' second moments H = E[x x^T] (its equation
13). AdaRound relaxes and trains it; here coordinate descent from the nearest rounding lowers it, weight by weight, in
a few sweeps. The result depends on nothing but its arguments.
"""

from __future__ import annotations

from edgeq.quantize.door import torch

LIMIT = 127
SWEEPS = 4
# Added to the diagonal of H, as a share of its mean: few samples leave directions in which any error seems free.
DAMPING = 0.01


def second_moments(
    inputs: torch.Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int],
    dilation: tuple[int, int], groups: int,
) -> torch.Tensor:  # fmt: skip
    """[groups, K, K] for a convolution's inputs [N, C, H, W]; K = C / groups * kernel area, as its weights lie."""
    features = inputs.shape[1] // groups * kernel[0] * kernel[1]
    total = torch.zeros(groups, features, features)
    positions = 0
    for index in range(len(inputs)):  # one at a time: unfolded, a sample is as many times larger as the kernel
        columns = torch.nn.functional.unfold(
            inputs[index : index + 1], kernel, dilation=dilation, padding=padding, stride=stride
        ).reshape(groups, features, -1)
        total += columns @ columns.transpose(1, 2)
        positions += columns.shape[2]
    return total / positions


def output_error(errors: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """d H d of each row of `errors` [O, K], for `moments` [K, K]."""
    return ((errors @ moments) * errors).sum(1)


def rounded(weights: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """Integers in [-127, 127] for `weights` [O, K] in units of their scale, each a neighbour of its weight.

    `moments` is [K, K]. The output error, with the damping, is never above that of rounding to the nearest.
    """
    weights = weights.clamp(-LIMIT, LIMIT)
    moments = moments + torch.eye(len(moments)) * (DAMPING * moments.diagonal().mean())
    chosen = weights.round()
    errors = chosen - weights
    slopes = errors @ moments
    curvatures = moments.diagonal()
    for _ in range(SWEEPS):
        flips = 0
        for k in range(weights.shape[1]):
            step = -torch.sign(errors[:, k])
            gain = 2 * step * slopes[:, k] + step**2 * curvatures[k]
            rows = torch.nonzero((gain < 0) & ((chosen[:, k] + step).abs() <= LIMIT)).flatten()
            if len(rows):
                flips += len(rows)
                chosen[rows, k] += step[rows]
                errors[rows, k] += step[rows]
                slopes[rows] += step[rows, None] * moments[k]
        if not flips:
            break
    return chosen
