"""conv2d_s8_winograd2 and 4: 3x3 convolutions by tiles of 2x2 or 4x4 outputs, transformed in the scratch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.operator import pack_i32
from edgeq.ops.weights import bias_values
from edgeq.ops.window import window_of
from edgeq.plan.variants.scaled import fields_of, scaled_channels
from edgeq.plan.variants.variant import Target, Variant, cycles, rounded

SUM_BITS = 2  # sums are four times those of numerics.md#convolution
PATCH_CHANNELS = 16
AROUND = 4  # bytes: half a word in front of the input's tiles, and one behind them
PLACE_BYTES = 12
FAST_DEPTHS = (64, 128)  # whose positions the transforms reach without an addition each


@dataclass(frozen=True)
class Method:
    """One size of tiles, what the sums of a chunk must stay below, and what was counted of its parts.

    In instructions: of each weight kernel and each input value of a tile that are transformed, of the sums of a tile
    stored and added beside their products.
    """

    kernel: str
    side: int
    sum_most: float
    weights: int
    weights_fast: int
    value: int
    value_fast: int
    sums: int
    sums_added: int

    @property
    def positions(self) -> int:
        return (self.side + 2) ** 2


METHODS = (
    Method(
        "conv2d_s8_winograd2", 2, math.inf, weights=51, weights_fast=44, value=116, value_fast=116,
        sums=129, sums_added=137,
    ),
    Method(
        "conv2d_s8_winograd4", 4, 1 << 25, weights=86, weights_fast=72, value=274, value_fast=264,
        sums=381, sums_added=413,
    ),
)  # fmt: skip
# Instructions of each output, of each tile of them, of each channel and chunk of a group of tiles.
OUTPUT, TILE_OUTPUTS, CHANNEL = 11, 36, 160


@dataclass(frozen=True)
class _Layer:
    """What of a convolution decides how it is cut up."""

    height: int
    width: int
    channels: int
    outputs: int

    def tiles(self, side: int) -> int:
        return -(-self.height // side) * -(-self.width // side)


@dataclass(frozen=True)
class _Blocks:
    """Tiles, input channels and output channels that are done at once."""

    tiles: int
    depth: int
    block: int


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step in tiles of each size, cut up as costs least among the ways whose sums are exact."""
    win = window_of(graph, node)
    if not target.mac16 or (win.size, win.stride, win.dilation) != ((3, 3), (1, 1), (1, 1)):
        return
    x, y = graph.input(node, 0), graph.output(node)
    *_, top, left, zero_point, _, low, high, weights_at, _ = fields_of(step.params)[:14]
    channels = scaled_channels(graph, node, SUM_BITS, bias_values(graph, node, y.shape[3]) << SUM_BITS)
    if x.shape[3] % 4 or weights_at % 4 or channels is None:
        return
    layer = _Layer(y.shape[1], y.shape[2], x.shape[3], y.shape[3])
    sums = _largest_sums(graph, node, _depths(layer))
    for method in METHODS:
        depths = [depth for depth, most in sums.items() if most < method.sum_most]
        found = list(_blocks(method, layer, depths, target.scratch_bytes))
        if found:
            best = min(found, key=lambda blocks: cycles(graph, node, _variant(step, method, layer, blocks), target))
            fields = (top, left, zero_point, low, high, weights_at, best.tiles, best.depth, best.block)
            made = Step(method.kernel, pack_i32(*fields, *channels.ravel().tolist()), step.inputs, step.output)
            yield _variant(made, method, layer, best)


def _variant(step: Step, method: Method, layer: _Layer, blocks: _Blocks) -> Variant:
    groups, _, blocked = _passes(method, layer, blocks)
    return Variant(
        step, _scratch_bytes(method, blocks), _instructions(method, layer, blocks),
        constant_passes=groups, input_passes=blocked,
    )  # fmt: skip


def _largest_sums(graph: Graph, node: Node, depths: set[int]) -> dict[int, int]:
    """For each depth the size of the largest sum that int8 inputs can give over one chunk of so many input channels."""
    x, weights = graph.input(node, 0), graph.constant(node, 1)
    up = np.maximum(weights, 0).sum(axis=(1, 2), dtype=np.int64)
    down = up - weights.sum(axis=(1, 2), dtype=np.int64)
    least, most = 128 + x.zero_point, 127 - x.zero_point
    ends = np.concatenate([up * most + down * least, up * least + down * most])
    return {d: int(np.add.reduceat(ends, np.arange(0, ends.shape[1], d), axis=1).max()) for d in depths}


def _depths(layer: _Layer) -> set[int]:
    """Sizes of chunks worth a look: all input channels in 1, 2, ... parts of about one size, and the fast ones."""
    even = {rounded(-(-layer.channels // parts), 4) for parts in range(1, layer.channels // 4 + 1)}
    return even | {depth for depth in FAST_DEPTHS if depth < layer.channels}


def _blocks(method: Method, layer: _Layer, depths: list[int], scratch_bytes: int) -> Iterator[_Blocks]:
    """Every way to cut the layer up that fits the scratch, with blocks as large as it allows."""
    all_tiles = layer.tiles(method.side)
    for tiles in {-(-all_tiles // groups) for groups in range(1, all_tiles + 1)}:
        for depth in depths:
            one = _scratch_bytes(method, _Blocks(tiles, depth, 1))
            more = _scratch_bytes(method, _Blocks(tiles, depth, 2)) - one
            if one <= scratch_bytes:
                # One chunk needs no sums but of one channel.
                most = 1 if depth >= layer.channels else min(layer.outputs, (scratch_bytes - one) // more + 1)
                yield _Blocks(tiles, depth, -(-layer.outputs // -(-layer.outputs // most)))


def _scratch_bytes(method: Method, blocks: _Blocks) -> int:
    """As conv2d_s8_winograd.c counts it."""
    tile, outputs = method.positions * blocks.depth * 2, method.side**2 * 4
    patch = max(method.positions * PATCH_CHANNELS, blocks.depth)
    return tile + blocks.tiles * (tile + outputs * (blocks.block + 1) + PLACE_BYTES) + AROUND + patch


def _passes(method: Method, layer: _Layer, blocks: _Blocks) -> tuple[int, int, int]:
    """Groups of tiles, which each read all weights; chunks of channels; how often the input is transformed."""
    chunks = -(-layer.channels // blocks.depth)
    blocked = 1 if chunks == 1 else -(-layer.outputs // blocks.block)
    return -(-layer.tiles(method.side) // blocks.tiles), chunks, blocked


def _instructions(method: Method, layer: _Layer, blocks: _Blocks) -> float:
    tiles = layer.tiles(method.side)
    groups, chunks, blocked = _passes(method, layer, blocks)
    passes = groups * chunks  # of the weights over the tiles
    inside = max(layer.height // method.side - 1, 0) * max(layer.width // method.side - 1, 0)
    fast = blocks.depth in FAST_DEPTHS
    weights, value = (method.weights_fast, method.value_fast) if fast else (method.weights, method.value)
    copied = method.positions * (1 - inside / tiles)  # for each value, instructions for patches that reach outside
    sums = method.sums + (chunks - 1) * method.sums_added
    return (
        tiles * (layer.outputs + blocked) * (method.positions * layer.channels + sums)
        + groups * layer.outputs * layer.channels * weights
        + tiles * layer.channels * blocked * (value + copied)
        + passes * (layer.outputs + blocked) * CHANNEL
        + layer.outputs * (layer.height * layer.width * OUTPUT + tiles * TILE_OUTPUTS)
    )
