"""Write ``docs/metrics.md``, the catalogue of metrics: ``python docs/metrics_document.py``.

The file is generated, so that it cannot say something else than what is exported.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from metrics.document import document  # noqa: E402 -- found beside this script

TARGET = ROOT / "docs" / "metrics.md"

if __name__ == "__main__":
    TARGET.write_text(document(), "utf-8")
