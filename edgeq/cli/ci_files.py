"""ci: files that have a team's CI run edgeq."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edgeq.ci import place, render
from edgeq.ci.settings import CiSettings, board_of, models_of
from edgeq.cli import console
from edgeq.cli.options import BoardName, Json
from edgeq.errors import BadInput
from edgeq.pipeline.deploy import DEFAULT_BOARD

app = typer.Typer(name="ci", help="Have a team's CI run edgeq.", no_args_is_help=True)


@app.command()
@console.command
def init(
    folder: Annotated[Path, typer.Argument(help="The root of the repository.")] = Path(),
    github: Annotated[bool, typer.Option("--github", help="Workflows for GitHub.")] = False,
    gitlab: Annotated[
        bool, typer.Option("--gitlab", help="A template for GitLab. Neither: as files and remote say.")
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="As for deploy, relative to FOLDER; may be repeated. Else all with a model.toml."),
    ] = None,
    board: BoardName = DEFAULT_BOARD,
    install: Annotated[
        str | None, typer.Option("--install", metavar="REQUIREMENT", help="What pip installs; else this version.")
    ] = None,
    action: Annotated[
        str | None, typer.Option("--action", metavar="OWNER/REPO@REF", help="GitHub: edgeq's action instead of pip.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over workflows that are not as edgeq wrote them.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Write workflows: every pull request on a virtual board, compared and gated; real boards nightly and by label."""
    if not folder.is_dir():
        raise BadInput("there is no such folder", where=str(folder))
    place.require_root(folder)
    named: tuple[render.Host, ...] = (*(("github",) if github else ()), *(("gitlab",) if gitlab else ()))
    hosts = named or place.detect_hosts(folder)
    settings = CiSettings(
        models_of(folder, model or ()), board_of(folder, board), install or render.default_install(action), action,
        place.default_branch(folder),
    )  # fmt: skip
    placed = place.place(folder, render.files(settings, hosts), force=force)
    left = place.by_hand(folder, hosts)
    if json_output:
        models = [asdict(one) for one in settings.models]
        console.print_json(
            {"hosts": hosts, "models": models, "files": [asdict(file) for file in placed], "by_hand": left}
        )
        return
    console.table("", ("file", ""), [(file.path, file.status) for file in placed])
    console.say("")
    console.pairs([("model", one.path) for one in settings.models])
    console.say("\nLeft to do:")
    for line in left:
        console.say(f"  - {line}")
