"""Every number of the HA link on one page, with the reason for each; ``docs/ha.md`` shows the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

#: The version of the link's frames. Two nodes of a pair run the same version, or the link says which.
HA_VERSION: Final = 1

# --- Time -----------------------------------------------------------------------------------------

#: How often each end says that it lives. Four are lost before anybody concludes anything.
BEAT_INTERVAL: Final = timedelta(seconds=0.5)
#: A mate that has said nothing for so long is silent: the link is closed, its keys are taken over. With what
#: it takes to act on that, the keys of a dead node are usable within the three seconds that were asked for.
LEASE: Final = timedelta(seconds=2)
#: From the open channel to the mate's HELLO: its process may be starting.
GREETING_TIMEOUT: Final = timedelta(seconds=5)
#: How much later the higher UUID claims the leadership, so that the two do not claim it at once: two beats.
CLAIM_STAGGER: Final = timedelta(seconds=1)
#: A change that the mate has not stored for so long puts it out of date, and that is an alarm. A write and a
#: round trip are nothing to it.
REPLICATION_GRACE: Final = timedelta(seconds=10)

#: How long a turn to rekey lasts where the other node wants one too, and how long a node goes on wanting its
#: own after the last rekey that it began: until the key is used and the one before it erased.
TURN: Final = timedelta(seconds=60)

#: Until a channel that is missing is tried for, the first time; each further wait is twice as long.
RETRY_AT_FIRST: Final = timedelta(seconds=0.25)
#: Between two tries where nobody answers: what a mate that returns may wait.
RETRY_AT_MOST: Final = timedelta(seconds=4)
#: Between two tries where channels open and do not last: such a link is no journal full of events.
RETRY_UNSTEADY: Final = timedelta(seconds=30)
#: How long a connection has to be in step to have been a steady one: five leases.
STEADY_AFTER: Final = timedelta(seconds=10)

# --- Sizes ----------------------------------------------------------------------------------------

LENGTH_BYTES: Final = 4
STORE_ID_BYTES: Final = 16
PUBLIC_KEY_BYTES: Final = 32  # X25519
EPHEMERAL_KEY_BYTES: Final = 32
CONTENT_DIGEST_BYTES: Final = 16  # of SHA-256: it tells two contents of one record apart, and proves nothing
SEAL_OVERHEAD: Final = 16  # the tag of AES-GCM

# --- Bounds ---------------------------------------------------------------------------------------

MAXIMUM_NAME_CHARACTERS: Final = 64
#: A configured name of an authority or a router.
MAXIMUM_PLACE_CHARACTERS: Final = 64
MAXIMUM_TEXT_CHARACTERS: Final = 256
#: A record with six certificates of the largest size, a stored response and a full ring is below 192 KiB.
MAXIMUM_CONTENT_BYTES: Final = 256 * 1024
#: A RECORD with the largest content, its name and the envelope.
MAXIMUM_FRAME_BYTES: Final = MAXIMUM_CONTENT_BYTES + 4 * 1024
#: Records of one node: a router has up to 10,000 peers of two nodes each, and one record is its own.
MAXIMUM_RECORDS: Final = 32_768
#: Entries of one INVENTORY, so that a beat never waits behind more than some 50 KB of it.
INVENTORY_ENTRIES: Final = 512
#: What may be under way unacknowledged, in records and in bytes: it fills a link of 100 Mbit/s whose
#: round trip with a disk at its end takes 25 ms, and is all that a slow link has queued before a beat.
WINDOW_RECORDS: Final = 128
WINDOW_BYTES: Final = 512 * 1024
#: What a mate that keeps to its window has under way at most: its last record may need a deletion first.
#: Of one that does not, no more than this waits for the store here.
MAXIMUM_UNACKNOWLEDGED: Final = WINDOW_RECORDS + 1
#: A term counts elections: one a second would take longer than the earth has been there.
MAXIMUM_TERM: Final = 2**63 - 1
#: How far above ours a mate's term may be: one election a second takes longer than a century to get there.
#: One lie would use up all terms for good otherwise.
MAXIMUM_TERM_JUMP: Final = 2**32
