"""Kinds of alarms about what peerkey itself runs on: nodes, hosts, actors, store and audit log."""

from __future__ import annotations

from typing import Final

from peerkey.observe.alarm_kinds.kind import AlarmKind, Origin
from peerkey.observe.alarms import Category, Severity

KINDS: Final = (
    AlarmKind(
        name="node",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("Node `{node}` is not running: {detail}.",),
        origin=Origin.OURS,
        means="The actor of a node does not answer: it is being started again, or has failed for good. "
        "Its keys are neither renewed nor withdrawn meanwhile.",
        todo=(
            "`peerkey show actors` shows its state, its restarts and the kind of its last error.",
            "`peerkey show hosts`, on a cluster, shows whether its host answers.",
            "`peerkey show events --type actor`, and the log of `peerkey run` at that time.",
            (
                "It has failed for good: mend the cause, then `peerkey reload`, or start the process again; "
                "keys are kept."
            ),
        ),
        events=("actor", "cluster"),
        many="{count} nodes are not running",
    ),
    AlarmKind(
        name="node-unplaced",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("Node `{node}` has no place in the cluster: {why}.",),
        origin=Origin.OURS,
        means="No host of the cluster may run a node.",
        todo=(
            "`peerkey show hosts` shows what is there, and why the node is on none.",
            "Its address is on a machine that is away: bring that back. See docs/guides/cluster.md.",
        ),
        events=("cluster",),
        many="{count} nodes have no place in the cluster",
    ),
    AlarmKind(
        name="nodes-unplaced",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("The following nodes have no place in the cluster: `{nodes}`.",),
        origin=Origin.OURS,
        means="No host of the cluster may run these nodes, beside those with an alarm of their own.",
        todo=("`peerkey show hosts` shows what is there, and which nodes are on none.",),
        events=("cluster",),
    ),
    AlarmKind(
        name="host",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("Host `{host}` on machine `{machine}` is gone: {detail}.",),
        origin=Origin.OURS,
        means="A process of the cluster does not answer. It is started again, and its nodes move if "
        "they can.",
        todo=(
            "`peerkey show hosts` shows it with its restarts; nothing else is to be done if it comes back.",
            "It goes again and again: the log of that process on its machine, its memory (`dmesg`).",
        ),
        events=("cluster",),
        many="{count} hosts of the cluster are gone",
    ),
    AlarmKind(
        name="machine",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("Machine `{machine}` is lost.",),
        origin=Origin.OURS,
        means="A machine of the cluster is dead or cannot be reached. Its nodes have moved where they could.",
        todo=(
            "`peerkey show hosts` shows where its nodes are now, and which are on none.",
            "Bring the machine, or the way to it, back; it is taken in again by itself.",
        ),
        events=("cluster",),
        many="{count} machines of the cluster are lost",
    ),
    AlarmKind(
        name="cluster",
        severities=(Severity.MAJOR,),
        category=Category.PLATFORM,
        texts=("The cluster needs attention: {detail}.",),
        origin=Origin.OURS,
        means="Nodes run where they are, and nothing can be decided anew.",
        todo=(
            "The detail says what does not answer. `peerkey show hosts` shows the rest.",
            "See docs/guides/cluster.md, on the head of the cluster and on the shared store.",
        ),
        events=("cluster",),
        many="The cluster needs attention in {count} things",
    ),
    AlarmKind(
        name="actor-failed",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("Actor `{actor}` crashed too often and has failed: {error}.",),
        origin=Origin.OURS,
        means="An actor crashed more often than its supervision allows, and is not started again.",
        todo=(
            "`peerkey show events --type actor` and the log of `peerkey run` tell of the error.",
            "A disk that is full or gone is the usual cause: `df` of the state directory.",
            (
                "Start the process again: keys are kept, and nobody notices. Report the log: it is a "
                "fault of "
                "peerkey."
            ),
        ),
        events=("actor",),
        many="{count} actors have failed",
    ),
    AlarmKind(
        name="actor-crashing",
        severities=(Severity.MAJOR,),
        category=Category.PLATFORM,
        texts=("Actor `{actor}` crashes again and again: {error}.",),
        origin=Origin.OURS,
        means="An actor is started again and again, and crashes each time.",
        todo=(
            "`peerkey show actors` shows its restarts and the kind of its last error.",
            (
                "`StoreUnavailable`, `OSError`: the disk or the shared store. Mend it; the actor goes on by "
                "itself."
            ),
            "Anything else: keep the log of `peerkey run` and report it; it is a fault of peerkey.",
        ),
        events=("actor",),
        many="{count} actors crash again and again",
    ),
    AlarmKind(
        name="store",
        severities=(Severity.CRITICAL,),
        category=Category.PLATFORM,
        texts=("The store of `{node}` fails: {detail}.",),
        origin=Origin.OURS,
        means="Keys cannot be written, and what cannot be written is not used: no new key is agreed. "
        "Those in use stay in use.",
        todo=(
            "`df` and `df -i` of the state directory: make room. `dmesg`: does the disk have faults?",
            "On a cluster: does the shared store answer? See docs/guides/cluster.md.",
            "Nothing has to be restarted; writing is tried again.",
        ),
        events=("actor",),
        many="The stores of {count} nodes fail",
    ),
    AlarmKind(
        name="audit-log",
        severities=(Severity.MAJOR,),
        category=Category.PLATFORM,
        texts=("The audit log cannot be written: {reason}; {events} events are not in it.",),
        origin=Origin.OURS,
        means="Events are lost: they are counted, and in the memory of the process, but not on the "
        "disk. Keying goes on.",
        todo=(
            "`df` and `df -i` of the state directory: make room. `dmesg`: does the disk have faults?",
            (
                "The next event that can be written is preceded by one (`audit.gap`) that says how many are "
                "missing."
            ),
            "`peerkey events verify` afterwards.",
        ),
        events=("audit",),
        many="{count} audit logs cannot be written",
    ),
    AlarmKind(
        name="restart-needed",
        severities=(Severity.MAJOR,),
        category=Category.SYSTEM,
        texts=("Restart of the authority is required; until then the former values count: `{settings}`.",),
        origin=Origin.OURS,
        means="The configuration was read again, and everything in it has been taken up but for these "
        "settings, which the authority takes up only when it starts.",
        todo=(
            "`peerkey config diff FILE` says what waits, and what a restart would do.",
            "Restart the authority when it suits you: its keys are kept, and peers do not notice.",
            "Or set them back to the former values and `peerkey reload`: then nothing waits.",
        ),
        events=("configuration",),
        many="{count} authorities wait for a restart",
    ),
    AlarmKind(
        name="node-drained",
        severities=(Severity.MINOR,),
        category=Category.SYSTEM,
        texts=("Node `{node}` is drained since {since}: `peerkey drain --undo --node {node}` ends it.",),
        origin=Origin.OURS,
        means="An operator has taken the node out of work, for maintenance say, and nobody has put it "
        "back. Its peers have no keys for it, or those of its mate.",
        todo=(
            "`peerkey show events --type node` says since when.",
            "The maintenance is over: `peerkey drain --undo`.",
        ),
        events=("node",),
        many="{count} nodes are drained",
    ),
    AlarmKind(
        name="host-drained",
        severities=(Severity.MINOR,),
        category=Category.PLATFORM,
        texts=("Host or machine `{host}` is drained: `peerkey drain --host {host} --undo` ends it.",),
        origin=Origin.OURS,
        means="An operator has moved all nodes off a host or machine of the cluster, and none comes there.",
        todo=(
            "`peerkey show hosts` shows what runs where.",
            "The maintenance is over: `peerkey drain --host H --undo`.",
        ),
        events=("cluster",),
        many="{count} hosts are drained",
    ),
)
