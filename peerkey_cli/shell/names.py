"""What things are called now: peers, nodes, paths and alarms by the running system, files by the disk.

Whoever types does not wait for a system that is slow or gone. It is asked on a thread of its own, for at most
:data:`PATIENCE_SECONDS` of the typist's time; what it says later is known the next time. Where it does not
answer there are no names, and nothing is said of it.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from peerkey.errors import PeerkeyError
from peerkey_cli.shell import quick
from peerkey_cli.shell.candidates import MOST_CANDIDATES, Candidate
from peerkey_cli.shell.grammar import Kind, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

#: How long whoever types may be kept waiting for names.
PATIENCE_SECONDS: Final = 0.7
#: For how long an answer, or that there was none, is good: keys are pressed faster than peers come and go.
_GOOD_SECONDS: Final = 5.0
#: How long a question may take on its own thread, so that no thread waits for ever.
_QUESTION_SECONDS: Final = 3.0
#: The largest configuration whose nodes are looked up while somebody types.
_LARGEST_CONFIGURATION: Final = 4 * 1024 * 1024
#: Entries of a directory, or nodes of a configuration, that are looked at.
_MOST_ENTRIES: Final = 10_000
#: Answers that are kept: a shell asks one system, and now and then another that a line names.
_MOST_ANSWERS: Final = 64


@dataclass(frozen=True, slots=True)
class Addressed:
    """Which system is asked, as the options of a line or of the shell say."""

    state_dir: str | None = None
    api: str | None = None
    token_file: str | None = None
    ca: str | None = None

    def of(self, place: Place) -> Addressed:
        """Return which system a line is about: what it says itself comes first."""
        values = place.values
        own_directory = values.get("--state-dir")
        return Addressed(
            own_directory or self.state_dir,
            values.get("--api") or (self.api if own_directory is None else None),
            values.get("--api-token-file") or self.token_file,
            values.get("--api-ca") or self.ca,
        )

    def ask(self, document: str) -> Any:  # noqa: ANN401 - JSON
        """Return a document of the system's admin API.

        :raises PeerkeyError: nobody answers, or not with that.
        """
        from peerkey_cli.options import is_remote, remote_url, socket_path

        if is_remote(self.api):
            from peerkey_cli.api.tokens import presented_in
            from peerkey_cli.client import Client, RemoteSystem
            from peerkey_cli.remote_options import CA, TOKEN_FILE

            token, ca = self.token_file or os.environ.get(TOKEN_FILE), self.ca or os.environ.get(CA)
            if token is None:
                return {}
            system = RemoteSystem(remote_url(self.api), presented_in(Path(token)), Path(ca) if ca else None)
            return Client(system, _QUESTION_SECONDS).raw(document)
        where = socket_path(Path(self.state_dir) if self.state_dir else None, self.api)
        return quick.document(where, document, _QUESTION_SECONDS)


class Asked:
    """Answers of running systems, each for a while."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        """Know nothing yet."""
        self._patience = patience
        self._answers: dict[tuple[Addressed, str], tuple[float, Any]] = {}
        self._running: dict[tuple[Addressed, str], threading.Event] = {}
        self._lock = threading.Lock()

    def document(self, system: Addressed, name: str, *, patience: float | None = None) -> Any:  # noqa: ANN401
        """Return a document of the admin API, or ``None`` where it is not known within the patience."""
        key = (system, name)
        with self._lock:
            when, answer = self._answers.get(key, (float("-inf"), None))
            if monotonic() - when < _GOOD_SECONDS:
                return answer
            done = self._running.get(key)
            if done is None:
                done = self._running[key] = threading.Event()
                threading.Thread(target=self._ask, args=(key, done), name="names", daemon=True).start()
        done.wait(self._patience if patience is None else patience)
        with self._lock:
            return self._answers.get(key, (0.0, None))[1]

    def forget(self) -> None:
        """Ask anew the next time: a command may have changed what there is."""
        with self._lock:
            self._answers = {key: (float("-inf"), answer) for key, (_, answer) in self._answers.items()}

    def _ask(self, key: tuple[Addressed, str], done: threading.Event) -> None:
        answer = None
        try:
            # Where nobody answers there are no names; the command that needs one will say why.
            with suppress(PeerkeyError, OSError):
                answer = key[0].ask(key[1])
        finally:
            with self._lock:
                if len(self._answers) >= _MOST_ANSWERS:
                    self._answers.clear()
                self._answers[key] = (monotonic(), answer)
                del self._running[key]
            done.set()


@dataclass(frozen=True, slots=True)
class LiveNames:
    """See :class:`peerkey_cli.shell.candidates.Names`."""

    asked: Asked
    system: Addressed = Addressed()
    #: Whether files are completed here; bash and zsh do it better themselves.
    files: bool = True

    def known(self, kind: Kind, place: Place, begun: str) -> Iterable[Candidate]:
        """Return the names of a kind that begin so."""
        if kind in {Kind.FILE, Kind.DIRECTORY}:
            return paths(begun, directories=kind is Kind.DIRECTORY) if self.files else ()
        if kind is Kind.COUNTER:
            return _counters(place.arguments, begun)
        found: Iterable[tuple[str, str]] = ()
        if kind is Kind.EVENT:
            found = _event_types()
        elif kind is Kind.NODE and (file := _configuration(place)) is not None:
            found = ((each, "") for each in nodes_of(file))
        else:
            source, read = _SOURCES[kind]
            found = _safely(read, self.asked.document(self.system.of(place), source))
        unique = {name: said for name, said in found if name.startswith(begun) and name.isprintable()}
        return (Candidate(name, unique[name]) for name in sorted(unique))


def paths(begun: str, *, directories: bool = False) -> list[Candidate]:
    """Return the files, or the directories alone, whose path begins so. Hidden ones if they are meant."""
    head, tail = os.path.split(begun)
    found: list[Candidate] = []
    try:
        with os.scandir(Path(head).expanduser() if head else Path()) as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                name = entry.name
                if not name.startswith(tail) or (name.startswith(".") and not tail.startswith(".")):
                    continue
                folder = entry.is_dir()
                if name.isprintable() and (folder or not directories):
                    text = os.path.join(head, name)  # noqa: PTH118 - as it is typed, with its ./ and ~
                    found.append(Candidate(f"{text}/" if folder else text, partial=folder))
    except (OSError, ValueError, RuntimeError):
        return []
    return sorted(found, key=lambda each: each.text)[:MOST_CANDIDATES]


def nodes_of(file: Path) -> list[str]:
    """Return the nodes that a configuration names, as ``router/node``; none where it cannot be read."""
    import yaml

    from peerkey_cli.files import read_bounded

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(read_bounded(file, _LARGEST_CONFIGURATION), Loader=loader)  # noqa: S506 - safe ones
        nodes = (
            f"{router['name']}/{node['name']}"
            for router in document["authority"]["router"]
            for node in router.get("node", ())
        )
        return list(islice(nodes, _MOST_ENTRIES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError):
        return []


def _configuration(place: Place) -> Path | None:
    """Return the configuration that a line names, in which its node stands."""
    named = place.values.get("--config")
    if named is None and place.command.arguments and place.command.arguments[0].names == ("FILE",):
        named = place.arguments[0] if place.arguments else None
    return Path(named) if named else None


def _counters(before: Iterable[str], begun: str) -> Iterator[Candidate]:
    from peerkey.observe.security_stats import Counter

    words = " ".join(before).split()
    following: dict[str, None] = {}
    for counter in Counter:
        path = counter.value.split()
        if path[: len(words)] == words and len(path) > len(words):
            following[path[len(words)]] = None
    return (Candidate(each) for each in following if each.startswith(begun))


def _event_types() -> Iterator[tuple[str, str]]:
    from peerkey.observe import events

    for event in events.Event.__subclasses__():
        yield event.TYPE, (event.__doc__ or "").partition("\n")[0]
        yield from ((group, "All events of this group.") for group in [event.TYPE.partition(".")[0]])


def _safely(read: Callable[[Any], Iterable[tuple[str, str]]], document: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    """Read names; what does not answer as this version does has none."""
    try:
        return [(str(name), str(said)) for name, said in read(document)]
    except (TypeError, KeyError, AttributeError):
        return []


def _peers(document: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    for peer in document["peers"]:
        name = peer["peer"]
        yield name, f"A peer of {peer['node']}: {peer['status']}."
        yield name.partition("/")[0], "All nodes of this router."


def _nodes(document: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    yield from ((node["node"], "A node that runs.") for node in document["nodes"])


def _paths(document: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    for peer in document["peers"]:
        yield from ((path["name"], f"{path['interface']}: {path['status']}.") for path in peer["paths"])


def _alarms(document: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    yield from ((alarm["id"], f"{alarm['severity']}: {alarm['message']}") for alarm in document["alarms"])


#: Which document has the names of a kind, and where in it.
_SOURCES: Final[Mapping[Kind, tuple[str, Callable[[Any], Iterable[tuple[str, str]]]]]] = {
    Kind.PEER: ("peers", _peers),
    Kind.NODE: ("security/key-status", _nodes),
    Kind.PATH: ("peers", _paths),
    Kind.ALARM: ("alarms", _alarms),
}
