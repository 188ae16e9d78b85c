"""The host that follows the revocation lists for all hosts of its machine.

What the others' nodes want comes as words of their authorities, again and again, and counts until a day has
passed without one. Whoever is heard of is told when something else has been published, and learns it by the
answer to its next word if that was lost.

**A host that begins to lead forgets nothing.** It loads what was published last. It waits a moment for the
others' words, because a list that nobody wants is dropped, and one whose authority nobody trusts does not
count. And for some time after that the index merges its lists beside what was known before, and drops
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from actors.crl.index import RevocationIndex
from actors.crl.index_steps import LookDue
from actors.crl.lists import ListsHere, ListStep
from actors.crl.needs import Needs, together
from actors.crl.roles import Leadership
from actors.messages import RevocationChanged
from actors.names import REVOCATION
from actors.work import computed
from runtime.errors import NameTaken
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from actors.crl.index import RevocationPorts
    from actors.crl.lists import ReadNow
    from actors.crl.roles import NeedsOf
    from runtime.actor import Context
    from runtime.ref import Ref

#: How long a host that begins to lead waits for the words of the others.
GATHERING: Final = timedelta(seconds=5)
#: When it is tried again to start the index, while a former one has not ended yet.
START_AGAIN_AFTER: Final = timedelta(milliseconds=200)
#: What a host has wanted counts for so long after its last word,
FORGET_AFTER: Final = timedelta(hours=24)
#: and it is told of changes for so long.
SILENT_AFTER: Final = timedelta(minutes=1)
#: Hosts of one machine whose words count.
MAXIMUM_FOLLOWERS: Final = 1_000

_LIFE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Loaded(ListStep):
    """What was published last has been loaded."""


@dataclass(frozen=True, slots=True)
class StartDue(ListStep):
    """The others have had their time."""


class LeadingLists(ListsHere):
    """See the module."""

    def __init__(
        self, ctx: Context, plans: ReadNow, ports: RevocationPorts, tell_nodes: Callable[[], None]
    ) -> None:
        """See :class:`~actors.crl.lists.ListsHere`."""
        super().__init__(ctx, plans, ports, tell_nodes)
        self._life = ports.source.entropy(_LIFE_BYTES)
        #: By authority, what it wants and when it was heard.
        self._followers: dict[Ref, tuple[Needs, timedelta]] = {}
        #: Whether the index has to be told that somebody wants something else.
        self._look = False

    def begin(self) -> None:
        """See :meth:`~actors.crl.lists.Lists.begin`."""
        work = computed(self._ctx, self._ports.known.load)
        self._ctx.pipe(work, lambda _: Loaded(self))

    def end(self) -> None:
        """See :meth:`~actors.crl.lists.Lists.end`."""
        self._ctx.cancel_timer("lead")
        super().end()

    def step(self, step: ListStep) -> None:
        """See :meth:`~actors.crl.lists.Lists.step`."""
        match step:
            case Loaded():
                self._tell_nodes()
                self._ctx.set_timer("lead", GATHERING, StartDue(self))
            case StartDue():
                self._start()

    def heard(self, needs: NeedsOf) -> Leadership | None:
        """See :meth:`~actors.crl.lists.Lists.heard`."""
        now = self._ctx.clock.monotonic()
        for ref in [ref for ref, (_, at) in self._followers.items() if now - at > FORGET_AFTER]:
            del self._followers[ref]
            self._look = True
        before = self._followers.get(needs.authority)
        if before is not None or len(self._followers) < MAXIMUM_FOLLOWERS:
            self._followers[needs.authority] = (needs.needs, now)
            self._look = self._look or before is None or before[0] != needs.needs
        # An index that has no room is told upon the next word.
        if self._look and self._index is not None and self._index.offer(LookDue()):
            self._look = False
        ready = self._index is not None
        return Leadership(self._life if ready else b"", self._ports.known.generation)

    def changed(self) -> None:
        """See :meth:`~actors.crl.lists.Lists.changed`."""
        self._tell_nodes()
        now = self._ctx.clock.monotonic()
        for ref, (_, at) in self._followers.items():
            if now - at <= SILENT_AFTER:
                ref.offer(RevocationChanged())

    def _start(self) -> None:
        plans, itself, ports = self._plans, self._ctx.ref, self._ports
        try:
            self._index = self._ctx.spawn(
                lambda: RevocationIndex(plans, itself, ports, elsewhere=self._wanted_elsewhere),
                REVOCATION,
                supervision=PATIENT,
            )
        except NameTaken:
            self._ctx.set_timer("lead", START_AGAIN_AFTER, StartDue(self))

    def _wanted_elsewhere(self) -> Needs:
        return together(needs for needs, _ in self._followers.values())
