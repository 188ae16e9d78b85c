"""Five hundred certificate paths, good ones and every kind of bad one; but for RSA keys always the same.

:func:`samples` goes round the kinds: each meets every shape, that is every algorithm of keys, number of
intermediates and order of the chain. A kind is a function that takes a good path and departs from it in one
respect; what it is called is what it does.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any, Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from peerkey.pki import laboratory
from peerkey.pki.laboratory import Authority, SigningKey
from peerkey.testing.ca import NOW, TestCA
from peerkey.testing.lists import revocation_list

NODE: Final = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_CURVES: Final = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_ALGORITHMS: Final = (*_CURVES, "RSA-2048")
_DEPTHS: Final = (1, 2, 3)
_ODD: Final = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


@dataclass(frozen=True, slots=True)
class Sample:
    """What every judge is given."""

    kind: str
    leaf: bytes
    chain: tuple[bytes, ...]
    trust: tuple[bytes, ...]
    crls: tuple[bytes, ...] = ()
    require_crl: bool = False
    at: datetime = NOW


@dataclass(slots=True)
class Draft:
    """A path before it is signed: each part's departures from a good one, as keywords of :class:`TestCA`."""

    ca: TestCA
    algorithm: str
    depth: int
    reverse: bool
    root: dict[str, Any] = field(default_factory=dict)
    #: Of the highest intermediate and of the lowest, which may be the same.
    top: dict[str, Any] = field(default_factory=dict)
    bottom: dict[str, Any] = field(default_factory=dict)
    leaf: dict[str, Any] = field(default_factory=dict)
    at: datetime = NOW
    #: Changes what is complete.
    finish: Callable[[Built], Sample] = lambda built: built.sample


@dataclass(frozen=True, slots=True)
class Built:
    """A signed path with everything that made it."""

    sample: Sample
    draft: Draft
    leaf: x509.Certificate
    #: From the root down.
    authorities: tuple[Authority, ...]

    @property
    def issuer(self) -> Authority:
        """Return who signed the leaf."""
        return self.authorities[-1]

    def lists(self, *revoked: x509.Certificate, **departures: Any) -> tuple[bytes, ...]:  # noqa: ANN401
        """Return a list of every authority, each naming those of ``revoked`` that it has issued."""
        return tuple(
            revocation_list(
                authority,
                *(each for each in revoked if each.issuer == authority.certificate.subject),
                **departures,
            ).public_bytes(Encoding.DER)
            for authority in self.authorities
        )


def samples(wanted: int) -> Iterator[Sample]:
    """Yield ``wanted`` samples."""
    for place in range(wanted):
        round_, number = divmod(place, len(KINDS))
        kind = list(KINDS)[number]
        draft = Draft(
            _test_ca(),
            # RSA costs more than everything else together: a quarter of the rounds has it.
            algorithm=_ALGORITHMS[(round_ + number) % len(_ALGORITHMS)],
            depth=_DEPTHS[round_ % len(_DEPTHS)],
            reverse=round_ % 2 == 1,
        )
        KINDS[kind](draft)
        built = _built(kind, draft)
        yield replace(draft.finish(built), at=draft.at)


@cache
def key(algorithm: str, number: int) -> SigningKey:
    """Return a key; those on curves are the same in every run."""
    if algorithm.startswith("RSA-"):
        return rsa.generate_private_key(65537, int(algorithm.removeprefix("RSA-")))
    return ec.derive_private_key(1_000_003 + number, _CURVES[algorithm])


@cache
def _test_ca() -> TestCA:
    return TestCA("sample", root_key=key("P-256", 90), intermediate_key=key("P-256", 91))


