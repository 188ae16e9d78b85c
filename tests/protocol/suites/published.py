"""Readers of the vector files in the distribution ``cryptography_vectors``.

All of them are lines of ``name = value``. A record ends where a name comes again or a section such as
``[P-256,SHA-256]`` begins; blank lines and comments mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files


def published_records(path: str) -> Iterator[dict[str, str]]:
    """Yield the records of the file at ``path`` below ``cryptography_vectors``, each with its ``section``."""
    text = files("cryptography_vectors").joinpath(*path.split("/")).read_text(encoding="ascii")
    section = ""
    record: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = (part.strip() for part in line.partition("="))
        begins_section = line.startswith("[")
        if record and (begins_section or name in record):
            yield {"section": section, **record}
            record = {}
        if begins_section:
            section = line.strip("[]")
        elif equals and not line.startswith("#"):
            record[name] = value
    if record:
        yield {"section": section, **record}
