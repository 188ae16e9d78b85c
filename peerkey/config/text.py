"""From the text of a configuration to a tree that knows its lines.

YAML is wide: it has references that expand a kilobyte to a gigabyte, tags that name types, and plain
words that turn into dates, octal numbers and truth values. A configuration needs none of it, so the
dialect here is small (``docs/decisions/0030-yaml-dialect.md``): containers, lists, strings, whole
decimal numbers, ``true`` and ``false``, and nothing. ``no`` is a word and ``1:2:3`` is not a number.

The parser's events are turned into :class:`Section` (a mapping) and :class:`Items` (a list), which
are a ``dict`` and a ``list`` that remember where each of their entries stands. Whatever is outside
the dialect or the bounds becomes a :class:`~peerkey.config.findings.Finding`, and reading goes on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import yaml

from peerkey.config.findings import ConfigurationFaults, Finding, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Text longer than this is refused unread: ten thousand paths take about two million characters.
MAX_CHARACTERS: Final = 16_000_000

#: Entries of all containers and lists together. Ten thousand paths take about a hundred thousand.
MAX_ENTRIES: Final = 500_000

#: Entries of one list; the longest one of the schema is that of the routers.
MAX_ITEMS: Final = 10_000

#: Containers within containers; the schema itself needs ten. What is deeper is not even skipped: the scanner
#: takes time that grows with the square of the depth.
MAX_DEPTH: Final = 20

#: What newer parsers say where their scanner, which looks ahead, meets a bound of its own before ours.
_TOO_DEEP_FOR_THE_PARSER: Final = "exceeded maximum nesting depth"

#: Names that newer documents use for the same setting (``spec/ssr-facts.md`` sections 4 and 5).
SYNONYMS: Final = {
    "dh-key-size": "diffie-hellman-key-size",
    "certificate-revocation-list": "certificate-revocation",
}

#: The end of every kind of PEM armour around a private key.
_PRIVATE_KEY: Final = "PRIVATE KEY-----"
_WHOLE_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
#: What YAML does not allow in a text; whether it is there is the parser's to say, where it is, ours.
_CONTROL: Final = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_NAME: Final = re.compile("[A-Za-z0-9._<-]{1,64}", re.ASCII)
_WORDS: Final[dict[str, bool | None]] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
}  # fmt: skip
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Place(NamedTuple):
    """A line and a column, both counted from 1."""

    line: int
    column: int


Scalar: TypeAlias = "str | int | bool | None"
Step: TypeAlias = "str | int"


class Section(dict[str, Any]):
    """A mapping of the file, with the places of its keys and values."""

    __slots__ = ("key_places", "parent", "place", "step", "value_places")

    def __init__(self, place: Place, parent: Section | Items | None, step: Step) -> None:
        """Start empty; ``step`` is the key or the index under which ``parent`` has this section."""
        super().__init__()
        self.place = place
        self.parent = parent
        self.step = step
        self.key_places: dict[str, Place] = {}
        self.value_places: dict[str, Place] = {}


class Items(list[Any]):
    """A list of the file, with the places of its items."""

    __slots__ = ("parent", "place", "step", "value_places")

    def __init__(self, place: Place, parent: Section | Items | None, step: Step) -> None:
        """Start empty; ``step`` is the key or the index under which ``parent`` has this list."""
        super().__init__()
        self.place = place
        self.parent = parent
        self.step = step
        self.value_places: list[Place] = []


Branch: TypeAlias = "Section | Items"


def read(text: str, source: str) -> tuple[Section, list[Finding]]:
    """Return the tree of ``text`` and what is outside the dialect; ``source`` names it in findings.

    What is outside the dialect is absent from the tree. Raises :exc:`ConfigurationFaults` where there is no
    telling what the rest means: text that is not YAML at all, or beyond the bounds.
    """
    reader = _Reader(source, yaml.parse(text, Loader=_LOADER))
    if len(text) > MAX_CHARACTERS:
        raise reader.hopeless(None, f"the file has {len(text)} characters; at most {MAX_CHARACTERS} are read")
    try:
        reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = None if mark is None else Place(mark.line + 1, mark.column + 1)
        if error.problem == _TOO_DEEP_FOR_THE_PARSER:
            raise reader.hopeless(place, f"nested more than {MAX_DEPTH} deep") from error
        context = f"{error.context}: " if error.context else ""
        line = text.splitlines()[mark.line : mark.line + 1] if mark else []
        hint = "; an IPv6 address within braces needs quotes" if "::" in "".join(line) else ""
        if mark and "".join(line)[mark.column : mark.column + 1] == "\t":
            hint = "; a tab stands here: indent with spaces"
        raise reader.hopeless(place, f"not YAML: {context}{error.problem}{hint}") from error
    except yaml.reader.ReaderError as error:
        raise reader.hopeless(_first_control(text), f"not YAML: {error.reason}") from error
    return reader.root, reader.findings


def described(branch: Branch, *more: Step) -> str:
    """Return the path of ``branch``, and of ``more`` below it, in the words of the specification.

    An item of a list appears as its name or URL in brackets, or as its number, counted from 1.
    """
    steps: list[str] = []
    above: Branch | None = branch
    while above is not None and above.parent is not None:
        steps.append(_label(above, above.step))
        above = above.parent
    steps.reverse()
    below: Any = branch
    for step in more:
        try:
            below = below[step]
        except (KeyError, IndexError, TypeError):
            below = None
        steps.append(_label(below, step))
    return " > ".join(steps).replace(" > [", "[")


def _label(value: object, step: Step) -> str:
    """Return how a path shows ``value``, which its parent has under ``step``."""
    if isinstance(step, str):
        return step if _NAME.fullmatch(step) else shown(step)
    if isinstance(value, Section):
        for key in ("name", "url"):
            label = value.get(key)
            if isinstance(label, str | int) and label != "":
                return f"[{shown(label).strip(chr(39))}]"
    return f"[{step + 1}]"


def _place(event: Any) -> Place:  # noqa: ANN401 -- the parsers' events share no public type
    """Return where ``event`` begins."""
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _first_control(text: str) -> Place | None:
    """Return where the first character stands that YAML does not allow."""
    found = _CONTROL.search(text)
    if found is None:
        return None
    at = found.start()
    return Place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


class _Reader:
    """Follows the parser's events downwards; the depth of its recursion is :data:`MAX_DEPTH`."""

    def __init__(self, source: str, events: Iterator[Any]) -> None:
        """Read ``events``; ``source`` is the name in every finding."""
        self.source = source
        self.findings: list[Finding] = []
        self.root = Section(Place(1, 1), None, "")
        self._events = events
        self._entries = 0

    def report(self, place: Place | None, message: str, path: str = "") -> None:
        """Note a finding."""
        line, column = place or (0, 0)
        self.findings.append(Finding(self.source, line, column, path, message))

    def hopeless(self, place: Place | None, message: str, path: str = "") -> ConfigurationFaults:
        """Return the exception that ends the reading, with all that has been found."""
        self.report(place, message, path)
        return ConfigurationFaults(self.findings)

    def document(self) -> None:
        """Read the one document of the text into :attr:`root`."""
        next(self._events)  # the start of the stream
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            raise self.hopeless(Place(1, 1), "the file is empty; it must hold the container 'authority'")
        top = next(self._events)
        if not isinstance(top, yaml.MappingStartEvent):
            raise self.hopeless(
                _place(top), "the file must hold the container 'authority', not a list or a value"
            )
        self._refuse_marks(top, self.root, "")
        self._section(self.root, 1)
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            self.report(_place(after), "a second document (---); one file is one authority")

    def _section(self, section: Section, depth: int) -> None:
        """Read the entries of a mapping up to its end."""
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = _place(event)
            if not isinstance(event, yaml.ScalarEvent):
                self.report(place, "the name of a setting must be a word", described(section))
                self._skip(event)
                self._skip(next(self._events))
                continue
            name = SYNONYMS.get(event.value, event.value)
            if _PRIVATE_KEY in name:
                self._refuse_private_key(place, described(section))
                self._skip(next(self._events))
                continue
            self._refuse_marks(event, section, name)
            value_event = next(self._events)
            if name in section.key_places:
                first = section.key_places[name].line
                self.report(place, f"given twice; the first is in line {first}", described(section, name))
                self._skip(value_event)
                continue
            section.key_places[name] = place
            section.value_places[name] = _place(value_event)
            section[name] = self._value(value_event, section, name, depth)

    def _items(self, items: Items, depth: int) -> None:
        """Read the entries of a list up to its end."""
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            if len(items) == MAX_ITEMS:
                raise self.hopeless(
                    _place(event), f"a list of more than {MAX_ITEMS} entries", described(items)
                )
            items.value_places.append(_place(event))
            items.append(self._value(event, items, len(items), depth))

    def _value(self, event: Any, parent: Branch, step: Step, depth: int) -> Any:  # noqa: ANN401 -- a tree of anything
        """Return what begins with ``event``; what is outside the dialect is ``None``, that is: absent."""
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise self.hopeless(_place(event), f"more than {MAX_ENTRIES} entries")
        if isinstance(event, yaml.AliasEvent):
            self.report(
                _place(event), f"the alias *{event.anchor}: write the value out", described(parent, step)
            )
            return None
        self._refuse_marks(event, parent, step)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, parent, step)
        if depth >= MAX_DEPTH:
            raise self.hopeless(_place(event), f"nested more than {MAX_DEPTH} deep", described(parent))
        if isinstance(event, yaml.SequenceStartEvent):
            items = Items(_place(event), parent, step)
            self._items(items, depth + 1)
            return items
        section = Section(_place(event), parent, step)
        self._section(section, depth + 1)
        return section

    def _scalar(self, event: yaml.ScalarEvent, parent: Branch, step: Step) -> Scalar:
        """Return the meaning of a word. A private key is reported, forgotten, and never shown."""
        text = str(event.value)
        if _PRIVATE_KEY in text:
            self._refuse_private_key(_place(event), described(parent, step))
            return None
        return text if event.style else _meaning(text)

    def _refuse_private_key(self, place: Place, path: str) -> None:
        """Report a private key without a word of it."""
        self.report(
            place, "a private key stands here; a configuration names its file. Replace this key", path
        )

    def _refuse_marks(self, event: Any, parent: Branch, step: Step) -> None:  # noqa: ANN401 -- three event classes
        """Report an anchor or a tag; both belong to a YAML that is not read here."""
        if event.anchor is not None:
            advice = f"the anchor &{event.anchor}: write the value out where it is used"
            self.report(_place(event), advice, described(parent, step))
        if event.tag is not None:
            self.report(
                _place(event),
                f"the tag {shown(event.tag)}: values have no tags here",
                described(parent, step),
            )

    def _skip(self, event: Any) -> None:  # noqa: ANN401 -- any event that begins a value
        """Pass over the value that begins with ``event``."""
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise self.hopeless(_place(event), f"nested more than {MAX_DEPTH} deep")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth == 0:
                return
            event = next(self._events)


def _meaning(text: str) -> Scalar:
    """Return what a word without quotes means: a truth value, nothing, a whole number, or itself."""
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text
