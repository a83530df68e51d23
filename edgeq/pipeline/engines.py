"""Which engines a command is about: the plan's own (`native`), TensorFlow Lite Micro (`tflm`), or both in one run."""

from __future__ import annotations

from typing import Literal

from edgeq.bench.oracles import require_tflm
from edgeq.errors import BoardTrouble, Unsupported
from edgeq.link.session import Session
from edgeq.pipeline.board import Runner, choose_runner
from edgeq.pipeline.progress import Progress

Engine = Literal["native", "tflm"]
Choice = Literal["native", "tflm", "both"]
CHOICES: tuple[Choice, ...] = ("native", "tflm", "both")


def engines_of(choice: Choice) -> tuple[Engine, ...]:
    """The engines in the order in which they are run."""
    return ("native", "tflm") if choice == "both" else (choice,)


def runner_for(choice: Choice, wanted: Runner | None, progress: Progress) -> Runner:
    """What executes a virtual board's firmware: TFLite Micro runs as a process of this machine alone."""
    if choice == "native":
        return choose_runner(wanted, progress)
    if wanted == "qemu_lx6":
        raise Unsupported("the emulated core runs the native engine alone", hint=f"--engine {choice} --runner host")
    require_tflm()
    return "host"


def choose(talk: Session, engine: Engine) -> None:
    """Has the board open its model with that engine."""
    info = talk.info()
    if info.get("engine") == engine:
        return
    there = info.get("engines", "native").split(",")
    if engine not in there:
        raise BoardTrouble(
            f"the board's firmware has no engine {engine}; it has {', '.join(there)}",
            hint="build it with that engine; a virtual board needs --runner host and pip install edgeq[verify]",
        )
    talk.choose_engine(engine)
