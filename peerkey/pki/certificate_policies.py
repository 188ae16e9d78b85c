"""Certificate policies along a path, as far as a CA asks that there be one (RFC 5280 section 6.1).

Nobody here wants a certain policy (the user-initial-policy-set is any-policy, and nothing is inhibited from
the start), so policies matter only where a CA says requireExplicitPolicy: then some policy must hold from the
CA below the anchor down to the leaf. Of the tree that the RFC grows, only whether it still has a leaf is
asked, and for that the set of policies at each depth is enough.

Where these extensions are critical the verifier refuses the path before (``docs/decisions/0023``); this is
for those that are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.x509.oid import CertificatePoliciesOID

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANY: Final = CertificatePoliciesOID.ANY_POLICY
#: policyMappings (RFC 5280 section 4.2.1.5), which `cryptography` does not read.
_MAPPINGS: Final = x509.ObjectIdentifier("2.5.29.33")

_Value = TypeVar("_Value", bound=x509.ExtensionType)


def lacks_policy(path: Sequence[x509.Certificate]) -> bool:
    """Whether a CA of ``path`` (leaf first, anchor last) asks for a policy where none holds to the end."""
    below_anchor = path[-2::-1]
    # A counter that starts here never reaches nought by itself.
    explicit = inhibit_any = len(path)
    valid: set[x509.ObjectIdentifier] = {_ANY}
    for place, certificate in enumerate(below_anchor, 1):
        last = place == len(below_anchor)
        self_issued = certificate.subject == certificate.issuer
        any_allowed = inhibit_any > 0 or (self_issued and not last)
        valid = _narrowed(valid, certificate, any_allowed=any_allowed)
        if not valid and explicit == 0:
            return True
        constraints = _extension(certificate, x509.PolicyConstraints)
        asked = None if constraints is None else constraints.require_explicit_policy
        if last:
            explicit = max(0, explicit - 1)
            return not valid and (explicit == 0 or asked == 0)
        if any(each.oid == _MAPPINGS for each in certificate.extensions):
            # What is mapped to what cannot be read, so that nothing is known to hold below.
            valid = set()
        if not self_issued:
            explicit, inhibit_any = max(0, explicit - 1), max(0, inhibit_any - 1)
        any_inhibited = _extension(certificate, x509.InhibitAnyPolicy)
        explicit = explicit if asked is None else min(explicit, asked)
        inhibit_any = inhibit_any if any_inhibited is None else min(inhibit_any, any_inhibited.skip_certs)
    return False


def _narrowed(
    valid: set[x509.ObjectIdentifier], certificate: x509.Certificate, *, any_allowed: bool
) -> set[x509.ObjectIdentifier]:
    """Return what is left of ``valid`` below ``certificate`` (section 6.1.3 d and e)."""
    policies = _extension(certificate, x509.CertificatePolicies)
    if policies is None:
        return set()
    stated = {policy.policy_identifier for policy in policies}
    named = stated - {_ANY}
    kept = named if _ANY in valid else named & valid
    return kept | valid if _ANY in stated and any_allowed else kept


def _extension(certificate: x509.Certificate, kind: type[_Value]) -> _Value | None:
    return next((each.value for each in certificate.extensions if isinstance(each.value, kind)), None)
