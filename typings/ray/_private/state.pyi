"""What Ray's head has written down."""

from typing import Any

def actors(actor_id: str | None = None) -> dict[str, Any]: ...
