"""A cluster of several nodes on one machine."""

from typing import Any

class Cluster:
    head_node: Any
    worker_nodes: set[Any]
    address: str | None
    def __init__(self, *, initialize_head: bool, head_node_args: dict[str, Any]) -> None: ...
    def add_node(self, **node_args: Any) -> Any: ...
    def shutdown(self) -> None: ...
