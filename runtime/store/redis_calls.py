"""What is asked of Redis: calls as arguments of one script, the script itself, and its answers as results.

A group of calls is one run of one script. Redis runs a script alone and logs all that it has written as one
transaction, so that a group is on the server's disk as a whole or not at all and costs one wait for that
disk. Guards are checked before anything of their call is written; a call that is refused changes nothing and
leaves the rest of its group alone.

The keys are those of ``docs/formats/redis.md``. Versions and epochs are compared as texts and made here, so
that no number ever passes through Lua.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import StaleEpoch, VersionConflict
from runtime.store.port import Change, Put, Record

#: The layout of ``docs/formats/redis.md``. Data of another one is refused; older ones will be upgraded here.
LAYOUT: Final = 1

#: Once a group has so much to answer, the rest of it waits for the next: a bound for both ends' memory and
#: for how long the server is busy with one script.
ANSWER_BYTES: Final = 4 << 20

#: What an argument costs beside its bytes, so that many small ones fill a group too.
_ARGUMENT_BYTES: Final = 64

#: Makes the namespace if there is none and one may be made (an identity is given), and says what it is.
#: KEYS: the namespace. ARGV: layout, identity or nothing.
PREPARE: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 and ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], 'layout', ARGV[1], 'identity', ARGV[2], 'count', 0)
end
return redis.call('HMGET', KEYS[1], 'layout', 'identity', 'count')
"""

#: Carries out a group. KEYS: the namespace, then the owner of each call. ARGV: layout, identity, the lowest
#: count that is possible, the most bytes to answer with, then the calls as they are encoded below.
#: Answers with what PREPARE answers with (the count after this group), then with one element for each call
#: until the answer is full. With the first element alone it has refused the group.
GROUP: Final = """
local known = redis.call('HMGET', KEYS[1], 'layout', 'identity', 'count')
if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] or tonumber(known[3]) < tonumber(ARGV[3]) then
  return {known}
end

local answers, size, room, changed = {known}, 0, tonumber(ARGV[4]), false

local function commit(owner, epoch, first, last)
  local current = redis.call('HGET', owner, 'epoch') or '0'
  if current ~= epoch then return {'stale', current} end
  for at = first, last, 4 do
    local head = redis.call('HGET', owner, 'v:' .. ARGV[at])
    local found = head and string.match(head, '^%d+') or '0'
    if found ~= ARGV[at + 1] then return {'conflict', ARGV[at], found} end
  end
  local puts, deletes = {}, {}
  for at = first, last, 4 do
    local head, value = 'v:' .. ARGV[at], 'd:' .. ARGV[at]
    if ARGV[at + 2] == '' then
      deletes[#deletes + 1], deletes[#deletes + 2] = head, value
    else
      puts[#puts + 1], puts[#puts + 2] = head, ARGV[at + 2]
      puts[#puts + 1], puts[#puts + 2] = value, ARGV[at + 3]
    end
  end
  if #puts > 0 then redis.call('HSET', owner, unpack(puts)) end
  if #deletes > 0 then redis.call('HDEL', owner, unpack(deletes)) end
  changed = changed or last > first
  return {}
end

local at = 5
for call = 2, #KEYS do
  local owner, what, answer = KEYS[call], ARGV[at], nil
  if what == 'activate' then
    answer = redis.call('HINCRBY', owner, 'epoch', 1)
    changed = true
    at = at + 1
  elseif what == 'read' then
    answer = redis.call('HMGET', owner, 'v:' .. ARGV[at + 1], 'd:' .. ARGV[at + 1])
    size = size + #(answer[2] or '')
    at = at + 2
  elseif what == 'scan' then
    answer = redis.call('HGETALL', owner)
    for _, text in ipairs(answer) do size = size + #text end
    at = at + 1
  elseif what == 'commit' then
    local last = at + 2 + 4 * tonumber(ARGV[at + 2])
    answer = commit(owner, ARGV[at + 1], at + 3, last)
    at = last + 1
  else
    answer = {}
    at = at + 1
  end
  answers[#answers + 1] = answer
  if size > room then break end
end
if changed then known[3] = redis.call('HINCRBY', KEYS[1], 'count', 1) end
return answers
"""


