"""The options of `edgeq quantize`: what reaches the quantiser."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from edgeq.cli import app
from edgeq.pipeline import making
from edgeq.pipeline.prepare import QuantiseOptions


class Reached(Exception):
    """Carries what the step was called with."""


def _options(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> QuantiseOptions:
    seen: list[QuantiseOptions] = []

    def step(model: str, output: object, options: QuantiseOptions, progress: object) -> object:
        seen.append(options)
        raise Reached

    monkeypatch.setattr(making, "quantise_to", step)
    CliRunner().invoke(app, ["quantize", "resnet18-digits", *arguments])
    return seen[0]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), QuantiseOptions()),
        (("--preset", "note"), QuantiseOptions(per_channel=False)),
        (("--per-tensor", "--effort", "best"), QuantiseOptions(per_channel=False, effort="best")),
        (("--explain",), QuantiseOptions(explain=True)),
        (("--qat", "2"), QuantiseOptions(qat_epochs=2)),
        (("--observer", "entropy", "--samples", "64"), QuantiseOptions(observer="entropy", calibration_samples=64)),
    ],
)
def test_options_reach_the_quantiser(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], wanted: QuantiseOptions
) -> None:
    assert _options(monkeypatch, *arguments) == wanted


def test_data_is_a_name_and_not_only_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _options(monkeypatch, "--data", "cifar10:some.zip").data == "cifar10:some.zip"


@pytest.mark.parametrize("other", [("--effort", "best"), ("--qat", "1")])
def test_a_preset_does_not_go_with_what_it_chooses(other: tuple[str, str]) -> None:
    result = CliRunner().invoke(app, ["quantize", "resnet18-digits", "--preset", "note", *other])
    assert result.exit_code == 2


@pytest.mark.parametrize("command", ["quantize", "deploy"])
@pytest.mark.parametrize("epochs", ["-1", "1001", "two"])
def test_a_number_of_epochs_is_checked_before_any_work(command: str, epochs: str) -> None:
    result = CliRunner().invoke(app, [command, "resnet18-digits", "--qat", epochs])
    assert result.exit_code == 2 and "--qat" in result.output