def _built(kind: str, draft: Draft) -> Built:
    ca, algorithm = draft.ca, draft.algorithm
    root = ca.authority("sample root", **{"key": key(algorithm, 0), **draft.root})
    authorities = [root]
    for level in range(1, draft.depth + 1):
        departures: dict[str, Any] = {"key": key(algorithm, level % 2 + 1)}
        departures |= draft.top if level == 1 else {}
        departures |= draft.bottom if level == draft.depth else {}
        authorities.append(
            ca.authority(
                f"sample level {level}", issuer=authorities[-1], **_pointing(departures, authorities[-1])
            )
        )
    departures = {"issuer": authorities[-1], "key": key(algorithm, 4), **draft.leaf}
    leaf = ca.issue(NODE, **_pointing(departures, departures["issuer"])).certificate
    chain = [_der(each.certificate) for each in reversed(authorities[1:])]
    sample = Sample(
        kind,
        leaf=_der(leaf),
        chain=tuple(reversed(chain) if draft.reverse else chain),
        trust=(_der(root.certificate),),
    )
    return Built(sample, draft, leaf, tuple(authorities))


def _pointing(departures: dict[str, Any], issuer: Authority) -> dict[str, Any]:
    """Add the identifier of the issuer's key, without which OpenSSL tries one issuer of a name only."""
    own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    pointer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    return departures | {"more": [(pointer, False), *departures.get("more", ())]}


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


# --- the kinds ------------------------------------------------------------------------------------


KINDS: Final[dict[str, Callable[[Draft], None]]] = {}


def _kind(change: Callable[[Draft], None]) -> Callable[[Draft], None]:
    KINDS[change.__name__.replace("_", " ")] = change
    return change


@_kind
def good(_: Draft) -> None:
    pass


@_kind
def strangers_in_the_chain(draft: Draft) -> None:
    stranger = TestCA("sample level 1", root_key=key("P-256", 60), intermediate_key=key("P-256", 61))
    strange = (_der(stranger.root.certificate), _der(stranger.intermediate.certificate))
    draft.finish = lambda built: replace(built.sample, chain=(*strange, *built.sample.chain))


@_kind
def duplicates_and_the_root_in_the_chain(draft: Draft) -> None:
    draft.finish = lambda built: replace(
        built.sample, chain=(*built.sample.chain, *built.sample.trust, *built.sample.chain)
    )


@_kind
def cross_signed(draft: Draft) -> None:
    """The highest CA also under a root that nobody trusts."""

    def finish(built: Built) -> Sample:
        other = built.draft.ca.authority("other root", key=key("P-256", 62))
        top = built.authorities[1]
        twin = built.draft.ca.authority("sample level 1", issuer=other, key=top.key)
        return replace(built.sample, chain=(_der(twin.certificate), *built.sample.chain))

    draft.finish = finish


@_kind
def old_and_new_root_side_by_side(draft: Draft) -> None:
    new = draft.ca.authority("sample root", key=key("P-256", 63))
    draft.finish = lambda built: replace(built.sample, trust=(_der(new.certificate), *built.sample.trust))


@_kind
def neither_usage_nor_purpose(draft: Draft) -> None:
    draft.leaf = {"usage": None, "purposes": None}


@_kind
def names_within_constraints(draft: Draft) -> None:
    _constrained(draft, "node.example.org")


@_kind
def begins_this_second(draft: Draft) -> None:
    draft.leaf = {"not_before": NOW}


@_kind
def ends_this_second(draft: Draft) -> None:
    draft.leaf = {"not_after": NOW}


@_kind
def unknown_extension(draft: Draft) -> None:
    draft.leaf = {"more": [(_ODD, False)]}


@_kind
def not_on_any_list(draft: Draft) -> None:
    _listed(draft, lambda _: ())


@_kind
def serial_listed_by_another_issuer(draft: Draft) -> None:
    def finish(built: Built) -> Sample:
        root, *below = built.authorities
        entry = x509.RevokedCertificateBuilder().serial_number(built.leaf.serial_number)
        foreign = replace_list(root, entry.revocation_date(NOW - _DAY).build())
        lists = (foreign, *(_list(each) for each in below))
        return replace(built.sample, crls=lists, require_crl=True)

    draft.finish = finish


@_kind
def expired(draft: Draft) -> None:
    draft.leaf = {"not_after": NOW - _SECOND}


@_kind
def expired_authority(draft: Draft) -> None:
    draft.bottom = {"not_after": NOW - _SECOND}


@_kind
def expired_root(draft: Draft) -> None:
    draft.root = {"not_after": NOW - _SECOND}


@_kind
def not_yet_valid(draft: Draft) -> None:
    draft.leaf = {"not_before": NOW + _SECOND}


