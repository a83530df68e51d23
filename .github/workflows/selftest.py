"""Runs the golden samples of the model on the board behind a port, with each of the engines named.

selftest.py PORT ENGINE...
"""

from __future__ import annotations

import sys

from edgeq.pipeline.board import session

port, *engines = sys.argv[1:]
with session(port) as talk:
    print(*(f"{key}: {value}" for key, value in talk.info().items()), sep="\n")
    for engine in engines:
        talk.choose_engine(engine)
        goldens = talk.model().goldens
        equal = sum(talk.selftest(i).equal for i in range(goldens))
        print(f"{engine}: {equal} of {goldens} golden samples equal")
        if equal != goldens or not goldens:
            sys.exit(1)
