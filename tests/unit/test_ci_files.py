"""`edgeq ci init`: what it writes, that nothing in it means more than it says, and that it overwrites nobody's work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from typer.testing import CliRunner

from edgeq import __version__
from edgeq.ci.render import (
    ACTIONS,
    BENCH,
    GITHUB_BOARDS,
    GITHUB_WORKFLOW,
    GITLAB_BOARDS,
    GITLAB_ENTRY,
    GITLAB_INCLUDED,
    CiFile,
    default_install,
    files,
)
from edgeq.ci.settings import CiModel, CiSettings
from edgeq.cli import app
from edgeq.compare.gate import Gate, read_gate
from edgeq.errors import BadInput
from edgeq.hil.settings import read_bench

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "edgeq" / "ci" / "scripts").glob("*.sh"))
AWKWARD = (
    'a "quoted" net', "it's", "a: b # c", "{{ }} %}", "netz-größe", "`id`", "a\\nb", "*", "!tag", "on", "1e3", "~",
    "models/net.py:make",
)  # fmt: skip


def settings(*paths: str, action: str | None = None, install: str = default_install()) -> CiSettings:
    models = tuple(CiModel(f"model-{i}", path) for i, path in enumerate(paths or ("models/net",)))
    return CiSettings(models, "esp32-wrover-b", install, action)


def by_path(found: list[CiFile]) -> dict[str, Any]:
    return {file.path: YAML(typ="safe").load(file.text) for file in found if file.path.endswith(".yml")}


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("action", [None, "team/edgeq@v1"])
def test_what_is_written_follows_the_schemas(tmp_path: Path, action: str | None) -> None:
    kinds: dict[str, list[str]] = {}
    for file in files(settings(*AWKWARD, action=action), ("github", "gitlab")):
        if file.path.endswith(".yml"):
            kind = "github-workflows" if file.path.startswith(".github") else "gitlab-ci"
            kinds.setdefault(kind, []).append(path := str(tmp_path / file.path.replace("/", "-")))
            Path(path).write_text(file.text)
    assert set(kinds) == {"github-workflows", "gitlab-ci"}
    for kind, paths in kinds.items():
        check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}", *paths]
        done = subprocess.run(check, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout


def test_awkward_names_stay_what_they_are() -> None:
    found = by_path(files(settings(*AWKWARD, install="edgeq @ https://x/y'z"), ("github", "gitlab")))
    github, gitlab = found[GITHUB_WORKFLOW]["jobs"]["virtual-board"], found[GITLAB_INCLUDED]["edgeq"]
    assert [one["model"] for one in github["strategy"]["matrix"]["include"]] == list(AWKWARD)
    assert [one["EDGEQ_MODEL"] for one in gitlab["parallel"]["matrix"]] == list(AWKWARD)
    assert gitlab["variables"]["EDGEQ_INSTALL"] == "edgeq @ https://x/y'z"


@pytest.mark.parametrize(
    "value", ["", "- x", "--help", "a${{ x }}", "$(id)", "a\nb", "a\x1b[2J", "a\u202eb", "a\ud800"]
)
def test_what_would_mean_more_than_it_says_is_refused(value: str) -> None:
    for wrong in (lambda: settings(value), lambda: settings(install=value)):
        with pytest.raises(BadInput, match="cannot stand in a workflow"):
            wrong()


@pytest.mark.parametrize(
    "action", ["edgeq", "a/b", "a/b@", "a/b@v1 # x", "a/b@v1\nx", "./local", "a/b/c@v1", "a/b@${{ x }}"]
)
def test_an_action_that_is_none_is_refused(action: str) -> None:
    with pytest.raises(BadInput, match="is no action"):
        settings(action=action)


@pytest.mark.parametrize("action", [None, "team/edgeq@v1"])
def test_workflows_have_few_rights_and_pinned_actions(action: str | None) -> None:
    found = by_path(files(settings(action=action), ("github",)))
    for path, workflow in found.items():
        assert workflow["permissions"] == {"contents": "read"}, path
        for name, job in workflow["jobs"].items():
            assert job["timeout-minutes"]
            assert job.get("permissions", {}) == ({"pull-requests": "write"} if name == "comment" else {})
        for step in steps(workflow):
            uses = step.get("uses", "")
            assert not uses or uses == action or re.fullmatch(r"actions/[a-z/-]+@[0-9a-f]{40}", uses)
            assert "${{" not in step.get("run", "")  # what an event says is never a script's text
            if uses.startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    text = "".join(file.text for file in files(settings(action=action), ("github",)))
    assert "secrets." not in text and "pull_request_target" not in text
    assert text.count("team/edgeq@v1") >= (1 if action else 0)


def test_the_right_to_comment_stands_beside_no_code_of_the_pull_request() -> None:
    job = by_path(files(settings(), ("github",)))[GITHUB_WORKFLOW]["jobs"]["comment"]
    assert "head.repo.full_name == github.repository" in job["if"]
    assert [step.get("uses", "").partition("@")[0] for step in job["steps"]] == ["actions/download-artifact", ""]


def test_every_command_and_option_that_is_called_exists() -> None:
    """Of the scripts and of the templates, edgeq's own calls."""
    called = set()
    templates = (ROOT / "edgeq" / "ci" / "templates").glob("*.jinja")
    for path in (*SCRIPTS, *templates):
        text = path.read_text()
        for line in re.findall(r"^[^#\n]*?\b(edgeq [a-z]+ [^#\n]*)", text, re.MULTILINE):
            words = line.replace('"${options[@]}"', " ".join(re.findall(r"options\+?=\((.+)\)", text))).split()
            command: Any = typer.main.get_command(app)
            names = words[1:]
            while hasattr(command, "commands"):
                command = command.commands[names.pop(0)]
            known = {option for parameter in command.params for option in parameter.opts}
            options = {word for word in names[: names.index("--") if "--" in names else None] if word.startswith("-")}
            assert options <= known, line
            called.add((command.name, *sorted(options)))
    assert {("doctor",), ("run", "-o")} <= called
    assert ("compare", "--gate", "--history", "--junit", "--markdown") in called
    assert ("deploy", "--board", "--engine", "--output", "--runner") in called


