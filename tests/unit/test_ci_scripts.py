"""The scripts that edgeq's action and the written workflows run, with stand-ins for the programs around them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from edgeq.ci.render import GITHUB_WORKFLOW, GITLAB_INCLUDED, files
from edgeq.ci.settings import CiModel, CiSettings

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "edgeq" / "ci" / "scripts"

# Writes its arguments, one a line, a line with a dash behind them.
RECORDS = 'printf "%s\\n" "${0##*/}" "$@" - >> "$CALLS"\n'
# A deploy writes a report with the model file's text as its latency, and ends as the file status beside it says.
EDGEQ = (
    RECORDS
    + r"""
if [[ $1 == trend ]]; then exit; fi
if [[ $1 == compare && -n ${EDGEQ_HISTORY:-} ]]; then mkdir -p "${EDGEQ_HISTORY%/*}"; touch "$EDGEQ_HISTORY"; fi
if [[ $1 == compare ]]; then exit "${COMPARED:-0}"; fi
if [[ ! -e ${!#} ]]; then exit 2; fi
mkdir -p "$3"
printf '{"latency": {"p50": %s, "unit": "instructions", "basis": "emulated"}}' "$(cat "${!#}")" > "$3/report.json"
echo "# Report" > "$3/report.md"
exit "$(cat status 2> /dev/null || echo 0)"
"""
)
# Finds the comments $FOUND, and keeps what it is to write in $BODY.
GH = (
    RECORDS
    + r"""
if [[ ${!#} == .* ]]; then printf "%s" "$FOUND"; fi
if [[ ${!#} == body=@* ]]; then last=${!#}; cp "${last#body=@}" "$BODY"; fi
"""
)


@dataclass(frozen=True)
class Place:
    """A folder with a `bin` of stand-ins, what they were called with, and the files that GitHub gives a step."""

    folder: Path

    def program(self, name: str, script: str = RECORDS) -> None:
        file = self.folder / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/bash\n" + script)
        file.chmod(0o755)

    def run(self, script: str, *, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        full = {"PATH": path, "CALLS": str(self.folder / "calls"), "HOME": str(self.folder), "LC_ALL": "C.UTF-8", **env}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(SCRIPTS / script)]
        return subprocess.run(command, cwd=cwd or self.folder, env=full, capture_output=True, text=True, timeout=60)

    def calls(self) -> list[list[str]]:
        text = (self.folder / "calls").read_text() if (self.folder / "calls").exists() else ""
        return [call.split("\n") for call in text.split("\n-\n") if call]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def team(place: Place) -> Iterator[Path]:
    """A repository whose model was 100 in the commit before and is 200 now."""
    place.program("edgeq", EDGEQ)
    folder = place.folder / "team"
    git(place.folder, "init", "-q", str(folder))
    for latency in ("100", "200"):
        (folder / "my net").write_text(latency)
        git(folder, "add", "-A")
        git(folder, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", latency)
    yield folder
    assert subprocess.check_output(["git", "-C", folder, "worktree", "list"], text=True).count("\n") == 1


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True)


def check(place: Place, team: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = {
        "EDGEQ_MODEL": "my net", "EDGEQ_BOARD": "esp32-cam", "EDGEQ_RUNNER": "host", "EDGEQ_ENGINE": "native",
        "EDGEQ_GATE": "gate.toml", "EDGEQ_OUTPUT": "out", "EDGEQ_BASE_REVISION": "HEAD^1", "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(place.folder / "output"), "GITHUB_STEP_SUMMARY": str(place.folder / "summary"),
    }  # fmt: skip
    return place.run("check.sh", cwd=team, **{**env, **more})


def outputs(place: Place) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (place.folder / "output").read_text().splitlines())


def latency(report: Path) -> int:
    return int(json.loads(report.read_text())["latency"]["p50"])


def test_a_model_is_compared_with_what_it_was_the_commit_before(place: Place, team: Path) -> None:
    done = check(place, team)
    assert done.returncode == 0, done.stderr
    assert latency(team / "out/report.json") == 200 and latency(team / "out.baseline/report.json") == 100
    deploy, earlier, compare = place.calls()
    how = ["--board", "esp32-cam", "--runner", "host", "--engine", "native", "--", "my net"]
    assert deploy == ["edgeq", "deploy", "--output", "out", *how]
    assert earlier == ["edgeq", "deploy", "--output", str(team / "out.baseline"), *how]
    files = ["--markdown", "out/compare.md", "--junit", "out/compare.xml", "--gate", "gate.toml"]
    assert compare == ["edgeq", "compare", *files, "--", str(team / "out.baseline"), "out"]
    assert outputs(place) == {
        "report": "out", "passed": "true", "latency": "200", "unit": "instructions", "basis": "emulated",
    }  # fmt: skip
    assert (place.folder / "summary").read_text() == "# Report\n"


@pytest.mark.parametrize(("deployed", "compared", "code"), [("0", "1", 1), ("1", "0", 1), ("0", "2", 2), ("1", "2", 1)])
def test_a_check_or_a_gate_that_says_no(place: Place, team: Path, deployed: str, compared: str, code: int) -> None:
    (team / "status").write_text(deployed)
    assert check(place, team, COMPARED=compared).returncode == code
    assert place.calls()[-1][1] == "compare"  # also where the deploy said no: the comparison says why
    assert outputs(place)["passed"] == "false"


def test_what_an_earlier_job_left_is_not_this_one_s(place: Place, team: Path) -> None:
    assert check(place, team).returncode == 0
    (team / "out/compare.md").write_text("an earlier one")
    done = check(place, team, EDGEQ_BASE_REVISION="none")
    assert done.returncode == 0 and "no earlier commit" in done.stdout
    assert [call[1] for call in place.calls()] == ["deploy", "deploy", "compare", "deploy"]
    assert not (team / "out/compare.md").exists()


def test_a_deploy_that_fails_ends_it(place: Place, team: Path) -> None:
    (team / "status").write_text("5")
    assert check(place, team).returncode == 5
    assert len(place.calls()) == 1 and not (place.folder / "output").exists()


def test_a_baseline_that_is_given(place: Place, team: Path) -> None:
    assert check(place, team, EDGEQ_BASELINE="kept/report.json", EDGEQ_GATE="").returncode == 0
    _, compare = place.calls()
    assert compare[-3:] == ["--", "kept/report.json", "out"] and "--gate" not in compare


def test_a_history_is_added_to_and_drawn(place: Place, team: Path) -> None:
    assert check(place, team, EDGEQ_HISTORY="kept/history", COMPARED="1").returncode == 1
    *_, compare, trend = place.calls()
    assert compare[compare.index("--history") + 1] == "kept/history"
    assert trend == ["edgeq", "trend", "--output", "out/trend.html", "--", "kept/history"]


def test_no_baseline_that_is_wanted(place: Place, team: Path) -> None:
    done = check(place, team, EDGEQ_BASE_REVISION="")
    assert done.returncode == 0 and len(place.calls()) == 1 and "warning" not in done.stdout


def test_a_model_that_is_new(place: Place, team: Path) -> None:
    (team / "other").write_text("7")
    done = check(place, team, EDGEQ_MODEL="other")
    assert done.returncode == 0 and "::warning title=edgeq::the earlier commit has no model" in done.stdout
    assert [call[1] for call in place.calls()] == ["deploy", "deploy"] and outputs(place)["passed"] == "true"


def test_a_checkout_without_the_commit_before(place: Place, team: Path) -> None:
    done = check(place, team, EDGEQ_BASE_REVISION="HEAD^2", GITHUB_ACTIONS="")
    assert done.returncode == 0 and "warning: there is no earlier commit" in done.stdout


@pytest.mark.parametrize("output", ["", "out\npassed=true"])
def test_an_output_that_would_say_more(place: Place, team: Path, output: str) -> None:
    assert check(place, team, EDGEQ_OUTPUT=output).returncode == 2
    assert place.calls() == [] and not (place.folder / "output").exists()


def test_packages_that_are_missing_are_installed(place: Place) -> None:
    place.program("dpkg-query", "[[ ${!#} == gcc ]] && echo -n installed || echo -n not-installed\n")
    place.program("apt-get")
    place.program("sudo", '[[ $1 == -n ]] && shift; "$@"\n')
    assert place.run("packages.sh", EDGEQ_RUNNER="host").returncode == 0
    update, install = place.calls()
    assert update[:2] == ["apt-get", "update"]
    assert install[-4:] == ["ca-certificates", "git", "python3-venv", "libc6-dev"]


def test_packages_that_are_there_cost_nothing(place: Place) -> None:
    place.program("dpkg-query", "echo -n installed\n")
    place.program("apt-get")
    assert place.run("packages.sh").returncode == 0
    assert place.calls() == []


@pytest.mark.parametrize("requirement", ["edgeq[torch,verify]==1", "edgeq[verify,torch]", "edgeq[verify] @ file:///x"])
def test_edgeq_is_installed_and_torch_in_front_of_it_where_it_is_wanted(place: Place, requirement: str) -> None:
    place.program("python3")  # makes no virtual environment: the stand-in is there already
    (place.folder / "venv").mkdir()
    place.program("python")
    (place.folder / "bin").rename(place.folder / "venv" / "bin")
    (place.folder / "bin").symlink_to(place.folder / "venv" / "bin")
    where = {"EDGEQ_VENV": str(place.folder / "venv"), "GITHUB_PATH": str(place.folder / "path")}
    done = place.run("install.sh", EDGEQ_INSTALL=requirement, EDGEQ_REQUIREMENTS="own.txt", **where)
    assert done.returncode == 0, done.stderr
    venv, *torch, edgeq, own = place.calls()
    assert venv == ["python3", "-m", "venv", where["EDGEQ_VENV"]]
    assert [call[-1] for call in torch] == (["torch>=2.13,<2.14"] if "torch" in requirement else [])
    assert edgeq[-1] == requirement and own[-2:] == ["--requirement", "own.txt"]
    assert (place.folder / "path").read_text() == f"{where['EDGEQ_VENV']}/bin\n"


@pytest.mark.parametrize(
    ("found", "method", "url"), [("", "POST", "issues/7/comments"), ("12\n34\n", "PATCH", "issues/comments/12")]
)
def test_one_comment_a_pull_request(place: Place, found: str, method: str, url: str) -> None:
    place.program("gh", GH)
    for name in ("one", "two"):
        (place.folder / "found" / f"edgeq-{name}").mkdir(parents=True)
        (place.folder / "found" / f"edgeq-{name}" / "compare.md").write_text(f"## {name} ü\n")
    env = {"GITHUB_REPOSITORY": "team/nets", "EDGEQ_PULL_REQUEST": "7", "EDGEQ_FOUND": "found", "FOUND": found}
    done = place.run("comment.sh", BODY=str(place.folder / "body"), **env)
    assert done.returncode == 0, done.stderr
    _, call = place.calls()
    assert call[call.index("--method") + 1] == method and f"repos/team/nets/{url}" in call
    assert (place.folder / "body").read_text() == "<!-- written by edgeq -->\n## one ü\n## two ü\n"


def test_a_comment_of_any_length(place: Place) -> None:
    place.program("gh", GH)
    (place.folder / "found" / "edgeq-one").mkdir(parents=True)
    (place.folder / "found" / "edgeq-one" / "compare.md").write_text("ü" * 500_000)
    env = {"GITHUB_REPOSITORY": "team/nets", "EDGEQ_PULL_REQUEST": "7", "EDGEQ_FOUND": "found", "FOUND": ""}
    done = place.run("comment.sh", BODY=str(place.folder / "body"), **env)
    assert done.returncode == 0, done.stderr
    assert 59_990 < len((place.folder / "body").read_text().encode()) <= 60_000


def test_no_comment_where_nothing_was_compared(place: Place) -> None:
    place.program("gh", GH)
    env = {"GITHUB_REPOSITORY": "team/nets", "EDGEQ_PULL_REQUEST": "7", "EDGEQ_FOUND": "found"}
    assert place.run("comment.sh", **env).returncode == 0
    assert place.calls() == []


def test_the_action_hands_every_input_on_as_a_variable() -> None:
    """No input reaches the text of a script, and no variable that the script reads is left out."""
    action = YAML(typ="safe").load(ROOT / "action.yml")
    steps = action["runs"]["steps"]
    handed = {value for step in steps for value in step["env"].values()}
    assert handed == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    assert not [step for step in steps if "${{" in step["run"]]
    by_script = {re.findall(r"scripts/(\w+\.sh)", step["run"])[0]: step for step in steps}
    for script, step in by_script.items():
        read = set(re.findall(r"\$\{?!?(EDGEQ_\w+)", (SCRIPTS / script).read_text()))
        assert read <= set(step["env"]) | {"EDGEQ_VENV"}, script
    assert set(by_script) == {"packages.sh", "install.sh", "check.sh"}
    written = set(re.findall(r"echo \"(\w+)=|\(\"(\w+)\", \"", (SCRIPTS / "check.sh").read_text()))
    assert {one or other for one, other in written} == set(action["outputs"])


def text_of(script: str) -> str:
    return (SCRIPTS / script).read_text().partition("\n")[2]


def test_workflows_run_the_same_scripts() -> None:
    """As YAML reads them, to the letter; GitLab's in a shell of their own, which they may end."""
    settings = CiSettings((CiModel("net", "net"),), "esp32-cam", "edgeq[torch]")
    read = {file.path: file.text for file in files(settings, ("github", "gitlab"))}
    github = YAML(typ="safe").load(read[GITHUB_WORKFLOW])["jobs"]
    runs = [step["run"] for step in (*github["virtual-board"]["steps"], *github["comment"]["steps"]) if "run" in step]
    assert runs == [text_of(script) for script in ("packages.sh", "install.sh", "check.sh", "comment.sh")]
    gitlab = YAML(typ="safe").load(read[GITLAB_INCLUDED])["edgeq"]
    lines = [line for line in (*gitlab["before_script"], *gitlab["script"]) if line.startswith("(")]
    assert lines == [f"(\n{text_of(script)})\n" for script in ("packages.sh", "install.sh", "check.sh")]


def test_gitlab_runs_them_one_after_the_other(place: Place, team: Path) -> None:
    """As its runner does: all lines in one shell, which the first that fails ends."""
    (text,) = (
        f.text
        for f in files(CiSettings((CiModel("net", "my net"),), "esp32-cam", "x"), ("gitlab",))
        if f.path == GITLAB_INCLUDED
    )
    job = YAML(typ="safe").load(text)["edgeq"]
    place.program("dpkg-query", "echo -n installed\n")
    place.program("python3")
    (place.folder / "venv" / "bin").mkdir(parents=True)
    (place.folder / "venv" / "bin" / "python").symlink_to("/bin/true")
    variables = {**job["variables"], **job["parallel"]["matrix"][0], "EDGEQ_VENV": str(place.folder / "venv")}
    script = place.folder / "job.sh"
    script.write_text("set -eo pipefail\n" + "\n".join((*job["before_script"], *job["script"])) + "\necho over\n")
    env = {name: str(value) for name, value in variables.items() if name != "XDG_CACHE_HOME"}
    done = place.run(str(script), cwd=team, **env)
    assert done.returncode == 0 and done.stdout.endswith("over\n"), done.stderr
    assert [call[1] for call in place.calls()] == ["-m", "deploy", "deploy", "compare"]
    done = place.run(str(script), cwd=team, COMPARED="1", **env)
    assert done.returncode == 1 and "over" not in done.stdout
