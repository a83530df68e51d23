"""The files as text, of templates and of the scripts that edgeq's own action runs too. Pure but for reading those."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from edgeq import __version__
from edgeq.ci.settings import CiSettings

Host = Literal["github", "gitlab"]

GITHUB_WORKFLOW = ".github/workflows/edgeq.yml"
GITHUB_BOARDS = ".github/workflows/edgeq-boards.yml"
GITLAB_INCLUDED = ".gitlab/edgeq.yml"
GITLAB_BOARDS = ".gitlab/edgeq-boards.yml"
GITLAB_ENTRY = ".gitlab-ci.yml"
GATE = "gate.toml"
BENCH = "hil.toml"

_ROOM = Path(__file__).parent
_TEMPLATES: dict[Host, dict[str, str]] = {
    "github": {GITHUB_WORKFLOW: "github.yml.jinja", GITHUB_BOARDS: "github-boards.yml.jinja"},
    "gitlab": {GITLAB_INCLUDED: "gitlab.yml.jinja", GITLAB_BOARDS: "gitlab-boards.yml.jinja"},
}
_STARTERS = {GATE: "gate.toml.jinja", BENCH: "hil.toml.jinja"}

# Actions by commit, which nobody can move to other code.
ACTIONS = {
    "checkout": "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2",
    "cache": "actions/cache@5a3ec84eff668545956fd18022155c47e93e2684 # v4.2.3",
    "restore": "actions/cache/restore@5a3ec84eff668545956fd18022155c47e93e2684 # v4.2.3",
    "save": "actions/cache/save@5a3ec84eff668545956fd18022155c47e93e2684 # v4.2.3",
    "upload": "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2",
    "download": "actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093 # v4.3.0",
}


@dataclass(frozen=True)
class CiFile:
    """One file, its path relative to the repository. A starter is the team's from the moment that it is there."""

    path: str
    text: str
    starter: bool = False


def default_install(action: str | None = None) -> str:
    """edgeq with all that a PyTorch model is quantised and verified with: this version, or that of its action."""
    if action is None:
        return f"edgeq[torch,verify]=={__version__}"
    return f"edgeq[torch,verify] @ git+https://github.com/{action}"


def files(settings: CiSettings, hosts: tuple[Host, ...]) -> list[CiFile]:
    """The workflows of the hosts, and the starters beside them. The same settings give the same text."""
    found = [CiFile(path, _render(template, settings)) for host in hosts for path, template in _TEMPLATES[host].items()]
    if "gitlab" in hosts:
        found.append(
            CiFile(
                GITLAB_ENTRY,
                "include:\n" + "".join(f"  - local: {path}\n" for path in _TEMPLATES["gitlab"]),
                starter=True,
            )
        )
    return found + [CiFile(path, _render(template, settings), starter=True) for path, template in _STARTERS.items()]


def _render(template: str, settings: CiSettings) -> str:
    # Neither shell nor GitHub's expressions know these delimiters.
    drawn = Environment(  # noqa: S701  # no HTML
        loader=FileSystemLoader(_ROOM / "templates"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, variable_start_string="<{", variable_end_string="}>", block_start_string="<%",
        block_end_string="%>", comment_start_string="<#", comment_end_string="#>",
    )  # fmt: skip
    drawn.filters["quoted"] = _quoted
    return drawn.get_template(template).render(
        models=settings.models, board=settings.board, install=settings.install, action=settings.action,
        branch=settings.branch, workflow=GITHUB_WORKFLOW, script=_script, **ACTIONS,
    )  # fmt: skip


def _quoted(text: str) -> str:
    """A string of JSON, which is one of YAML and, for what settings let pass, of TOML."""
    return json.dumps(text, ensure_ascii=False)


def _script(name: str) -> str:
    """A script's lines but the first, which says what runs it, and the last line's end."""
    return (_ROOM / "scripts" / name).read_text(encoding="utf-8").partition("\n")[2].rstrip("\n")
