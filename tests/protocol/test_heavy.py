"""What is computed off the event loop is whatever is dear, and of junk no more than its rates."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from peerkey.moment import Moment
from peerkey.protocol import authentication
from peerkey.protocol.constants import Kind
from peerkey.protocol.effects import Effect
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import (
    Certificate,
    KeyConfirm,
    KeyRequest,
    Message,
    Refusal,
    decode_body_untrusted,
    encode_body,
    encode_signatures,
)
from peerkey.protocol.peering import Peering
from peerkey.testing.ca import TestCA
from peerkey.testing.pair import End, Options, Pair
from peerkey.testing.reproducible import DeterministicSigner, PlainAgreement, PlainEphemeral
from tests.protocol.wires import hand, keyed_pair, last_sent, rekey
from tests.support.turmoil import Turmoil, Weather

#: Light steps that the turmoil below must at least contain, lest it prove nothing.
ENOUGH = 100


@pytest.mark.parametrize("seed", range(3))
def test_a_step_that_is_not_called_heavy_never_signs_agrees_or_reads_a_certificate(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    turmoil = Turmoil(seed, 2, Options(probe_interval=timedelta(minutes=1)), rekey_minutes=5)
    draw = random.Random(seed)
    for _ in range(120):
        end = draw.choice(turmoil.pair.ends)
        turmoil.weather = Weather(loss=draw.choice((0, 0.2)), delay=timedelta(seconds=draw.choice((0, 2))))
        draw.choice(happenings(turmoil, end, draw))()
        turmoil.pass_time(draw.choice((0.1, 5, 60)))

    assert spy.steps["light"] > ENOUGH
    assert spy.steps["dear"] > ENOUGH


def test_light_algorithms_leave_nothing_but_certificates_to_the_executor() -> None:
    pair = keyed_pair()
    request, certificate = last_sent(pair.high, Kind.KEY_REQUEST), last_sent(pair.high, Kind.CERTIFICATE)
    pair.low.lose_store()
    assert pair.low.peering.heavy(certificate, pair.low.now)
    assert not pair.low.peering.heavy(request, pair.low.now)
    assert not pair.low.peering.laborious


def test_a_copy_of_the_certificate_in_force_is_not_read_again() -> None:
    pair = keyed_pair()
    assert not pair.low.peering.heavy(last_sent(pair.high, Kind.CERTIFICATE), pair.low.now)


def test_only_the_response_to_our_own_request_is_heavy() -> None:
    pair = laborious_pair()
    rekey(pair.high)
    pair.run(seconds=1)
    assert not pair.high.peering.heavy(last_sent(pair.low, Kind.KEY_RESPONSE), pair.high.now)


def test_bytes_that_are_no_message_are_light() -> None:
    pair = laborious_pair()
    for kind in Kind:
        junk = Frame(kind, pair.high.uuid.bytes, pair.low.uuid.bytes, b"\x90")
        assert not pair.low.peering.heavy(junk, pair.low.now)


@pytest.mark.parametrize("kind", [Kind.CERTIFICATE, Kind.KEY_REQUEST, Kind.KEY_CONFIRM, Kind.REFUSAL])
def test_junk_is_heavy_only_within_its_rates(kind: Kind) -> None:
    pair = laborious_pair()
    heavy = 0
    for number in range(200):
        junk = forged(pair, kind, number)
        heavy += pair.low.peering.heavy(junk, pair.low.now)
        hand(pair.low, junk)
    assert heavy <= 64
    assert not pair.low.peering.heavy(forged(pair, kind, 200), pair.low.now)


class Spy:
    """Asserts of every frame that a peering receives that it was called heavy if it was dear."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: Counter[str] = Counter()
        self._dear = 0
        monkeypatch.setattr(DeterministicSigner, "heavy", True)
        for owner, name in (
            (DeterministicSigner, "sign"),
            (PlainAgreement, "offer"),
            (PlainAgreement, "answer"),
            (PlainEphemeral, "finish"),
            (authentication, "parse_chain_untrusted"),
        ):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))
        self._receive = Peering.receive
        spied = self._spied

        def receive(peering: Peering, path: str, frame: Frame, now: Moment) -> list[Effect]:
            return spied(peering, path, frame, now)

        monkeypatch.setattr(Peering, "receive", receive)

    def _counted(self, function: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object) -> object:
            self._dear += 1
            return function(*arguments)

        return counted

    def _spied(self, peering: Peering, path: str, frame: Frame, now: Moment) -> list[Effect]:
        heavy, before = peering.heavy(frame, now), self._dear
        wanted = self._receive(peering, path, frame, now)
        dear = self._dear > before
        assert heavy or not dear, frame
        self.steps["dear" if dear else "heavy" if heavy else "light"] += 1
        return wanted


def happenings(turmoil: Turmoil, end: End, draw: random.Random) -> tuple[Callable[[], None], ...]:
    """Return what may happen to one end."""
    path = draw.choice(turmoil.pair.path_names)
    return (
        lambda: turmoil.rekey(end),
        lambda: turmoil.restart(end),
        lambda: turmoil.lose_store(end),
        lambda: turmoil.replace_certificate(end, sign_with_both=draw.random() < 0.5),
        lambda: turmoil.replay(draw.randrange(400), end, path),
        lambda: turmoil.replay(draw.randrange(400), end, path, corrupt=True),
        lambda: turmoil.forge(draw.randrange(400), end, path, "stale"),
        lambda: turmoil.release_pin(end),
    )


def laborious_pair() -> Pair:
    """Return a keyed pair whose key agreement is dear."""
    return keyed_pair(options=Options(algorithm="diffie-hellman-4096"))


def forged(pair: Pair, kind: Kind, number: int) -> Frame:
    """Return a frame to the lower end that proves nothing; of each number another."""
    sender, receiver = pair.high.uuid.bytes, pair.low.uuid.bytes
    digest = number.to_bytes(48)
    match kind:
        case Kind.CERTIFICATE:
            certificate = decode_body_untrusted(last_sent(pair.high, kind))
            assert isinstance(certificate, Certificate)
            junk: Message = certificate._replace(number=number + 1, chain=STRANGER)
        case Kind.KEY_REQUEST:
            request = decode_body_untrusted(last_sent(pair.high, kind))
            assert isinstance(request, KeyRequest)
            junk = request._replace(nonce=digest[-32:])
        case Kind.KEY_CONFIRM:
            junk = KeyConfirm(digest, digest, bytes(32))
        case _:
            junk = Refusal(digest, "stale", "junk", bytes(32))
    auth = encode_signatures(bytes(64)) if kind is Kind.CERTIFICATE else bytes(64)
    return Frame(kind, sender, receiver, encode_body(junk), auth)


#: A chain that leads to no CA that either end trusts.
STRANGER = TestCA("stranger").issue(Pair().high.uuid).chain
