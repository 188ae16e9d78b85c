"""Making private keys: a laboratory's are made as those of a node."""

from __future__ import annotations

from actors.keystores.generation import generate

__all__ = ["generate"]
