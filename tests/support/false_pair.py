"""An HA pair that does as it is told in no time, and is unwell where a test wants it so.

It answers as the admin APIs do that :mod:`peerkey_cli.demo.pair_story` asks, and moves on as it is started,
killed and ordered to rekey.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from peerkey_cli import schemas
from peerkey_cli.client import Client
from peerkey_cli.demo.processes import NodeProcess
from peerkey_cli.errors import Unreachable
from peerkey_cli.state import StateDirectory

D = TypeVar("D", bound=schemas.Document)

ONE, TWO = PAIR = ("hub/node0", "hub/node1")
EAST, WEST = PEERS = ("branch1/node0", "branch2/node0")


@dataclass
class FalsePair:
    """The three processes, and what is not well with them."""

    #: When the survivor takes over, which keys it holds by peer, what else the peers' events tell, whose
    #: paths leave service, and which keys the dead node has by peer when it is back.
    takeover_after: timedelta = timedelta(seconds=1.8)
    held: dict[str, str] = field(default_factory=dict)
    events: list[schemas.Event] = field(default_factory=list)
    down: frozenset[str] = frozenset()
    keys_on_return: dict[str, str] = field(default_factory=dict)

    alive: set[str] = field(default_factory=set)
    killed: datetime | None = None
    ordered: bool = False
    returned: bool = False

    def processes(self) -> dict[str, NodeProcess]:
        return {name: _FalseProcess(name, self) for name in (*PAIR, "peers")}

    # --- what is so -------------------------------------------------------------------------------

    def key(self, node: str, peer: str) -> str:
        told = self.keys_on_return if self.returned and node == ONE else {}
        return told.get(peer, f"{'first' if node == ONE else 'second'}-{PEERS.index(peer) + 1}")

    def ends(self, process: str) -> tuple[schemas.PeerSecurity, ...]:
        if process == "peers":
            return tuple(self._end(peer, node, node, peer) for peer in PEERS for node in PAIR)
        return tuple(self._end(process, peer, process, peer) for peer in PEERS)

    def _end(self, here: str, there: str, node: str, peer: str) -> schemas.PeerSecurity:
        keys = [schemas.Key(role="current", index=1, key_id=self.key(node, peer))]
        if self.ordered and (node, peer) == (TWO, EAST):
            keys.append(schemas.Key(role="next", index=2, key_id="ordered"))
        state = "out-of-service" if self.killed and {here, there} & self.down else "in-service"
        path = schemas.Path(
            name="wan0",
            interface="wan0",
            local=f"{here} to {there}",
            remote=f"{there} to {here}",
            mtu=1500,
            state=state,
            status="up",
            reason="",
        )
        return schemas.PeerSecurity(
            node=here,
            peer=there,
            peer_uuid="",
            status="up",
            paths=(path,),
            security_status="",
            algorithm="",
            key_index=1,
            peer_key_index=1,
            certificate_received=True,
            certificate_acknowledged=True,
            key_received=True,
            key_acknowledged=True,
            keys=tuple(keys),
            certificate_fault="",
            dropped={},
        )

    def ha(self, node: str) -> schemas.Ha:
        alone = self.killed is not None and not self.returned
        leads = node == (ONE if self.killed is None else TWO)
        missing = int(alone and self.ordered)
        taken = {peer: self.held.get(peer, self.key(ONE, peer)) for peer in PEERS} if alone else {}
        return schemas.Ha(
            node=node,
            uuid="",
            mate=TWO if node == ONE else ONE,
            mate_uuid="",
            role="Active Leader" if leads else "Redundant Peer",
            term=1,
            link="down" if alone else "in-step",
            link_error="",
            rekey_turn="",
            records=2,
            replicated=2 - missing,
            lag=missing,
            copies=2,
            taken_over=alone,
            silent_seconds=0.0,
            keys=tuple(
                schemas.HaKey(peer=peer, peer_uuid="", role="current", index=1, key_id=key_id, seals=True)
                for peer, key_id in taken.items()
            ),
        )

    def told(self, process: str) -> tuple[schemas.Event, ...]:
        assert self.killed is not None
        found = [each for each in self.events if process == "peers"]
        if process == TWO:
            found.append(event("ha.takeover", TWO, self.killed + self.takeover_after))
        if process == TWO and self.returned:
            found.append(event("ha.released", TWO, self.killed + timedelta(seconds=9)))
        if process == "peers" and self.ordered:
            found.append(event("key.accepted", EAST, self.killed, peer=TWO))
        return tuple(found)


class _FalseProcess(NodeProcess):
    def __init__(self, name: str, pair: FalsePair) -> None:
        super().__init__(name, Path("/nowhere"), [name], StateDirectory(Path("/nowhere")))
        self.client = _FalseClient(name, pair)
        self._pair = pair

    def start(self) -> None:
        self._pair.alive.add(self.name)
        self._pair.returned = self._pair.killed is not None

    def kill(self) -> datetime:
        self._pair.alive.discard(self.name)
        self._pair.killed = datetime.now(UTC)
        return self._pair.killed

    def check(self) -> None:
        """Nothing ends by itself here."""


class _FalseClient(Client):
    def __init__(self, name: str, pair: FalsePair) -> None:
        super().__init__(Path("/nowhere"))
        self._name, self._pair = name, pair

    def get(self, name: str, kind: type[D], **_: str | None) -> D:
        now, pair = datetime.now(UTC), self._pair
        if self._name not in pair.alive:
            message = f"{self._name} does not answer"
            raise Unreachable(message)
        answers: dict[str, schemas.Document] = {
            "peers/security": schemas.PeersSecurity(time=now, peers=pair.ends(self._name)),
            "ha": schemas.HaNodes(time=now, nodes=(pair.ha(self._name),) if self._name in PAIR else ()),
            "events": schemas.Events(time=now, events=pair.told(self._name) if pair.killed else ()),
            "security/key-status": schemas.KeyStatus(time=now, nodes=()),
        }
        answer = answers[name]
        assert isinstance(answer, kind)
        return answer

    def post(self, name: str, kind: type[D], request: schemas.Document | None = None) -> D:
        assert (name, request) == ("rekey", schemas.RekeyRequest(peer=EAST))
        self._pair.ordered = True
        answer = schemas.Rekeyed(time=datetime.now(UTC), peerings=1)
        assert isinstance(answer, kind)
        return answer


def event(kind: str, node: str, time: datetime | None = None, **detail: object) -> schemas.Event:
    """Return an event of this type at a node."""
    return schemas.Event(
        time=time or datetime.now(UTC),
        type=kind,
        node=node,
        title="",
        description=f"{kind} at {node}",
        detail=detail,
        permitted=True,
    )
