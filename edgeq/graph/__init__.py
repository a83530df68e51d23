"""The network as data: quantised tensors, nodes, the graph, its check and its text form."""

from edgeq.graph.file_layout import FileLayout
from edgeq.graph.graph import ABSENT, Graph, Node, QuantParams, Tensor
from edgeq.graph.text import to_text

__all__ = ["ABSENT", "FileLayout", "Graph", "Node", "QuantParams", "Tensor", "to_text"]
