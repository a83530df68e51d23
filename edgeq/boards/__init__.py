"""Chips and boards: facts as TOML, read and checked by `board.py`."""
