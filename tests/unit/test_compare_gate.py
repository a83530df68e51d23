"""edgeq/compare/gate.py: the documented file, its defaults, and what is said of a wrong one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgeq.compare.gate import RULES, Gate, read_gate
from edgeq.errors import BadInput

PAGE = (Path(__file__).parents[2] / "docs/compare.md").read_text(encoding="utf-8")


def test_the_documented_file_holds_every_key_with_its_default() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert read_gate(text) == Gate() == read_gate("")
    keys = set(re.findall(r"^(?:\[)?([a-z_]+)", text, re.MULTILINE))
    tables = [field.annotation for field in Gate.model_fields.values() if hasattr(field.annotation, "model_fields")]
    assert keys == {*Gate.model_fields, *(key for table in tables for key in table.model_fields)}  # type: ignore[union-attr]


def test_every_rule_is_documented() -> None:
    table = PAGE[: PAGE.index("| verdict |")]
    assert all(f"`{rule}`" in table for rule in RULES)


def test_limits_are_read() -> None:
    gate = read_gate(
        'require = ["layer"]\n[latency]\ntotal_percent = 2\nlayers = { "a/1:0" = 7.5 }\n[sizes]\narena_percent = inf\n'
    )
    assert gate.require == ("layer",) and gate.latency.total_percent == 2 and gate.latency.layers == {"a/1:0": 7.5}
    assert gate.sizes.arena_percent == float("inf") and gate.sizes.model_percent == Gate().sizes.model_percent


@pytest.mark.parametrize(
    ("text", "field", "hint"),
    [
        ("[latency]\ntotl_percent = 3", "latency.totl_percent", "latency.total_percent, perhaps?"),
        ("[latncy]\n", "latncy", "latency, perhaps?"),
        ("drop_points = 1", "drop_points", "accuracy.drop_points, perhaps?"),
        ("[accuracy]\nzzz = 1", "accuracy.zzz", "accuracy.drop_points"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(text: str, field: str, hint: str) -> None:
    with pytest.raises(BadInput) as error:
        read_gate(text, "my.toml")
    assert f"`{field}` is nothing a gate knows" in error.value.what
    assert error.value.where == "my.toml" and hint in error.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *("[latency]\ntotal_percent = -1", "[latency]\ntotal_percent = nan", '[latency]\ntotal_percent = "3 %"'),
        *("[latency]\ntotal_percent = true", "latency = 3", '[latency]\nlayers = { "a" = "b" }'),
        *("[noise]\nconfidence_percent = 100", "[noise]\nleast_values = 1", "[noise]\nleast_effect_percent = inf"),
        *('require = ["speed"]', "allow_nothing = 1", "[equality]\nexact = 0", "a = ", "a\x00=1", "[" * 100_000),
    ],
)
def test_a_wrong_value_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as error:
        read_gate(text, "my.toml")
    assert error.value.where == "my.toml" and "docs/compare.md" in error.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latency = 3", "`latency`: should be a table"),
        ("[latency]\nlayers = [1]", "`latency.layers`: should be a table"),
        ('require = "latency"', '`require`: should be a list: ["latency"]'),
    ],
)
def test_a_wrong_kind_of_value_is_said_in_words_of_toml(text: str, said: str) -> None:
    with pytest.raises(BadInput) as error:
        read_gate(text)
    assert error.value.what == said


def test_too_long_a_file_is_refused() -> None:
    with pytest.raises(BadInput, match="no gate"):
        read_gate("#" * (1 << 21))
