"""Errors, split by who is at fault, because that decides what happens next.

``PeerFault``      the other end sent something it should not have: count it, drop it, go on waiting
``Misconfigured``  the operator must change something: tell where and what, in one line
``Unavailable``    something outside (a disk, a certificate authority) is not there: retry later

Anything else is a bug. It is not caught: the actor crashes and its supervisor restarts it.
An exception carries data; the shell around it decides about counters, events and alarms.
"""

from __future__ import annotations


class PeerkeyError(Exception):
    """The root of every error that peerkey raises on purpose."""


class PeerFault(PeerkeyError):
    """The other end sent something malformed, forged or forbidden."""


class Malformed(PeerFault):
    """Bytes from the network that are not what they should be. The message names the first fault.

    Functions whose names end in ``_untrusted`` raise this and nothing else.
    """


class Misconfigured(PeerkeyError):
    """The operator's input is wrong. The message says what to do about it."""


class Unavailable(PeerkeyError):
    """Something outside the process did not answer; the same request may succeed later."""
