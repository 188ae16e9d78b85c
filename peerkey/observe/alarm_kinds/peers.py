"""Kinds of alarms about peers and the paths to them."""

from __future__ import annotations

from typing import Final

from peerkey.observe.alarm_kinds.kind import AlarmKind, Origin
from peerkey.observe.alarms import Category, Severity

KINDS: Final = (
    AlarmKind(
        name="peer-certificate",
        severities=(Severity.CRITICAL,),
        category=Category.PEER,
        texts=("Peer `{peer}` certificate is invalid: `{state}` - `{detail}`.",),
        origin=Origin.PRODUCT,
        means="The certificate that a peer shows is expired, revoked or otherwise invalid; the detail "
        "says why. Under `fail-soft` its keys stay in use, under `fail-hard` the peering and its "
        "keys are gone.",
        todo=(
            (
                "`peerkey show peers certificate` shows both certificates of the peering and "
                "`certificate_fault`."
            ),
            (
                "`not-yet-valid`, or the same for several peers at once: compare `date -u` here with a clock "
                "that you trust, and with that of the peer, before anything else."
            ),
            (
                "`expired`: the peer needs a new certificate. On the peer, `peerkey show certificate`, then "
                "`peerkey enroll`, or `peerkey create certificate-request` and `peerkey import certificate`."
            ),
            (
                "`revoked`: ask whoever runs the CA why before anything else; the router may be stolen. "
                "`peerkey show certificate crl` shows the list that names it."
            ),
            (
                "`untrusted`: the CA of the peer is not trusted here. Compare the issuer with "
                "`trusted-ca-certificate` of the configuration, add the CA if it is yours, `peerkey reload`."
            ),
            (
                "`identity-mismatch`: the certificate belongs to another node, or the UUID in the "
                "configuration "
                "is wrong. Compare it with that of `peerkey show certificate` on the peer."
            ),
        ),
        events=("system.peer_certificate_validation", "peering"),
        many="The certificates of {count} peers are invalid",
    ),
    AlarmKind(
        name="peer-key",
        severities=(Severity.CRITICAL,),
        category=Category.PEER,
        texts=("Peer `{peer}` metadata-key is invalid: `{state}` - `{detail}`.",),
        origin=Origin.PRODUCT,
        means="The peer answers, and no key can be agreed with it before somebody changes something: the "
        "state is the reason in a word, the detail says it in full. There is no key, so no path to the "
        "peer is in service; it has no alarm of its own about that.",
        todo=(
            "`peerkey show peers` says below its table what is wrong, and what to do next.",
            (
                "`algorithm-mismatch`: the detail names what either end is configured for. Set the same "
                "`key-exchange-algorithm` and sizes on both, or an override for this peering; then "
                "`peerkey reload` on the one that was changed."
            ),
            (
                "A reason about certificates, as `not-yet-valid` or `untrusted`: the peer refuses the "
                "certificate of *this* node, which is good here. Dates: compare `date -u` on both. "
                "`untrusted`: compare `trusted-ca-certificate` of both. `peerkey show alarms` on the peer "
                "says what it misses."
            ),
            (
                "`pinned`: the peer shows another certificate than the one that was taken first. If it was "
                "meant to, `peerkey release-pin --peer PEER`; if not, find out who shows it."
            ),
            (
                "`wrong-sender`, `wrong-receiver`: another node answers at this address. Compare addresses "
                "and UUIDs in the two configurations."
            ),
        ),
        events=("peering",),
        many="No key can be agreed with {count} peers",
    ),
    AlarmKind(
        name="peer-identity",
        severities=(Severity.MAJOR,),
        category=Category.PEER,
        texts=("Peer `{peer}` runs twice: two nodes show its certificate. Stop the one that was replaced.",),
        origin=Origin.OURS,
        means="Two processes have the identity of one peer, and take its peerings from each other: most"
        " often one was restored from a backup while the machine of before still runs. It may "
        "also be a thief of its private key.",
        todo=(
            "`peerkey show peers` shows from which address the peer comes now.",
            (
                "Was it restored of late? Stop `peerkey run` on the machine that it has replaced. See "
                "docs/guides/backup.md."
            ),
            (
                "Nobody knows of a second one: its private key is in other hands. Revoke its certificate, "
                "and give it a new key and certificate."
            ),
        ),
        events=("peering",),
        many="{count} peers run twice",
    ),
    AlarmKind(
        name="peer-unreachable",
        severities=(Severity.CRITICAL,),
        category=Category.PEER,
        texts=("Peer `{peer}` is not reachable.",),
        origin=Origin.PRODUCT,
        means="All paths to a peer are out of service: no traffic reaches it by this node. Where that is "
        "so because its certificate is refused, or because no key can be agreed, the alarm about that stands "
        "alone.",
        todo=(
            "`peerkey show peers` shows each path with its interface, both addresses and why it is down.",
            "Many peers by one interface: look at that interface first (`ip address`, `ip route`).",
            (
                "One peer: `ping` its address; see that UDP to its port passes every firewall in "
                "between, both "
                "ways."
            ),
            (
                "Addresses answer and the path stays down: `peerkey show events --type peering` "
                "tells what the "
                "two do not agree on, such as the algorithm or the version."
            ),
            "On the peer: is `peerkey run` there, and does `peerkey show alarms` say something of this node?",
        ),
        events=("path", "peering"),
        many="{count} peers are not reachable",
    ),
    AlarmKind(
        name="path-down",
        severities=(Severity.MAJOR,),
        category=Category.PEER,
        texts=("Peer `{peer}` path is down: {path}.",),
        origin=Origin.PRODUCT,
        means="One of several paths to a peer is out of service; traffic goes by the others.",
        todo=(
            "`peerkey show peers` shows the path with its interface, both addresses and why it is down.",
            (
                "Look at the interface (`ip address`), the route to the peer (`ip route get "
                "ADDRESS`) and the "
                "provider of this path."
            ),
            "`peerkey show events --type path` tells when it went, and whether it comes and goes.",
        ),
        events=("path",),
        many="{count} paths to peers are down",
    ),
    AlarmKind(
        name="clock",
        severities=(Severity.CRITICAL, Severity.MAJOR),
        category=Category.PLATFORM,
        texts=("The clock of `{node}` may be wrong: {detail}.",),
        origin=Origin.OURS,
        means="What this node sees cannot be so by its own clock: certificates begin in the future, its"
        " audit log has lines from the future, or the clock has been set while the node ran. "
        "Certificates and revocation lists are judged by this clock, so good ones may be refused,"
        " and ended ones accepted. Alarms about certificates that are not valid yet are part of "
        "this one, and come by themselves if the clock is right.",
        todo=(
            "`date -u`, and compare with a clock that you trust.",
            "`timedatectl` or `chronyc tracking`: is the clock set from the network, and by whom?",
            (
                "Set it right (`chronyc makestep`). Nothing has to be restarted: certificates are "
                "judged again within a minute, and keys do not depend on this clock."
            ),
            (
                "The clock is right: then the certificates begin too late. `peerkey show certificate detail` "
                "shows `Not Before`; ask the CA."
            ),
            "A machine that was suspended, or a virtual one that was paused, looks the same.",
            (
                "Clock set back on purpose: the alarm goes when the time of the newest line of the audit log "
                "has come."
            ),
        ),
        events=("system.peer_certificate_validation", "certificate", "alarm"),
        many="The clocks of {count} nodes may be wrong",
        # Nodes of one machine have one clock.
        together_from=2,
    ),
)
