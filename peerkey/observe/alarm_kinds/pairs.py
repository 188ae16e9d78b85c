"""Kinds of alarms about the two nodes of an HA router."""

from __future__ import annotations

from typing import Final

from peerkey.observe.alarm_kinds.kind import AlarmKind, Origin
from peerkey.observe.alarms import Category, Severity

KINDS: Final = (
    AlarmKind(
        name="ha-link",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("Node `{node}` has no HA link to `{mate}`: its keys are not replicated.",),
        origin=Origin.OURS,
        means="The two nodes of a router do not reach each other. Each goes on alone; traffic is not "
        "touched. If this node dies now, its peers have to agree new keys with the mate.",
        todo=(
            "`peerkey show security key-status` shows `HA Link` with its last error, on both nodes.",
            "Is the mate there? If its machine is, is `peerkey run` there?",
            (
                "Between the nodes: `ping` the mate's synchronization address, and see that TCP to its port "
                "passes."
            ),
        ),
        events=("ha",),
        many="{count} nodes have no HA link to their mates",
    ),
    AlarmKind(
        name="ha-refused",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("HA link: `{node}` refuses `{mate}`: {reason} - {text}.",),
        origin=Origin.OURS,
        means="One node of a pair does not accept the other: their configurations or versions do not fit.",
        todo=(
            "The reason says on what they do not agree.",
            (
                "Compare `peerkey --version` and the configuration of both, put the other right, `peerkey "
                "reload`."
            ),
        ),
        events=("ha.refused",),
        many="{count} nodes and their mates do not accept each other",
    ),
    AlarmKind(
        name="ha-host-key",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("HA link: the key of `{mate}` is not the configured one: `{fingerprint}`.",),
        origin=Origin.OURS,
        means="Whoever answers at the mate's address, or comes from there, has another key than the mate's. "
        "Nothing was told to it. It may be an attack.",
        todo=(
            (
                "Was the mate's key made anew? On the mate, `peerkey create ha-key` prints the public key of "
                "the one that is there; compare it with the fingerprint of this alarm."
            ),
            "It is the mate's: put it into the configuration of both nodes, `peerkey reload`.",
            "It is not: find out who has the mate's address.",
        ),
        events=("ha.refused",),
        many="The mates of {count} nodes have other keys than the configured ones",
    ),
    AlarmKind(
        name="ha-out-of-date",
        severities=(Severity.MAJOR,),
        category=Category.PLATFORM,
        texts=("HA mate `{mate}` is out of date: it lacks {records} records of `{node}`.",),
        origin=Origin.OURS,
        means="The mate lacks key records for longer than replication takes. Were this node to die now, the "
        "peers of those records would have to agree new keys.",
        todo=(
            "`peerkey show security key-status` shows `HA Lag` on both nodes: does it fall?",
            "The mate is slow or its disk is: look at its load, and at its `peerkey show alarms`.",
        ),
        events=("ha",),
        many="The mates of {count} nodes are out of date",
    ),
    AlarmKind(
        name="ha-key-not-replicated",
        severities=(Severity.MAJOR,),
        category=Category.PEER,
        texts=("Key {index} with peer `{peer}` is in use, and HA mate `{mate}` does not hold it.",),
        origin=Origin.OURS,
        means="A key came into use before the mate held it. Were this node to die now, this peer would have "
        "to agree a new one.",
        todo=(
            "It goes by itself once the link is up and in step: `peerkey show security key-status`.",
            "The link is up and it stays: `peerkey rekey --peer PEER`.",
        ),
        events=("ha.key_not_replicated",),
        many="{count} keys are in use that the mate does not hold",
    ),
    AlarmKind(
        name="ha-copies-unreadable",
        severities=(Severity.MAJOR,),
        category=Category.PLATFORM,
        texts=(
            "Node `{node}` cannot read {copies} key records of `{mate}`: the two run different versions.",
        ),
        origin=Origin.OURS,
        means="Copies of the mate's records are of a layout that this software does not read: it could not "
        "take over.",
        todo=("`peerkey --version` on both nodes; bring the older one up to the newer.",),
        events=("ha",),
        many="{count} nodes cannot read the key records of their mates",
    ),
)
