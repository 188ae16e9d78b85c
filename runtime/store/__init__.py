"""Durable records: :mod:`runtime.store.port` says what is promised, the others keep it."""
