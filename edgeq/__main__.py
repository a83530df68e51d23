"""`edgeq`, and `python -m edgeq`."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> None:
    """The entry point. To read all of edgeq in takes half a second, in which an interrupt is one as well."""
    try:
        from edgeq.cli import main as run

        run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
