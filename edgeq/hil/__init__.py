"""Boards in the loop: models times boards times engines, in parallel; each job has one outcome (docs/hil.md)."""
