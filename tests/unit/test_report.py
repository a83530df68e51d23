"""edgeq/report/: schema and model say the same, what does not hold together is refused, JSON goes round."""

from __future__ import annotations

import copy
import json
import typing
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from report_example import bench_example, example, two_engines

from edgeq.errors import BadInput
from edgeq.report import model
from edgeq.report.bench import BenchReport
from edgeq.report.model import Report, to_json
from edgeq.report.summary import engine_table, step_table, summary_rows, verdict
from edgeq.report.validate import check, read_bench, read_report, schema
from edgeq.report.wording import BASIS


def _parts(kind: Any) -> list[type[BaseModel]]:
    """The models inside a field's type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [part for inner in typing.get_args(kind) for part in _parts(inner)]


def _properties(form: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in form:  # the bench's point into the report's
        form = schema()["$defs"][form["$ref"].rpartition("/")[2]]
    return _properties(form["items"]) if "items" in form else form.get("properties", {})


def _agree(kind: type[BaseModel], properties: dict[str, Any]) -> None:
    fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    assert fields.keys() == properties.keys(), kind.__name__
    for name, annotation in fields.items():
        for part in _parts(annotation):
            _agree(part, _properties(properties[name]))


def test_schema_and_model_have_the_same_fields() -> None:
    _agree(Report, schema()["properties"])
    _agree(BenchReport, schema("bench-schema.json")["properties"])


def test_json_goes_round() -> None:
    report = read_report(json.dumps(example()))
    full = example()
    full["latency"] |= {"source": "", "error_share": None}
    full["engines"] = []
    assert json.loads(to_json(report)) == full
    assert read_report(to_json(report)) == report


def test_two_engines_go_round_and_stand_side_by_side() -> None:
    report = read_report(json.dumps(two_engines()))
    assert read_report(to_json(report)) == report
    head, rows = engine_table(report.engines)
    assert head == ("", "native", "tflm")
    assert ("p99", "23,901,927 instructions", "24,000,001 instructions") in rows
    assert ("arena", "24.0 KiB", "48.7 KiB") in rows
    summary = dict(summary_rows(report))
    assert (summary["engine native"], summary["engine tflm"]) == ("plain C kernels", "esp-tflite-micro 1.4.0")
    _, steps = step_table(report.engines)
    assert steps[-1] == ("flatten", "RESHAPE", "–", "412")
    assert ("fc", "FULLY_CONNECTED", "17,902", "17,902") in steps
    assert len(steps) == len(report.latency.layers) + 1


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(engine="tflm"),  # not the first of them
        lambda data: data["engines"].pop(),
        lambda data: data["engines"][1].update(engine="native"),
        lambda data: data["engines"][1]["latency"].update(basis="host", unit="ns"),
        lambda data: data["engines"][1]["latency"].pop("p50"),
        lambda data: data["engines"][1].update(arena_bytes=-1),
    ],
)
def test_engines_that_do_not_hold_together_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    data = two_engines()
    change(data)
    with pytest.raises(BadInput):
        read_report(json.dumps(data))


def test_a_bench_goes_round() -> None:
    bench = read_bench(json.dumps(bench_example()))
    assert read_bench(to_json(bench)) == bench
    assert [(made.engine, made.equal, made.count) for made in bench.equality] == [("native", 16, 16), ("tflm", 15, 16)]
    assert bench.engines[1].latency.layers[-1].values == (412,)
    least = {key: bench_example()[key] for key in schema("bench-schema.json")["required"]}
    assert read_bench(json.dumps(least)).equality == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(kind="report"),
        lambda data: data.update(schema=2),
        lambda data: data["engines"].clear(),
        lambda data: data["engines"][1].update(engine="native"),
        lambda data: data["engines"][1]["latency"].update(basis="host", unit="ns"),
        lambda data: data["board"].update(kind="real"),
        lambda data: data["equality"][0].update(equal=17),
        lambda data: data["equality"][0].update(engine="another"),
        lambda data: data["model"].update(input=[1, 0]),
        lambda data: data["engines"][0]["latency"]["layers"][0].update(values=[-1]),
        lambda data: data["firmware"].pop("version"),
    ],
)
def test_a_bench_that_does_not_hold_together_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    data = bench_example()
    change(data)
    with pytest.raises(BadInput, match=r"^bench\.json: "):
        read_bench(json.dumps(data))


def test_a_bench_is_no_report_and_a_report_no_bench() -> None:
    with pytest.raises(BadInput):
        read_report(json.dumps(bench_example()))
    with pytest.raises(BadInput):
        read_bench(json.dumps(example()))


def test_counts_of_instructions_stay_whole() -> None:
    data = example()
    data["latency"] |= {name: 2**60 + 1 for name in ("p50", "p90", "p99", "min", "max", "mean")}
    assert read_report(to_json(read_report(json.dumps(data)))).latency.p50 == 2**60 + 1


def test_a_bare_tflite_has_no_accuracy_and_may_not_be_flashed() -> None:
    data = example() | {"accuracy": None, "flash": None}
    rows = dict(summary_rows(read_report(json.dumps(data))))
    assert "accuracy" not in rows and "flashed" not in rows


def test_a_reader_ignores_what_version_1_adds_later() -> None:
    data = example()
    data["energy"] = {"joule": 1}
    data["latency"]["layers"][0]["cache_misses"] = 4
    assert read_report(json.dumps(data)) == read_report(json.dumps(example()))


def _changed(path: str, value: object) -> dict[str, Any]:
    data = example()
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    at: Any = data
    for key in parents:
        at = at[key]
    at[last] = value
    return data


FORM = [
    ("schema", 2),
    ("model.sha256", "5f"),
    ("model.input", [1, 0, 32, 3]),
    ("board.kind", "virtual"),
    ("board.kind", "real"),  # an emulated latency from a real board
    ("board.kind", "host"),
    ("accuracy.int8_top1", 99.17),  # per cent, where a share of one is meant
    ("accuracy.samples", 0),
    ("sizes.arena_bytes", -1),
    ("sizes.arena_bytes", True),
    ("flash.verified", "yes"),
    ("latency.basis", "measured"),
    ("latency.unit", "us"),  # an emulated latency as a time
    ("latency.n", 0),
    ("latency.layers.0.value", "41200"),
    ("ledger.hops.2.equal", False),
    ("ledger.hops.2.max_lsb", 1),
    ("ledger.hops.5.equal", True),  # not run, and yet equal
    ("ledger.hops.0.status", "nearly"),
    ("versions.torch", 2),
    ("arena_steps.0.live_bytes", -1),
    ("flash_map.1.offset", "0x9000"),
    ("warnings.0", 3),
    ("firmware.version", None),
]

SENSE = [
    ("ledger.hops.0.max_lsb", 2),  # within 1 LSB
    ("ledger.hops.2.tensors", 0),  # equal, of nothing
    ("arena_steps.0.live_bytes", 7_167),  # reads and writes more
    ("flash_map.0.used_bytes", 0xC01),
    ("latency.p99", 1),
    ("latency.mean", 1),
    ("latency.values.0", 2**70),
    ("sizes.image_bytes", 2**70),
]


@pytest.mark.parametrize(("path", "value"), FORM)
def test_wrong_form_is_refused_by_schema_and_model_alike(path: str, value: object) -> None:
    data = _changed(path, value)
    with pytest.raises(BadInput, match=r"^report\.json: `\$"):
        check(data)
    with pytest.raises(ValueError):
        Report.model_validate_json(json.dumps(data), strict=True)


@pytest.mark.parametrize(("path", "value"), SENSE)
def test_what_does_not_hold_together_is_refused(path: str, value: object) -> None:
    with pytest.raises(BadInput):
        read_report(json.dumps(_changed(path, value)))


@pytest.mark.parametrize("gone", [key for key in example() if key in schema()["required"]])
def test_a_missing_part_is_named(gone: str) -> None:
    data = example()
    del data[gone]
    with pytest.raises(BadInput, match=gone):
        read_report(json.dumps(data))


def test_a_modelled_latency_names_its_source_and_its_error_band() -> None:
    data = example()
    data["latency"] |= {"basis": "modelled", "unit": "us"}
    with pytest.raises(BadInput):
        read_report(json.dumps(data))
    data["latency"] |= {"source": "LX6 cost table", "error_share": 0.25}
    rows = dict(summary_rows(read_report(json.dumps(data))))
    assert "modelled" in rows["basis"] and "LX6 cost table, ±25 %" in rows["basis"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"schema": NaN}', "[" * 100_000, b"\xff\xfe", '{"schema": 1e999}', '"\\ud800"'],
)
def test_what_is_no_report(text: str | bytes) -> None:
    with pytest.raises(BadInput):
        read_report(text)


def test_an_infinite_number_is_no_number() -> None:
    with pytest.raises(BadInput):
        read_report(json.dumps(example()).replace("9.4", "1e999"))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)


@given(st.data())
def test_a_spoiled_report_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    spoiled = copy.deepcopy(example())
    at: Any = spoiled
    while True:
        keys = sorted(at) if isinstance(at, dict) else list(range(len(at)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and at[key] and data.draw(st.booleans()):
            at = at[key]
            continue
        at[key] = data.draw(LEAVES | st.lists(LEAVES, max_size=2))
        break
    try:
        report = read_report(json.dumps(spoiled))
    except BadInput as error:
        assert str(error).isprintable() or "\n  try: " in str(error)
    else:
        assert read_report(to_json(report)) == report


def test_texts_of_a_report_are_printable() -> None:
    report = read_report(json.dumps(_changed("ledger.hops.0.note", "a\x1b[31mb\n\u202ec\ud800" + "x" * 1000)))
    note = report.ledger.hops[0].note
    assert note.startswith("a\\x1b[31mb\\n\\u202ec\\ud800xxx") and note.endswith("…")
    assert note.isprintable() and note.encode()


def test_verdicts() -> None:
    report = read_report(json.dumps(example()))
    assert verdict(report).state == "good"
    hop = {"status": "differs", "equal": False, "max_lsb": 3}
    data = example()
    data["ledger"]["hops"][4] |= hop | {"first_difference": {"tensor": "conv1", "index": [0, 3], "got": 12}}
    bad = verdict(read_report(json.dumps(data)))
    assert bad.state == "bad" and bad.text == "A hop of the ledger differs: integer reference = board"
    data["ledger"]["hops"] = [data["ledger"]["hops"][5]]
    assert verdict(read_report(json.dumps(data))).state == "open"


@pytest.mark.parametrize(
    ("kind", "basis", "unit", "said"),
    [
        ("emulated", "emulated", "instructions", "emulated"),
        ("real", "measured", "us", "measured on the board"),
        ("host", "host", "ns", "process of this machine, never compared with a board"),
    ],
)
def test_a_number_is_called_what_it_is(kind: str, basis: str, unit: str, said: str) -> None:
    data = example()
    data["board"]["kind"] = kind
    data["latency"] |= {"basis": basis, "unit": unit}
    rows = dict(summary_rows(read_report(json.dumps(data))))
    assert rows["basis"].startswith(said)
    if unit == "instructions":
        assert rows["latency p50"] == "23,901,887 instructions (8.50 per MAC)"
    else:
        assert rows["latency p50"].endswith(" s" if unit == "us" else " ms")


def test_every_basis_has_its_words() -> None:
    bases = typing.get_args(model.Latency.model_fields["basis"].annotation)
    assert set(bases) == set(BASIS) == set(schema()["$defs"]["latency"]["properties"]["basis"]["enum"])
