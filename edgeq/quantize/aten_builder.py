"""A network that comes as data, not as Python: its operations and constants as a module of aten calls.

What is built is what `torch.export` makes of a user's module, so that everything behind it takes either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.door import torch
from edgeq.quantize.graphs import Graph, Node


class AtenBuilder:
    """Collects calls in the order in which they run."""

    def __init__(self) -> None:
        self._root = torch.nn.Module()
        self._graph = torch.fx.Graph()
        self._constants = 0

    def input(self) -> Node:
        """The network's input."""
        node: Node = self._graph.placeholder("input")
        return node

    def constant(self, values: NDArray[np.generic] | torch.Tensor) -> Node:
        """A weight or another constant; what is not float stays out of the count of parameters."""
        tensor = values.clone() if isinstance(values, torch.Tensor) else torch.from_numpy(np.array(values))
        name = f"constant_{self._constants}"
        self._constants += 1
        if tensor.is_floating_point():
            self._root.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=False))
        else:
            self._root.register_buffer(name, tensor)
        node: Node = self._graph.get_attr(name)
        return node

    def call(self, target: object, arguments: Sequence[object], meta: dict[str, object]) -> Node:
        """One operation; `meta` is what `names.py` reads: nn_module_stack, stack_trace."""
        node: Node = self._graph.call_function(target, tuple(arguments))  # type: ignore[arg-type]  # aten's operations
        node.meta |= meta
        return node

    def module(self, output: Node) -> Graph:
        """The network that returns `output`, in eval mode."""
        self._graph.output(output)
        self._graph.eliminate_dead_code()
        self._graph.lint()
        module: Graph = torch.fx.GraphModule(self._root, self._graph)
        return module.eval()
