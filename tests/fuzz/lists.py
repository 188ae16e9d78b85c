"""Revocation lists from atheris: ``python -m tests.fuzz.lists [-max_total_time=60] [libFuzzer's options]``.

Each input is read as a list, and as the entries of one that is sound around them. Whatever our reader and
``cryptography`` differ in (see :mod:`tests.support.list_reader`) is a finding, and so is any exception but
``Malformed``; libFuzzer then writes the input to a file, which a test should keep.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki.der import GENERALIZED_TIME, INTEGER, SEQUENCE, element
from peerkey.testing.ca import TestCA
from peerkey.testing.large_lists import entry, large_list, usual_entries
from peerkey.testing.lists import revocation_list
from tests.support.list_reader import agreed

INSTALL = "atheris is not installed: pip install 'atheris>=3,<4'"
#: Unless an option says otherwise.
SECONDS = 60

_ALGORITHM = bytes.fromhex("300d06092a864886f70d01010b0500")
_FRONT = element(INTEGER, b"\1") + _ALGORITHM + element(SEQUENCE, b"") + b"\x17\x0d240101000000Z"
_BEHIND = _ALGORITHM + b"\x03\x01\x00"


def one_input(data: bytes) -> None:
    """Read what the fuzzer made in both ways.

    Raises:
        AssertionError: the two readers differ.
    """
    agreed(data)
    agreed(element(SEQUENCE, element(SEQUENCE, _FRONT + element(SEQUENCE, data)) + _BEHIND))


def seeds() -> Iterator[bytes]:
    """Yield what the fuzzer begins with."""
    ca = TestCA()
    random = Random(1)
    listed = usual_entries(20, random)
    # A certificate issuer, an invalidity date and a critical reason.
    odd = [
        bytes.fromhex("300f300d0603551d1d0101ff040330013a"),
        bytes.fromhex("301a30180603551d180411180f32303234303130323033303430355a"),
        bytes.fromhex("300f300d0603551d150101ff04030a0106"),
    ]
    unusual = b"".join(entry(random.randbytes(8), b"241017163311Z", more) for more in odd)
    late = element(SEQUENCE, element(INTEGER, b"\5") + element(GENERALIZED_TIME, b"20510203040506Z"))
    for entries in (b"", listed, unusual, late, listed + unusual + late):
        yield entries
        yield large_list(ca.intermediate, entries)
    yield revocation_list(ca.intermediate, base=1, number=2).public_bytes(Encoding.DER)


def main() -> int:
    """Fuzz until the time is over or something is found."""
    try:
        import atheris  # noqa: PLC0415  # not everybody has it
    except ImportError:
        print(INSTALL)  # noqa: T201
        return 0
    with tempfile.TemporaryDirectory(prefix="peerkey-fuzz-") as folder:
        for number, seed in enumerate(seeds()):
            (Path(folder) / str(number)).write_bytes(seed)
        told = any("-max_total_time" in option for option in sys.argv)
        timed = [] if told else [f"-max_total_time={SECONDS}"]
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], *timed, *sys.argv[1:], folder], one_input)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
