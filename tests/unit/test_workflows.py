"""The workflows that run elsewhere: their form, and that what they name is here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.boards.board import boards

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CHECK = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_follows_the_schema_of_workflows(workflow: Path) -> None:
    done = subprocess.run([*CHECK, workflow], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_the_action_follows_the_schema_of_actions() -> None:
    check = (*CHECK[:-1], "vendor.github-actions", str(ROOT / "action.yml"))
    done = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_the_schema_refuses_what_is_no_workflow(tmp_path: Path) -> None:
    damaged = WORKFLOWS[0].read_text().replace("runs-on:", "runs-of:")
    (tmp_path / "damaged.yml").write_text(damaged)
    assert subprocess.run([*CHECK, tmp_path / "damaged.yml"], capture_output=True, timeout=60).returncode == 1


def test_what_ci_names_is_here() -> None:
    """What it hands to edgeq's own action are inputs of it, and every file and target is there."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    inputs = re.findall(r"^  ([a-z-]+):$", (ROOT / "action.yml").read_text().partition("\noutputs:")[0], re.MULTILINE)
    steps = re.findall(r"uses: \./(?:before)?\n +with:\n((?: {10}.+\n)+)", text)
    given = [re.findall(r"^ +([a-z-]+):", step, re.MULTILINE) for step in steps]
    assert len(given) == 2 and all("model" in one and set(one) <= set(inputs) for one in given)
    assert (ROOT / "models" / "resnet18-digits" / "model.toml").exists() and (ROOT / ".ci" / "run").exists()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"run: make ([a-z-]+)", text)) <= targets


def test_what_the_firmware_workflow_names_is_here() -> None:
    text = (ROOT / ".github" / "workflows" / "firmware.yml").read_text()
    (matrix,) = re.findall(r"^ +board: \[(.+)\]$", text, re.MULTILINE)
    (loop,) = re.findall(r"for board in (.+); do", text)
    assert matrix.split(", ") == loop.split()
    known = {board.name: board.chip.name for board in boards()}
    assert {known[name] for name in loop.split()} == set(known.values())
    for path in re.findall(r"(?:firmware/examples|\.github/workflows)/[\w.]+", text):
        assert (ROOT / path).exists(), path
