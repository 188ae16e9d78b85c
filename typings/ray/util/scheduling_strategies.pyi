"""Where actors of Ray's are started."""

class NodeAffinitySchedulingStrategy:
    def __init__(self, node_id: str, *, soft: bool) -> None: ...
