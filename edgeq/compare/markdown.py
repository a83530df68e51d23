"""A comparison as GitHub-flavoured Markdown: what a pull request's comment holds."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.compare import words
from edgeq.compare.finding import Comparison, Finding
from edgeq.report.drawing import cut
from edgeq.report.markdown import escape

# A comment holds 65,536 characters, and nobody reads a thousand rows.
MOST_ROWS = 100
MOST_NAME = 80


def markdown(comparison: Comparison) -> str:
    """Headline, what changed by weight, and folded what did not."""
    shown, same = words.shown(comparison), words.folded(comparison)
    mark = "✅" if comparison.passed else "❌"
    parts = [
        f"### {mark} {_code(words.title(comparison))}",
        f"**{_text(words.headline(comparison))}.**",
        *([] if words.changed(comparison) else ["As far as is known, every figure is as it was."]),
        *([_table(shown)] if shown else []),
        f"Latency is {escape(words.basis(comparison))}.",
    ]
    if same:
        parts.append(f"<details><summary>{len(same)} unchanged or not compared</summary>")
        parts += [_table(same), "</details>"]
    parts += [f"- {_text(note)}" for note in comparison.notes]
    return "\n\n".join(parts) + "\n"


def _table(findings: Sequence[Finding]) -> str:
    rows = [
        (verdict, _code(what), *map(escape, cells), _text(cut(why, MOST_NAME)))
        for verdict, what, *cells, why in map(words.row, findings[:MOST_ROWS])
    ]
    if len(findings) > MOST_ROWS:
        rows.append(("", f"and {len(findings) - MOST_ROWS} more", *("" for _ in words.HEAD[2:])))
    lines = [words.HEAD, ("---", "---", "---:", "---:", "---:", "---:", "---"), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _code(text: str) -> str:
    return f"<code>{_text(cut(text, MOST_NAME))}</code>"


def _text(text: str) -> str:
    """Text as it is: no markup, and nobody is mentioned by what a file calls a layer."""
    return escape(text).replace("@", "@<!-- -->")
