"""`pytest-edgeq`: fixtures with which a team asserts on its own models in its own tests, see docs/ci.md.

Every pytest of an environment that has edgeq imports this file, so it imports nothing of weight: the rest comes when a
fixture is asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

from edgeq.errors import EdgeqError

if TYPE_CHECKING:
    from edgeq.pytest_plugin.board import ConnectedBoard
    from edgeq.pytest_plugin.model import DeployedModel, Deployments
    from edgeq.pytest_plugin.wanted import Where

# Each is an option, --edgeq-NAME, and an ini setting, edgeq_NAME.
SETTINGS = {
    "port": "A real board's port; without it, the board is a virtual one.",
    "board": "A board of `edgeq boards`, or its TOML file.",
    "runner": "What runs a virtual board's firmware: qemu_lx6 or host.",
    "model": "What deployed_model is where the test's marker names none, as for `edgeq deploy`.",
    "engine": "native, tflm or both, where the marker says none.",
    "runs": "Inferences to measure, where the marker does not say.",
}
MARKER = (
    "edgeq(model=..., engine=..., runs=..., data=...): which model `deployed_model` is, and how it is measured; what "
    "is left out comes of markers further out, of --edgeq-... and of edgeq_... in the ini file"
)
FIXTURES = {"board", "deployed_model"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("edgeq", "models on boards (edgeq)")
    for name, what in SETTINGS.items():
        group.addoption(f"--edgeq-{name}", metavar=name.upper(), help=what)
        parser.addini(f"edgeq_{name}", what, default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """An error of edgeq's says what, where and what to try: of its traceback the test's own lines are enough."""
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, EdgeqError) and not FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        error.__cause__, error.__suppress_context__ = None, True
        call.excinfo = pytest.ExceptionInfo.from_exception(error.with_traceback(_outside(error.__traceback__)))


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """The traceback up to the call into edgeq, by a `with` or not."""
    if trace is None:
        return None
    file = Path(trace.tb_frame.f_code.co_filename)
    if Path(__file__).parents[1] in file.parents or file == Path(contextlib.__file__):
        return None
    return TracebackType(_outside(trace.tb_next), trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


@contextmanager
def _clear() -> Iterator[None]:
    """Where a fixture fails there are no lines of the test's to show."""
    try:
        yield
    except EdgeqError as e:
        raise pytest.fail.Exception(f"edgeq: {e}", pytrace=False) from None


@pytest.fixture(scope="session")
def _edgeq_where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Where:
    from edgeq.pytest_plugin.wanted import where

    with _clear():
        return where(request.config, tmp_path_factory)


@pytest.fixture(scope="session")
def _edgeq_board(_edgeq_where: Where) -> Iterator[ConnectedBoard]:
    """Under a name that no team has for a fixture of its own."""
    from edgeq.pytest_plugin.board import connected

    with ExitStack() as stack:
        with _clear():
            there = stack.enter_context(connected(_edgeq_where))
        yield there


@pytest.fixture(scope="session")
def board(_edgeq_board: ConnectedBoard) -> ConnectedBoard:
    """The board of this test run: the one behind --edgeq-port, else a virtual one."""
    return _edgeq_board


@pytest.fixture(scope="session")
def _edgeq_deployments(_edgeq_where: Where, _edgeq_board: ConnectedBoard) -> Deployments:
    from edgeq.pytest_plugin.model import Deployments

    return Deployments(_edgeq_where, _edgeq_board)


@pytest.fixture
def deployed_model(request: pytest.FixtureRequest, _edgeq_deployments: Deployments) -> DeployedModel:
    """The model of the test's marker `edgeq`, deployed to `board` once a test run; it is what lies in the board's flash
    while the test runs."""
    from edgeq.pytest_plugin.wanted import wanted

    with _clear():
        return _edgeq_deployments.get(wanted(request.node, request.config))
