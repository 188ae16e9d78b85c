"""Whether HTML is whole: everything closed, in its order, and nothing named twice."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "br"}
CLOSED = {"use", "path", "circle", "line", "rect"}


def structure(page: str) -> list[str]:
    """Return everything that is not closed, closed twice, or named twice."""
    parser = Structure()
    parser.feed(page)
    parser.close()
    return [*parser.faults, *parser.open]


class Structure(HTMLParser):
    """Notes what does not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self._ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = dict(attrs).get("id")
        if name is not None:
            self.faults += [f"twice: {name}"] if name in self._ids else []
            self._ids.add(name)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in CLOSED or dict(attrs).get("id") is not None:
            self.faults.append(f"<{tag}/>")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")
