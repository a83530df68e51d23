"""Files that have a team's CI run edgeq: `edgeq ci init`, see docs/ci.md."""
