"""The paths of a peering as their node sees them: which live, what they reported, what they must know.

Which paths should live is the plan's matter, so :meth:`Paths.configure` compares. A path from another
address is another actor with another endpoint. Stopping takes time, and until it is over the old
actor holds its pair of addresses; :class:`Places` keeps whoever wants the same pair waiting.

What a path must know (its configuration, what to announce, the key in use) is a *level*: only the
latest counts, and a path that had no room for it is told again until it has taken it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never
from uuid import UUID

from actors.intake import Intake
from actors.messages import AnnounceThis, ConfigurePath, UseKey
from peerkey.config.reload_plan import Step, path_steps

if TYPE_CHECKING:
    from actors.messages import PathReport
    from peerkey.config.plan import Endpoint, PathPlan, Policy
    from peerkey.protocol.frame import Frame
    from runtime.actor import Context
    from runtime.ref import Ref

#: When a path whose mailbox was full is told again.
TELL_AGAIN_AFTER: Final = timedelta(milliseconds=100)

#: A local and a remote address: of each pair a wire opens one endpoint.
Place: TypeAlias = "tuple[Endpoint, Endpoint]"
Level: TypeAlias = "ConfigurePath | AnnounceThis | UseKey"


@dataclass(frozen=True, slots=True)
class LevelsDue:
    """It is time to tell paths again what they had no room for."""

    peer: UUID


class Places:
    """The pairs of addresses that paths of a node hold, those that are ending included."""

    def __init__(self) -> None:
        """Start with every place free."""
        self._held: dict[Place, Ref] = {}
        self._holders: dict[Ref, Place] = {}
        self._waiting: dict[Place, UUID] = {}

    def __len__(self) -> int:
        """Return how many places are held."""
        return len(self._held)

    def free_for(self, peer: UUID, place: Place) -> bool:
        """Tell whether ``place`` is free; if not, remember who waits for it."""
        if place not in self._held:
            return True
        self._waiting[place] = peer
        return False

    def take(self, place: Place, ref: Ref) -> None:
        """Let a path that has just been spawned hold its place."""
        self._held[place] = ref
        self._holders[ref] = place

    def ended(self, ref: Ref) -> UUID | None:
        """Free the place of a path that has ended; return the peer, if any, whose paths wait for it."""
        place = self._holders.pop(ref, None)
        if place is None:
            return None
        del self._held[place]
        return self._waiting.pop(place, None)


@dataclass(slots=True)
class Line:
    """One living path."""

    ref: Ref
    plan: PathPlan
    intake: Intake
    report: PathReport | None = None
    #: The latest levels that its mailbox had no room for.
    untold: dict[type[Level], Level] = field(default_factory=dict)


class Paths:
    """The living paths of one peering, and the levels that each has been told."""

    def __init__(
        self,
        ctx: Context,
        peer: UUID,
        places: Places,
        spawn: Callable[[PathPlan, Intake], Ref],
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        """Make paths to ``peer`` with ``spawn``, each when its place is free.

        ``dropped`` is told of each datagram and frame of theirs for which there was no room.
        """
        self._ctx = ctx
        self._peer = peer
        self._places = places
        self._spawn = spawn
        self._dropped = dropped
        self._lines: dict[str, Line] = {}
        self._wanted: tuple[PathPlan, ...] = ()
        self._settings: tuple[Policy, bool] | None = None
        # Only what has been carried out already: nothing is announced before it is stored.
        self._announced = AnnounceThis(None)
        self._used = UseKey(None, probing=False)

    def __iter__(self) -> Iterator[Line]:
        """Go through the living paths."""
        return iter(self._lines.values())

    def __contains__(self, name: str) -> bool:
        """Tell whether a path of that name lives."""
        return name in self._lines

    # --- which paths live -------------------------------------------------------------------------

    def configure(self, wanted: tuple[PathPlan, ...], policy: Policy, *, enabled: bool) -> None:
        """Stop, start and configure until these paths live, with these settings."""
        changed = (policy, enabled) != self._settings
        self._wanted, self._settings = wanted, (policy, enabled)
        plans = {plan.name: plan for plan in wanted}
        living = {name: line.plan for name, line in self._lines.items()}
        for name, step in path_steps(living, wanted, settings_changed=changed).items():
            match step:
                case Step.STOP | Step.RESTART:
                    self._ctx.stop(self._lines.pop(name).ref)
                case Step.CHANGE:
                    line = self._lines[name]
                    line.plan = plans[name]
                    self._tell(line, ConfigurePath(line.plan, policy, enabled))
                case Step.START | Step.KEEP:
                    pass
                case unreachable:
                    assert_never(unreachable)
        self.open_missing()

    def open_missing(self) -> None:
        """Start every path that should live and whose place is free."""
        for plan in self._wanted:
            if plan.name not in self._lines and self._places.free_for(self._peer, _place(plan)):
                intake = Intake(lambda: len(self._places), self._dropped)
                ref = self._spawn(plan, intake)
                self._places.take(_place(plan), ref)
                self._ctx.watch(ref)
                self._lines[plan.name] = Line(ref, plan, intake)

    def close(self) -> None:
        """Stop every path."""
        self._wanted = ()
        for line in self._lines.values():
            self._ctx.stop(line.ref)
        self._lines.clear()

    # --- what they say ----------------------------------------------------------------------------

    def started(self, name: str) -> None:
        """Tell a path that has just started, perhaps after a crash, where the peering stands."""
        line = self._lines.get(name)
        if line is not None and self._settings is not None:
            policy, enabled = self._settings
            for level in (ConfigurePath(line.plan, policy, enabled), self._announced, self._used):
                self._tell(line, level)

    def reported(self, report: PathReport) -> None:
        """Remember the state of a path for whoever asks."""
        line = self._lines.get(report.path)
        if line is not None:
            line.report = report

    def frame_taken(self, name: str) -> None:
        """Give a path its share of the node's mailbox back."""
        line = self._lines.get(name)
        if line is not None:
            line.intake.frame_taken()

    # --- what they are told -----------------------------------------------------------------------

    def announce(self, frame: Frame | None) -> None:
        """Have every path repeat this CERTIFICATE, or none."""
        self._announced = AnnounceThis(frame)
        for line in self:
            self._tell(line, self._announced)

    def use(self, index: int | None, *, probing: bool) -> None:
        """Tell every path which key is in use."""
        self._used = UseKey(index, probing)
        for line in self:
            self._tell(line, self._used)

    def send_all(self, message: object) -> None:
        """Give every path something to send; whether it arrives is as uncertain as any datagram."""
        for line in self:
            line.ref.offer(message)

    def send(self, name: str, message: object) -> None:
        """Give one path, which may be gone, something that may be lost."""
        line = self._lines.get(name)
        if line is not None:
            line.ref.offer(message)

    def tell_again(self) -> None:
        """Tell again whatever has not been taken yet."""
        for line in self:
            for level in list(line.untold.values()):
                self._tell(line, level)

    def _tell(self, line: Line, level: Level) -> None:
        if line.ref.offer(level):
            line.untold.pop(type(level), None)
        else:
            line.untold[type(level)] = level
            self._ctx.set_timer(("levels", self._peer), TELL_AGAIN_AFTER, LevelsDue(self._peer))


def _place(plan: PathPlan) -> Place:
    return (plan.local, plan.peer)
