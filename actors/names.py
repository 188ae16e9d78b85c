"""What actors are called, and to whom an actor of that name belongs.

A node's actor is ``authority/<router>.<node>``, and what it spawns stands below it. Names of the
configuration may hold dots themselves. These are doubled; and since a name begins with a letter or a digit,
the one run of dots whose length is odd is the one that ends between router and node. A path in a host of its
own is ``paths/<router>.<node>:<path>``, with the lease that it has behind it.
"""

from __future__ import annotations

import re
from typing import Final

#: How the name of the actor begins that renews the certificate of a node; the rest is that of the node's.
#: No name of a configuration holds this character.
RENEWAL: Final = "renewal~"
#: The name of the actor at the top.
AUTHORITY: Final = "authority"
#: What the actor that knows the revocation lists is called by it. No node is: theirs have a dot.
REVOCATION: Final = "revocation"
#: The host of a cluster that decides, and the actor there.
CONTROL: Final = "control"
COORDINATOR: Final = "coordinator"
#: The actor of every other host that does what the coordinator says.
AGENT: Final = "agent"
#: The actor above the paths that are in a host of their own.
PATHS: Final = "paths"
#: What stands between a node and its path in the name of such a path. No name of a configuration holds it.
OF_NODE: Final = ":"

_BETWEEN: Final = re.compile(r"(?<!\.)((?:\.\.)*)\.(?!\.)")


def node_actor(node: str) -> str:
    """Return what the actor of ``router/node`` is called by its parent."""
    return node.replace(".", "..").replace("/", ".")


def belongs_to(actor: str) -> str:
    """Return the node that an actor works for, as ``router/node``; for no node, the actor at the top."""
    top, _, below = actor.partition("/")
    called = below.partition("/")[0].removeprefix(RENEWAL)
    if called in {"", REVOCATION}:
        return top
    if top == PATHS:
        called = called.partition(OF_NODE)[0]
    return _BETWEEN.sub(r"\1/", called, count=1).replace("..", ".")