def test_torch_is_installed_as_the_package_asks_for_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = (one for one in project["optional-dependencies"]["torch"] if re.match(r"torch\W", one))
    assert f"'{wanted}'" in (ROOT / "edgeq" / "ci" / "scripts" / "install.sh").read_text()
    assert default_install() == f"edgeq[torch,verify]=={__version__}"


def test_the_packages_of_debian_are_those_of_the_makefile() -> None:
    """All that is installed here is installed there, and the emulated core lacks none of them."""
    text = (ROOT / "edgeq" / "ci" / "scripts" / "packages.sh").read_text()
    wanted = set(" ".join(re.findall(r"wanted\+?=\((.+)\)", text)).split())
    makefile = re.search(r"^PACKAGES := ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert makefile
    assert wanted - {"ca-certificates", "git", "python3-venv"} <= set(makefile[1].replace("\\", " ").split())
    assert {"clang-22", "llvm-22", "binutils-xtensa-lx106", "qemu-system-misc"} <= wanted


def test_the_starting_gate_is_the_default_one_written_out() -> None:
    (text,) = (file.text for file in files(settings(), ("github",)) if file.path == "gate.toml")
    assert read_gate(text) == Gate()
    assert len(tomllib.loads(text)) >= 4


def test_the_bench_to_begin_with_is_a_virtual_board(tmp_path: Path) -> None:
    (text,) = (file.text for file in files(settings(*AWKWARD), ("github",)) if file.path == BENCH)
    (tmp_path / BENCH).write_text(text)
    bench = read_bench(tmp_path / BENCH).settings
    assert [model.source for model in bench.model] == list(AWKWARD)
    assert [(board.board, board.virtual) for board in bench.board] == [("esp32-wrover-b", "qemu_lx6")]
    real = re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)  # the example, as one would begin to use it
    (tmp_path / BENCH).write_text(real)
    assert [board.mac is None for board in read_bench(tmp_path / BENCH).settings.board] == [True, False]


