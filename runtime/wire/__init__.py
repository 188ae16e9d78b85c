"""Datagrams: :mod:`runtime.wire.port` says what is promised, the others keep it."""
