"""A comparison as lines that GitHub reads from a job's log and shows beside the change.

The form is `::error title=T::M`, with the escapes of its runner (actions/toolkit, command.ts): % CR LF in the message,
and in the title also `:` and `,`.
"""

from __future__ import annotations

from edgeq.compare import words
from edgeq.compare.finding import Comparison
from edgeq.report.wording import printable

# GitHub shows ten errors of a step and drops the rest.
MOST_ERRORS = 9


def lines(comparison: Comparison) -> list[str]:
    """An error for each figure that failed, else a notice with the verdict."""
    failed = [found for found in words.ordered(comparison) if found.verdict == "failed"]
    lines = [_command("error", words.name(found), words.sentence(found)) for found in failed[:MOST_ERRORS]]
    if len(failed) > MOST_ERRORS:
        lines.append(_command("error", "and more", f"{len(failed) - MOST_ERRORS} more figures failed"))
    if comparison.unheld:
        lines.append(_command("error", "gate", comparison.unheld))
    return lines or [_command("notice", words.title(comparison), words.headline(comparison))]


def _command(level: str, title: str, message: str) -> str:
    safe = _escaped(printable(f"edgeq: {title}")).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={safe}::{_escaped(printable(message))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
