r"""An HA router of two node processes and two peers, each on a host of its own, over real SSH and UDP.

::

    east --- 10.81.1 --- hub/node0 ---+
      \----- 10.81.2 --- hub/node1    | 10.81.9: the link
    west --- 10.81.3 --- hub/node0 ---+
      \----- 10.81.4 --- hub/node1
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx

from actors.ha.ssh_keys import create_ssh_key, public_line_of
from peerkey.testing.ca import TestCA
from tests.support.hosts import Router, cable, named_hosts
from tests.support.single_routers import write_certificate, write_trust

ONE, TWO, EAST, WEST = NODES = ("hub/node0", "hub/node1", "east/node0", "west/node0")
PAIR: Final = (ONE, TWO)
PEERS: Final = (EAST, WEST)
UUIDS: Final = {name: UUID(int=(number + 1) << 96) for number, name in enumerate(NODES)}
_OVER: Final = {(EAST, ONE): 1, (EAST, TWO): 2, (WEST, ONE): 3, (WEST, TWO): 4}
#: A process on a busy machine may take a while to answer.
_ANSWER_WITHIN: Final = 10.0


@dataclass
class HaPair:
    """The four processes."""

    routers: dict[str, Router]

    def get(self, node: str, what: str) -> Any:  # noqa: ANN401 - a JSON document
        """Return what the admin API of a node says, or ``None`` while it does not answer."""
        if not _answers(self.routers[node].state / "api.sock"):
            return None
        try:
            with self._client(node) as client:
                answer = client.get(f"/v1/{what}")
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == httpx.codes.OK else None

    def rekey(self, node: str, peer: str) -> None:
        """Order a rekey."""
        with self._client(node) as client:
            client.post("/v1/rekey", json={"peer": peer}).raise_for_status()

    def mate(self, node: str) -> dict[str, Any] | None:
        """Return what a node of the pair says of its mate."""
        document = self.get(node, "ha")
        if document is None or not document["nodes"]:
            return None
        found: dict[str, Any] = document["nodes"][0]
        return found

    def in_step(self) -> bool:
        """Tell whether both nodes have each other's keys."""
        found = [self.mate(node) for node in PAIR]
        return all(
            each is not None and each["link"] == "in-step" and each["records"] == each["replicated"] == 2
            for each in found
        )

    def ring(self, node: str, peer: str) -> dict[str, str]:
        """Return the key ids that a node has with a peer, by role; nothing while it does not answer."""
        document = self.get(node, "security/key-status")
        peers = document["nodes"][0]["peers"] if document else []
        keys: list[dict[str, str]] = next((each["keys"] for each in peers if each["peer"] == peer), [])
        return {key["role"]: key["key_id"] for key in keys}

    def _client(self, node: str) -> httpx.Client:
        file = str(self.routers[node].state / "api.sock")
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=file), base_url="http://peerkey", timeout=_ANSWER_WITHIN
        )


def _answers(socket_file: Path) -> bool:
    """Tell whether anybody listens; the client leaves its socket open where nobody does."""
    with socket.socket(socket.AF_UNIX) as each:
        return each.connect_ex(str(socket_file)) == 0


@contextmanager
def ha_pair(folder: Path) -> Iterator[HaPair]:
    """Start the four, and stop them in the end."""
    file = _written(folder)
    with named_hosts(len(NODES)) as hosts:
        by_name = dict(zip(NODES, hosts, strict=True))
        for (peer, node), net in _OVER.items():
            ends = (f"wan{net}", f"wan{net}")
            cable(by_name[peer], by_name[node], f"10.81.{net}", f"fd81:{net}:", mtu=1280, names=ends)
        cable(by_name[ONE], by_name[TWO], "10.81.9", "fd81:9:", mtu=1280, names=("sync", "sync"))
        routers = {
            name: Router(by_name[name], file, folder / name.replace("/", "-"), node=name) for name in NODES
        }
        for router in routers.values():
            router.start()
        yield HaPair(routers)


def _written(folder: Path) -> Path:
    """Write one configuration for all, with certificates and SSH keys."""
    authority = TestCA(now=datetime.now(UTC).replace(microsecond=0))
    write_trust(folder, authority)
    for name, uuid in UUIDS.items():
        write_certificate(folder, name.replace("/", "-"), authority.issue(uuid))
    document = {
        "authority": {
            "name": "test",
            "enhanced-security-key-management": True,
            "security-key-management": {
                "peer-key-retransmit-interval": 5,
                "peer-key-timeout": 10,
                "key-exchange-algorithm": "ml-kem",
            },
            "trusted-ca-certificate": [{"name": "root", "file": "ca.pem"}],
            "router": [
                {
                    "name": "hub",
                    "peer-validation": True,
                    "node": [_node(folder, node, place) for place, node in enumerate(PAIR, start=1)],
                    "peer": [_peer(peer, [(node, peer) for node in PAIR]) for peer in PEERS],
                },
                *(
                    {
                        "name": peer.partition("/")[0],
                        "peer-validation": True,
                        "node": [_node(folder, peer, None)],
                        "peer": [_peer("hub/", [(peer, node) for node in PAIR])],
                    }
                    for peer in PEERS
                ),
            ],
        }
    }
    file = folder / "authority.yaml"
    file.write_text(json.dumps(document, indent=2))
    return file


def _node(folder: Path, name: str, place: int | None) -> dict[str, Any]:
    """Return a node with its interfaces; with a ``place`` it is one of the pair."""
    node: dict[str, Any] = {
        "name": name.partition("/")[2],
        "uuid": str(UUIDS[name]),
        "network-interface": [
            {"name": f"wan{net}", "address": f"10.81.{net}.{1 if name == peer else 2}"}
            for (peer, node), net in _OVER.items()
            if name in {peer, node}
        ],
    }
    if place is not None:
        key = create_ssh_key(folder / f"{name.replace('/', '-')}.ha.key", replace=False)
        node["ha-sync"] = {"address": f"10.81.9.{place}", "public-key": public_line_of(key)}
    return node


def _peer(peer: str, ways: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a peer with one path for each way from a node to one of its nodes."""
    paths = []
    for here, there in ways:
        net = next(net for ends, net in _OVER.items() if set(ends) == {here, there})
        paths.append(
            {
                "node": here.partition("/")[2],
                "network-interface": f"wan{net}",
                "peer-node": there.partition("/")[2],
                "peer-network-interface": f"wan{net}",
            }
        )
    return {"name": peer.partition("/")[0], "path": paths}
