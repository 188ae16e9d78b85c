"""Write every board for Grafana: ``python -m boards``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from boards.catalogue import BOARDS
from boards.grafana import written

FOLDER: Final = Path(__file__).resolve().parent.parent / "deploy" / "monitoring" / "grafana" / "dashboards"


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(written(board), "utf-8")


if __name__ == "__main__":
    main()
