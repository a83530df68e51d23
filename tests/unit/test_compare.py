"""edgeq/compare/compare.py: what is found between two runs, figure by figure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from report_example import bench_example, example, two_engines

from edgeq.compare.compare import compare
from edgeq.compare.finding import Comparison, Finding
from edgeq.compare.gate import Gate, read_gate
from edgeq.compare.subject import Subject, subject_of
from edgeq.report.validate import read_bench, read_report

Data = dict[str, Any]


def _subject(change: Callable[[Data], object] = lambda data: None, made: Callable[[], Data] = example) -> Subject:
    data = made()
    change(data)
    return subject_of(read_report(json.dumps(data)))


def _compared(change: Callable[[Data], object], gate: str = "") -> Comparison:
    return compare(_subject(), _subject(change), read_gate(gate))


def _find(comparison: Comparison, rule: str, what: str = "") -> Finding:
    (found,) = [f for f in comparison.findings if f.rule == rule and what in ("", f.what)]
    return found


def _layer(data: Data, name: str) -> Data:
    layer: Data = next(layer for layer in data["latency"]["layers"] if layer["name"] == name)
    return layer


def _slower(data: Data, by: int) -> None:
    for key in ("p50", "p90", "p99", "min", "max", "mean"):
        data["latency"][key] += by


def test_a_run_beside_itself_passes_with_every_rule_compared() -> None:
    found = _compared(lambda data: None)
    assert found.passed and not found.notes
    assert {f.rule for f in found.findings} == {
        *("latency", "layer", "arena", "scratch", "model", "firmware", "accuracy", "equality")
    }
    assert all(f.change in (0, None) and f.verdict in ("passed", "not compared") for f in found.findings)


def test_a_count_over_its_limit_fails_and_one_at_it_does_not() -> None:
    at = round(23_901_887 * 0.01)  # rounds up: 1.0000006 %
    assert _find(_compared(lambda data: _slower(data, at)), "latency").verdict == "failed"
    below = _find(_compared(lambda data: _slower(data, at - 1)), "latency")
    assert below.verdict == "passed" and below.change == pytest.approx(0.01, abs=1e-6) and below.limit == 0.01
    exactly = _compared(
        lambda data: data["sizes"].update(arena_bytes=24_576 * 103 // 100), "[sizes]\narena_percent = 3"
    )
    assert _find(exactly, "arena").verdict == "passed"
    one = _find(_compared(lambda data: _slower(data, 1), "[latency]\ntotal_percent = 0"), "latency")
    assert one.verdict == "failed"
    assert _find(_compared(lambda data: _slower(data, -at)), "latency").verdict == "improved"


def test_a_slow_layer_is_named_and_no_other() -> None:
    def change(data: Data) -> None:
        layer = _layer(data, "layer2.0.conv1")
        layer["value"] = round(layer["value"] * 1.03)

    found = _compared(change)
    assert [f.what for f in found.failed] == ["layer2.0.conv1"] and found.failed[0].rule == "layer"
    assert not found.passed and found.failed[0].change == pytest.approx(0.03, abs=1e-6)
    allowed = _compared(change, '[latency]\nlayers = { "layer2.0.conv1" = 4 }')
    assert allowed.passed


def test_a_tiny_layer_is_shown_and_not_held() -> None:
    def change(data: Data) -> None:
        _layer(data, "fc")["value"] *= 2

    found = _compared(change)
    layer = _find(found, "layer", "fc")
    assert found.passed and layer.change == 1 and layer.limit is None and "not held: 0.1" in layer.why
    assert not _compared(change, '[latency]\nlayers = { "fc" = 50 }').passed
    assert not _compared(change, "[latency]\nleast_share_percent = 0.05").passed


def test_new_gone_and_renamed_layers_are_said() -> None:
    def change(data: Data) -> None:
        layers = data["latency"]["layers"]
        layers[1]["name"] = "stem"
        layers[1]["value"] *= 2
        del layers[2]
        layers.append({"name": "extra", "op": "ADD", "kernel": "add_s8", "value": 9, "macs": 0})

    found = _compared(change)
    stem = _find(found, "layer", "stem")
    assert stem.verdict == "failed" and stem.why == "called conv1 in BASE" and stem.change == 1
    assert _find(found, "layer", "maxpool").why == "gone: not in NEW"
    assert _find(found, "layer", "extra").why == "new: not in BASE"
    assert [f.what for f in found.failed] == ["stem"]


def test_layers_that_changed_name_and_order_are_found_by_their_work() -> None:
    def change(data: Data) -> None:
        layers = data["latency"]["layers"]
        layers[1].update(name="first", macs=11)
        layers[2].update(name="second", macs=22)
        layers[1], layers[2] = layers[2], layers[1]

    def before(data: Data) -> None:
        change(data)
        for layer in data["latency"]["layers"][1:3]:
            layer["name"] += ".old"
        data["latency"]["layers"][1:3] = reversed(data["latency"]["layers"][1:3])

    found = compare(_subject(before), _subject(change), Gate())
    assert [_find(found, "layer", name).why for name in ("first", "second")] == [
        "called first.old in BASE", "called second.old in BASE",
    ]  # fmt: skip


def test_next_to_nothing_in_base_is_no_ratio() -> None:
    def tiny(data: Data) -> None:
        data["latency"].update(dict.fromkeys(("p50", "p90", "p99", "min", "max", "mean"), 5e-324), values=[])
        _layer(data, "conv1")["value"] = 5e-324

    found = compare(_subject(tiny), _subject(), Gate())
    for finding in (_find(found, "latency"), _find(found, "layer", "conv1")):
        assert finding.verdict == "failed" and finding.change is None and finding.why == "there was none in BASE"


def test_layers_that_only_the_gate_knows_are_noted_and_steer_nothing() -> None:
    names = {"a\n::error::x\u202e": 5.0, **{f"l{number}": 5.0 for number in range(30)}}
    notes = compare(_subject(), _subject(), Gate.model_validate({"latency": {"layers": names}})).notes
    assert notes[0] == "the gate's limit for the layer a\\n::error::x\\u202e holds none of NEW"
    assert len(notes) == 21 and "11 layers more" in notes[-1]


def test_layers_of_one_name_are_told_apart_by_their_order() -> None:
    def twins(data: Data) -> None:
        for layer in data["latency"]["layers"]:
            layer["name"] = "block"

    def change(data: Data) -> None:
        twins(data)
        data["latency"]["layers"][1]["value"] *= 2

    found = compare(_subject(twins), _subject(change), Gate())
    assert len(found.failed) == 1 and found.failed[0].base == 7_400_118


def test_another_kernel_is_said() -> None:
    found = _compared(lambda data: _layer(data, "conv1").update(kernel="conv2d_s8_winograd"))
    assert _find(found, "layer", "conv1").why == "kernel conv2d_s8_winograd, was conv2d_s8"


@pytest.mark.parametrize(
    ("rule", "field", "grown"),
    [
        *(("arena", "arena_bytes", 24_900), ("scratch", "scratch_bytes", 9_400)),
        *(("model", "image_bytes", 830_000), ("firmware", "firmware_bytes", 63_000)),
    ],
)
def test_memory_and_flash_are_held(rule: str, field: str, grown: int) -> None:
    found = _compared(lambda data: data["sizes"].update({field: grown}))
    assert [f.rule for f in found.failed] == [rule] and found.failed[0].new == grown
    unlimited = _compared(lambda data: data["sizes"].update({field: grown}), f"[sizes]\n{rule}_percent = inf")
    assert unlimited.passed and _find(unlimited, rule).verdict == "not compared"


def test_bytes_where_there_were_none_fail() -> None:
    base = _subject(lambda data: data["sizes"].update(scratch_bytes=0))
    found = _find(compare(base, _subject(), Gate()), "scratch")
    assert (found.verdict, found.change, found.why) == ("failed", None, "there was none in BASE")


def test_accuracy_is_held_in_points() -> None:
    lost = _find(_compared(lambda data: data["accuracy"].update(int8_top1=0.9917 - 0.0056)), "accuracy")
    assert lost.verdict == "failed" and lost.change == pytest.approx(-0.0056) and lost.limit == -0.005
    assert _compared(lambda data: data["accuracy"].update(int8_top1=0.9917 - 0.005)).passed
    won = _find(_compared(lambda data: data["accuracy"].update(int8_top1=0.9999)), "accuracy")
    assert won.verdict == "improved"
    other = _find(_compared(lambda data: data["accuracy"].update(samples=100)), "accuracy")
    assert other.verdict == "not compared" and "360 in BASE, 100 in NEW" in other.why
    missing = _find(_compared(lambda data: data.update(accuracy=None)), "accuracy")
    assert missing.verdict == "not compared" and missing.why == "NEW was not scored"


def test_a_hop_that_differs_fails_whatever_it_was() -> None:
    def differs(data: Data) -> None:
        first = {"tensor": "conv1", "index": [0, 1], "expected": 3, "got": 4}
        data["ledger"]["hops"][4].update(status="differs", equal=False, max_lsb=1, first_difference=first)

    found = _compared(differs)
    assert [f.what for f in found.failed] == ["integer reference = board"]
    assert found.failed[0].why == "differs, was equal: conv1 [0, 1]: 4, expected 3"
    assert not compare(_subject(differs), _subject(differs), Gate()).passed


def test_equal_to_within_is_a_matter_of_the_gate() -> None:
    def within(data: Data) -> None:
        data["ledger"]["hops"][2].update(status="within", equal=False, max_lsb=1, allowed_lsb=1)

    assert _compared(within).passed
    assert not _compared(within, "[equality]\nexact = true").passed
    back = compare(_subject(within), _subject(), Gate())
    assert _find(back, "equality", "integer reference = TFLM").verdict == "improved"


def test_hops_that_did_not_run_or_are_gone_are_not_compared() -> None:
    def change(data: Data) -> None:
        del data["ledger"]["hops"][0]

    found = _compared(change)
    assert _find(found, "equality", "torch QDQ = ONNX").verdict == "not compared"
    assert "ai-edge-litert" in _find(found, "equality", "integer reference = LiteRT").why


def _host(data: Data) -> None:
    data["board"]["kind"] = "host"
    data["latency"].update(basis="host", unit="ns")


def test_another_basis_leaves_what_does_not_rest_on_it() -> None:
    found = _compared(_host)
    by_rule = {f.rule: f.verdict for f in found.findings}
    assert by_rule["latency"] == by_rule["firmware"] == "not compared" and "layer" not in by_rule
    assert by_rule["arena"] == by_rule["scratch"] == by_rule["model"] == by_rule["accuracy"] == "passed"
    assert "another basis: emulated in BASE, host in NEW" in _find(found, "latency").why
    assert found.passed and not _compared(_host, 'require = ["latency"]').passed


def test_another_board_or_input_is_said() -> None:
    board = _compared(lambda data: data["board"].update(name="esp32-cam"))
    assert {f.verdict for f in board.findings if f.rule in ("latency", "arena", "scratch", "model", "firmware")} == {
        "not compared"
    }
    assert "another board: esp32-wrover-b in BASE, esp32-cam in NEW" in _find(board, "latency").why
    shape = _compared(lambda data: data["model"].update(input=[1, 64, 64, 3]))
    assert "another input: 1×32×32×3 in BASE, 1×64×64×3 in NEW" in _find(shape, "latency").why
    assert _find(shape, "firmware").verdict == "passed"


def test_a_gate_with_nothing_to_hold_is_not_passed() -> None:
    def bare(data: Data) -> None:
        _host(data)
        data["board"]["name"] = "another"
        data["accuracy"] = None
        data["ledger"]["hops"] = []

    found = _compared(bare)
    assert not found.failed and not found.passed and "nothing to hold" in found.unheld
    assert _compared(bare, "allow_nothing = true").passed
    required = _compared(bare, 'allow_nothing = true\nrequire = ["layer", "accuracy"]')
    assert not required.passed and "layer, accuracy" in required.unheld


def test_engines_are_matched_by_name() -> None:
    def change(data: Data) -> None:
        data["engines"][1]["latency"]["p50"] *= 1.02
        data["engines"][1]["latency"]["p50"] = round(data["engines"][1]["latency"]["p50"])
        for key in ("p90", "p99", "max", "mean"):
            data["engines"][1]["latency"][key] = data["engines"][1]["latency"]["p50"]

    both = compare(_subject(made=two_engines), _subject(change, two_engines), Gate())
    assert [(f.rule, f.engine) for f in both.failed] == [("latency", "tflm")]
    one = compare(_subject(made=two_engines), _subject(), Gate())
    gone = [f for f in one.findings if f.engine == "tflm"]
    assert one.passed and [f.why for f in gone] == ["no engine tflm in NEW"]


def test_a_profile_that_is_missing_is_said() -> None:
    found = _compared(lambda data: data["latency"].update(layers=[]))
    assert _find(found, "layer").why == "no profile in NEW"


def test_what_no_rule_is_about_is_noted() -> None:
    def change(data: Data) -> None:
        data["model"]["name"] = "other"
        data["engine_version"] = "newer"
        data["latency"]["n"] = 30

    notes = "\n".join(_compared(change, '[latency]\nlayers = { "typo" = 1 }').notes)
    assert all(word in notes for word in ("other", "built otherwise", "30 times", "typo"))


def test_a_modelled_latency_is_compared_with_its_own_model_alone() -> None:
    def modelled(source: str) -> Callable[[Data], None]:
        def change(data: Data) -> None:
            data["latency"].update(basis="modelled", unit="us", source=source, error_share=0.2, values=[])

        return change

    assert compare(_subject(modelled("m1")), _subject(modelled("m1")), Gate()).passed
    apart = compare(_subject(modelled("m1")), _subject(modelled("m2")), Gate())
    assert "another cost model" in _find(apart, "latency").why


def test_a_bench_is_compared_with_a_bench_and_with_a_run() -> None:
    def bench(equal: int) -> Subject:
        golden = [{"engine": "tflm", "count": 16, "equal": equal}]
        return subject_of(read_bench(json.dumps(bench_example() | {"equality": golden})))

    assert compare(bench(16), bench(16), Gate()).passed
    lost = compare(bench(16), bench(15), Gate())
    assert [f.what for f in lost.failed] == ["golden samples, tflm"] and "1 of 16 differ" in lost.failed[0].why
    run = compare(_subject(), bench(16), Gate())
    assert run.passed and _find(run, "accuracy").why == "NEW was not scored"
    assert {f.rule for f in run.findings if f.verdict == "passed"} >= {"latency", "layer", "arena", "model"}
