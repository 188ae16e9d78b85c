"""Print ``docs/openapi.json``, the description of the admin API: ``python docs/openapi_document.py``.

The file is generated, so that it cannot say something else than what is served.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from peerkey_cli.alarm_times import AlarmTimes  # noqa: E402 -- found beside this script
from peerkey_cli.api.routes import Hands, application  # noqa: E402
from peerkey_cli.api.stream import EventFeed  # noqa: E402

if TYPE_CHECKING:
    from peerkey_cli.desk import Desk
    from peerkey_cli.fleet import Fleet

TARGET = ROOT / "docs" / "openapi.json"


class Nobody:
    """A fleet that nobody asks: to be described, an API needs none that runs."""

    since = datetime(2030, 6, 15, tzinfo=UTC)

    async def reload(self) -> tuple[str, ...]:
        """Read nothing again."""
        return ()


def document() -> str:
    """Return the description of an API with every resource there is."""
    fleet = cast("Fleet", Nobody())
    app = application(fleet, AlarmTimes(), EventFeed(fleet), hands=Hands(desk=cast("Desk", fleet)))
    return json.dumps(app.openapi(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    TARGET.write_text(document(), "utf-8")
