"""The generated resolver: what it registers, its golden, what it refuses, and any model's operators."""

from pathlib import Path

import pytest
from shared_data import tflite_files

from edgeq.convert import write_tflite
from edgeq.errors import BadInput, Unsupported
from edgeq.images.tflite_outline import OperatorOutline, read_outline
from edgeq.ops import OPS
from edgeq.toolchain.resolver import BUILTINS, resolver_for, resolver_for_all

GOLDEN = Path(__file__).parent.parent / "golden" / "resolver.cc"


def op(name: str, *, custom: bool = False) -> OperatorOutline:
    return OperatorOutline(name, custom, (), ())


def test_a_models_operators_once_each_in_order() -> None:
    source = resolver_for([op("CONV_2D"), op("ADD"), op("CONV_2D"), op("SignalRfft", custom=True)])
    assert "MicroMutableOpResolver<3>" in source
    calls = [line.split("resolver.")[1].split("(")[0] for line in source.splitlines() if "resolver.Add" in line]
    assert calls == ["AddAdd", "AddConv2D", "AddRfft"]
    assert source == resolver_for([op("SignalRfft", custom=True), op("ADD"), op("CONV_2D")])


def test_the_source_is_the_golden_one() -> None:
    assert resolver_for([op("CONV_2D"), op("PADV2"), op("SignalRfft", custom=True)]) == GOLDEN.read_text()


def test_all_operators_that_edgeq_knows_are_in() -> None:
    assert set(OPS) <= set(BUILTINS)
    assert resolver_for_all() == resolver_for([op(name) for name in OPS])


@pytest.mark.parametrize("unknown", [op("LSTM"), op("Mine", custom=True), op("CONV_2D", custom=True)])
def test_an_operator_that_the_runtime_lacks_is_named(unknown: OperatorOutline) -> None:
    with pytest.raises(Unsupported, match=unknown.name):
        resolver_for([op("ADD"), unknown], where="net.tflite")


@pytest.mark.parametrize("operator", OPS.values(), ids=OPS)
def test_the_operators_own_cases(operator: object) -> None:
    graph = next(iter(operator.cases()))  # type: ignore[attr-defined]
    outline = read_outline(write_tflite(graph))
    assert [o.name for o in outline.operators] == [node.op for node in graph.nodes]
    tensors = [outline.tensors[i] for i in (*outline.inputs, *outline.outputs)]
    assert [t.bytes for t in tensors] == [graph.tensor(n).bytes for n in (*graph.inputs, *graph.outputs)]
    assert {t.planned for t in tensors} == {True}


@pytest.mark.parametrize("path", tflite_files())
def test_every_model_at_hand(path: Path) -> None:
    outline = read_outline(path.read_bytes(), path.name)
    source = resolver_for(outline.operators, where=path.name)
    kinds = {(o.name, o.custom) for o in outline.operators}
    assert source.count("resolver.Add") == len(kinds)
    assert f"MicroMutableOpResolver<{len(kinds)}>" in source


def test_damaged_files_are_refused() -> None:
    whole = write_tflite(next(iter(OPS["CONV_2D"].cases())))
    for cut in (0, 7, 8, 40, len(whole) // 2):
        with pytest.raises(BadInput):
            read_outline(whole[:cut])
    for at in range(8, len(whole), 13):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        try:
            read_outline(bytes(damaged))
        except BadInput as e:
            assert e.where == "model.tflite"
