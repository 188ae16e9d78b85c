"""The kinds of private key by the names that the command line has for them: :mod:`peerkey.pki.key_types`."""

from __future__ import annotations

from peerkey.pki.key_types import KeyType

__all__ = ["KeyType"]