def test_forks_never_reach_the_boards() -> None:
    found = by_path(files(settings(), ("github", "gitlab")))
    for path, workflow in found.items():
        own = [job for job in workflow.get("jobs", {}).values() if "self-hosted" in job["runs-on"]]
        assert len(own) == (1 if path == GITHUB_BOARDS else 0)
    github = found[GITHUB_BOARDS]
    assert github["on"]["pull_request"] == {"types": ["labeled"]}
    assert set(github["on"]) == {"schedule", "workflow_dispatch", "pull_request"}
    (job,) = github["jobs"].values()
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    assert re.fullmatch(r"\$\{\{ vars\.EDGEQ_BOARDS == 'true' && \((.+)\) \}\}", job["if"])
    assert f"(github.event.label.name == 'hardware' && {own})" in " ".join(job["if"].split())

    (job,) = found[GITLAB_BOARDS].values()
    off, nightly, forks, *others = job["rules"]
    assert off == {"if": '$EDGEQ_BOARDS != "true"', "when": "never"}
    assert nightly == {"if": '$CI_PIPELINE_SOURCE == "schedule"'}
    assert forks["when"] == "never" and "$CI_MERGE_REQUEST_SOURCE_PROJECT_PATH != $CI_PROJECT_PATH" in forks["if"]
    assert others and job["tags"] == ["edgeq"] and job["resource_group"]


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A repository on GitHub, with two models."""
    for name in ("nets/first", "nets/second", ".hidden/third"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "model.toml").write_text((ROOT / "models/resnet18-digits/model.toml").read_text())
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    git(tmp_path, "remote", "add", "origin", "git@github.com:team/nets.git")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True)


def init(folder: Path, *options: object, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["ci", "init", str(folder), *map(str, options)])
    assert done.exit_code == status, done.output
    return done.output


def test_a_first_time(team: Path) -> None:
    told = json.loads(init(team, "--json"))
    assert told["hosts"] == ["github"]
    assert [model["path"] for model in told["models"]] == ["nets/first", "nets/second"]
    assert {file["status"] for file in told["files"]} == {"written"}
    assert all((team / file["path"]).is_file() for file in told["files"])
    assert not (team / ".gitlab").exists()
    matrix = YAML(typ="safe").load(team / GITHUB_WORKFLOW)["jobs"]["virtual-board"]["strategy"]["matrix"]["include"]
    assert matrix == [{"name": "first", "model": "nets/first"}, {"name": "second", "model": "nets/second"}]


def test_a_second_time_renews_what_nobody_changed_and_keeps_the_rest(team: Path) -> None:
    init(team)
    (team / "gate.toml").write_text("# ours\n")
    again = {file["path"]: file["status"] for file in json.loads(init(team, "--json"))["files"]}
    assert again.pop("gate.toml") == "kept" and again[GITHUB_WORKFLOW] == "unchanged"
    renewed = {f["path"]: f["status"] for f in json.loads(init(team, "--json", "--model", "nets/second"))["files"]}
    assert renewed[GITHUB_WORKFLOW] == "written" and "nets/first" not in (team / GITHUB_WORKFLOW).read_text()

    changed = (team / GITHUB_WORKFLOW).read_text() + "# ours\n"
    (team / GITHUB_WORKFLOW).write_text(changed)
    assert "--force" in init(team, "--gitlab", "--github", status=2)
    assert (team / GITHUB_WORKFLOW).read_text() == changed and not (team / ".gitlab").exists()
    init(team, "--force")
    assert "# ours" not in (team / GITHUB_WORKFLOW).read_text()
    assert (team / "gate.toml").read_text() == "# ours\n"  # with --force too: it was meant to be changed


def test_a_workflow_of_others_stays(team: Path) -> None:
    (team / ".github" / "workflows").mkdir(parents=True)
    (team / GITHUB_WORKFLOW).write_text("name: edgeq\n")
    assert "not as edgeq wrote it" in init(team, status=2)
    assert (team / GITHUB_WORKFLOW).read_text() == "name: edgeq\n" and not (team / "gate.toml").exists()


def test_gitlab_with_an_entry_of_its_own(team: Path) -> None:
    git(team, "remote", "set-url", "origin", "https://gitlab.example.com/team/nets.git")
    assert json.loads(init(team, "--json"))["hosts"] == ["gitlab"]
    assert YAML(typ="safe").load(team / GITLAB_ENTRY)["include"][0] == {"local": GITLAB_INCLUDED}
    (team / GITLAB_ENTRY).write_text("build: {script: make}\n")
    told = init(team)
    assert f"- local: {GITLAB_INCLUDED}" in told
    assert (team / GITLAB_ENTRY).read_text() == "build: {script: make}\n"


def test_the_branch_is_that_of_the_remote(team: Path) -> None:
    git(team, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    init(team)
    assert YAML(typ="safe").load(team / GITHUB_WORKFLOW)["on"]["push"]["branches"] == ["trunk"]


def test_without_a_word_of_the_remote_the_branch_is_the_one_that_is_there(team: Path) -> None:
    git(team, "symbolic-ref", "HEAD", "refs/heads/master")
    git(team, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "--allow-empty", "-m", "first")
    init(team)
    assert YAML(typ="safe").load(team / GITHUB_WORKFLOW)["on"]["push"]["branches"] == ["master"]


def test_line_ends_of_another_system_are_no_change(team: Path) -> None:
    init(team)
    for path in (GITHUB_WORKFLOW, GITHUB_BOARDS):
        (team / path).write_bytes((team / path).read_bytes().replace(b"\n", b"\r\n"))
    told = {file["path"]: file["status"] for file in json.loads(init(team, "--json"))["files"]}
    assert told[GITHUB_WORKFLOW] == told[GITHUB_BOARDS] == "unchanged"


def test_a_folder_below_the_root_is_refused(team: Path) -> None:
    said = " ".join(init(team / "nets", "--github", status=2).split())
    assert "its CI reads the root alone" in said and not (team / "nets" / ".github").exists()


@pytest.mark.parametrize("name", [".github", GITHUB_WORKFLOW, "gate.toml", GITLAB_ENTRY])
def test_what_stands_in_a_file_s_place_is_said_before_anything_is_written(team: Path, name: str) -> None:
    outside = team.parent / f"{team.name}-outside"
    outside.mkdir()
    (team / name).parent.mkdir(parents=True, exist_ok=True)
    (team / name).symlink_to(outside)
    before = sorted(team.rglob("*"))
    assert name.partition("/")[0] in init(team, "--github", "--gitlab", "--force", status=2)
    assert sorted(team.rglob("*")) == before and list(outside.iterdir()) == []


def test_a_history_is_its_model_s_own_and_is_kept_whatever_the_gate_says() -> None:
    found = by_path(files(settings(), ("github", "gitlab")))
    used = [step for step in steps(found[GITHUB_WORKFLOW]) if step.get("with", {}).get("path") == "edgeq-history"]
    restore, save = used
    assert restore["uses"].startswith("actions/cache/restore@") and save["uses"].startswith("actions/cache/save@")
    assert save["if"].startswith("${{ !cancelled()") and save["with"]["key"] == restore["with"]["key"]
    # No name of a model holds a slash: that of `net` is no beginning of that of `net-2`.
    assert restore["with"]["restore-keys"] == "edgeq-history/${{ matrix.name }}/"
    assert found[GITLAB_INCLUDED]["edgeq"]["cache"]["when"] == "always"


def test_a_board_that_is_gone_keeps_no_other_from_running() -> None:
    found = by_path(files(settings(), ("github", "gitlab")))
    (doctor,) = [step for step in steps(found[GITHUB_BOARDS]) if "doctor" in step.get("run", "")]
    assert doctor["continue-on-error"] is True
    script = found[GITLAB_BOARDS]["edgeq-boards"]["script"]
    assert next(line for line in script if "doctor" in line).startswith("edgeq hil doctor hil.toml || ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nets/none"], "no such file, folder or model of the zoo"),
        (["--model", "nets"], "has no model.toml"),
        (["--model", "/etc/passwd"], "out of the repository"),
        (["--model", "nets/../../x"], "out of the repository"),
        (["--model", "nets/first$(id)"], "cannot stand in a workflow"),
        (["--board", "none"], "no board is called 'none'"),
        (["--action", "none"], "is no action"),
        (["--install", "edgeq; $x"], "cannot stand in a workflow"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(team: Path, options: list[str], words: str) -> None:
    assert words in " ".join(init(team, *options, status=2).split())
    assert not (team / ".github").exists() and not (team / "gate.toml").exists()


def test_a_folder_that_says_nothing(tmp_path: Path) -> None:
    assert "--github or --gitlab" in init(tmp_path, status=2)
    assert "has no folder with a model.toml" in " ".join(init(tmp_path, "--github", status=2).split())
    assert "no such folder" in init(tmp_path / "none", "--github", status=2)
    assert list(tmp_path.iterdir()) == []


def test_the_zoo_and_the_same_name_twice(team: Path) -> None:
    (team / "nets" / "first.py").write_text("def first(): ...\n")
    names = json.loads(
        init(team, "--json", "--model", "nets/first", "--model", "resnet18-digits", "--model", "nets/first.py:first")
    )["models"]
    assert [model["name"] for model in names] == ["first", "resnet18-digits", "first-first"]


def test_pins_are_the_same_everywhere() -> None:
    for path in (ROOT / ".github" / "workflows" / "ci.yml", ROOT / "action.yml"):
        for step in re.findall(r"uses: (actions/.+)", path.read_text()):
            assert step in ACTIONS.values()