@_kind
def another_root_is_trusted(draft: Draft) -> None:
    other = draft.ca.root.certificate
    draft.finish = lambda built: replace(built.sample, trust=(_der(other),))


@_kind
def a_root_of_the_same_name_is_trusted(draft: Draft) -> None:
    other = draft.ca.authority("sample root", key=key("P-256", 64)).certificate
    draft.finish = lambda built: replace(built.sample, trust=(_der(other),))


@_kind
def an_intermediate_is_missing(draft: Draft) -> None:
    draft.finish = lambda built: replace(built.sample, chain=built.sample.chain[1:])


@_kind
def forged_by_an_authority_of_the_same_name(draft: Draft) -> None:
    level = f"sample level {draft.depth}"
    draft.leaf = {"issuer": draft.ca.authority(level, issuer=draft.ca.root, key=key("P-256", 65))}


@_kind
def spoiled_signature(draft: Draft) -> None:
    draft.finish = lambda built: replace(built.sample, leaf=_spoiled(built.sample.leaf))


@_kind
def authority_that_may_not_sign_certificates(draft: Draft) -> None:
    draft.bottom = {"usage": laboratory.LEAF_USAGE}


@_kind
def authority_that_says_it_is_none(draft: Draft) -> None:
    draft.bottom = {"basic": (x509.BasicConstraints(ca=False, path_length=None), True)}


@_kind
def authority_without_basic_constraints(draft: Draft) -> None:
    draft.bottom = {"basic": None}


@_kind
def basic_constraints_that_are_not_critical(draft: Draft) -> None:
    draft.bottom = {"basic": (x509.BasicConstraints(ca=True, path_length=None), False)}


@_kind
def path_longer_than_its_top_allows(draft: Draft) -> None:
    draft.depth += 1
    draft.top = {"basic": (x509.BasicConstraints(ca=True, path_length=draft.depth - 2), True)}


@_kind
def names_outside_constraints(draft: Draft) -> None:
    _constrained(draft, "node.example.com")


@_kind
def addresses_outside_constraints(draft: Draft) -> None:
    network = x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("192.0.2.7"))])
    draft.top = {"more": [(x509.NameConstraints(None, [network]), True)]}
    draft.leaf = {"uris": (), "more": [(address, False)]}


@_kind
def revoked(draft: Draft) -> None:
    _listed(draft, lambda built: (built.leaf,))


@_kind
def revoked_authority(draft: Draft) -> None:
    _listed(draft, lambda built: (built.issuer.certificate,))


@_kind
def revoked_by_a_list_that_is_old(draft: Draft) -> None:
    _listed(draft, lambda built: (built.leaf,), this_update=NOW - 3 * _DAY, next_update=NOW - _DAY)


@_kind
def only_lists_that_are_old(draft: Draft) -> None:
    _listed(draft, lambda _: (), this_update=NOW - 3 * _DAY, next_update=NOW - _DAY)


@_kind
def no_list_although_one_is_required(draft: Draft) -> None:
    draft.finish = lambda built: replace(built.sample, require_crl=True, crls=built.lists()[:-1])


@_kind
def lists_of_a_stranger(draft: Draft) -> None:
    _listed(draft, lambda _: (), key=key("P-256", 66))


@_kind
def unknown_critical_extension(draft: Draft) -> None:
    draft.leaf = {"more": [(_ODD, True)]}


@_kind
def unknown_critical_extension_of_an_authority(draft: Draft) -> None:
    draft.bottom = {"more": [(_ODD, True)]}


@_kind
def signed_with_sha_1(draft: Draft) -> None:
    draft.bottom = {"key": key("RSA-2048", 5)}
    draft.finish = lambda built: replace(
        built.sample, leaf=_signed_with_sha_1(built.sample.leaf, key("RSA-2048", 5))
    )


@_kind
def signed_with_sha_224(draft: Draft) -> None:
    draft.leaf = {"hash_algorithm": hashes.SHA224()}


@_kind
def rsa_with_1024_bits(draft: Draft) -> None:
    draft.leaf = {"key": key("RSA-1024", 0)}


@_kind
def authority_of_1024_bits(draft: Draft) -> None:
    draft.bottom = {"key": key("RSA-1024", 1)}


