"""`--observer auto`: for each activation the method whose int8 disturbs the layers behind it least.

A tensor's own error is not what counts: a convolution may look past its outliers or live from them. So each operation
that takes the tensor is computed again with the tensor's int8 by each method, on calibration samples, and the error
of its result decides; of the tensor itself where the network ends.
"""

from __future__ import annotations

from typing import Any

from edgeq.quantize.door import quiet, torch
from edgeq.quantize.observers import METHODS, Method, RangeObserver
from edgeq.quantize.ranges import qparams

Node = torch.fx.Node
Error = dict[Method, float]


def choose_methods(observed: torch.fx.GraphModule, inputs: torch.Tensor) -> dict[str, Method]:
    """Set the method of every observer of a calibrated graph; returns them by the observers' names.

    `inputs` is float [N, C, H, W]. Errors are squared and relative to the power of the result, summed over all
    operations that take the tensor; of equal ones the first of METHODS wins.
    """
    comparison = _Comparison(observed)
    with quiet(), torch.no_grad():
        for index in range(len(inputs)):
            comparison.run(inputs[index : index + 1])
    chosen = {name: min(METHODS, key=errors.__getitem__) for name, errors in comparison.errors.items()}
    for observer, name in comparison.names.items():
        observer.method = chosen[name]
    return chosen


class _Comparison(torch.fx.Interpreter):
    """Runs the float graph, past its observers, and adds up each method's errors by the observer's name."""

    def __init__(self, observed: torch.fx.GraphModule) -> None:
        super().__init__(observed)
        observers = {name: module for name, module in observed.named_modules() if isinstance(module, RangeObserver)}
        self.names = {module: name for name, module in observers.items()}
        self.errors: dict[str, Error] = {name: dict.fromkeys(METHODS, 0.0) for name in observers}
        self.qparams = {
            name: {method: qparams(module.range(method)) for method in METHODS} for name, module in observers.items()
        }

    def run_node(self, n: Node) -> Any:
        if self._observer(n) is not None:
            return self.env[n.all_input_nodes[0]]
        for source in n.all_input_nodes:
            if (name := self._observer(source)) is not None:
                self._compare(n, source, name)
        return super().run_node(n)

    def _observer(self, node: Node) -> str | None:
        """The name of the activation's observer that this node is, if it is one."""
        return self.names.get(self.fetch_attr(str(node.target))) if node.op == "call_module" else None

    def _compare(self, node: Node, source: Node, name: str) -> None:
        value = self.env[source]
        wanted = self._result(node, source, value)
        power = float((wanted**2).sum()) or 1.0
        errors: dict[tuple[float, int], float] = {}
        for method, (scale, zero_point) in self.qparams[name].items():
            if (scale, zero_point) not in errors:
                rounded = torch.fake_quantize_per_tensor_affine(value, scale, zero_point, -128, 127)
                errors[scale, zero_point] = float(((self._result(node, source, rounded) - wanted) ** 2).sum()) / power
            self.errors[name][method] += errors[scale, zero_point]

    def _result(self, node: Node, source: Node, value: torch.Tensor) -> torch.Tensor:
        """What the node makes with `value` in place of `source`; the value itself behind the network's end."""
        if node.op != "call_function":
            return value
        given = {argument: self.env[argument] for argument in node.all_input_nodes} | {source: value}
        # On copies: add_ and relu_ write into their arguments.
        arguments = torch.fx.node.map_arg((node.args, node.kwargs), lambda argument: given[argument].clone())
        made = node.target(*arguments[0], **arguments[1])  # type: ignore[operator]  # a call_function's is callable
        return made if isinstance(made, torch.Tensor) else value
