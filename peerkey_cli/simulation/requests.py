"""From the words of a command line to :class:`Settings`, with one clear line for each mistake."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from peerkey.config.findings import suggestion
from peerkey.errors import Misconfigured
from peerkey_cli.errors import WrongUsage
from peerkey_cli.simulation.faults import Fault, FaultKind
from peerkey_cli.simulation.settings import LONGEST, Settings

if TYPE_CHECKING:
    from pathlib import Path

#: More would be another fault before the one before has begun.
_GREATEST_INTENSITY: Final = 10_000.0
_GREATEST_SEED: Final = 2**64 - 1
#: The largest document of an earlier run that is read.
_MAXIMUM_DOCUMENT_BYTES: Final = 64 * 1024 * 1024


def request(*, seed: int, days: float, loss: float, faults: str, intensity: float) -> Settings:
    """Return the settings that a command line asks for.

    :raises WrongUsage: a number is out of its range, or a kind of fault does not exist.
    """
    longest = LONGEST / timedelta(days=1)
    if not (math.isfinite(days) and 0 < days <= longest):
        message = f"--days {days:g}: more than 0 and at most {longest:g}"
        raise WrongUsage(message)
    if not 0 <= loss < 1:
        message = f"--loss {loss:g}: a share from 0 to less than 1; with everything lost nothing can be keyed"
        raise WrongUsage(message)
    if not (math.isfinite(intensity) and 0 <= intensity <= _GREATEST_INTENSITY):
        message = f"--intensity {intensity:g}: from 0 to {_GREATEST_INTENSITY:g}"
        raise WrongUsage(message)
    if not 0 <= seed <= _GREATEST_SEED:
        message = f"--seed {seed}: from 0 to {_GREATEST_SEED}"
        raise WrongUsage(message)
    return Settings(seed, timedelta(days=days), loss, kinds(faults), intensity)


def kinds(words: str) -> frozenset[FaultKind]:
    """Return the kinds that ``all``, ``none`` or a list with commas names.

    :raises WrongUsage: there is no such kind.
    """
    if words == "all":
        return frozenset(FaultKind)
    if words == "none":
        return frozenset()
    chosen: set[FaultKind] = set()
    for word in words.split(","):
        try:
            chosen.add(FaultKind(word.strip()))
        except ValueError:
            known = [kind.value for kind in FaultKind]
            hint = suggestion(word.strip(), known) or f"; there are {', '.join(known)}"
            message = f"--faults {word.strip()!r}: no such kind{hint}"
            raise WrongUsage(message) from None
    return frozenset(chosen)


def scheduled(path: Path) -> tuple[Fault, ...]:
    """Return the faults of the first violation in a document that ``simulate --json`` printed.

    :raises Misconfigured: it cannot be read, or is no such document.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAXIMUM_DOCUMENT_BYTES)
        faults = json.loads(content)["violations"][0]["faults"]
        return tuple(sorted(map(Fault.of, faults), key=lambda fault: fault.at))
    except OSError as fault:
        message = f"{path}: cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        message = f"{path}: no document of `peerkey simulate --json` with a violation in it"
        raise Misconfigured(message) from None
