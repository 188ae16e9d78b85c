"""What can go wrong, as values, and a schedule of it drawn from a seed.

A :class:`Fault` says when, what, where, for how long and how much. The whole schedule is drawn before the
run begins, so that a failing run can be repeated with fewer and fewer of its faults until only those
are left that matter. :mod:`peerkey_cli.simulation.injector` says what each kind does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from peerkey_cli.simulation.settings import LONGEST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from random import Random


class FaultKind(StrEnum):
    """Everything that can go wrong."""

    #: An actor raises; its supervisor restarts it.
    ACTOR_CRASH = "actor-crash"
    #: A second incarnation of the node's actor lives beside the first, as after a partition of a cluster.
    TWIN = "twin"
    #: The process is killed between two messages and started again.
    CRASH = "crash"
    #: The machine loses power: what its disk had not synced is lost or torn.
    POWER_LOSS = "power-loss"
    #: The process is stopped in good order and started again, as for an upgrade.
    RESTART = "restart"
    #: The machine comes back with an empty disk.
    STORE_LOST = "store-lost"
    DISK_FULL = "disk-full"
    DISK_SLOW = "disk-slow"
    #: The disk refuses to sync.
    DISK_FAILING = "disk-failing"
    #: Much of what a node sends and receives is lost, doubled, changed, late and out of order.
    BAD_WEATHER = "bad-weather"
    #: Nothing passes between two nodes.
    PARTITION = "partition"
    #: Nothing passes from one node to another; what that sends arrives.
    ONE_WAY = "one-way"
    INTERFACE_DOWN = "interface-down"
    #: Somebody sets the wall clock.
    CLOCK_STEP = "clock-step"
    #: An operator replaces the node's certificate and key.
    CERTIFICATE_REPLACED = "certificate-replaced"
    #: The node's certificate is one that expires soon; a good one replaces it later.
    CERTIFICATE_EXPIRED = "certificate-expired"
    #: The node's certificate is on a list for a while: its own machine's, those of the others, or all.
    CERTIFICATE_REVOKED = "certificate-revoked"
    #: The node has a certificate of a CA that nobody trusts, for a while.
    CERTIFICATE_UNTRUSTED = "certificate-untrusted"
    #: The fleet moves to another CA: everybody trusts both, and this node has a certificate of the new one.
    CA_MIGRATION = "ca-migration"
    #: The certificate's file is gone for a while.
    CERTIFICATE_MISSING = "certificate-missing"
    #: The algorithm of one peering is changed, at one end first.
    ALGORITHM = "algorithm"
    #: ``invalid-certificate-behavior`` is the other one for a while.
    BEHAVIOR = "behavior"
    #: ``enhanced-security-key-management`` is false for a while.
    DISABLED = "disabled"
    #: The node speaks a version that nobody else understands, until it is upgraded.
    OTHER_VERSION = "other-version"
    #: An operator asks for new keys.
    REKEY = "rekey"
    #: An attacker sends again what was sent before: as it was, changed, or by another path.
    REPLAY = "replay"
    #: An attacker sends what nobody has sent.
    FORGERY = "forgery"
    #: The CA's list names the node's certificate for ever; a new certificate takes its place later.
    CRL_REVOKED = "crl-revoked"
    #: The CA's list names the node's certificate for a while.
    CRL_HELD = "crl-held"
    #: The server of the lists refuses, answers 500, answers nothing or breaks off: for one node, or for all.
    CRL_SERVER_FAILS = "crl-server-fails"
    #: It serves a forged list, one of another CA, an older one, garbage, or says that nothing has changed.
    CRL_SERVER_LIES = "crl-server-lies"
    #: The CA publishes no list for a while, and the one that is there goes stale.
    CRL_STALE = "crl-stale"
    #: An actor that has to do with lists raises: that of an address, or the index.
    CRL_ACTOR_CRASH = "crl-actor-crash"
    #: The process, or the power, fails in the middle of writing a list to the disk.
    CRL_WRITE_CRASH = "crl-write-crash"
    #: A backup of the node is made, and when the fault ends restored onto a machine with an empty disk.
    RESTORE = "restore"
    #: The link of an HA pair carries nothing: in silence, or with a reset to begin with.
    HA_CUT = "ha-cut"
    #: What a node sends to its mate does not arrive: nothing of it, nothing but beats, or nothing large.
    HA_ONE_WAY = "ha-one-way"
    #: The link takes its time, more than the lease or less.
    HA_SLOW = "ha-slow"
    #: The link comes and goes.
    HA_FLAPPING = "ha-flapping"
    #: Each connection is reset a few frames after it was opened: in the middle of its resynchronisation.
    HA_RESET = "ha-reset"
    #: The process of a node is killed, or its power fails, a few frames after a connection was opened.
    HA_NODE_CRASH = "ha-node-crash"
    #: The actor of the link raises.
    HA_LINK_CRASH = "ha-link-crash"


#: What goes wrong with revocation lists. A run in which any of it may happen has a CA that publishes lists,
#: and nodes that follow them; in any other the nodes follow none.
LIST_KINDS: Final = frozenset(
    {
        FaultKind.CRL_REVOKED,
        FaultKind.CRL_HELD,
        FaultKind.CRL_SERVER_FAILS,
        FaultKind.CRL_SERVER_LIES,
        FaultKind.CRL_STALE,
        FaultKind.CRL_ACTOR_CRASH,
        FaultKind.CRL_WRITE_CRASH,
    }
)

#: What goes wrong between the nodes of an HA pair. It happens to nodes that have a mate, and to no other.
HA_KINDS: Final = frozenset(
    {
        FaultKind.HA_CUT,
        FaultKind.HA_ONE_WAY,
        FaultKind.HA_SLOW,
        FaultKind.HA_FLAPPING,
        FaultKind.HA_RESET,
        FaultKind.HA_NODE_CRASH,
        FaultKind.HA_LINK_CRASH,
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    at: timedelta
    kind: FaultKind
    #: Where: ``router/node``.
    node: str
    #: Between there and whom, where it is about two.
    peer: str = ""
    lasts: timedelta = timedelta(0)
    #: Which of several possibilities, from 0 up to and without 1.
    choice: float = 0.0

    def __str__(self) -> str:
        """Say it in a line."""
        between = f" - {self.peer}" if self.peer else ""
        lasts = f" for {self.lasts.total_seconds():g} s" if self.lasts else ""
        return f"{_clock(self.at)} {self.kind.value} {self.node}{between}{lasts} (choice {self.choice:.6f})"

    def document(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return {
            "at": self.at.total_seconds(),
            "kind": self.kind.value,
            "node": self.node,
            "peer": self.peer,
            "lasts": self.lasts.total_seconds(),
            "choice": self.choice,
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> Fault:
        """Return the fault that :meth:`document` describes.

        :raises ValueError: it describes none: a document may come from anywhere.
        """
        node, peer = document["node"], document["peer"]
        at, lasts, choice = (float(document[name]) for name in ("at", "lasts", "choice"))
        longest = LONGEST.total_seconds()
        if not (isinstance(node, str) and isinstance(peer, str)):
            message = "the names of nodes are texts"
            raise ValueError(message)  # noqa: TRY004 - a value of a document, not of ours
        if not (0 <= at <= longest and 0 <= lasts <= longest and 0 <= choice < 1):
            message = "a time is negative or too long, or a choice is no share"
            raise ValueError(message)
        kind = FaultKind(document["kind"])
        return cls(timedelta(seconds=at), kind, node, peer, timedelta(seconds=lasts), choice)


@dataclass(frozen=True, slots=True)
class Habit:
    """How often a kind happens to a node, and how long it lasts."""

    per_day: float
    shortest: timedelta = timedelta(0)
    longest: timedelta = timedelta(0)
    #: Whether it is about a node and one of its peers.
    between: bool = False


#: Below 1 also when it is rounded, so that a choice among several always is one of them.
_GREATEST_CHOICE: Final = 0.999999

_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)

HABITS: Final = {
    FaultKind.ACTOR_CRASH: Habit(2),
    FaultKind.TWIN: Habit(0.1, _SECOND, 10 * _MINUTE),
    FaultKind.CRASH: Habit(1, _SECOND, 10 * _MINUTE),
    FaultKind.POWER_LOSS: Habit(0.2, 10 * _SECOND, _HOUR),
    FaultKind.RESTART: Habit(0.1, _SECOND, _MINUTE),
    FaultKind.STORE_LOST: Habit(0.02, _SECOND, _HOUR),
    FaultKind.DISK_FULL: Habit(0.1, _SECOND, _HOUR),
    FaultKind.DISK_SLOW: Habit(0.2, _MINUTE, _HOUR),
    FaultKind.DISK_FAILING: Habit(0.1, _SECOND, 5 * _MINUTE),
    FaultKind.BAD_WEATHER: Habit(0.5, _MINUTE, 2 * _HOUR),
    FaultKind.PARTITION: Habit(0.5, _SECOND, 6 * _HOUR, between=True),
    FaultKind.ONE_WAY: Habit(0.3, _SECOND, _HOUR, between=True),
    FaultKind.INTERFACE_DOWN: Habit(0.5, _SECOND, _HOUR),
    FaultKind.CLOCK_STEP: Habit(0.1),
    FaultKind.CERTIFICATE_REPLACED: Habit(0.1),
    FaultKind.CERTIFICATE_EXPIRED: Habit(0.05, _MINUTE, 6 * _HOUR),
    FaultKind.CERTIFICATE_REVOKED: Habit(0.05, _MINUTE, 6 * _HOUR),
    FaultKind.CERTIFICATE_UNTRUSTED: Habit(0.05, _MINUTE, 6 * _HOUR),
    FaultKind.CA_MIGRATION: Habit(0.05, _MINUTE, 6 * _HOUR),
    FaultKind.CERTIFICATE_MISSING: Habit(0.05, _MINUTE, _HOUR),
    FaultKind.ALGORITHM: Habit(0.05, _SECOND, _HOUR, between=True),
    FaultKind.BEHAVIOR: Habit(0.1, _MINUTE, 12 * _HOUR),
    FaultKind.DISABLED: Habit(0.05, _SECOND, _HOUR),
    FaultKind.OTHER_VERSION: Habit(0.05, _MINUTE, _HOUR),
    FaultKind.REKEY: Habit(0.5),
    FaultKind.REPLAY: Habit(5),
    FaultKind.FORGERY: Habit(2),
    FaultKind.CRL_REVOKED: Habit(0.1, 10 * _MINUTE, 6 * _HOUR),
    FaultKind.CRL_HELD: Habit(0.1, 10 * _MINUTE, 6 * _HOUR),
    FaultKind.CRL_SERVER_FAILS: Habit(0.3, _MINUTE, 6 * _HOUR),
    FaultKind.CRL_SERVER_LIES: Habit(0.3, _MINUTE, 6 * _HOUR),
    FaultKind.CRL_STALE: Habit(0.1, _HOUR, 12 * _HOUR),
    FaultKind.CRL_ACTOR_CRASH: Habit(1),
    FaultKind.CRL_WRITE_CRASH: Habit(0.3, _SECOND, 10 * _MINUTE),
    FaultKind.RESTORE: Habit(0.05, _MINUTE, 12 * _HOUR),
    FaultKind.HA_CUT: Habit(1, _SECOND, 20 * _MINUTE),
    FaultKind.HA_ONE_WAY: Habit(0.5, _SECOND, 20 * _MINUTE),
    FaultKind.HA_SLOW: Habit(1, 5 * _SECOND, 5 * _MINUTE),
    FaultKind.HA_FLAPPING: Habit(0.5, 5 * _SECOND, 10 * _MINUTE),
    FaultKind.HA_RESET: Habit(1, _SECOND, 5 * _MINUTE),
    FaultKind.HA_NODE_CRASH: Habit(1, _SECOND, 10 * _MINUTE),
    FaultKind.HA_LINK_CRASH: Habit(1),
}


def schedule(
    random: Random,
    nodes: Sequence[tuple[str, Sequence[str]]],
    lasts: timedelta,
    kinds: Collection[FaultKind],
    intensity: float = 1.0,
    mates: Mapping[str, str] | None = None,
) -> tuple[Fault, ...]:
    """Draw what goes wrong, in order of time.

    ``nodes`` are names, each with the names of its peers; ``mates`` are the nodes of HA pairs by each other.
    """
    mates = {} if mates is None else mates
    faults: list[Fault] = []
    for kind in FaultKind:
        habit = HABITS[kind]
        rate = habit.per_day * intensity / timedelta(days=1).total_seconds()
        if kind not in kinds or rate <= 0:
            continue
        for node, peers in nodes:
            if (habit.between and not peers) or (kind in HA_KINDS and node not in mates):
                continue
            at = random.expovariate(rate)
            while at < lasts.total_seconds():
                spread = (habit.longest - habit.shortest).total_seconds()
                # Short ones are likelier than long ones, as in life.
                length = habit.shortest.total_seconds() + spread * random.random() ** 3
                faults.append(
                    Fault(
                        timedelta(seconds=round(at, 6)),
                        kind,
                        node,
                        random.choice(peers) if habit.between else mates[node] if kind in HA_KINDS else "",
                        timedelta(seconds=round(length, 3)),
                        min(round(random.random(), 6), _GREATEST_CHOICE),
                    )
                )
                at += random.expovariate(rate)
    return tuple(sorted(faults, key=lambda fault: fault.at))


def with_lists(kinds: Collection[FaultKind], schedule: Sequence[Fault] | None) -> bool:
    """Tell whether anything about revocation lists may go wrong in a run of these kinds, or this schedule."""
    return not LIST_KINDS.isdisjoint({*kinds, *(fault.kind for fault in schedule or ())})


def _clock(at: timedelta) -> str:
    """Return ``12d 03:04:05.678``."""
    seconds = at.total_seconds()
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{int(days)}d {int(hours):02}:{int(minutes):02}:{rest:06.3f}"
