"""The folders of firmware/components/ as ESP-IDF components, and the examples that use them."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from edgeq import __version__, ops
from edgeq.convert.tflite import file_layout, read_tflite, write_tflite
from edgeq.graph import Graph
from edgeq.images.model import ModelImage, write_model_image
from edgeq.ops import conv2d
from edgeq.plan import build_plan, encode_plan
from edgeq.preprocess import FloatRule, encode_section, integer_rule

FIRMWARE = Path(__file__).parents[2] / "firmware"
COMPONENTS = sorted(path for path in (FIRMWARE / "components").iterdir() if path.is_dir())
MANIFESTS = sorted(FIRMWARE.rglob("idf_component.yml"))
RULE = FloatRule(5, 5, 3, "bilinear", 1 / 255, (0.0,) * 3, (1.0,) * 3)


def _manifest(folder: Path) -> dict[str, object]:
    return dict(YAML(typ="safe").load((folder / "idf_component.yml").read_text()))


def _needs(component: Path) -> set[str]:
    """The components whose headers it includes."""
    homes = {header.name: home.name for home in COMPONENTS for header in home.rglob("*.h")}
    text = "".join(p.read_text() for p in component.rglob("*") if p.suffix in (".c", ".cc", ".h"))
    return {homes[name] for name in re.findall(r'#include "(\w+\.h)"', text) if name in homes} - {component.name}


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda path: path.name)
def test_a_component_requires_what_it_includes(component: Path) -> None:
    cmake = (component / "CMakeLists.txt").read_text()
    required = set(re.findall(r"\beq_\w+", cmake))
    named = {name for name in _manifest(component)["dependencies"] if str(name).startswith("eq_")}  # type: ignore[attr-defined]
    direct = _needs(component)
    assert required <= direct and named == required
    reached = required | {need for name in required for need in _needs(FIRMWARE / "components" / name)}
    assert direct <= reached


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda path: path.name)
def test_a_manifest_says_what_the_registry_wants(component: Path) -> None:
    manifest = _manifest(component)
    assert manifest["version"] == __version__
    assert manifest["license"] == "Apache-2.0"
    assert str(manifest["description"]).endswith(".")


def test_paths_in_manifests_lead_to_components() -> None:
    for path in MANIFESTS:
        for name, what in dict(YAML(typ="safe").load(path.read_text()))["dependencies"].items():
            if isinstance(what, dict) and "path" in what:
                assert (path.parent / what["path"]).resolve() == FIRMWARE / "components" / name


def test_the_version_is_one() -> None:
    header = (FIRMWARE / "components" / "eq_link" / "eq_link.h").read_text()
    assert f'#define EQ_FIRMWARE_VERSION "{__version__}"' in header


def _model() -> tuple[Graph, bytes]:
    """One convolution that leaves 3 x 3 x 5 outputs, and pictures of any size for its input."""
    tflite = write_tflite(conv2d.case((1, 5, 5, 3), 5, (3, 3)))
    graph = read_tflite(tflite)
    quant = graph.tensor(graph.inputs[0]).quant
    assert quant is not None
    section = encode_section(integer_rule(RULE, float(quant.scale[0]), int(quant.zero_point[0])))
    plan = encode_plan(build_plan(graph, file_layout(tflite)))
    outputs = int(np.prod(graph.tensor(graph.outputs[0]).shape))
    labels = tuple(f"label {i}" for i in range(outputs))
    return graph, write_model_image(ModelImage("one-step", plan, tflite, b"", labels, section))


PROGRAM = """
#include <stdio.h>
#include "classifier.h"
#include "digit.h"
int main(void) {
    const eq_picture picture = {digit, DIGIT_SIDE, DIGIT_SIDE, 1}, none = {digit, 0, 8, 1};
    classification found;
    const char *problem = classifier_open();
    if (!problem && !classify(&none, &found)) problem = "it took a picture without rows";
    if (!problem) problem = classify(&picture, &found);
    printf("%s %u %.*s", problem ? problem : "ok", (unsigned)found.index, found.label_bytes, found.label);
    return 0;
}
"""


def test_the_examples_classifier_agrees_with_the_reference(tmp_path: Path) -> None:
    graph, image = _model()
    (tmp_path / "model.image").write_bytes(image)
    (tmp_path / "main.c").write_text(PROGRAM)
    common, example = FIRMWARE / "examples" / "common", FIRMWARE / "examples" / "classify_image" / "main"
    rooms = [FIRMWARE / "components" / name for name in ("eq_check", "eq_engine", "eq_kernels", "eq_preprocess")]
    includes = [common, example, FIRMWARE / "components" / "eq_hal", *rooms, rooms[1] / "include"]
    sources = [tmp_path / "main.c", common / "classifier.c", common / "model_image.S", example / "digit.c"]
    sources += [source for room in rooms for source in sorted(room.glob("*.c"))]
    flags = [
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-z",
        "noexecstack",
    ]
    defines = [f'-DEQ_MODEL_IMAGE="{tmp_path / "model.image"}"']
    subprocess.run(
        ["gcc", *flags, *defines, *(f"-I{i}" for i in includes), *map(str, sources), "-o", "classify"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    said = subprocess.run([tmp_path / "classify"], capture_output=True, text=True, check=True).stdout

    numbers = re.search(r"\{(.*)\}", (example / "digit.c").read_text(), re.DOTALL)
    assert numbers is not None
    picture = np.array([int(n) for n in re.findall(r"\d+", numbers[1])], np.uint8).reshape(8, 8, 1)
    quant = graph.tensor(graph.inputs[0]).quant
    assert quant is not None
    rule = integer_rule(RULE, float(quant.scale[0]), int(quant.zero_point[0]))
    output = ops.run(graph, {graph.inputs[0]: rule.apply(picture)[None]})[graph.outputs[0]]
    best = int(np.argmax(output))
    assert said == f"ok {best} label {best}"


@pytest.mark.parametrize("example", ["classify_image", "esp32_cam"])
def test_an_example_lists_its_sources(example: str) -> None:
    main = FIRMWARE / "examples" / example / "main"
    text = (main / "CMakeLists.txt").read_text()
    assert {path.name for path in main.glob("*.c")} <= set(re.findall(r"\w+\.c", text))
