"""What the quantiser found out, on the console."""

from __future__ import annotations

from edgeq.cli import console
from edgeq.report import explain
from edgeq.report.quantisation import Moved, Quantisation


def print_quantisation(made: Quantisation) -> None:
    """Repairs, every tensor, the layers that cost most, what to try."""
    if made.repairs:
        console.table("", *explain.repair_table(made))
        console.say("")
    if made.training:
        console.say(explain.training_caption(made.training))
        console.table("", *explain.training_table(made.training))
        console.say("")
    for table in (explain.activation_table(made.activations), explain.weight_table(made.weights)):
        console.table("", *table)
        console.say("")
    if made.left_out:
        console.table("", *explain.cost_table(made.left_out.costs[: explain.MOST]))
        console.say("")
    if made.hints:
        print_hints(made)


def print_moved(moved: tuple[Moved, ...]) -> None:
    """The pairs of classes that most samples moved between."""
    console.table("", *explain.moved_table(moved[: explain.MOST]))
    if len(moved) > explain.MOST:
        console.say(f"and {len(moved) - explain.MOST} more pairs")
    console.say("")


def print_hints(made: Quantisation) -> None:
    """What was found, and what to try."""
    for found, tries in explain.hint_lines(made):
        console.say(found)
        console.say(f"  try: {tries}")
    console.say("")
