"""The one door to torch: whoever imports this without torch gets an error that says how to install it.

torchao warns at import of GPU extensions it cannot load; nothing here runs on one, so that is not passed on.
"""

from __future__ import annotations

import logging

from edgeq.errors import ToolMissing

logging.disable(logging.WARNING)
try:
    import safetensors.torch as safetensors
    import torch as torch
    import torchao as torchao
except ImportError as error:
    raise ToolMissing(
        f"quantising needs torch, torchao and safetensors ({error})", hint="pip install edgeq[torch]"
    ) from error
finally:
    logging.disable(logging.NOTSET)

__all__ = ["safetensors", "torch", "torchao"]
