"""Everything that can happen to two nodes, as verbs: what the property tests draw from.

A :class:`Turmoil` is a :class:`~peerkey.testing.pair.Pair` under an
:class:`~peerkey.testing.observer.Observer`, with a network that obeys :class:`Weather`. Each verb
changes something or lets time pass; whatever it breaks, the observer raises. :meth:`Turmoil.calm` ends
all faults and lets the ends come to rest within :meth:`Turmoil.bound`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from peerkey.protocol.constants import ACTIVATION_DELAY, ERASURE_DELAY, Kind
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import Ack, Reason, Refusal, encode_body
from peerkey.protocol.segments import FRAME_ID_BYTES, cut
from peerkey.testing.ca import Issued
from peerkey.testing.observer import Observer
from peerkey.testing.pair import HIGHER, LATENCY, LOWER, Datagram, End, Options, Pair
from peerkey.testing.reproducible import (
    DeterministicSigner,
    PlainAgreement,
    numbered_key,
    reproducible_ca,
)
from peerkey.testing.revocation import RevocationTable

ALGORITHMS: Final = ("ml-kem-768", "diffie-hellman-2048", "diffie-hellman-2048-ml-kem-768")
_REMEMBERED_FRAMES: Final = 400


@dataclass(slots=True)
class Weather:
    """How bad the network is. Shares are of datagrams, from 0 to 1."""

    loss: float = 0
    duplication: float = 0
    corruption: float = 0
    truncation: float = 0
    #: The most that a datagram may be late.
    delay: timedelta = timedelta(0)
    #: (sender, path) that nothing comes through.
    blocked: set[tuple[str, str]] = field(default_factory=set)


class TurmoilMate:
    """The other node of an HA pair: it has what it is asked for, or has not."""

    def __init__(self) -> None:
        """Begin with everything."""
        self.ready = True

    def may_use(self, key_id: bytes) -> bool:
        """See :meth:`peerkey.protocol.core.Mate.may_use`."""
        return self.ready or not key_id

    def may_rekey(self) -> bool:
        """See :meth:`peerkey.protocol.core.Mate.may_rekey`."""
        return self.ready


class Turmoil:
    """Two nodes, and everything that can go wrong between and inside them."""

    def __init__(self, seed: int, paths: int, options: Options, *, rekey_minutes: int | None = 60) -> None:
        """Start both ends in fine weather."""
        self.random = random.Random(seed)
        self.weather = Weather()
        self.frames: list[tuple[End, Frame]] = []
        self.certificates = 10
        #: Of each end, for a test that wants one: it is asked from the end's next start on.
        self.mates = (TurmoilMate(), TurmoilMate())
        options.rekey_interval = None if rekey_minutes is None else timedelta(minutes=rekey_minutes)
        ca = reproducible_ca()
        issued = (ca.issue(LOWER, key=numbered_key(10)), ca.issue(HIGHER, key=numbered_key(11)))
        self.revocation = RevocationTable()
        self.pair = Pair(
            paths=paths,
            seed=seed,
            ca=ca,
            options=options,
            issued=issued,
            network=self._fate,
            agreement=PlainAgreement,
            signer=DeterministicSigner,
            observer=Observer(),
        )
        for end in self.pair.ends:
            end.revocation = self.revocation
            end.reconfigure()
        self.pair.look()

    # --- the network --------------------------------------------------------------------------------

    def _fate(self, datagram: Datagram) -> Iterator[tuple[timedelta, bytes]]:
        weather, draw = self.weather, self.random
        if (datagram.sender.name, datagram.path) in weather.blocked or draw.random() < weather.loss:
            return
        data = datagram.data
        for _ in range(2 if draw.random() < weather.duplication else 1):
            if draw.random() < weather.corruption:
                data = self.corrupted(datagram.data)
            if draw.random() < weather.truncation:
                data = datagram.data[: draw.randrange(len(datagram.data))]
            yield LATENCY + weather.delay * draw.random(), data

    def corrupted(self, data: bytes) -> bytes:
        """Return the data with one byte changed."""
        position = self.random.randrange(len(data))
        changed = data[position] ^ self.random.randrange(1, 256)
        return data[:position] + bytes((changed,)) + data[position + 1 :]

    def block(self, end: End, path: str) -> None:
        """Let nothing of what ``end`` sends on ``path`` arrive."""
        self.weather.blocked.add((end.name, path))

    # --- an attacker who sees everything and holds no key -----------------------------------------------

    def replay(self, which: int, receiver: End, path: str, *, corrupt: bool = False) -> None:
        """Let a frame of the past arrive again: at either end, by any path, perhaps changed."""
        self._remember()
        if not self.frames:
            return
        _, frame = self.frames[which % len(self.frames)]
        encoded = self.corrupted(frame.encode()) if corrupt else frame.encode()
        self._insert(receiver, path, encoded)

    def forge(self, which: int, receiver: End, path: str, kind: str) -> None:
        """Let something arrive that needs no key: an ACK or an unsigned REFUSAL of a frame that was seen."""
        self._remember()
        own = [frame for sender, frame in self.frames if sender is receiver]
        digest = own[which % len(own)].digest if own else bytes(48)
        sender, to = self.pair.other(receiver).uuid.bytes, receiver.uuid.bytes
        if kind == "ack":
            forged = Frame(Kind.ACK, sender, to, encode_body(Ack(digest)))
        else:
            refusal = Refusal(digest, kind, "forged", bytes(32))
            forged = Frame(Kind.REFUSAL, sender, to, encode_body(refusal), b"" if which % 2 else bytes(64))
        self._insert(receiver, path, forged.encode())

    def _insert(self, receiver: End, path: str, encoded: bytes) -> None:
        frame_id = self.random.randbytes(FRAME_ID_BYTES)
        for datagram in cut(encoded, frame_id, 1200, never_answer=False):
            self.pair.inject(receiver, path, datagram)

    def _remember(self) -> None:
        for end in self.pair.ends:
            self.frames += ((end, frame) for _, frame in end.sent)
            end.sent.clear()
        del self.frames[:-_REMEMBERED_FRAMES]

    # --- the nodes ------------------------------------------------------------------------------------

    def crash(self, end: End, effects: int | None = None) -> None:
        """Kill an end: now, or after it has carried out so many more effects."""
        if effects is None:
            end.crash()
        else:
            end.fuse = effects
        self.pair.look()

    def restart(self, end: End) -> None:
        """Start an end that is dead, from what it had stored; one that is alive is killed first."""
        end.crash()
        end.boot()
        self.pair.look()

    def lose_store(self, end: End) -> None:
        """Take everything from an end but its configuration and certificate."""
        end.lose_store()
        self.pair.look()

    def rekey(self, end: End) -> None:
        """Give the operator's command."""
        if end.alive:
            end.carry(end.peering.rekey(end.now))
            self.pair.look()

    def replace_certificate(self, end: End, *, sign_with_both: bool = False) -> None:
        """Give an end a new certificate on a new key."""
        self.certificates += 1
        issued = self._issue(end)
        if end.alive:
            end.replace_certificate(issued, sign_with_both=sign_with_both)
        else:
            end.issued = issued
        self.pair.look()

    def revoke(self, end: End) -> None:
        """Revoke an end's certificate; whoever is alive notices."""
        assert end.issued is not None
        self.revocation.revoke(end.issued.certificate, self.pair.now.wall)
        self.all_look_again()

    def step_clock(self, end: End, by: timedelta) -> None:
        """Step one end's wall clock."""
        end.clock_offset += by
        self.all_look_again()

    def all_look_again(self) -> None:
        """Let every end that is alive judge both certificates, as it does whenever they may have changed."""
        for end in self.pair.ends:
            if end.alive:
                end.judge_own_certificate(self._own_fault(end))
                end.look_again()
                self.pair.look()
            else:
                end.own_fault = self._own_fault(end)

    def reconfigure(self, end: End, **options: object) -> None:
        """Change an end's options."""
        for name, value in options.items():
            setattr(end.options, name, value)
        if end.alive:
            end.reconfigure()
            self.pair.look()

    def interface(self, end: End, path: str, *, up: bool) -> None:
        """Take an interface up or down."""
        if end.alive:
            end.interface(path, up=up)
            self.pair.look()

    def release_pin(self, end: End) -> None:
        """Give the operator's command."""
        if end.alive:
            end.carry(end.peering.release_pin(end.now))
            self.pair.look()

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.pair.run(seconds=seconds)

    def _issue(self, end: End) -> Issued:
        return self.pair.ca.issue(end.uuid, key=numbered_key(self.certificates))

    def _own_fault(self, end: End) -> str:
        """Return what a node that watches its own certificate finds, validation or not."""
        assert end.issued is not None
        certificate = end.issued.certificate
        if self.revocation.lookup(certificate.issuer.public_bytes(), certificate.serial_number):
            return "revoked"
        inside = certificate.not_valid_before_utc <= end.now.wall <= certificate.not_valid_after_utc
        return "" if inside else "outside its dates"

    # --- the end of all faults --------------------------------------------------------------------------

    def calm(self) -> None:
        """End every fault, and require that both ends are keyed and in service in time."""
        self.weather = Weather()
        for mate in self.mates:
            mate.ready = True
        for end in self.pair.ends:
            end.clock_offset = timedelta(0)
            end.fuse = None
            if not end.alive:
                end.boot()
        self.all_look_again()
        for end in self.pair.ends:
            if end.own_fault:
                self.replace_certificate(end)
            for path in self.pair.path_names:
                self.interface(end, path, up=True)
            self.reconfigure(end, enabled=True, algorithm=ALGORITHMS[0])
        self.all_look_again()
        started = self.pair.now.instant
        done = self.pair.run(seconds=self.bound().total_seconds(), until=self.at_rest)
        took = self.pair.now.instant - started
        assert done, f"not keyed and in service after {took}: {self.describe()}"

    def bound(self) -> timedelta:
        """How long it may take to be keyed and in service once all faults have ended.

        An exchange that was cut short may have to run out, and a path that was given up tries again every
        time-out; then one exchange of certificates and one of keys, each perhaps put off by an interval,
        and the delays of activation and erasure of a rekey before it.
        """
        options = self.pair.low.options
        exchange = max(end.peering_config().exchange_timeout for end in self.pair.ends)
        return (
            3 * options.timeout
            + exchange
            + 8 * options.retransmit_interval
            + 2 * (ACTIVATION_DELAY + ERASURE_DELAY)
        )

    def at_rest(self) -> bool:
        """Tell whether both ends use the same key, agreed under what is configured now, on every path."""
        if not self.pair.keyed():
            return False
        for end in self.pair.ends:
            key, other = end.current, self.pair.other(end)
            if key is None or end.issued is None or other.issued is None:
                return False
            leaves = (end.peering.ring.current, other.peering.ring.current)
            if any(leaf is None for leaf in leaves):
                return False
            mine, theirs = end.identity(), other.identity()
            assert mine is not None
            assert theirs is not None
            if (key.local_leaf, key.peer_leaf) != (mine.fingerprint, theirs.fingerprint):
                return False
            if key.algorithm != end.options.algorithm:
                return False
        return True

    def describe(self) -> str:
        """Say where each end stands."""
        return "; ".join(
            f"{end.name}: {end.peering.phase.name}, ring {dict(end.peering.ring)}, "
            f"paths {[path.state.name for path in end.paths.values()]}, "
            f"status {end.peering.status(end.now).security_status}, counts {end.counts}"
            for end in self.pair.ends
        )


#: What an attacker may claim without proof.
CLAIMS: Final = ("ack", *(reason.value for reason in Reason))
