"""What is written once for every kind of alarm: how urgent it is, what it means, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from peerkey.observe.alarms import NAMED_IN_ONE, Category, Severity

#: What :attr:`AlarmKind.together_from` is, unless a kind says otherwise.
TOGETHER_FROM: Final = NAMED_IN_ONE + 1


class Origin(StrEnum):
    """Who has given a kind of alarm its text."""

    #: The seed itself.
    SEED = "the specification"
    #: The alarm table of the original product: section 8.1 of the public facts.
    PRODUCT = "the original product"
    OURS = "peerkey"


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """One kind of alarm: a page of ``docs/alarms.md``."""

    #: What :attr:`peerkey.observe.alarms.Alarm.kind` says: also the anchor of the page.
    name: str
    severities: tuple[Severity, ...]
    category: Category
    #: What the message may be; a word in braces stands for what is different in each.
    texts: tuple[str, ...]
    origin: Origin
    #: What is the matter, and what it does to the traffic.
    means: str
    #: Steps for whoever was woken by it, the first one first. Commands stand in backticks.
    todo: tuple[str, ...]
    #: Types of audit events that belong to it, as `show events --type` takes them.
    events: tuple[str, ...] = ()
    #: What one alarm says that stands for many of them; ``{count}`` is how many there are.
    many: str = ""
    #: So many of one cause are one alarm: fewer are named in full by one anyway.
    together_from: int = TOGETHER_FROM

    @property
    def page(self) -> str:
        """Where its page is."""
        return f"docs/alarms.md#{self.name}"
