"""Every error edgeq shows a user, and the exit code each ends in.

    EdgeqError                  what happened, where, what to try
    +-- CheckFailed         1   a gate said no: accuracy, equality, latency
    +-- BadInput            2   a file, argument or model edgeq cannot accept
    |   +-- Unsupported     2   a well-formed model with something edgeq does not convert
    |   +-- NotWritten      2   a place that nothing can be written to, or a disk that is full
    +-- DoesNotFit          3   more flash, arena or window than the board has
    +-- BoardTrouble        4   a port or a board that does not answer, or lies
    +-- ToolMissing         5   a program or an optional package that is not installed

Errors of lower libraries are translated into these at the door where they are called.
"""

from __future__ import annotations


class EdgeqError(Exception):
    """An error fit to be shown: one sentence on what happened, where it happened, what to try."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  try: {self.hint}" if self.hint else text


class CheckFailed(EdgeqError):
    """A check ran and its answer is no: accuracy, equality or latency is out of bounds."""

    exit_code = 1


class BadInput(EdgeqError):
    """A file, an argument or a model that cannot be used as it is."""

    exit_code = 2


class Unsupported(BadInput):
    """A sound model with an operator or a form that edgeq does not convert."""


class NotWritten(BadInput):
    """A place that nothing can be written to, or a disk that is full: no fault of what was to be written."""


class DoesNotFit(EdgeqError):
    """The model needs more flash, arena or window than the board has."""

    exit_code = 3


class BoardTrouble(EdgeqError):
    """A port or a board that does not open, does not answer, or answers wrongly."""

    exit_code = 4


class ToolMissing(EdgeqError):
    """A program or an optional Python package that edgeq needs here and does not find."""

    exit_code = 5
