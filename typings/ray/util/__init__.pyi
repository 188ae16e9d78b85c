"""What of Ray is not in its first module."""

from typing import Any

def list_named_actors(all_namespaces: bool = False) -> list[dict[str, Any]]: ...
