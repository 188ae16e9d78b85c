"""Whether one revocation list bears the signature of one CA: what an operator asks of a file.

It is the first step of the judgement that :mod:`peerkey.pki.revocation_lists` makes. Nothing is trusted here
and no path is looked for: the CA is taken for what the operator says that it is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from peerkey.pki.list_signers import algorithm_accepted, may_sign_lists, signers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from peerkey.pki.list_frame import ListFrame


class Signature(StrEnum):
    """What is to be said of the signature of a list."""

    #: No CA was given to check it with.
    UNCHECKED = "unchecked"
    #: One of the CAs has the name of the list's issuer, may sign lists, and its key made the signature.
    VALID = "valid"
    #: None of the CAs has the name of the list's issuer.
    OTHER_ISSUER = "other-issuer"
    #: An algorithm or a hash with which nothing is accepted, whoever signs.
    FORBIDDEN_ALGORITHM = "forbidden-algorithm"
    #: A CA of that name may not sign lists: its keyUsage lacks cRLSign, or it is no CA.
    NOT_A_SIGNER = "not-a-signer"
    #: A key of that name did not make it, or is none that is accepted.
    INVALID = "invalid"


def signature_of(each: ListFrame, issuers: Sequence[x509.Certificate]) -> Signature:
    """Return what is to be said of the signature of ``each``, asked of ``issuers``."""
    if not issuers:
        return Signature.UNCHECKED
    named = [ca for ca in issuers if ca.subject.public_bytes() == each.issuer]
    if not named:
        return Signature.OTHER_ISSUER
    if not algorithm_accepted(each.crl):
        return Signature.FORBIDDEN_ALGORITHM
    if any(True for _ in signers_of(each, named)):
        return Signature.VALID
    return Signature.INVALID if any(map(may_sign_lists, named)) else Signature.NOT_A_SIGNER