@dataclass(frozen=True, slots=True)
class Work(ABC):
    """One call: what it asks for, and what an answer to it means."""

    owner: str
    #: What follows in ARGV.
    arguments: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """How many bytes it takes on the way to the server, by and large."""
        return sum(map(len, self.arguments)) + _ARGUMENT_BYTES * (len(self.arguments) + 1)

    @property
    def changes(self) -> bool:
        """Whether it may change anything; what does not may be asked twice."""
        return False

    @abstractmethod
    def result(self, answer: Any) -> object:  # noqa: ANN401 - what a server sends is anything
        """Return what the script's answer means.

        :raises StaleEpoch: that is what it means.
        :raises VersionConflict: that is what it means.
        """


class Nothing(Work):
    """Asks whether anybody is there."""

    __slots__ = ()

    def result(self, answer: Any) -> None:  # noqa: ANN401
        """Somebody is."""


class Activate(Work):
    """See :meth:`runtime.store.port.Store.activate`."""

    __slots__ = ()

    @property
    def changes(self) -> bool:
        """It does."""
        return True

    def result(self, answer: Any) -> int:  # noqa: ANN401
        """Return the new epoch."""
        return int(answer)


class Read(Work):
    """See :meth:`runtime.store.port.Store.read`."""

    __slots__ = ()

    def result(self, answer: Any) -> Record | None:  # noqa: ANN401
        """Return the record."""
        head, value = answer
        return None if head is None else _record(self.arguments[1].decode(), head, value)


class Scan(Work):
    """See :meth:`runtime.store.port.Store.scan`."""

    __slots__ = ()

    def result(self, answer: Any) -> tuple[Record, ...]:  # noqa: ANN401
        """Return the records, sorted."""
        fields = dict(zip(answer[::2], answer[1::2], strict=True))
        names = sorted(field[2:].decode() for field in fields if field.startswith(b"v:"))
        return tuple(
            _record(name, fields[b"v:%b" % (key := name.encode())], fields[b"d:%b" % key]) for name in names
        )


@dataclass(frozen=True, slots=True)
class Commit(Work):
    """See :meth:`runtime.store.port.Store.commit`."""

    epoch: int
    made: tuple[Change, ...]

    @property
    def changes(self) -> bool:
        """Nearly always."""
        return bool(self.made)

    def result(self, answer: Any) -> tuple[int, ...]:  # noqa: ANN401
        """Return the new versions."""
        match answer:
            case []:
                return tuple(each.expected_version + 1 if isinstance(each, Put) else 0 for each in self.made)
            case [b"stale", current]:
                raise StaleEpoch(self.owner, self.epoch, int(current))
            case [b"conflict", bytes(name), found]:
                expected = {each.name: each.expected_version for each in self.made}
                raise VersionConflict(self.owner, name.decode(), expected[name.decode()], int(found))
            case _:
                message = "the script has answered something else"
                raise ValueError(message)


def nothing() -> Nothing:
    """Ask for nothing."""
    return Nothing("", (b"nothing",))


def activate(owner: str) -> Activate:
    """Ask for a new epoch."""
    return Activate(owner, (b"activate",))


def read(owner: str, name: str) -> Read:
    """Ask for one record."""
    return Read(owner, (b"read", name.encode()))


def scan(owner: str) -> Scan:
    """Ask for all records of one owner."""
    return Scan(owner, (b"scan",))


def commit(owner: str, epoch: int, changes: Sequence[Change]) -> Commit:
    """Ask for all changes or none."""
    arguments = [b"commit", b"%d" % epoch, b"%d" % len(changes)]
    for change in changes:
        arguments += (change.name.encode(), b"%d" % change.expected_version)
        if isinstance(change, Put):
            arguments += (b"%d %d" % (change.expected_version + 1, epoch), bytes(change.value))
        else:
            arguments += (b"", b"")
    return Commit(owner, tuple(arguments), epoch, tuple(changes))


def _record(name: str, head: bytes, value: bytes) -> Record:
    version, epoch = map(int, head.split())
    return Record(name, version, epoch, value)
