"""What a message looks like on its way to another host, and which messages may travel at all.

A message is pickled, but only if every class in it has been registered, one by one, by the program that all
hosts run: the :class:`Registry` is asked on both sides. So neither side can be made to import or to call
anything else, and a class that nobody thought of, such as one that holds a key, stays where it is. A
subclass of
:class:`~runtime.message.LocalOnly` cannot even be registered. A reference travels as its name.

The message is encoded when it is sent: what its sender does to it later changes nothing.

This keeps mistakes from travelling. It does not make a host trustworthy that is not: hosts of one cluster
trust each other, and the transport sees to it that nobody else speaks to them.
"""

from __future__ import annotations

import dataclasses
import io
import ipaddress
import pickle
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from operator import attrgetter
from types import ModuleType
from typing import Any, Final

from runtime.actor import Ending, Terminated
from runtime.cluster.datagrams import Datagram
from runtime.cluster.frames import MAX_MESSAGE_BYTES
from runtime.errors import MalformedFrame, NotPortable
from runtime.message import LocalOnly
from runtime.ref import Ref
from runtime.wire.port import Address

#: The one version of pickle that hosts speak.
_PROTOCOL: Final = 5
#: What every program may send: values, and the runtime's own messages.
_VALUES: Final[tuple[type, ...]] = (
    date,
    datetime,
    time,
    timedelta,
    timezone,
    uuid.UUID,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    Address,
    Ending,
    Terminated,
    Datagram,
)
#: What a message begins with: it is a dataclass, as its name and its arguments, or whatever else it is.
_DATACLASS: Final = b"D"
_ANYTHING: Final = b"A"
#: How a reference is called in a pickle.
_REF: Final = (__name__, "_ref")


class Registry:
    """The classes whose instances may leave their host."""

    def __init__(self, *classes: type) -> None:
        """Let values and ``classes`` travel."""
        self._classes: dict[tuple[str, str], type] = {}
        #: How to take the arguments out of an instance that make another one like it, where that is known.
        self.arguments: dict[type, Callable[[Any], tuple[Any, ...]]] = {}
        self.add(*_VALUES, *classes)

    def add(self, *classes: type) -> None:
        """Let instances of these classes, and not of their subclasses, travel.

        :raises NotPortable: a class is for one host only, or cannot be found by its name.
        """
        for kind in classes:
            if issubclass(kind, LocalOnly):
                why = f"{kind.__qualname__} is for one host only"
                raise NotPortable(why)
            if "<locals>" in kind.__qualname__:
                why = f"{kind.__qualname__} is made within a function"
                raise NotPortable(why)
            self._classes[kind.__module__, kind.__qualname__] = kind
            arguments = _arguments_of(kind)
            if arguments is not None:
                self.arguments[kind] = arguments

    def add_module(self, module: ModuleType) -> None:
        """Let the dataclasses and enumerations that a module defines travel, but for those of one host."""
        for kind in vars(module).values():
            if (
                isinstance(kind, type)
                and kind.__module__ == module.__name__
                and (dataclasses.is_dataclass(kind) or issubclass(kind, Enum))
                and not issubclass(kind, LocalOnly)
            ):
                self.add(kind)

    def __contains__(self, kind: type) -> bool:
        """Tell whether instances of exactly this class travel."""
        return self._classes.get((kind.__module__, kind.__qualname__)) is kind

    def find(self, module: str, name: str) -> type:
        """Return the class of that name.

        :raises NotPortable: there is none, or it does not travel.
        """
        kind = self._classes.get((module, name))
        if kind is None:
            why = f"{module}.{name}"
            raise NotPortable(why)
        return kind


