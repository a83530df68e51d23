"""A quantisation in tables of plain text, which the console, Markdown and the pages share."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.report import wording
from edgeq.report.model import Accuracy
from edgeq.report.quantisation import Activation, Cost, Moved, Quantisation, Range, Training, Weight

Head = tuple[str, ...]
Rows = list[tuple[str, ...]]

MOST = 10  # rows of a table that says which are worst


def decibels(db: float | None) -> str:
    """One digit; a dash where nothing was lost."""
    return "–" if db is None else f"{db:.1f}"


def span(bounds: Range | None) -> str:
    """`-1.2 … 3.4`."""
    return "–" if bounds is None else f"{bounds[0]:.3g} … {bounds[1]:.3g}"


def tiny(share: float) -> str:
    """A share as per cent that does not round what is there to nothing."""
    return "–" if share == 0 else f"{100 * share:.2g} %"


def settings(made: Quantisation) -> str:
    """How it was quantised, in one line."""
    return (
        f"weights {made.weight_scales}, observer {made.observer}, effort {made.effort}, "
        f"{wording.counted(made.calibration_samples, 'calibration sample')}"
    )


def accuracy_rows(score: Accuracy) -> list[tuple[str, float]]:
    """What was scored, and its top-1 as a share."""
    rows = [("float", score.float_top1)]
    if score.qdq_top1 is not None:
        rows.append(("INT8, simulated", score.qdq_top1))
    return [*rows, ("INT8, integer", score.int8_top1)]


def activation_table(activations: Sequence[Activation]) -> tuple[Head, Rows]:
    """In the network's order."""
    head = (
        "activation", "shape", "SQNR, dB", "alone, dB", "channel, dB", "range", "seen", "clipped", "levels", "channels",
    )  # fmt: skip
    return head, [
        (
            a.name, _shape(a.shape), decibels(a.db), decibels(a.own_db), decibels(a.median_channel_db), span(a.range),
            span(a.seen), tiny(a.clipped), str(a.levels), f"{a.channel_spread:.1f}",
        )
        for a in activations
    ]  # fmt: skip


def weight_table(weights: Sequence[Weight]) -> tuple[Head, Rows]:
    """In the network's order."""
    head = ("weights of", "shape", "scales", "SQNR, dB", "worst channel, dB", "range", "channels")
    return head, [
        (
            w.name, _shape(w.shape), str(w.shape[0]) if w.per_channel else "1", decibels(w.db),
            decibels(w.worst_channel_db), span(w.range), f"{w.channel_spread:.1f}",
        )
        for w in weights
    ]  # fmt: skip


def cost_table(costs: Sequence[Cost]) -> tuple[Head, Rows]:
    """What each layer costs; one that shares its scale with others names them too."""
    head = ("in float", "dB", "top-1, points")
    return head, [(", ".join(c.names), _signed(c.gain_db, 1), _signed(100 * c.top1_gain, 2)) for c in costs]


def moved_table(moved: Sequence[Moved]) -> tuple[Head, Rows]:
    """Which classes became which."""
    head = ("float says", "INT8 says", "samples", "lost", "won")
    return head, [(m.float_class, m.int8_class, str(m.count), str(m.lost), str(m.won)) for m in moved]


def repair_table(made: Quantisation) -> tuple[Head, Rows]:
    """What each repair brought."""
    head = ("repair", "without, dB", "with, dB", "kept")
    return head, [
        (r.repair, decibels(r.before_db), decibels(r.after_db), "yes" if r.kept else "no") for r in made.repairs
    ]


def training_table(done: Training) -> tuple[Head, Rows]:
    """What each epoch brought."""
    head = ("epoch", "loss in training", "loss set aside", "top-1 set aside", "kept")
    return head, [
        (
            str(e.number) if e.number else "before", "–" if e.trained_loss is None else f"{e.trained_loss:.4f}",
            f"{e.loss:.4f}", wording.percent(e.top1), "yes" if e.number == done.kept else "no",
        )
        for e in done.epochs
    ]  # fmt: skip


def training_caption(done: Training) -> str:
    """On what it was trained and scored, in one sentence."""
    return (
        f"Trained with INT8's rounding on {wording.counted(done.images, 'image')} of the training part, "
        f"scored in INT8 on {done.set_aside} others of it."
    )


def hint_lines(made: Quantisation) -> list[tuple[str, str]]:
    """What was found, with the layers, and what to try."""
    return [
        (f"{hint.found} ({', '.join(hint.layers)})" if len(hint.layers) > 1 else hint.found, hint.tries)
        for hint in made.hints
    ]


def _shape(dims: Sequence[int]) -> str:
    return "×".join(str(dim) for dim in dims)


def _signed(value: float | None, digits: int) -> str:
    return "all" if value is None else f"{value:+.{digits}f}"
