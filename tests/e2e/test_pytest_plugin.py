"""`pytest-edgeq` in the tests of a team that has nothing but edgeq: as pytest shows it to them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_idf import fake_idf
from sklearn.datasets import load_digits

from edgeq.boards.board import load_board
from edgeq.errors import BadInput
from edgeq.hil.lock import board_lock, held
from edgeq.pipeline import board as boards
from edgeq.pipeline.deploy import DEFAULT_BOARD
from edgeq.pipeline.progress import Quiet
from edgeq.pipeline.run_folder import REPORT
from edgeq.pytest_plugin.board import connected
from edgeq.pytest_plugin.model import DeployedModel
from edgeq.pytest_plugin.wanted import Where
from edgeq.report.validate import read_report

pytestmark = pytest.mark.e2e
pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
# Counts the deploys of all processes.
CONFTEST = """
import pytest

@pytest.fixture(autouse=True, scope="session")
def counted(tmp_path_factory):
    from edgeq.pytest_plugin import model
    made, deploy = tmp_path_factory.getbasetemp().parent, model.deploy
    def counting(*args, **kwargs):
        with open({log!r}, "a") as log:
            print(kwargs["engine"], kwargs["runs"], file=log)
        return deploy(*args, **kwargs)
    model.deploy = counting
    yield
    model.deploy = deploy
"""


@pytest.fixture
def team(pytester: pytest.Pytester, small: Path, cache: None, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with models/small.tflite, whose pytest knows the plugin alone and counts deploys in deploys.txt."""
    (pytester.path / "models").mkdir()
    (pytester.path / "models" / "small.tflite").write_bytes(small.read_bytes())
    pytester.makeconftest(CONFTEST.format(log=str(pytester.path / "deploys.txt")))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester


def run(team: pytest.Pytester, *options: str) -> pytest.RunResult:
    return team.runpytest_subprocess("-p", "edgeq.pytest_plugin", *options, timeout=300)


def deploys(team: pytest.Pytester) -> list[str]:
    return (team.path / "deploys.txt").read_text().splitlines()


def test_a_team_asserts_on_its_model(team: pytest.Pytester) -> None:
    team.makepyfile(
        """
        import numpy as np
        import pytest

        # Of two markers the nearer is asked first.
        pytestmark = [pytest.mark.edgeq(model="models/small.tflite", runs=3), pytest.mark.edgeq(runs=7)]

        def test_what_the_report_says(deployed_model):
            assert deployed_model.latency.p50 > 0
            assert deployed_model.latency.basis == "host" and deployed_model.latency.n == 3
            assert {hop.name: hop.status for hop in deployed_model.ledger.hops}["native-host"] == "equal"
            assert deployed_model.accuracy is None and not deployed_model.failures

        def test_the_board_has_the_model(board, deployed_model):
            assert board.info()["kind"] == "host" and not board.real
            assert deployed_model.board is board
            values = np.zeros(deployed_model.report.model.input, np.int8)
            once, again = deployed_model.run_int8(values), deployed_model.run_int8(values[0])
            assert once.shape == again.shape == (1, 1, 5, 6) and (once == again).all()

        class TestOfATeamWithABoardOfItsOwn:
            @pytest.fixture
            def board(self):
                return "ours"

            def test_it(self, board, deployed_model):
                assert board == "ours" and deployed_model.board.info()["kind"] == "host"

        def test_that_fails(deployed_model):
            assert deployed_model.latency.p50 == 7

        def test_an_input_that_is_none(deployed_model):
            deployed_model.run_int8(np.zeros(3))
        """
    )
    told = run(team, "--edgeq-runner", "host")
    told.assert_outcomes(passed=3, failed=2)
    assert deploys(team) == ["native 3"]
    told.stdout.fnmatch_lines(
        ["*assert * == 7", "*deployed_model.run_int8(np.zeros(3))", "E *BadInput: an input of float64*"]
    )
    assert "pytest_plugin/" not in told.stdout.str()  # no line of edgeq's own


def test_a_board_without_a_model_answers(team: pytest.Pytester) -> None:
    team.makepyfile('def test_it(board): assert board.info()["model"] == "none" and board.port.startswith("socket://")')
    team.makeini("[pytest]\nedgeq_runner = host\nedgeq_board = esp32-devkitc")
    run(team).assert_outcomes(passed=1)


