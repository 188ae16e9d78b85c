"""A private key that somebody brings, judged in a process of its own.

Whether an RSA key is one is found out by testing its primes, for up to a second in which nothing else in the
process runs. The key comes on standard input and goes nowhere; what is said of it is its fault.

    python -m peerkey_cli.key_check < KEY
"""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from peerkey.errors import Misconfigured, Unavailable
from peerkey.protocol.suites import signer_for

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

#: A busy machine with one core, and an RSA-8192 key.
JUDGED_WITHIN: Final = timedelta(seconds=30)
_REFUSED: Final = 1
_BEGINS: Final = b"-----BEGIN "
_NONE: Final = "this is no private key in PEM"


def judge(pem: bytes) -> None:
    """Test a key here, however long it takes.

    :raises Misconfigured: it is none that can be used.
    """
    if b"ENCRYPTED" in pem:
        message = "the private key is encrypted; decrypt it first, for it travels in TLS"
        raise Misconfigured(message)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Misconfigured(_NONE) from None
    signer_for(key)


def judged(pem: bytes) -> PrivateKeyTypes:
    """Return the key in ``pem``, which was tested in another process.

    :raises Misconfigured: it is none that can be used.
    :raises Unavailable: the other process has not come to an end.
    """
    if _BEGINS not in pem:
        raise Misconfigured(_NONE)
    command = (sys.executable, "-P", "-m", "peerkey_cli.key_check")
    within = JUDGED_WITHIN.total_seconds()
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, input=pem, capture_output=True, timeout=within, check=False
        )
    except subprocess.TimeoutExpired:
        # Not chained: the error holds what was given to the process.
        message = f"the private key could not be tested within {within:g} s"
        raise Unavailable(message) from None
    if done.returncode == _REFUSED:
        raise Misconfigured(done.stdout.decode("ascii", "replace").strip())
    if done.returncode:
        message = "the process that tested the private key has ended without an answer"
        raise Unavailable(message)
    return load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)


def main() -> int:
    """Judge standard input; say on standard output why it is refused."""
    try:
        judge(sys.stdin.buffer.read())
    except Misconfigured as fault:
        sys.stdout.write(f"{fault}\n")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
