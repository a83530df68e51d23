"""Which layer of one run is which of the other: by name, and where a name is gone by operator, work and place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeq.report.model import Layer

_Key = tuple[str, int]  # a name, and how many of that name came before
_Place = tuple[_Key | None, str, int]  # the layer before that both know, operator, multiply-accumulates


@dataclass(frozen=True)
class Matched:
    """Layers of BASE with the same of NEW, in NEW's order; those of NEW alone; those of BASE that are gone."""

    both: tuple[tuple[Layer, Layer], ...]
    new: tuple[Layer, ...]
    gone: tuple[Layer, ...]


def match(base: Sequence[Layer], new: Sequence[Layer]) -> Matched:
    """Which layer is which.

    A layer is renamed where one name is gone and another is new behind the same layer, with the same operator and the
    same multiply-accumulates.
    """
    before, after = dict(zip(_keys(base), base, strict=True)), dict(zip(_keys(new), new, strict=True))
    same = {key: key for key in after if key in before} | _renamed(before, after)
    known = set(same.values())
    return Matched(
        both=tuple((before[same[key]], layer) for key, layer in after.items() if key in same),
        new=tuple(layer for key, layer in after.items() if key not in same),
        gone=tuple(layer for key, layer in before.items() if key not in known),
    )


def _keys(layers: Sequence[Layer]) -> list[_Key]:
    seen = Counter[str]()
    keys = []
    for layer in layers:
        keys.append((layer.name, seen[layer.name]))
        seen[layer.name] += 1
    return keys


def _renamed(before: dict[_Key, Layer], after: dict[_Key, Layer]) -> dict[_Key, _Key]:
    """New names to the names that went: of several alike the first to the first."""
    gone = defaultdict[_Place, list[_Key]](list)
    for key, place in _alone(before, after):
        gone[place].append(key)
    waiting = {place: iter(keys) for place, keys in gone.items()}
    pairs = ((key, next(waiting.get(place, iter(())), None)) for key, place in _alone(after, before))
    return {new: old for new, old in pairs if old is not None}


def _alone(layers: dict[_Key, Layer], others: dict[_Key, Layer]) -> Iterator[tuple[_Key, _Place]]:
    """The layers whose name the others lack, each with what it is known by without a name."""
    last: _Key | None = None
    for key, layer in layers.items():
        if key in others:
            last = key
        else:
            yield key, (last, layer.op, layer.macs)
