"""`make hil-demo`: a bench of four virtual boards, two of them handed out by labgrid, one held to a gate that says no,
one that dies in the middle of its job; and a check that the run says exactly that.

    python examples/hil/demo.py        # from the checkout, which it writes to: build/hil-demo
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "examples" / "hil"
BUILD = ROOT / "build" / "hil-demo"
EDGEQ = (sys.executable, "-m", "edgeq")
SLOWER = 1.03  # what a kernel in one layer "has become" since the baseline

EXPECTED = {
    "digits/rack-1/native": "passed",
    "digits/rack-2/native": "passed",
    "digits/dying/native": "infrastructure",
    "digits-gated/emulated/native": "failed",
}


def main() -> int:
    """0 where everything ended as it must."""
    shutil.rmtree(BUILD, ignore_errors=True)  # what an earlier run left says nothing of this one
    print("a good run, to compare with", flush=True)
    run(*EDGEQ, "deploy", "resnet18-digits", "--runner", "qemu_lx6", "-n", "5", "-o", BUILD / "good", show=False)
    layer = plant(BUILD / "good" / "report.json", BUILD / "baseline.json")

    print("\nthe bench", flush=True)
    lab = (sys.executable, ROOT / "tests" / "hil" / "labgrid_bench.py", "--place", "wrover-1", "--place", "wrover-2")
    bench = (*EDGEQ, "hil", "run", HERE / "hil.toml", "-o", BUILD / "run")
    run(*lab, "--", *bench, good=1)

    if not (BUILD / "run" / "matrix.html").exists():  # a check that said no and a start that failed have one exit code
        sys.exit("the bench did not come to its end")
    wrong = differences(layer)
    for what in wrong:
        print(f"not as it must be: {what}", file=sys.stderr)
    if not wrong:
        print(f"\nAll of it is as it must be. See {(BUILD / 'run' / 'matrix.html').relative_to(ROOT)}")
    return bool(wrong)


def run(*command: object, good: int = 0, show: bool = True) -> None:
    """Runs it to its end; another exit code than `good` ends the demo. Without `show`, its progress alone is seen."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    shown = None if show else subprocess.DEVNULL
    done = subprocess.run(list(map(str, command)), env={**os.environ, "PYTHONPATH": path}, stdout=shown)
    if done.returncode != good:
        sys.exit(f"ended with {done.returncode}, not {good}: {' '.join(map(str, command))}")


def plant(report: Path, baseline: Path) -> str:
    """Writes the report as if its costliest layer had been faster before; returns that layer's name."""
    told: dict[str, Any] = json.loads(report.read_text())
    latency = told["latency"]
    slow = max(latency["layers"], key=lambda layer: layer["value"])
    before = round(slow["value"] / SLOWER)
    gained, slow["value"] = slow["value"] - before, before
    for figure in ("p50", "p90", "p99", "min", "max", "mean"):
        latency[figure] -= gained
    latency["values"] = [value - gained for value in latency["values"]]
    baseline.write_text(json.dumps(told))
    return str(slow["name"])


def differences(layer: str) -> list[str]:
    """What of the run is not as it must be: its outcomes and their reasons in the journal, JUnit and the page."""
    wrong = []
    ended: dict[str, tuple[str, str]] = {}
    for line in (BUILD / "run" / "journal.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "outcome" or event.get("result") in ("passed", "failed"):
            ended[event["job"]] = (event.get("outcome") or event["result"], event["reason"])
    outcomes = {job: outcome for job, (outcome, _) in ended.items()}
    if outcomes != EXPECTED:
        wrong.append(f"outcomes {outcomes}")
    gate = ended.get("digits-gated/emulated/native", ("", ""))[1]
    if not re.search(rf"layer {re.escape(layer)} \+(2\.9|3\.0)", gate):
        wrong.append(f"the gate's reason: {gate}")
    if "attempts in a row ended in trouble" not in ended.get("digits/dying/native", ("", ""))[1]:
        wrong.append(f"the dying board's reason: {ended.get('digits/dying/native')}")
    page, junit = ((BUILD / "run" / name).read_text() for name in ("matrix.html", "junit.xml"))
    for text in (f"layer {layer} +", "2 passed, 1 failed, 1 infrastructure of 4 jobs", "dying", "rack-2"):
        if text not in page:
            wrong.append(f"the page does not say {text!r}")
    if 'tests="4" failures="1" errors="1"' not in junit:
        wrong.append("junit.xml counts otherwise")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