@_kind
def a_leaf_that_is_an_authority(draft: Draft) -> None:
    draft.leaf = {"ca": True}


@_kind
def for_another_purpose(draft: Draft) -> None:
    draft.leaf = {"purposes": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])}


@_kind
def key_that_may_not_sign(draft: Draft) -> None:
    bits = (
        *("digital_signature", "content_commitment", "data_encipherment", "key_agreement", "key_cert_sign"),
        *("crl_sign", "encipher_only", "decipher_only"),
    )
    draft.leaf = {"usage": x509.KeyUsage(**dict.fromkeys(bits, False), key_encipherment=True)}


@_kind
def curve_that_is_not_accepted(draft: Draft) -> None:
    public = ec.derive_private_key(1_000_003, ec.SECP256K1()).public_key()
    draft.leaf = {"public_key": public}


@_kind
def trusts_itself(draft: Draft) -> None:
    """A node's own signature, installed as a trusted CA."""

    def finish(built: Built) -> Sample:
        own = key("P-256", 67)
        name = Authority(_named(own), own)
        leaf = built.draft.ca.issue(NODE, issuer=name, key=own).certificate
        return replace(built.sample, leaf=_der(leaf), chain=(), trust=(_der(leaf),))

    draft.finish = finish


# --- helpers --------------------------------------------------------------------------------------


def _constrained(draft: Draft, name: str) -> None:
    constraints = x509.NameConstraints([x509.DNSName("example.org")], None)
    draft.top = {"more": [(constraints, True)]}
    draft.leaf = {"uris": (), "more": [(x509.SubjectAlternativeName([x509.DNSName(name)]), False)]}


def _listed(
    draft: Draft,
    revoked_: Callable[[Built], tuple[x509.Certificate, ...]],
    **departures: Any,  # noqa: ANN401
) -> None:
    draft.finish = lambda built: replace(
        built.sample, require_crl=True, crls=built.lists(*revoked_(built), **departures)
    )


def _list(authority: Authority) -> bytes:
    return revocation_list(authority).public_bytes(Encoding.DER)


def replace_list(authority: Authority, entry: x509.RevokedCertificate) -> bytes:
    """Return a list of ``authority`` with an entry for a certificate that it has not issued."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(NOW - _DAY)
        .next_update(NOW + _DAY)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_revoked_certificate(entry)
    )
    return builder.sign(authority.key, _hash(authority.key)).public_bytes(Encoding.DER)


def _hash(signer: SigningKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    curve = signer.curve if isinstance(signer, ec.EllipticCurvePrivateKey) else ec.SECP256R1()
    return laboratory.hash_of(curve)


def _named(own: SigningKey) -> x509.Certificate:
    """Return a certificate whose subject is the node, to sign in its name."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(NODE))])
    validity = laboratory.Validity(NOW - _DAY, NOW + _DAY)
    return laboratory.signed(
        laboratory.started(name, name, own.public_key(), serial=next(_SERIALS), validity=validity), own
    )


_SERIALS: Final = count(1_000_000)


def _spoiled(der: bytes) -> bytes:
    """Return the certificate with another issuer's view of its last but one byte."""
    return der[:-2] + bytes([der[-2] ^ 1]) + der[-1:]


def _signed_with_sha_1(der: bytes, signer: SigningKey) -> bytes:
    """Return the certificate as an authority of old would have signed it; no library does any more."""
    assert isinstance(signer, rsa.RSAPrivateKey)
    sha_256, sha_1 = (bytes.fromhex(f"2a864886f70d0101{arc}") for arc in ("0b", "05"))
    tbs = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    changed = tbs.replace(sha_256, sha_1)
    information = bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(changed).digest()  # noqa: S324
    length = signer.key_size // 8
    padded = b"\x00\x01" + b"\xff" * (length - len(information) - 3) + b"\x00" + information
    numbers = signer.private_numbers()
    signature = pow(int.from_bytes(padded), numbers.d, numbers.public_numbers.n).to_bytes(length)
    start = der.index(tbs)
    end = start + len(tbs)
    return der[:start] + changed + der[end:-length].replace(sha_256, sha_1) + signature
