"""Kinds of alarms about revocation lists. Each is one for all lists."""

from __future__ import annotations

from typing import Final

from peerkey.observe.alarm_kinds.kind import AlarmKind, Origin
from peerkey.observe.alarms import Category, Severity

KINDS: Final = (
    AlarmKind(
        name="crl-unreachable",
        severities=(Severity.MINOR,),
        category=Category.SYSTEM,
        texts=("The following CRL endpoints are unreachable: `{endpoints}`.",),
        origin=Origin.PRODUCT,
        means="Revocation lists could not be fetched; each is named with why. The lists that were fetched "
        "before go on to count, so nothing is wrong until they end; what is revoked meanwhile is not "
        "known here.",
        todo=(
            "`peerkey show certificate crl` shows each address: age, next update, last error, next poll.",
            "From this machine: `curl -v ADDRESS`. Name not found: DNS. No answer: route, firewall, server.",
            "`peerkey reload` has every list fetched again now.",
        ),
        events=("system.crl_update", "crl"),
    ),
    AlarmKind(
        name="crl-refused",
        severities=(Severity.MAJOR,),
        category=Category.SYSTEM,
        texts=("The following CRL endpoints serve no valid list: `{endpoints}`.",),
        origin=Origin.OURS,
        means="What was fetched is no list that counts: not signed by its CA, older than the one before, or "
        "no list at all (the page of a portal, say). The list before stays in use. It may be an "
        "attack.",
        todo=(
            "`peerkey show certificate crl` shows why, for each address.",
            "`curl -o list.crl ADDRESS`, then `peerkey pki crl list.crl` shows what is served.",
            (
                "Tell whoever runs the CA. If what is served comes from somebody else, find out who is in "
                "between."
            ),
        ),
        events=("system.crl_update",),
    ),
    AlarmKind(
        name="crl-stale",
        severities=(Severity.MAJOR,),
        category=Category.SYSTEM,
        texts=("The following CRLs are out of date: `{endpoints}`.",),
        origin=Origin.OURS,
        means="Lists should have been replaced by now. They go on to count, but what was revoked since is "
        "not known here.",
        todo=(
            "`peerkey show certificate crl` shows `Next Update` and the last error of each.",
            "The server answers and the list is old: whoever runs the CA has to publish a new one.",
            "`date -u`: by a clock that is ahead, every list is out of date.",
        ),
        events=("system.crl_update",),
    ),
    AlarmKind(
        name="crl-limited",
        severities=(Severity.MAJOR,),
        category=Category.SYSTEM,
        texts=("CRL management needs attention: {detail}.",),
        origin=Origin.OURS,
        means="There are more addresses than are followed, or lists cannot be kept on the disk: after a "
        "restart they would have to be fetched before they count.",
        todo=(
            "The detail says which. A full disk: `df` of the state directory, and make room.",
            "Too many addresses: see docs/guides/revocation.md for the bounds.",
        ),
        events=("system.crl_update", "crl"),
    ),
)
