"""Kinds of alarms about the certificates of nodes, of CAs, and of the admin API."""

from __future__ import annotations

from typing import Final

from peerkey.observe.alarm_kinds.kind import AlarmKind, Origin
from peerkey.observe.alarms import Category, Severity

_RENEW: Final = (
    "A new one: `peerkey enroll` where the CA speaks EST; else `peerkey create certificate-request`, have "
    "it signed, `peerkey import certificate`. `peerkey reload` takes it up, without loss of traffic."
)

KINDS: Final = (
    AlarmKind(
        name="certificate-expiring",
        severities=(Severity.MAJOR, Severity.MINOR),
        category=Category.PEER,
        texts=("The following certificates are expiring in less than {days} days: `{names}`.",),
        origin=Origin.PRODUCT,
        means="Certificates of this node end within 7 days (major) or 30 days (minor): its own, by the "
        "node's name, those of the CAs that it shows, and those that it trusts. Nothing is wrong yet.",
        todo=(
            "`peerkey show certificate` shows `Not After` of each.",
            (
                "The node's own: see why it was not renewed by itself, if `enrollment` is "
                "configured: `peerkey "
                "show events --type system.enrollment_failed`."
            ),
            _RENEW,
            (
                "A CA's: ask whoever runs it for its successor. Trust both on every router until all "
                "certificates are by the new one."
            ),
        ),
        events=("system.enrolled", "system.enrollment_failed", "certificate"),
        many="Certificates of {count} nodes are expiring",
    ),
    AlarmKind(
        name="certificate-expired",
        severities=(Severity.CRITICAL,),
        category=Category.PEER,
        texts=("The following certificates are expired: `{names}`.",),
        origin=Origin.PRODUCT,
        means="A CA that this node trusts, or shows with its own certificate, has expired: certificates "
        "below it are not valid any more.",
        todo=(
            (
                "`peerkey show certificate` shows the chain, `peerkey show peers certificate` the "
                "peers' below "
                "it."
            ),
            "If nothing is below it any more, take it out of `trusted-ca-certificate` and `peerkey reload`.",
            (
                "Else get its successor from whoever runs the CA, trust it on every router, and have the "
                "certificates below it issued anew."
            ),
        ),
        events=("certificate",),
        many="Certificates that {count} nodes need are expired",
    ),
    AlarmKind(
        name="certificate-bad",
        severities=(Severity.CRITICAL,),
        category=Category.PEER,
        texts=(
            "The following certificates are expired: `{names}`.",
            "The following certificates are revoked: `{names}`.",
            "The following certificates are invalid: `{node}` - `{detail}`.",
        ),
        origin=Origin.PRODUCT,
        means="The node's own certificate is expired, revoked or otherwise invalid. Peers refuse it; under "
        "`fail-hard` peerings and keys are removed on both sides.",
        todo=(
            "`date -u`: a wrong clock looks the same.",
            "`peerkey show certificate` says the state and, under `Detail`, why.",
            (
                "Revoked: ask whoever runs the CA why. If the private key may be known to others, make a new "
                "one: `peerkey create private-key`."
            ),
            _RENEW,
        ),
        events=("certificate", "system.revocation_check"),
        many="The certificates of {count} nodes are not valid",
    ),
    AlarmKind(
        name="certificate-missing",
        severities=(Severity.CRITICAL,),
        category=Category.PEER,
        texts=("Key management is enabled without a valid signed certificate: {detail}.",),
        origin=Origin.SEED,
        means="The node has no certificate that an authority has signed, or cannot read it again: without "
        "one it agrees keys with nobody; one that was read before stays in use.",
        todo=(
            (
                "The detail names the file and the fault: see that it is there, and that the user of peerkey "
                "can read it."
            ),
            (
                "A new node: `peerkey create private-key`, `peerkey create certificate-request`, have it "
                "signed, `peerkey import certificate`; or `peerkey enroll`."
            ),
            "`peerkey reload`, then `peerkey show certificate`. The node looks again each minute by itself.",
        ),
        events=("certificate", "system.ingest_certificate"),
        many="{count} nodes have no valid signed certificate",
    ),
    AlarmKind(
        name="enrollment",
        severities=(Severity.MAJOR,),
        category=Category.SYSTEM,
        texts=("Certificate of `{node}` cannot be renewed: {detail}.",),
        origin=Origin.OURS,
        means="The certificate should have been renewed by now, and every attempt fails. The present one "
        "counts until it ends; another attempt comes by itself.",
        todo=(
            "The detail says what the CA, or the way to it, has answered.",
            "`peerkey show events --type system.enrollment_failed` tells since when.",
            "`peerkey enroll` tries now and says more; see docs/guides/enrollment.md.",
            (
                "The CA stays away: have it signed by hand: `peerkey create certificate-request`, `peerkey "
                "import certificate`."
            ),
        ),
        events=("system.enrollment_failed", "system.enrolled"),
        many="The certificates of {count} nodes cannot be renewed",
    ),
    AlarmKind(
        name="trust",
        severities=(Severity.MAJOR,),
        category=Category.SYSTEM,
        texts=("Trusted certificates need attention: {detail}.",),
        origin=Origin.OURS,
        means="A trusted CA certificate cannot be read, or may not be trusted. The trust that was read last "
        "as a whole stays in use.",
        todo=(
            "The detail names the file and the fault; put the file right.",
            "`peerkey config check FILE` names every fault of the configuration.",
            "`peerkey reload`. The node looks again each minute by itself.",
        ),
        events=("certificate",),
        many="Trusted certificates of {count} nodes need attention",
    ),
    AlarmKind(
        name="api-certificate",
        severities=(Severity.CRITICAL, Severity.MAJOR, Severity.MINOR),
        category=Category.SYSTEM,
        texts=(
            "The certificate of the admin API is expiring in less than {days} days: `{file}`.",
            "The certificate of the admin API is expired: `{file}`.",
            "The certificate of the admin API is not valid yet: `{file}`.",
        ),
        origin=Origin.OURS,
        means="The certificate that the admin API shows over TCP ends within 30 days (minor), within 7 days "
        "(major), or does not count now (critical): then no client over TCP accepts it. The Unix "
        "socket and the keys of routers are not concerned.",
        todo=(
            (
                "Get a new one for the same names (subjectAltName), and put it and its key where "
                "`--api-certificate` and `--api-key` of `peerkey run` say."
            ),
            "`peerkey reload` on this machine takes it up; connections that are there go on.",
        ),
        events=("api",),
    ),
)
