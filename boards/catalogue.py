"""Every board there is."""

from __future__ import annotations

from typing import Final

from boards import actors, fleet, pki, router

BOARDS: Final = (fleet.BOARD, router.BOARD, pki.BOARD, actors.BOARD)
