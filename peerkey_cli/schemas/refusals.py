"""Why something is refused, and verdicts on certificates."""

from __future__ import annotations

from typing import Literal

from peerkey_cli.schemas.document import Document, Time


class Fault(Document):
    """One fault of a configuration."""

    source: str
    line: int
    column: int
    path: str
    message: str


class Problem(Document):
    """Why a request was not carried out: a problem of RFC 9457, and what is said of it here.

    ``error`` is ``detail``, under the name that it had before; ``faults`` are those of a configuration.
    """

    #: Nothing is told by an address: the status and the text say it.
    type: Literal["about:blank"] = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    error: str
    faults: tuple[Fault, ...] = ()


class Verified(Document):
    """``pki verify``."""

    time: Time
    at: Time
    valid: bool
    state: Literal["valid", "expired", "revoked", "invalid"]
    reasons: tuple[str, ...]
    path: tuple[str, ...]
    remarks: tuple[str, ...]
