"""The numbers at which something is wrong: those of the alarms, and those that only Prometheus can see.

Alert rules and panels take them from here, so that an alert is never of another opinion than an alarm.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from peerkey.pki.expiry import MAJOR_BEFORE, MINOR_BEFORE

if TYPE_CHECKING:
    from collections.abc import Mapping

#: "If a certificate expires within a month, a minor alarm is generated", and within a week a major one.
EXPIRES_SOON: Final = MINOR_BEFORE
EXPIRES_VERY_SOON: Final = MAJOR_BEFORE

#: How late a rekey may be. The side that is not preferred begins when the whole interval is over; then come
#: the exchange, the 30 seconds before a key is used, and for an HA pair the turn and the mate. More than ten
#: minutes is none of these.
REKEY_GRACE: Final = timedelta(minutes=10)

#: By how much the clock of a machine may differ from that of Prometheus. Machines that ask a time server
#: differ by less than a second, and a slow scrape by ten; a minute is neither.
CLOCK_DIFFERENCE: Final = timedelta(minutes=1)

#: How long something has to be wrong before Prometheus alerts. An alarm is there at once; an alert wakes
#: somebody, and what mends itself within this time is not worth that.
AT_ONCE: Final = timedelta(0)
#: Longer than a restart of a node or a lost frame takes to mend.
SETTLED: Final = timedelta(minutes=2)
#: Longer than a reboot of the machine of the other end.
LASTING: Final = timedelta(minutes=10)

#: For how long an alert stays after its cause was last seen. A process that starts again shows nothing for a
#: moment, as does a scrape that is lost, and nothing is not well. One that is silent for longer than
#: :data:`SETTLED` has an alert of its own by then, which silences these.
HELD: Final = timedelta(minutes=3)

#: What is to be reached over 30 days: the share of peerings that are keyed, and of rekeys in time.
KEYED_OBJECTIVE: Final = 0.999
REKEYS_OBJECTIVE: Final = 0.99

#: How fast the budget of errors burns when it is worth waking somebody: the rate at which two hours spend 5 %
#: of the budget of 30 days, and that at which a day spends 10 %. Each is looked at over a long window, and a
#: short one that tells when it is over (the "multiwindow" alert of Google's SRE workbook, chapter 5).
BURN_RATES: Final[Mapping[str, tuple[float, str, str]]] = {
    "fast": (14.4, "1h", "5m"),
    "slow": (3.0, "1d", "2h"),
}

#: The event loop, in seconds: peers feel more than this.
LOOP_LAG: Final = timedelta(milliseconds=250)
#: How full a mailbox may be.
MAILBOX_SHARE: Final = 0.8
