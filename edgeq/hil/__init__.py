"""Boards in the loop: models times boards times engines, in parallel, each job with exactly one outcome (docs/hil.md)."""
