"""Of which certificates a revocation list speaks (RFC 5280 section 6.3.3, steps b and d).

A certificate says where its revocation is told, in distribution points; a list says which of them it is for,
for which kind of certificate and for which reasons. Where the two meet, the list is in scope. Names are
compared as they are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peerkey.pki.list_frame import ListFrame

#: All that a list may be restricted to (RFC 5280 section 4.2.1.13).
ALL_REASONS: Final = frozenset(x509.ReasonFlags) - {
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.remove_from_crl,
}


def distribution_points(certificate: x509.Certificate) -> Iterator[x509.DistributionPoint]:
    """Yield where a certificate says that its revocation is told.

    One that does not say has the one point that RFC 5280 section 6.3.3 gives it: its issuer's name.
    """
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.CRLDistributionPoints):
            yield from extension.value
            return
    where = [x509.DirectoryName(certificate.issuer)]
    yield x509.DistributionPoint(full_name=where, relative_name=None, reasons=None, crl_issuer=None)


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether the certificate says CA:TRUE."""
    return any(
        isinstance(each.value, x509.BasicConstraints) and each.value.ca for each in certificate.extensions
    )


def delegates_of(certificate: x509.Certificate) -> frozenset[bytes]:
    """Return the names (DER) of those who may list this certificate in its issuer's place (cRLIssuer)."""
    return frozenset(
        name.value.public_bytes()
        for point in distribution_points(certificate)
        for name in point.crl_issuer or ()
        if isinstance(name, x509.DirectoryName)
    )


def in_scope(each: ListFrame, certificate: x509.Certificate, point: x509.DistributionPoint) -> bool:
    """Whether the list speaks of this certificate for this point (RFC 5280 section 6.3.3 b)."""
    issuers = {
        name.value.public_bytes() for name in point.crl_issuer or () if isinstance(name, x509.DirectoryName)
    }
    if issuers:
        if each.issuer not in issuers or not each.indirect:
            return False
    elif each.issuer != certificate.issuer.public_bytes():
        return False
    scope = each.scope
    if scope is None:
        return True
    if scope.only_contains_attribute_certs:
        return False
    if is_ca(certificate) and scope.only_contains_user_certs:
        return False
    if not is_ca(certificate) and scope.only_contains_ca_certs:
        return False
    named = _names(scope, each.crl.issuer)
    return not named or not named.isdisjoint(_point_names(point, each, certificate))


def _names(
    holder: x509.IssuingDistributionPoint | x509.DistributionPoint, base: x509.Name
) -> set[x509.GeneralName]:
    """Return the names of a distribution point; a relative one completed by ``base``."""
    if holder.relative_name is not None:
        return {x509.DirectoryName(x509.Name([*base.rdns, holder.relative_name]))}
    return set(holder.full_name or ())


def _point_names(
    point: x509.DistributionPoint, each: ListFrame, certificate: x509.Certificate
) -> set[x509.GeneralName]:
    base = each.crl.issuer if point.crl_issuer else certificate.issuer
    return _names(point, base) or set(point.crl_issuer or ())


def reasons_of(each: ListFrame, point: x509.DistributionPoint) -> frozenset[x509.ReasonFlags]:
    """Return for which reasons the list would name a certificate of this point."""
    listed = each.scope.only_some_reasons if each.scope is not None else None
    return (listed or ALL_REASONS) & (point.reasons or ALL_REASONS)
