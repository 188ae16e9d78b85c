"""``python -m benchmarks``: every benchmark of the project, one after the other.

Arguments go to each of them: ``--json`` prints one JSON document instead of the tables.
"""

from __future__ import annotations

import sys

from benchmarks import protocol

if __name__ == "__main__":
    sys.exit(protocol.main(sys.argv[1:]))