class Codec:
    """Messages to bytes and back, for one host."""

    def __init__(
        self, registry: Registry, name_abroad: Callable[[str], str], ref_here: Callable[[str], Ref]
    ) -> None:
        """Call an actor ``name_abroad(name)`` for other hosts; make references by ``ref_here``."""
        self._registry = registry
        self._name_abroad = name_abroad
        self._ref_here = ref_here
        self._stream = io.BytesIO()
        self._pickler = _Pickler(self._stream, registry, name_abroad)

    def encode(self, message: object) -> bytes:
        """Return the bytes of a message.

        :raises NotPortable: it, or a part of it, does not travel, or it is too large.
        """
        try:
            # Most messages are a dataclass of plain values: a name and its arguments are soon written.
            kind = type(message)
            arguments = self._registry.arguments.get(kind)
            if arguments is None:
                self._stream.write(_ANYTHING)
                self._pickler.dump(message)
            else:
                self._stream.write(_DATACLASS)
                self._pickler.dump((kind.__module__, kind.__qualname__, arguments(message)))
            encoded = self._stream.getvalue()
            self._stream.seek(0)
            self._stream.truncate()
            self._pickler.clear_memo()
        except Exception as error:
            # It is in the middle of something.
            self._stream = io.BytesIO()
            self._pickler = _Pickler(self._stream, self._registry, self._name_abroad)
            if isinstance(error, NotPortable):
                raise
            # A part that refuses to be pickled, each in a way of its own, or one that is nested too deeply.
            why = f"{type(message).__qualname__} ({type(error).__name__})"
            raise NotPortable(why) from error
        if len(encoded) > MAX_MESSAGE_BYTES:
            why = f"{type(message).__qualname__} of {len(encoded)} bytes"
            raise NotPortable(why)
        return encoded

    def decode_untrusted(self, data: bytes) -> Any:  # noqa: ANN401 - it is whatever was sent
        """Return the message.

        :raises MalformedFrame: it is none, or of a class that does not travel.
        """
        try:
            stream = io.BytesIO(data)
            form = stream.read(1)
            value = _Unpickler(stream, self._registry, self._ref_here).load()
            if form == _ANYTHING:
                return value
            if form != _DATACLASS:
                raise MalformedFrame("a message of no known form")
            module, name, arguments = value
            return self._registry.find(module, name)(*arguments)
        except Exception as error:
            # A pickle may be broken in as many ways as there are errors, and constructors add theirs.
            what = error.what if isinstance(error, NotPortable) else type(error).__name__
            why = f"a message that cannot be read ({what})"
            raise MalformedFrame(why) from error


class _Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, registry: Registry, name_abroad: Callable[[str], str]) -> None:
        super().__init__(stream, _PROTOCOL)
        self._registry = registry
        self._name_abroad = name_abroad

    def reducer_override(self, value: Any) -> Any:  # noqa: ANN401 - pickle's own
        """Let a registered class pass; called for everything that is not of a type of the language's own."""
        kind = type(value)
        arguments = self._registry.arguments.get(kind)
        if arguments is not None:
            return kind, arguments(value)
        if kind is Ref:
            return _ref, (self._name_abroad(value.name),)
        if (value if isinstance(value, type) else kind) in self._registry or value is _ref:
            return NotImplemented
        raise NotPortable(getattr(value, "__qualname__", kind.__qualname__))


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, registry: Registry, ref_here: Callable[[str], Ref]) -> None:
        super().__init__(stream)
        self._registry = registry
        self._ref_here = ref_here

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's own
        """Find nothing but what is registered."""
        if (module, name) == _REF:
            return self._ref_here
        return self._registry.find(module, name)


def _arguments_of(kind: type) -> Callable[[Any], tuple[Any, ...]] | None:
    """Return what takes the constructor's arguments out of a dataclass, or ``None`` for any other class.

    So the reader makes an instance as its program does, checks included, and no state is set past them.
    """
    if not dataclasses.is_dataclass(kind):
        return None
    fields = dataclasses.fields(kind)
    if any(not field.init or field.kw_only for field in fields) or kind.__reduce__ is not object.__reduce__:
        return None
    names = [field.name for field in fields]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _ref(name: str) -> Ref:
    """Stand for a reference in a pickle; the reader puts its own function in this place."""
    why = f"Ref({name!r}) outside of a cluster"
    raise NotPortable(why)
