"""One path alone: announce, retransmit, give up, recover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import pytest

from peerkey.moment import Instant
from peerkey.observe.events import PathInService, PathOutOfService, PeeringFailed
from peerkey.protocol.constants import MAXIMUM_TRANSMISSIONS, PACE_BURST, PACE_PAUSE, Kind
from peerkey.protocol.effects import Count, Datagram, Deliver, Emit, PathEffect, Service, WantProbe
from peerkey.protocol.frame import Frame, decode_frame_untrusted
from peerkey.protocol.messages import Ack, Message, Refusal, decode_body_untrusted, encode_body
from peerkey.protocol.path import PATH_EDGES, Path, PathConfig, PathState, PathStep
from peerkey.protocol.segments import FLAG_NEVER_ANSWER, HEADER_BYTES, Reassembly, Segment, cut
from peerkey.protocol.segments import read_datagram_untrusted as read
from peerkey.testing.pair import seeded_entropy
from tests.protocol.examples import MESSAGES, digest

LOCAL, PEER, OTHER = (UUID(int=number).bytes for number in (1, 2, 3))
RETRANSMIT, TIMEOUT = timedelta(seconds=30), timedelta(seconds=300)
T = TypeVar("T")


# --- repeating ----------------------------------------------------------------------------------------


def test_a_certificate_is_repeated_every_retransmit_interval_with_the_same_bytes() -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.goes_on(seconds=95)

    sent = track.frames(Kind.CERTIFICATE)
    assert [at for at, _ in sent] == [seconds + copy for seconds in (0, 30, 60, 90) for copy in (0, 1.5, 3)]
    assert {frame.encode() for _, frame in sent} == {mine(Kind.CERTIFICATE).encode()}


def test_segments_leave_up_to_three_times_under_one_id_and_a_new_transmission_takes_a_new_one() -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.goes_on(seconds=40)

    ids = [read_segment(data).frame_id for _, data in track.datagrams()]
    assert ids[0] == ids[1] == ids[2] != ids[3] == ids[4] == ids[5]


def test_an_acknowledged_frame_leaves_no_more_copies_of_its_segments() -> None:
    track = Track()
    track.do(track.path.send(mine(Kind.KEY_REQUEST), track.now))
    track.arrives(theirs(Kind.ACK, Ack(mine(Kind.KEY_REQUEST).digest)))
    track.goes_on(seconds=10)

    assert len(track.frames(Kind.KEY_REQUEST)) == 1


def test_reason_a_spoofed_ack_does_not_silence_a_path() -> None:
    """An ACK spaces the next copy on its path to peer-key-timeout and never ends repetition."""
    track = Track()
    announcement = mine(Kind.CERTIFICATE)
    track.do(track.path.announce(announcement, track.now))
    for _ in range(1300):
        track.arrives(theirs(Kind.ACK, Ack(announcement.digest)))
        track.goes_on(seconds=1)
    assert [at for at, _ in track.frames(Kind.CERTIFICATE)] == [0, 600, 900, 1200]

    heard = Track()
    heard.do(heard.path.announce(announcement, heard.now))
    heard.arrives(theirs(Kind.ACK, Ack(announcement.digest)))
    heard.goes_on(seconds=200)
    heard.do(heard.path.heard(heard.now))
    heard.goes_on(seconds=99)
    assert len(heard.frames(Kind.CERTIFICATE)) == 1
    heard.goes_on(seconds=1)
    assert [at for at, _ in heard.frames(Kind.CERTIFICATE)] == [0, 300]


@pytest.mark.parametrize("spoofed", [digest("another frame"), bytes(48)])
def test_an_ack_of_nothing_that_is_under_way_is_counted(spoofed: bytes) -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))

    assert track.arrives(theirs(Kind.ACK, Ack(spoofed))) == [Count("unexpected-ack")]
    track.goes_on(seconds=4)
    assert len(track.frames(Kind.CERTIFICATE)) == 3


def test_what_the_peer_has_already_is_announced_no_more() -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.do(track.path.announce(None, track.now))
    track.goes_on(seconds=100)

    assert [at for at, _ in track.frames(Kind.CERTIFICATE)] == [0, 1.5, 3]


def test_acks_refusals_and_replies_leave_once_and_are_never_to_be_answered() -> None:
    for kind in (Kind.ACK, Kind.REFUSAL, Kind.PROBE_REPLY):
        track = Track()
        track.do(track.path.answer(mine(kind), track.now))
        track.goes_on(seconds=10)

        assert len(track.frames(kind)) == 1
        assert read_segment(track.datagrams()[0][1]).flags == FLAG_NEVER_ANSWER


def test_segments_fit_the_path_and_are_paced() -> None:
    track = Track(datagram_bytes=600)
    large = Frame(Kind.CERTIFICATE, LOCAL, PEER, bytes(20_000))
    track.do(track.path.announce(large, track.now))
    track.goes_on(seconds=1)

    sent = track.datagrams()
    assert len(sent) == 35
    assert all(len(data) <= 600 for _, data in sent)
    pause = PACE_PAUSE.total_seconds()
    assert [at for at, _ in sent] == [0.0] * PACE_BURST + [pause] * PACE_BURST + [2 * pause] * 3


def test_reason_45_segments_at_20_percent_loss_never_all_arrive_in_one_go() -> None:
    """Segments of all copies share a frame id, so what one copy loses another brings."""
    loss = seeded_entropy("loss")
    large = Frame(Kind.CERTIFICATE, LOCAL, PEER, bytes(52_000))
    whole = 0
    for _ in range(50):
        track = Track()
        track.do(track.path.announce(large, track.now))
        track.goes_on(seconds=4)
        sent = track.datagrams()
        assert len(sent) == 3 * 44
        kept = [(at, data) for at, data in sent if loss(1)[0] >= 256 // 5]
        whole += put_together(kept) == large.encode()

        one_go = [(at, data) for at, data in kept if at < 1]
        assert put_together(one_go) is None
    assert whole > 25


def test_a_path_has_a_bounded_number_of_frames_under_way() -> None:
    track = Track()
    many = [Frame(Kind.KEY_CONFIRM, LOCAL, PEER, bytes((number,))) for number in range(100)]
    for frame in many:
        track.do(track.path.send(frame, track.now))
    track.goes_on(seconds=2)

    repeated = [frame for at, frame in track.frames(Kind.KEY_CONFIRM) if at == 1.5]
    assert repeated == many[-MAXIMUM_TRANSMISSIONS:]


def test_a_frame_that_is_under_way_is_not_sent_twice() -> None:
    track = Track()
    for _ in range(3):
        track.do(track.path.send(mine(Kind.KEY_REQUEST), track.now))

    assert len(track.frames(Kind.KEY_REQUEST)) == 1


# --- service ------------------------------------------------------------------------------------------


def test_a_path_enters_service_when_a_probe_under_the_current_key_is_answered_on_it() -> None:
    track = Track()
    wanted = track.do(track.path.usable(7, probing=True, now=track.now))
    assert WantProbe() in wanted
    assert track.state() is PathState.WAITING

    track.probe(b"nonce")
    wanted = track.do(track.path.probe_answered(b"nonce", 7, track.now))

    assert track.state() is PathState.IN_SERVICE
    assert of(wanted, Service) == [Service(in_service=True, reason="a probe was answered")]
    assert of(track.events(), PathInService) == [PathInService("branch", "wan0>branch")]


def test_a_reply_under_another_key_or_to_no_outstanding_nonce_is_no_service() -> None:
    track = Track()
    track.do(track.path.usable(7, probing=True, now=track.now))
    track.probe(b"nonce")

    assert track.do(track.path.probe_answered(b"other", 7, track.now)) == [Count("late-probe-reply")]
    track.do(track.path.probe_answered(b"nonce", 6, track.now))
    assert track.state() is PathState.WAITING
    assert track.do(track.path.probe_answered(b"nonce", 7, track.now)) == [Count("late-probe-reply")]


def test_a_path_without_a_key_asks_for_no_probe() -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.goes_on(seconds=100)

    assert of(track.effects(), WantProbe) == []


def test_probes_go_out_every_retransmit_interval_until_the_peer_has_said_that_it_seals_with_the_key() -> None:
    track = in_service(probing=True)
    track.goes_on(seconds=99)
    assert track.times(WantProbe, since=0) == [30, 60, 90]

    track.do(track.path.usable(7, probing=False, now=track.now))
    track.do(track.path.heard(track.now))
    settled = track.seconds
    track.goes_on(seconds=31)
    track.do(track.path.heard(track.now))
    track.goes_on(seconds=1000)
    assert len(track.times(WantProbe, since=settled)) <= 1


def test_a_key_that_is_lost_takes_the_path_out_of_service() -> None:
    track = in_service()
    wanted = track.do(track.path.usable(None, probing=False, now=track.now))

    assert track.state() is PathState.WAITING
    assert of(wanted, Service) == [Service(in_service=False, reason="the peering has no key")]


def test_a_rekey_does_not_take_the_path_out_of_service() -> None:
    track = in_service()
    track.do(track.path.send(mine(Kind.KEY_REQUEST), track.now))
    track.do(track.path.usable(8, probing=True, now=track.now))
    track.goes_on(seconds=100)

    assert track.state() is PathState.IN_SERVICE
    assert of(track.effects(), PathOutOfService) == []


# --- time-outs ----------------------------------------------------------------------------------------


def test_a_silent_peer_takes_the_path_out_of_service_after_peer_key_timeout() -> None:
    track = in_service()
    track.answer_probes = False
    begun = track.seconds
    track.do(track.path.send(mine(Kind.KEY_REQUEST), track.now))
    track.goes_on(seconds=299.9)
    assert track.state() is PathState.IN_SERVICE

    track.goes_on(seconds=0.1)
    assert track.state() is PathState.INVALID
    assert track.seconds == begun + 300
    assert of(track.effects(), Service)[-1] == Service(
        in_service=False, reason="no authentic answer for 300 s"
    )
    assert of(track.events(), PathOutOfService) == [
        PathOutOfService("branch", "wan0>branch", "no authentic answer for 300 s")
    ]


def test_a_path_that_never_was_in_service_is_declared_invalid_too() -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.goes_on(seconds=300)

    assert track.state() is PathState.INVALID
    assert len(of(track.events(), PathOutOfService)) == 1


def test_only_an_authentic_frame_ends_the_wait() -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    for _ in range(29):
        track.goes_on(seconds=10)
        track.arrives(theirs(Kind.ACK, Ack(mine(Kind.CERTIFICATE).digest)))
        track.arrives(theirs(Kind.REFUSAL, Refusal(b"", "unsupported-version", "", b"")))
        track.arrives(theirs(Kind.KEY_REQUEST))
    track.goes_on(seconds=10)

    assert track.state() is PathState.INVALID


def test_an_authentic_frame_re_arms_the_timer() -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.goes_on(seconds=299)
    track.do(track.path.heard(track.now))
    track.goes_on(seconds=200)
    assert track.state() is PathState.WAITING

    track.goes_on(seconds=200)
    assert track.state() is PathState.INVALID


def test_an_invalid_path_tries_every_peer_key_timeout_and_rests_between() -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.goes_on(seconds=1250)

    tries = [at for at, _ in track.frames(Kind.CERTIFICATE) if at >= 300]
    assert tries == [start + copy for start in (600, 900, 1200) for copy in (0, 1.5, 3)]


def test_an_invalid_path_sends_what_the_peering_repeats_only_while_it_tries() -> None:
    track = Track()
    request = mine(Kind.KEY_REQUEST)
    for _ in range(70):
        track.do(track.path.send(request, track.now))
        track.goes_on(seconds=10)

    after = [at for at, _ in track.frames(Kind.KEY_REQUEST) if at >= 300]
    assert after
    assert all(600 <= at < 630 for at in after)


def test_an_invalid_path_with_a_key_asks_for_a_probe_when_it_tries() -> None:
    track = in_service()
    track.answer_probes = False
    track.do(track.path.send(mine(Kind.KEY_REQUEST), track.now))
    track.goes_on(seconds=300)
    invalid_at = track.seconds
    track.goes_on(seconds=310)

    assert track.times(WantProbe, since=invalid_at) == [invalid_at + 300]


def test_an_invalid_path_tries_at_once_when_an_authentic_frame_arrives() -> None:
    track = invalid()
    before = len(track.frames(Kind.CERTIFICATE))
    track.do(track.path.heard(track.now))

    assert track.state() is PathState.WAITING
    assert len(track.frames(Kind.CERTIFICATE)) == before + 1


def test_an_invalid_path_still_acknowledges_and_answers() -> None:
    track = invalid()
    track.do(track.path.answer(mine(Kind.ACK), track.now))

    assert len(track.frames(Kind.ACK)) == 1


def test_an_interface_that_comes_up_makes_an_invalid_path_try_at_once() -> None:
    track = invalid()
    before = len(track.frames(Kind.CERTIFICATE))
    track.do(track.path.interface(track.now, up=False))
    assert track.state() is PathState.DOWN
    assert track.path.deadline() is None
    track.do(track.path.interface(track.now, up=True))

    assert track.state() is PathState.WAITING
    assert len(track.frames(Kind.CERTIFICATE)) == before + 1


def test_an_interface_that_goes_down_takes_the_path_out_of_service_at_once_and_silences_it() -> None:
    track = in_service()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    wanted = track.do(track.path.interface(track.now, up=False))
    sent = len(track.datagrams())
    track.do(track.path.send(mine(Kind.KEY_REQUEST), track.now))
    track.do(track.path.answer(mine(Kind.ACK), track.now))
    track.goes_on(seconds=1000)

    assert of(wanted, Service) == [Service(in_service=False, reason="the interface is down")]
    assert len(track.datagrams()) == sent


def test_an_interface_that_is_up_already_changes_nothing() -> None:
    track = in_service()

    assert track.do(track.path.interface(track.now, up=True)) == []
    assert track.state() is PathState.IN_SERVICE


def test_a_path_that_was_down_comes_back_into_service_by_a_probe() -> None:
    track = in_service()
    track.do(track.path.interface(track.now, up=False))
    wanted = track.do(track.path.interface(track.now, up=True))
    assert WantProbe() in wanted

    track.probe(b"again")
    track.do(track.path.probe_answered(b"again", 7, track.now))
    assert track.state() is PathState.IN_SERVICE


# --- periodic probing ---------------------------------------------------------------------------------


def test_without_periodic_probing_a_settled_path_is_silent() -> None:
    track = in_service()
    before = len(track.datagrams())
    track.goes_on(seconds=100_000)

    assert len(track.datagrams()) == before
    assert track.state() is PathState.IN_SERVICE


def test_periodic_probing_takes_a_silent_path_out_of_service() -> None:
    track = in_service(probe_interval=timedelta(seconds=60))
    track.answer_probes = False
    track.goes_on(seconds=178)
    assert track.state() is PathState.IN_SERVICE

    track.goes_on(seconds=100)
    assert track.state() is PathState.WAITING
    assert of(track.events(), PathOutOfService)[-1].reason == "3 probes went unanswered"
    assert track.times(WantProbe, since=0)[0] == 60


def test_periodic_probing_goes_on_while_it_is_answered() -> None:
    track = in_service(probe_interval=timedelta(seconds=60))
    begun = track.seconds
    track.goes_on(seconds=1000)

    assert track.state() is PathState.IN_SERVICE
    assert len(track.times(WantProbe, since=begun)) == 16


# --- disabled -----------------------------------------------------------------------------------------


def test_a_disabled_path_sends_and_answers_nothing() -> None:
    track = Track(enabled=False)
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.do(track.path.usable(7, probing=True, now=track.now))
    track.do(track.path.send(mine(Kind.KEY_REQUEST), track.now))
    track.do(track.path.answer(mine(Kind.ACK), track.now))

    assert track.arrives(theirs(Kind.KEY_CONFIRM)) == [Count("disabled")]
    assert track.path.deadline() is None
    track.goes_on(seconds=1000)
    assert track.effects() == [Count("disabled")]


def test_disabling_takes_a_path_out_of_service_and_enabling_lets_it_try_at_once() -> None:
    track = in_service()
    track.answer_probes = False
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    wanted = track.do(track.path.configured(config(enabled=False), track.now))
    assert of(wanted, Service) == [Service(in_service=False, reason="key management is disabled")]
    assert track.state() is PathState.DISABLED

    before = len(track.frames(Kind.CERTIFICATE))
    wanted = track.do(track.path.configured(config(), track.now))
    assert track.state() is PathState.WAITING
    assert WantProbe() in wanted
    assert len(track.frames(Kind.CERTIFICATE)) == before + 1


def test_an_interface_that_goes_down_while_disabled_is_still_down_when_enabled() -> None:
    track = Track(enabled=False)
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.do(track.path.interface(track.now, up=False))
    track.do(track.path.configured(config(), track.now))
    track.goes_on(seconds=100)
    assert track.datagrams() == []
    assert track.state() is PathState.DOWN

    track.do(track.path.interface(track.now, up=True))
    assert len(track.frames(Kind.CERTIFICATE)) == 1


# --- receiving ----------------------------------------------------------------------------------------


def test_a_frame_of_many_segments_is_delivered_once_whatever_their_order() -> None:
    track = Track()
    frame = theirs(Kind.KEY_REQUEST)
    datagrams = cut(frame.encode(), bytes(8), 100, never_answer=False)
    wanted = [effect for data in reversed(datagrams) for effect in track.receives(data)]

    assert wanted == [Deliver(frame)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing of ours",
        b"PK\x01\x00" + bytes(8) + b"\x00\x01" + b"no frame",
        b"PK\x01\xff" + bytes(99),
    ],
)
def test_what_is_no_datagram_of_ours_is_counted_and_nothing_else(data: bytes) -> None:
    assert Track().receives(data) == [Count("malformed")]


def test_another_version_gets_one_refusal_a_second_and_one_event_that_names_both() -> None:
    track = Track()
    foreign = b"PK\x02\x00" + bytes(8) + b"\x00\x01" + b"whatever" * 100
    for _ in range(10):
        track.receives(foreign)

    refusals = track.frames(Kind.REFUSAL)
    assert 1 <= len(refusals) <= 2
    message = decode_body_untrusted(refusals[0][1])
    assert isinstance(message, Refusal)
    assert message.reason == "unsupported-version"
    assert message.detail == "sent in version 2, this node speaks version 1"
    events = of(track.events(), PeeringFailed)
    assert [(event.reason, event.detail_text) for event in events] == [
        ("unsupported-version", message.detail)
    ]
    assert (events[0].peer_version, events[0].own_version) == (2, 1)

    track.goes_on(seconds=1)
    track.receives(foreign)
    assert len(track.frames(Kind.REFUSAL)) == len(refusals) + 1
    assert len(of(track.events(), PeeringFailed)) == 1


def test_both_ends_tell_of_a_version_that_one_does_not_understand() -> None:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.arrives(theirs(Kind.REFUSAL, Refusal(b"", "unsupported-version", "sent in version 1, ...", b"")))

    events = of(track.events(), PeeringFailed)
    assert [(event.reason, event.told_by) for event in events] == [("unsupported-version", "hint")]
    assert events[0].detail().keys() == {"peer", "reason", "detail_text", "told_by"}


@pytest.mark.parametrize(
    "data", [b"PK\x02\x01" + bytes(8) + b"\x00\x01x", b"PK\x02\x00" + bytes(8) + b"\x01\x02x"]
)
def test_another_version_is_not_answered_where_it_asks_for_none_or_is_not_the_first_segment(
    data: bytes,
) -> None:
    track = Track()
    track.receives(data)

    assert track.frames(Kind.REFUSAL) == []


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (Frame(Kind.KEY_REQUEST, OTHER, LOCAL, b"b" * 400), "wrong-sender"),
        (Frame(Kind.KEY_REQUEST, PEER, OTHER, b"b" * 400), "wrong-receiver"),
        (Frame(Kind.KEY_REQUEST, LOCAL, PEER, b"b" * 400), "wrong-sender"),
    ],
)
def test_a_frame_of_or_for_another_node_is_refused_with_a_hint_and_one_event(
    frame: Frame, reason: str
) -> None:
    track = Track()
    for _ in range(20):
        wanted = track.arrives(frame)
        assert Count(reason) in wanted
        assert of(wanted, Deliver) == []

    refusals = track.frames(Kind.REFUSAL)
    assert 1 <= len(refusals) <= 2
    message = decode_body_untrusted(refusals[0][1])
    assert isinstance(message, Refusal)
    assert (message.reason, message.digest, refusals[0][1].auth) == (reason, frame.digest, b"")
    assert [event.reason for event in of(track.events(), PeeringFailed)] == [reason]


@pytest.mark.parametrize("kind", [Kind.ACK, Kind.REFUSAL, Kind.PROBE, Kind.PROBE_REPLY])
def test_kinds_that_are_never_refused_are_not_refused_for_their_sender_either(kind: Kind) -> None:
    track = Track()
    track.arrives(Frame(kind, OTHER, LOCAL, b"b" * 400))

    assert track.frames(Kind.REFUSAL) == []


def test_a_hint_is_no_longer_than_its_cause() -> None:
    for data in (
        *cut(Frame(Kind.KEY_REQUEST, OTHER, LOCAL, b"").encode(), bytes(8), 1200, never_answer=False),
        b"PK\x02\x00" + bytes(8) + b"\x00\x01x",
    ):
        track = Track()
        track.receives(data)
        assert all(len(answer) <= len(data) for _, answer in track.datagrams())


def test_an_unsigned_refusal_of_what_was_never_sent_is_counted_and_not_told() -> None:
    track = Track()
    wanted = track.arrives(theirs(Kind.REFUSAL, Refusal(digest("nothing of ours"), "expired", "", b"")))

    assert wanted == [Count("unexpected-refusal")]
    assert track.events() == []


def test_an_unsigned_refusal_of_what_was_sent_is_told_once_and_changes_nothing() -> None:
    track = Track()
    announcement = mine(Kind.CERTIFICATE)
    track.do(track.path.announce(announcement, track.now))
    refusal = theirs(Kind.REFUSAL, Refusal(announcement.digest, "wrong-receiver", "not me", b""))
    for _ in range(5):
        track.arrives(refusal)
    track.goes_on(seconds=40)

    assert [(event.reason, event.told_by) for event in of(track.events(), PeeringFailed)] == [
        ("wrong-receiver", "hint")
    ]
    assert len(track.frames(Kind.CERTIFICATE)) == 6


# --- the table ----------------------------------------------------------------------------------------


def test_every_state_can_be_reached_and_left() -> None:
    assert {state for state, _ in PATH_EDGES} == set(PathState)
    assert set(PATH_EDGES.values()) == set(PathState)
    assert {step for _, step in PATH_EDGES} == set(PathStep)


class Track:
    """A path and the time that passes for it; probes are answered unless a test says otherwise."""

    def __init__(self, **settings: object) -> None:
        self.path = Path(config(**settings), seeded_entropy("path"))
        self.now = Instant(0)
        self.answer_probes = False
        self.done: list[tuple[float, PathEffect]] = []
        self._probes = 0
        self.do(self.path.tick(self.now))

    @property
    def seconds(self) -> float:
        return self.now.total_seconds()

    def state(self) -> PathState:
        return self.path.state

    def do(self, wanted: list[PathEffect]) -> list[PathEffect]:
        self.done += [(self.seconds, effect) for effect in wanted]
        for _ in of(wanted, WantProbe):
            self._probes += 1
            self.probe(nonce := b"nonce %d" % self._probes)
            if self.answer_probes:
                self.do(self.path.probe_answered(nonce, 7, self.now))
        return wanted

    def goes_on(self, *, seconds: float) -> None:
        end = self.now + timedelta(seconds=seconds)
        while (due := self.path.deadline()) is not None and due <= end:
            self.now = max(due, self.now)
            self.do(self.path.tick(self.now))
        self.now = end

    def probe(self, nonce: bytes) -> None:
        frame = Frame(Kind.PROBE, LOCAL, PEER, nonce)
        self.do(self.path.send_probe(frame, nonce, self.now))

    def receives(self, data: bytes) -> list[PathEffect]:
        return self.do(self.path.datagram_received(data, self.now))

    def arrives(self, frame: Frame) -> list[PathEffect]:
        wanted: list[PathEffect] = []
        for data in cut(frame.encode(), frame.digest[:8], 1200, never_answer=False):
            wanted += self.receives(data)
        return wanted

    def effects(self) -> list[PathEffect]:
        return [effect for _, effect in self.done]

    def events(self) -> list[object]:
        return [effect.event for effect in self.effects() if isinstance(effect, Emit)]

    def times(self, kind: type[PathEffect], *, since: float) -> list[float]:
        return [at for at, effect in self.done if isinstance(effect, kind) and at > since]

    def datagrams(self) -> list[tuple[float, bytes]]:
        return [(at, effect.data) for at, effect in self.done if isinstance(effect, Datagram)]

    def frames(self, kind: Kind) -> list[tuple[float, Frame]]:
        """Return the frames of one segment that left."""
        read_ = [(at, decode_frame_untrusted(data[HEADER_BYTES:])) for at, data in self.datagrams()]
        return [(at, frame) for at, frame in read_ if frame.kind == kind]


def in_service(*, probing: bool = False, **settings: object) -> Track:
    track = Track(**settings)
    track.answer_probes = True
    track.do(track.path.usable(7, probing=probing, now=track.now))
    assert track.state() is PathState.IN_SERVICE
    track.goes_on(seconds=1)
    return track


def invalid() -> Track:
    track = Track()
    track.do(track.path.announce(mine(Kind.CERTIFICATE), track.now))
    track.goes_on(seconds=350)
    assert track.state() is PathState.INVALID
    return track


def config(**settings: object) -> PathConfig:
    return PathConfig(
        **{  # type: ignore[arg-type]
            "name": "wan0>branch",
            "peer_name": "branch",
            "local": LOCAL,
            "peer": PEER,
            "retransmit_interval": RETRANSMIT,
            "timeout": TIMEOUT,
            **settings,
        }
    )


def mine(kind: Kind) -> Frame:
    return Frame(kind, LOCAL, PEER, b"body of kind %d" % kind, b"proof")


def theirs(kind: Kind, message: Message | None = None) -> Frame:
    return Frame(kind, PEER, LOCAL, encode_body(message or MESSAGES[kind]))


def read_segment(data: bytes) -> Segment:
    segment = read(data)
    assert isinstance(segment, Segment)
    return segment


def put_together(datagrams: Sequence[tuple[float, bytes]]) -> bytes | None:
    slots = Reassembly()
    for at, data in datagrams:
        whole = slots.add(read_segment(data), timedelta(seconds=at))
        if whole is not None:
            return whole
    return None


def of(effects: Sequence[object], kind: type[T]) -> list[T]:
    return [effect for effect in effects if isinstance(effect, kind)]
