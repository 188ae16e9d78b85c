"""Since when alarms are there, and what is shelved, over restarts: one small file in the state directory.

``alarms.json`` is replaced as a whole. It says what *stands*; the audit log says what has happened. A file
that cannot be read costs no more than the times: what is wrong is noticed again, and raised again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.whole_files import remove_drafts, write_whole
from peerkey.observe.alarm_history import AlarmHistory
from peerkey.observe.shelving import Shelf
from peerkey_cli.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

#: As much as all alarms that are kept take, each with a long text.
MAXIMUM_BYTES: Final = 16 << 20
_FORMAT: Final = 1
_MODE: Final = 0o600

_log = structlog.get_logger("alarms")


@dataclass(frozen=True, slots=True)
class AlarmFile:
    """The file."""

    path: Path

    def read(self, now: datetime) -> tuple[AlarmHistory, Shelf]:
        """Return what it says, as of a process that begins ``now``; nothing where it cannot be read."""
        try:
            remove_drafts(self.path)
            return _read_untrusted(read_bounded(self.path, MAXIMUM_BYTES), now)
        except FileNotFoundError:
            pass
        except OSError as fault:
            _log.warning("alarms begin anew", file=str(self.path), reason=fault.strerror)
        except (ValueError, RecursionError) as fault:
            _log.warning("alarms begin anew", file=str(self.path), reason=str(fault))
        return AlarmHistory(), Shelf()

    def write(self, history: Mapping[str, Any], shelf: list[dict[str, Any]]) -> None:
        """Replace it; it is on the disk when this returns.

        :raises OSError: the disk.
        """
        document = {"format": _FORMAT, "alarms": history, "shelf": shelf}
        write_whole(self.path, (json.dumps(document).encode("ascii"), b"\n"), _MODE)


def _read_untrusted(content: bytes, now: datetime) -> tuple[AlarmHistory, Shelf]:
    """Read the content of the file.

    :raises ValueError: it is none.
    """
    found = json.loads(content)
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        message = "it is of another layout"
        raise ValueError(message)
    history = AlarmHistory.of_document_untrusted(found.get("alarms") or {}, now)
    return history, Shelf.of_document_untrusted(found.get("shelf") or ())
