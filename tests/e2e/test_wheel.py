"""The wheel is enough: its own code, models and firmware sources take a network to a verified board."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from command_line import environment

pytestmark = [pytest.mark.e2e, pytest.mark.emulator]

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("edgeq", "models", "firmware", "pyproject.toml", "README.md", "LICENSE")


def command(*argv: object, cwd: Path) -> str:
    env = environment()
    env.pop("PYTHONPATH", None)  # it would come before what is installed
    done = subprocess.run(list(map(str, argv)), cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing appears in the checkout."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    command(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", cwd=copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


def test_it_carries_models_and_firmware(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    for folder in ("models", "firmware"):
        paths = [path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
        expected = {f"edgeq/_bundled/{path}" for path in paths if "__pycache__" not in path.parts}
        assert len(expected) > 3 and expected <= held
    assert "edgeq/boards/chips/esp32.toml" in held and "edgeq/report/schema.json" in held
    assert {"edgeq/ci/templates/github.yml.jinja", "edgeq/ci/scripts/check.sh"} <= held
    assert not any(name.startswith(("tests/", "models/", "firmware/")) or "__pycache__" in name for name in held)


def test_a_deploy_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """Dependencies come from this Python; edgeq comes from the wheel, which words changed in it prove."""
    venv = tmp_path / "venv"
    command(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    command(sys.executable, "-m", "pip", "--python", venv, "install", "-q", "--no-deps", wheel, cwd=tmp_path)
    (site,) = (venv / "lib").glob("python*/site-packages")
    # Behind its own packages; what an editable install puts into .pth files there does not count here.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    model = site / "edgeq" / "_bundled" / "models" / "resnet18-digits" / "model.toml"
    model.write_text(model.read_text().replace('name = "resnet18-digits"', 'name = "from-the-wheel"'))
    firmware = site / "edgeq" / "_bundled" / "firmware" / "components"
    (console,) = (file for file in firmware.rglob("*.c") if "Type help." in file.read_text())
    console.write_text(console.read_text().replace("Type help.", "Type help, says the wheel."))
    (site / "edgeq" / "__init__.py").write_text('__version__ = "0.0.wheel"\n')

    home = tmp_path / "home"
    home.mkdir()
    command(venv / "bin" / "edgeq", "deploy", "resnet18-digits", "--runner", "qemu_lx6", "-n", "1", cwd=home)
    told = json.loads((home / "run" / "report.json").read_text())
    assert told["model"]["name"] == "from-the-wheel" and told["versions"]["edgeq"] == "0.0.wheel"
    assert "Type help, says the wheel." in (home / "run" / "console.log").read_text()
    status = {hop["name"]: hop["status"] for hop in told["ledger"]["hops"]}
    assert status["tflm"] == status["native-qemu_lx6"] == "equal"
