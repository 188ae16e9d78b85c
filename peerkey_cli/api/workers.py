"""The threads of the admin API: for what takes longer than the actors, who have the loop, may wait.

They are its own. Those of asyncio may all wait for a name server, and a device that hangs must not keep an
operator from seeing it.
"""

from __future__ import annotations

from typing import Final

from runtime.threads import Threads

#: They take the interpreter from each other, and from the actors; a second one is for what is short.
_DOCUMENTS: Final = 2


class Workers:
    """Threads, each made when it is needed."""

    def __init__(self) -> None:
        """Make none yet."""
        #: For answers.
        self.documents = Threads("documents", _DOCUMENTS)
        #: For texts of configurations, one after the other.
        self.configuration = Threads("configuration", 1)
        #: For questions that take long, one after the other.
        self.judging = Threads("judging", 1)

    def end(self) -> None:
        """Let them end when they have done what they do."""
        self.documents.shutdown()
        self.configuration.shutdown()
        self.judging.shutdown()
