"""Which of our keys the mate holds, and whether it is our turn: what the machines ask, and an alarm is about.

:class:`MateView` is told of every record that this node has written and of every one that the mate has made
durable, and remembers key ids, never keys. One peering asks through :meth:`MateView.of`, which is the port
:class:`peerkey.protocol.core.Mate`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, TypeAlias, final

from peerkey.ha.messages import Version
from peerkey.protocol.state import key_ids

#: Versions of one record that the mate may yet acknowledge. Older ones are passed over by the link too.
_REMEMBERED_VERSIONS: Final = 16
#: A record's name, its version, and the ids of the keys in it.
Written: TypeAlias = tuple[str, Version, frozenset[bytes]]
_NO_KEYS: Final[frozenset[bytes]] = frozenset()


@final
class MateView:
    """What the mate of this node is known to hold."""

    def __init__(self) -> None:
        """Begin without a link, so that nothing waits."""
        #: Whether there is a link to wait for.
        self.up = False
        #: Whether it is this node's turn to rekey; and whether anybody has asked, until that is passed on.
        self.turn = False
        self.turn_asked = False
        self._written: dict[str, OrderedDict[Version, frozenset[bytes]]] = {}
        self._held: dict[str, frozenset[bytes]] = {}

    def unlinked(self) -> None:
        """Take up that there is no link any more, or one to another mate: nothing of what is known counts."""
        self.up = self.turn = False
        self._written.clear()
        self._held.clear()

    def begun(self, records: Iterable[Written]) -> None:
        """Take up that the link begins, or begins again, with these records of this node in its store.

        What the mate holds of them it says anew. A record that was written since is newer here.
        """
        self._held.clear()
        for name, version, keys in records:
            self._written.setdefault(name, OrderedDict({version: keys}))

    def written(self, name: str, version: Version, record: bytes | None) -> None:
        """Take up that a peering's record is durable here in this version, or (``None``) is gone."""
        if record is None:
            self._written.pop(name, None)
            self._held.pop(name, None)
            return
        versions = self._written.setdefault(name, OrderedDict())
        versions[version] = key_ids(record)
        while len(versions) > _REMEMBERED_VERSIONS:
            versions.popitem(last=False)

    def held(self, name: str, version: Version) -> None:
        """Take up that the mate has this version in its store: :class:`~peerkey.ha.effects.Held`."""
        versions = self._written.get(name)
        if versions is None or version not in versions:
            return
        self._held[name] = versions[version]
        while next(iter(versions)) != version:
            versions.popitem(last=False)

    def lacks(self, name: str) -> None:
        """Take up that the mate has lost what it held: :class:`~peerkey.ha.effects.Lacks`."""
        self._held.pop(name, None)

    def holds(self, name: str, key_id: bytes) -> bool:
        """Tell whether the mate has this key of that record in its store."""
        return key_id in self._held.get(name, _NO_KEYS)

    def of(self, name: str) -> RecordView:
        """Return what the peering of that record may ask."""
        return RecordView(self, name)


@final
class RecordView:
    """One peering's question: whether a key may be used yet."""

    __slots__ = ("_name", "_view")

    def __init__(self, view: MateView, name: str) -> None:
        """Ask ``view`` about the record ``name``."""
        self._view = view
        self._name = name

    def may_use(self, key_id: bytes) -> bool:
        """See :meth:`peerkey.protocol.core.Mate.may_use`."""
        return not self._view.up or self._view.holds(self._name, key_id)

    def may_rekey(self) -> bool:
        """See :meth:`peerkey.protocol.core.Mate.may_rekey`."""
        self._view.turn_asked = True
        return not self._view.up or self._view.turn
