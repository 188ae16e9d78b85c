"""How the rules report: findings at the line of the container they speak of, quiet about what is lost.

When some values of a file are unusable, the rules still look at the rest, so that all faults come out
at once. What was removed to make the rest readable is a :class:`Losses`; a rule asks it before saying
that something does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from peerkey.config.base import kebab
from peerkey.config.findings import Finding, suggestion
from peerkey.config.text import Items, Section, described

if TYPE_CHECKING:
    from collections.abc import Iterable

    from peerkey.config.base import Container
    from peerkey.config.text import Branch

#: Finding the nearest of ten thousand names takes a tenth of a second, and the first hints are enough.
MAX_HINTS: Final = 100


@dataclass(slots=True)
class Losses:
    """What is in the file and could not be read."""

    #: Names of settings, and names that removed containers had.
    names: set[str] = field(default_factory=set)
    #: Names of routers of which some part is missing.
    routers: set[str] = field(default_factory=set)

    def note(self, branch: Branch, key: str | int, value: object) -> None:
        """Take note that ``value`` is about to be removed from ``branch``."""
        self.names.add(str(key))
        self._note_names(value)
        above: Branch | None = branch
        while above is not None:
            if (
                isinstance(above, Section)
                and isinstance(above.parent, Items)
                and above.parent.step == "router"
            ):
                self.routers.add(str(above.get("name")))
            above = above.parent
        if isinstance(value, Section) and isinstance(branch, Items) and branch.step == "router":
            self.routers.add(str(value.get("name")))

    def _note_names(self, value: object) -> None:
        """Take note of every ``name`` below ``value``."""
        if isinstance(value, Items):
            for each in value:
                self._note_names(each)
        elif isinstance(value, Section):
            if "name" in value:
                self.names.add(str(value["name"]))
            for each in value.values():
                self._note_names(each)


class Report:
    """Collects the findings of the rules."""

    def __init__(self, source: str, losses: Losses | None = None) -> None:
        """Report on the file called ``source``."""
        self.source = source
        self.losses = losses or Losses()
        self.findings: list[Finding] = []
        self._hints = 0

    def at(self, container: Container, setting: str | None, message: str) -> None:
        """Report ``message`` at a setting of ``container`` (a field's name), or at the container itself."""
        section = container.section
        key: Any = kebab(setting) if setting else None
        place = section.value_places.get(key, section.place)
        path = described(section, key) if key in section else described(section)
        self.findings.append(Finding(self.source, place.line, place.column, path, message))

    def hint(self, word: str, known: Iterable[str]) -> str:
        """Suggest what ``word`` was meant to be, as long as :data:`MAX_HINTS` lasts."""
        self._hints += 1
        return suggestion(word, known) if self._hints <= MAX_HINTS else ""

    def absent(self, container: Container, setting: str, message: str) -> None:
        """Report that the name in ``setting`` leads nowhere, unless what it names is among the losses."""
        if str(container.section.get(kebab(setting))) not in self.losses.names:
            self.at(container, setting, message)

    def whole(self, *routers: str) -> bool:
        """Whether all of ``routers`` could be read completely, so that what they lack is really lacking."""
        return self.losses.routers.isdisjoint(routers)

    def read(self, *settings: str) -> bool:
        """Whether none of ``settings`` (the names in the file) is among the losses."""
        return self.losses.names.isdisjoint(settings)
