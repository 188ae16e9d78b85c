"""What the authority of a cluster was deployed with, as it is stored.

Hosts are started again by the cluster, on other machines too, and that is no restart of the authority: it
goes on as it was deployed. When an operator ends the fleet and starts it, the control host is created anew,
and has another *token* (:attr:`runtime.cluster.host.Host.creation`); whoever finds the record of another
token begins a deployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgpack

from actors.cluster import record
from peerkey.config.reload_plan import Deployment
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peerkey.config.plan import NodePlan
    from runtime.store.port import Store

#: The name of the record, whose owner is that of the assignment.
DEPLOYMENT: Final = "deployment"
_FORMAT: Final = 1


class UnreadableDeployment(RuntimeFault):
    """The record was written by other software, or is damaged."""


async def deployed(store: Store, epoch: int, token: str, plans: Sequence[NodePlan]) -> Deployment:
    """Return what the fleet of ``token`` was deployed with; where that is not stored, it is ``plans``, now.

    :raises UnreadableDeployment: what is stored is no deployment.
    :raises RuntimeFault: the store does not answer, or there is a later coordinator.
    """
    found = await store.read(record.OWNER, DEPLOYMENT)
    if found is not None:
        of_token, deployment = decode(found.value)
        if of_token == token:
            return deployment
    begun = Deployment.of(plans)
    await store.write(
        record.OWNER, epoch, DEPLOYMENT, encode(token, begun), found.version if found is not None else 0
    )
    return begun


def encode(token: str, deployment: Deployment) -> bytes:
    """Return the bytes of a deployment."""
    return msgpack.packb([_FORMAT, token, deployment.authority, deployment.enabled])


def decode(data: bytes) -> tuple[str, Deployment]:
    """Return the token and the deployment.

    :raises UnreadableDeployment: it is none.
    """
    try:
        form, token, authority, enabled = msgpack.unpackb(data)
        if form == _FORMAT:
            return str(token), Deployment(str(authority), bool(enabled))
        why = f"its layout is {form}, and this software reads {_FORMAT}"
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        why = type(error).__name__
    message = f"what the authority was deployed with cannot be read: {why}"
    raise UnreadableDeployment(message)