def test_what_cannot_be_is_said(team: pytest.Pytester) -> None:
    wrong = {
        'engine="native"': "nothing says which model",
        'model="models/none.tflite"': "there is no such file, folder or model of the zoo",
        'modle="models/small.tflite"': "the marker edgeq knows no 'modle'\n  try: model, perhaps?",
        '"models/small.tflite"': "the marker edgeq takes names alone",
        'model="models/small.tflite", engine="other"': "'other' is no engine",
        'model="models/small.tflite", runs="many"': "'many' is no number of runs",
        'model="models/small.tflite", runs=0': "0 runs; 1 to",
    }
    tests = [f"@pytest.mark.edgeq({how})\ndef test_{i}(deployed_model): pass" for i, how in enumerate(wrong)]
    team.makepyfile("import pytest\n\n" + "\n\n".join(tests))
    told = run(team, "--edgeq-runner", "host")
    told.assert_outcomes(errors=len(wrong))
    assert not [words for words in wrong.values() if words not in told.stdout.str()]
    assert told.stdout.str().count("\nedgeq: ") == len(wrong)
    assert "Traceback" not in told.stdout.str() and "pytest_plugin/" not in told.stdout.str()
    assert "another exception" not in told.stdout.str()  # each is said once


def test_a_port_that_is_none(team: pytest.Pytester) -> None:
    team.makepyfile("def test_it(board):\n    board.info()")
    told = run(team, "--edgeq-port", "socket://127.0.0.1:1")
    told.assert_outcomes(failed=1)
    told.stdout.fnmatch_lines([">*board.info()", "E *BoardTrouble: *nothing listens there"])
    assert "contextlib" not in told.stdout.str()  # by which edgeq's own `with` gets there


def test_a_runner_that_is_none(team: pytest.Pytester) -> None:
    team.makepyfile("def test_it(board): pass")
    told = run(team, "--edgeq-runner", "other")
    told.assert_outcomes(errors=1)
    told.stdout.fnmatch_lines(["edgeq: 'other' is no runner", "  try: --edgeq-runner qemu_lx6 or host"])


@pytest.fixture
def digits(run_: Path) -> Iterator[DeployedModel]:
    with connected(Where(DEFAULT_BOARD, None, "qemu_lx6", run_.parent)) as board:
        board.load(run_)
        yield DeployedModel(run_, read_report((run_ / REPORT).read_bytes(), where=str(run_)), board)


@pytest.mark.emulator
def test_the_board_names_pictures(digits: DeployedModel) -> None:
    pictures, labels = load_digits(return_X_y=True)
    pixels = np.round(pictures[:3].reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    answers = [digits.run(one) for one in pixels]
    assert [answer.label for answer in answers] == [str(label) for label in labels[:3]]
    assert all(answer.index == int(np.argmax(answer.scores)) for answer in answers)
    assert answers[0].latency == pytest.approx(digits.latency.p50, rel=0.05)
    assert digits.score("digits", limit=5).samples == 5
    with pytest.raises(BadInput, match="no picture"):
        digits.run(pixels[0].astype(np.float32))


@pytest.fixture
def run_(run: Path) -> Path:
    """Under a name that the helper above leaves free."""
    return run


def test_a_real_board_and_processes_that_share_it(
    team: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ESP-IDF is a stand-in that leaves the host's firmware, the board behind the port a virtual one that runs it."""
    facts = load_board(DEFAULT_BOARD)
    app = boards.build("host", facts, tmp_path / "host", Quiet()).app_image
    idf = fake_idf(tmp_path / "idf")
    (idf / "app.bin").write_bytes(app)
    monkeypatch.setenv("IDF_PATH", str(idf))
    monkeypatch.delenv("IDF_PYTHON_ENV_PATH", raising=False)
    team.makepyfile(
        """
        def test_it(board, deployed_model):
            assert board.real and deployed_model.report.flash.verified and deployed_model.latency.n == 4
            assert board.info()["model"] != "none"
        """
    )
    team.makeini("[pytest]\nedgeq_model = models/small.tflite\nedgeq_runs = 2")
    with boards.virtual_board("host", facts) as there:
        several = ("-p", "xdist", "-n", "2", "--dist", "each")
        told = run(team, *several, "--edgeq-port", there.url, "--edgeq-runs", "4")
    told.assert_outcomes(passed=2)
    assert deploys(team) == ["native 4"]


def test_a_board_that_somebody_else_has(team: pytest.Pytester) -> None:
    team.makepyfile("def test_it(board): pass")
    port = "socket://127.0.0.1:9"
    with held(board_lock(port), port, wait_s=0, say=print):
        told = run(team, "--edgeq-port", port)
    told.assert_outcomes(errors=1)
    told.stdout.fnmatch_lines([f"edgeq: the board behind {port} is in use by process *"])


def test_it_costs_nothing_until_it_is_used(team: pytest.Pytester) -> None:
    team.makepyfile(
        """
        import sys

        def test_it():
            assert "edgeq.pytest_plugin" in sys.modules
            assert not {"torch", "numpy", "matplotlib", "pydantic", "typer", "edgeq.pipeline"} & set(sys.modules)
        """
    )
    (team.path / "conftest.py").unlink()
    run(team).assert_outcomes(passed=1)


def test_the_package_names_it_to_pytest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"edgeq": "edgeq.pytest_plugin"}
