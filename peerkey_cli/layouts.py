"""How each document looks to a person: the layout of the original system's samples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from peerkey_cli.schemas import iso
from peerkey_cli.terminal import block, duration, printable, prose, table

if TYPE_CHECKING:
    from datetime import datetime

    from peerkey_cli import schemas

#: Paths are configured by address and never looked up: this is what the original shows then.
_NO_HOSTNAME: Final = "unavailable"
#: Entries of a revocation list that a person is shown: a page of them.
ENTRIES_SHOWN: Final = 20
#: Peers of which the same is wrong that are named; of more it is said how many there are.
PEERS_NAMED: Final = 4
#: Different things that are told below a table: a page of them.
ADVICE_SHOWN: Final = 12


def peers(document: schemas.Peers, colours: bool) -> list[str]:
    """Return ``show peers``: a row for each path."""
    titles = ("Peer", "Node", "Network Interface", "Destination", "Status", "Hostname", "Path Mtu")
    rows = [
        (peer.peer, peer.node, path.interface, path.remote, path.status, _NO_HOSTNAME, path.mtu)
        for peer in document.peers
        for path in peer.paths
    ]
    return [
        "✔ Retrieving peer paths...",
        "",
        *table(titles, rows, colours=colours),
        *_advised(document),
        *_unprobed(document),
    ]


def _unprobed(document: schemas.Peers) -> list[str]:
    """Say below the table what the status of a peer is worth that is never asked whether it is there."""
    if all(peer.status != "up" or peer.probe_interval_seconds is not None for peer in document.peers):
        return []
    told = "path-probe-interval is 0: a peer that has died stays up here until its next key is due."
    return ["", *prose(told)]


def _advised(document: schemas.Peers) -> list[str]:
    """Say below the table what is wrong and what to do, once for all peers of which it is the same."""
    found: dict[tuple[str, str], list[str]] = {}
    for peer in document.peers:
        if peer.fault or peer.advice:
            found.setdefault((peer.fault, peer.advice), []).append(f"{peer.peer} (from {peer.node})")
    lines = []
    for (fault, advice), peers_ in list(found.items())[:ADVICE_SHOWN]:
        more = f", and {len(peers_) - PEERS_NAMED} more" if len(peers_) > PEERS_NAMED else ""
        lines += ["", *prose(f"{', '.join(peers_[:PEERS_NAMED])}{more}: {fault or 'in order, for now'}")]
        lines += prose(f"-> {advice}", indent=3) if advice else []
    left = sum(len(each) for each in list(found.values())[ADVICE_SHOWN:])
    return [*lines, "", f" And {left} more that are not in order; --json tells of all."] if left else lines


def peers_security(document: schemas.PeersSecurity, colours: bool) -> list[str]:
    """Return ``show peers security``: a block for each path."""
    lines = ["✔ Retrieving peer paths..."]
    for peer in document.peers:
        for path in peer.paths:
            fields = (
                *_path_fields(peer, path),
                ("Security Status", peer.security_status),
                ("Key Index", _or_none(peer.key_index)),
                ("Peer Ki", _or_none(peer.peer_key_index)),
                ("Cert Rec", peer.certificate_received),
                ("Cert Ack", peer.certificate_acknowledged),
                ("Key Rec", peer.key_received),
                ("Key Ack", peer.key_acknowledged),
                *_fault_fields(peer),
            )
            lines += ["", *block(f"Peer: {peer.peer.partition('/')[0]}", fields, colours=colours)]
    return lines


def _fault_fields(peer: schemas.Peer) -> tuple[tuple[str, object], ...]:
    """Return what is wrong and what to do, where something is."""
    told = (("Fault", peer.fault), ("Next Step", peer.advice))
    return tuple((label, text) for label, text in told if text)


def _path_fields(peer: schemas.Peer, path: schemas.Path) -> tuple[tuple[str, object], ...]:
    """Return how the block of a path begins."""
    return (
        ("Peer", peer.peer),
        ("Node", peer.node),
        ("Network Interface", path.interface),
        ("Destination", path.remote),
        ("Status", path.status),
        ("Hostname", _NO_HOSTNAME),
        ("Path Mtu", path.mtu),
    )


def peers_certificate(document: schemas.PeersCertificate, colours: bool) -> list[str]:
    """Return ``show peers certificate``: a block for each path."""
    lines = ["✔ Retrieving peer paths..."]
    for peer in document.peers:
        for path in peer.paths:
            fields = (
                *_path_fields(peer, path),
                ("Local Cert", _in_a_line(peer.local_certificate)),
                ("Peer Cert", _in_a_line(peer.peer_certificate)),
                *_fault_fields(peer),
            )
            lines += ["", *block(f"Peer: {peer.peer.partition('/')[0]}", fields, colours=colours)]
    return lines


def certificate(document: schemas.Certificates, colours: bool) -> list[str]:
    """Return ``show certificate``: a block for each node."""
    lines = ["✔ Retrieving certificates..."]
    for node in document.nodes:
        fields: list[tuple[str, object]] = [("State", node.state), ("Detail", node.detail or "N/A")]
        fields += [("Next Step", node.advice)] if node.advice else []
        if node.certificates:
            leaf, *above = node.certificates
            fields += [
                ("Subject", leaf.subject),
                ("Issuer", leaf.issuer),
                ("Serial", leaf.serial),
                ("Not Before", iso(leaf.not_before)),
                ("Not After", iso(leaf.not_after)),
                ("Alternative Names", ", ".join(leaf.alternative_names) or "N/A"),
                ("Purpose", ", ".join(leaf.purposes) or "N/A"),
                ("Public Key", leaf.key),
                ("Signature Algorithm", leaf.signature_algorithm),
                ("CRL", ", ".join(leaf.crl_urls) or "N/A"),
                ("Fingerprint SHA-1", leaf.fingerprint_sha1),
                ("Chain", ", ".join(each.subject for each in above) or "N/A"),
            ]
        lines += ["", *block(_node_title(node.node), fields, colours=colours)]
    return lines


def certificate_detail(document: schemas.Certificates, colours: bool) -> list[str]:
    """Return ``show certificate detail``: what OpenSSL prints of each certificate of each node."""
    lines = ["✔ Retrieving certificates..."]
    for node in document.nodes:
        fields = (("State", node.state), ("Detail", node.detail or "N/A"))
        lines += ["", *block(_node_title(node.node), fields, colours=colours)]
        for each in node.certificates:
            lines += ["", *map(printable, each.text)]
    return lines


def certificate_crl(document: schemas.RevocationLists, colours: bool) -> list[str]:
    """Return ``show certificate crl``: a block for each address, after one for all of them."""
    total = (
        ("Sources", len(document.sources)),
        ("Revoked", document.revoked),
        ("Generation", document.generation),
    )
    lines = ["✔ Retrieving revocation lists...", "", *block("Master CRL", total, colours=colours)]
    for source in document.sources:
        number = _or_none(source.number)
        fields: tuple[tuple[str, object], ...] = (
            ("Source", source.url),
            ("Origin", source.origin),
            ("State", source.state),
            ("Issuer", source.issuer or "N/A"),
            ("Number", number if source.base is None else f"{number}, a delta to {source.base}"),
            ("This Update", _time(source.this_update)),
            ("Next Update", _time(source.next_update)),
            ("Entries", source.entries),
            ("Size", f"{source.size} bytes"),
            ("Fetched", _time(source.fetched)),
            ("Age", _ago(source.confirmed, document.time)),
            ("Next Poll", "now" if source.polling == "fetching" else _ahead(source.next_poll, document.time)),
            ("Last Error", source.last_error or "N/A"),
            *((("Next Step", source.advice),) if source.advice else ()),
        )
        lines += ["", *block(f"CRL: {source.url}", fields, colours=colours)]
    return lines if document.sources else [*lines, "", " No revocation lists are followed."]


def _node_title(node: str) -> str:
    router, _, name = node.partition("/")
    return f"{name}.{router}"


def _in_a_line(certificate: schemas.CertificateInfo | None) -> str:
    if certificate is None:
        return "N/A"
    until = iso(certificate.not_after)
    return (
        f"{certificate.subject}, issued by {certificate.issuer}, serial {certificate.serial}, until {until}"
    )


def key_status(document: schemas.KeyStatus, colours: bool) -> list[str]:
    """Return ``show security key-status``: a block for each node, then a row for each peering."""
    lines = ["✔ Retrieving key state..."]
    for node in document.nodes:
        router, _, name = node.node.partition("/")
        fields = (
            ("Key Manager State", node.key_manager_state.capitalize()),
            ("Rekey Index", _or_none(node.rekey_index)),
            ("Last Rekey", _ago(node.last_rekey, document.time)),
            ("Next Rekey", _ahead(node.next_rekey, document.time)),
            ("Key Change Count", node.key_change_count),
            ("Key Change Error", node.key_change_error or "N/A"),
        )
        lines += ["", *block(f"{name}.{router}", (*fields, *_ha_fields(node.ha)), colours=colours)]
        titles = ("Peer", "Rekey Index", "Last Rekey", "Next Rekey", "Key Change Count", "Key Change Error")
        rows = [
            (
                peer.peer,
                _or_none(peer.rekey_index),
                _ago(peer.last_rekey, document.time),
                _ahead(peer.next_rekey, document.time),
                peer.key_change_count,
                peer.key_change_error or "N/A",
            )
            for peer in node.peers
        ]
        lines += ["", *table(titles, rows, colours=colours)] if rows else []
        if node.ha is not None and node.ha.keys:
            taken = [(key.peer, key.role, key.index, key.key_id, key.seals) for key in node.ha.keys]
            heads = ("Taken Over From Mate", "Role", "Key Index", "Key Id", "Seals")
            lines += ["", *table(heads, taken, colours=colours)]
    return lines


def _ha_fields(ha: schemas.Ha | None) -> tuple[tuple[str, object], ...]:
    """Return the lines about the mate, for a node that has one."""
    if ha is None:
        return ()
    return (
        ("HA Role", ha.role),
        ("HA Mate", ha.mate),
        ("HA Link", ha.link if not ha.link_error else f"{ha.link} ({ha.link_error})"),
        ("HA Records Replicated", f"{ha.replicated} of {ha.records}"),
        ("HA Lag", ha.lag),
        ("HA Copies Held", ha.copies),
        ("HA Taken Over", ha.taken_over),
        ("HA Rekey Turn", ha.rekey_turn or "N/A"),
    )


#: Where the next step stands, of what, by how the types of alarms about it begin.
_STEPS_AT: Final = (
    ("peerkey show peers", "peer", ("peer-", "path-")),
    ("peerkey show certificate", "certificate", ("certificate-",)),
    ("peerkey show certificate crl", "list", ("crl-",)),
)


def alarms(document: schemas.Alarms, colours: bool) -> list[str]:
    """Return ``show alarms``: a row for each."""
    titles = ("ID", "Time", "Severity", "Source", "Category", "Message")
    rows = [
        (alarm.id, iso(alarm.time), alarm.severity, alarm.source, alarm.category, alarm.message)
        if alarm.present
        else (alarm.id, iso(alarm.time), alarm.severity, alarm.source, alarm.category, _comes_and_goes(alarm))
        for alarm in document.alarms
    ]
    more = [] if rows else ["", " There are no alarms."]
    steps = [
        f" `{command}` says of each {thing} why, and what to do next."
        for command, thing, kinds in _STEPS_AT
        if any(alarm.type.startswith(kinds) for alarm in document.alarms)
    ]
    more += ["", *steps] if steps else []
    if document.shelved:
        more += ["", f" Shelved and not shown: {document.shelved}."]
    return ["✔ Retrieving alarms...", "", *table(titles, rows, colours=colours), *more]


def _comes_and_goes(alarm: schemas.Alarm) -> str:
    """Return the message of an alarm whose cause is away at this moment."""
    return f"{alarm.message} (comes and goes, {alarm.times} times; away now)"


def events(document: schemas.Events, colours: bool) -> list[str]:
    """Return ``show events``: a block for each."""
    lines = ["✔ Retrieving audit events..."]
    for each in document.events:
        lines += ["", *event(each, colours)]
    return lines if document.events else [*lines, "", " There are no such events."]


def event(document: schemas.Event, colours: bool) -> list[str]:
    """Return one audit event: a block."""
    fields = (
        ("Type", document.type),
        ("Node", document.node),
        ("Description", document.description),
        ("Json Event Detail", json.dumps(document.detail, separators=(",", ":"), ensure_ascii=False)),
        ("Permitted", document.permitted),
    )
    return block(f"{iso(document.time)} {document.title}", fields, colours=colours)


def stats_security(document: schemas.SecurityStats, colours: bool) -> list[str]:
    """Return ``show stats security``: a row for each counter, then what each node has of it."""
    rows = [(each.counter, each.value) for each in document.counters]
    lines = ["✔ Retrieving security statistics...", "", *table(("Counter", "Value"), rows, colours=colours)]
    nodes = sorted(
        ((one.node, each.counter, one.value) for each in document.counters for one in each.nodes),
        key=lambda row: row[0],
    )
    if nodes:
        lines += ["", *table(("Node", "Counter", "Value"), nodes, colours=colours)]
    lines += ["", f" Since:  {'N/A' if document.since is None else iso(document.since)}"]
    missing = [] if document.complete else [" A host does not answer: what it has counted is missing."]
    return [*lines, *missing]


def audit_verified(document: schemas.AuditVerified, colours: bool) -> list[str]:
    """Return ``events verify``: a block for each log."""
    lines = []
    for log in document.logs:
        fault = log.fault
        fields: list[tuple[str, object]] = [
            ("State", "invalid" if fault is not None else "valid"),
            ("Files", log.files),
            ("Lines", log.lines),
            ("First", _or_none(log.first)),
            ("Head", log.head or "N/A"),
        ]
        if fault is not None:
            place = fault.file if fault.line is None else f"{fault.file}, line {fault.line}"
            number = "" if fault.sequence is None else f" (sequence {fault.sequence})"
            fields.append(("Fault", f"{place}{number}: {fault.reason}"))
        fields += [("Remark", remark) for remark in log.remarks]
        lines += [*block(f"Audit log {log.file}", fields, colours=colours), ""]
    return lines[:-1]


def hosts(document: schemas.Hosts, colours: bool) -> list[str]:
    """Return ``show hosts``: a row for each, and a line for whatever has no place."""
    # Only under dedicated placement do paths have places of their own.
    paths = bool(document.paths)
    titles = ("Host", "Process", "Machine", "State", "Nodes", *(("Paths",) if paths else ()), "Restarts")
    rows = [
        (
            host.host,
            host.process or "-",
            host.machine,
            _state_of(host),
            str(host.nodes),
            *((str(host.paths),) if paths else ()),
            str(host.restarts),
        )
        for host in document.hosts
    ]
    lines = ["✔ Retrieving hosts...", "", *table(titles, rows, colours=colours)]
    lines += [f" {host.host}: {host.fault}" for host in document.hosts if host.fault]
    return lines + [f" {node.node} has no place: {node.why}" for node in document.unplaced]


def targets(document: schemas.Targets, colours: bool) -> list[str]:
    """Return ``show targets``: a row for each machine."""
    rows = [(each.machine, each.address) for each in document.targets]
    if not rows:
        return ["✔ Retrieving targets...", "", "No machine answers Prometheus: see run --metrics."]
    return ["✔ Retrieving targets...", "", *table(("Machine", "Address"), rows, colours=colours)]


def _state_of(host: schemas.Host) -> str:
    if not host.answers:
        return "silent"
    if host.drained:
        return "draining" if host.nodes else "drained"
    return "running" if host.complete else "starting"


def actors(document: schemas.Actors, colours: bool) -> list[str]:
    """Return ``show actors``: a row for each."""
    titles = ("Kind", "Name", "Host", "Process", "Machine", "State", "Restarts", "Mailbox")
    rows = [
        (
            actor.kind,
            actor.name,
            actor.host,
            actor.process,
            actor.machine,
            actor.state,
            actor.restarts,
            f"{actor.mailbox_depth} of {actor.mailbox_capacity}",
        )
        for actor in document.actors
    ]
    return ["✔ Retrieving actors...", "", *table(titles, rows, colours=colours)]


def verified(document: schemas.Verified, colours: bool) -> list[str]:
    """Return ``pki verify``: one block, a line for each certificate of the path and each reason."""
    fields = (
        ("State", document.state),
        ("At", iso(document.at)),
        *(("Reason", reason) for reason in document.reasons),
        *(("Path", certificate) for certificate in document.path),
        *(("Remark", remark) for remark in document.remarks),
    )
    return block("Certificate", fields, colours=colours)


def crls(document: schemas.Crls, colours: bool) -> list[str]:
    """Return ``pki crl``: a block for each list, and the first of its entries in a table."""
    lines: list[str] = []
    for each in document.lists:
        fields = [
            ("Issuer", each.issuer or "N/A"),
            ("Number", _or_none(each.number)),
            ("Delta Base", _or_none(each.delta_base)),
            ("This Update", iso(each.this_update)),
            ("Next Update", "N/A" if each.next_update is None else iso(each.next_update)),
            ("State", each.state),
            ("Signature Algorithm", each.signature_algorithm),
            ("Signature", each.signature),
            *([("Remark", each.unknown_extension)] if each.unknown_extension else []),
            ("Entries", str(each.total_entries)),
        ]
        lines += [*([""] if lines else []), *block("Revocation List", fields, colours=colours)]
        if each.entries:
            shown = each.entries[:ENTRIES_SHOWN]
            rows = [
                (entry.serial, iso(entry.since), entry.reason or "N/A", entry.issuer or each.issuer)
                for entry in shown
            ]
            lines += ["", *table(("Serial", "Since", "Reason", "Issuer"), rows)]
            if each.total_entries > len(shown):
                lines += [f" and {each.total_entries - len(shown)} more, which --json has too"]
    return lines


def _or_none(number: int | None) -> str:
    return "N/A" if number is None else str(number)


def _time(time: datetime | None) -> str:
    return "N/A" if time is None else iso(time)


def _ago(time: datetime | None, now: datetime) -> str:
    return duration(None if time is None else now - time)


def _ahead(time: datetime | None, now: datetime) -> str:
    return duration(None if time is None else time - now)
