"""A small actor runtime. It knows nothing of keys or certificates.

============================  ========================================================================
:mod:`runtime.actor`          what an actor is and what its context does for it. Start here
:mod:`runtime.ref`            how actors speak to each other: ``tell``, ``offer``, ``ask``
:mod:`runtime.supervision`    what happens after a crash
:mod:`runtime.clock`          the only clocks there are
:mod:`runtime.store`          durable records with versions and epochs: SQLite, memory, sealed
:mod:`runtime.wire`           datagrams: UDP, and direct within one process
:mod:`runtime.backends`       what runs it all
:mod:`runtime.lifecycle`      run until SIGTERM
============================  ========================================================================

``docs/guides/actors.md`` is the guide. The other modules are the machinery, from the inside out:
``parcels``, ``mailbox``, ``timers``, ``incarnation``, ``cell``, ``system``.
"""

from runtime.actor import Actor, Context, Ending, ReplyToken, Terminated
from runtime.message import Ask
from runtime.ref import Ref
from runtime.supervision import DEFAULT_SUPERVISION, PATIENT, Supervision

__all__ = [
    "DEFAULT_SUPERVISION",
    "PATIENT",
    "Actor",
    "Ask",
    "Context",
    "Ending",
    "Ref",
    "ReplyToken",
    "Supervision",
    "Terminated",
]
