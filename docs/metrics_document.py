"""Write the documents and the rules of Prometheus: ``python docs/metrics_document.py``.

``docs/metrics.md``, ``docs/alerts.md``, ``deploy/monitoring/rules`` and the ``PrometheusRule`` beside it are
generated, so that they cannot say something else than what is exported.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from metrics import document, rules  # noqa: E402 -- found beside this script

RULES = ROOT / "deploy" / "monitoring" / "rules"
RESOURCE = ROOT / "deploy" / "monitoring" / "kubernetes" / "prometheusrule.yaml"


def main() -> None:
    """Write all of them."""
    (ROOT / "docs" / "metrics.md").write_text(document.document(), "utf-8")
    (ROOT / "docs" / "alerts.md").write_text(rules.document(), "utf-8")
    RULES.mkdir(parents=True, exist_ok=True)
    for name, text in rules.files().items():
        (RULES / name).write_text(text, "utf-8")
    RESOURCE.write_text(rules.resource(), "utf-8")


if __name__ == "__main__":
    main()
