"""The passes of the converter, one per file, each Graph -> Graph."""
