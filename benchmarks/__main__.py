"""``python -m benchmarks``: every benchmark of the project, one after the other.

=============  ======================================================================================
``protocol``   keys agreed a second, next to the bare primitives
``runtime``    messages, questions and idle actors, next to pykka, xoscar and a floor
``lists``      a revocation list of a million entries: to take in, to keep, to ask, next to a floor
``ha``         an HA pair in step again, next to sealing and packing alone, and over SSH, next to SSH alone
``stores``     commits a second in SQLite and in Redis, next to what the same disk lets through
``hosts``      messages between hosts, in one process and over Ray, next to Ray's own floor
``fleet``      a thousand routers on a Ray cluster, next to the machines alone
``pauses``     the longest that one message holds the event loop
``scrape``     an answer to Prometheus with ten thousand paths, next to prometheus_client alone
=============  ======================================================================================

Name some of them to run these alone. ``--json`` prints one JSON document instead of the tables, under the
name of each; ``--quick`` runs each for a moment, to see that it works. ``python -m benchmarks.protocol
--help`` shows what else one of them takes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks import fleet, ha, hosts, lists, pauses, protocol, runtime, scrape, stores

BENCHMARKS: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "protocol": protocol.main,
    "runtime": runtime.main,
    "lists": lists.main,
    "ha": ha.main,
    "stores": stores.main,
    "hosts": hosts.main,
    "fleet": fleet.main,
    "pauses": pauses.main,
    "scrape": scrape.main,
}
#: One algorithm for a moment.
_QUICK_PROTOCOL: Final = ("--algorithm", "ml-kem-768", "--rounds", "1", "--seconds", "0.001")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was named, or everything; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="benchmark", help=f"one of {', '.join(BENCHMARKS)}")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="whether they work, not how fast")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    documents: dict[str, object] = {}
    for name in options.names or BENCHMARKS:
        quick = _QUICK_PROTOCOL if name == "protocol" else ("--quick",)
        passed = [*(quick if options.quick else ()), *(("--json",) if options.json else ())]
        if options.json:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                BENCHMARKS[name](passed)
            documents[name] = json.loads(printed.getvalue())
        else:
            BENCHMARKS[name](passed)
            print()
    if options.json:
        print(json.dumps(documents, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
