"""Which of two lists of a series is the newer one: as where lists are judged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from actors.crl.ingesting import GoodList
from actors.crl.series import newer
from peerkey.pki.list_facts import ListFacts
from peerkey.testing.ca import NOW

DAY = timedelta(days=1)


def good(number: int | None, days: int) -> GoodList:
    facts = ListFacts(
        source="http://crl.example/ca.crl",
        issuer="CN=ca",
        authority="/CN=ca",
        series=(b"ca", b"key", b""),
        number=number,
        base=None,
        this_update=NOW + days * DAY,
        next_update=None,
        size=0,
        digest=b"",
        total=0,
        added=0,
        removed=0,
    )
    return GoodList(facts, b"")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (good(1, 0), good(2, 1)),
        # "monotonically increasing" (RFC 5280 section 5.2.3), whatever the clock of the CA says.
        (good(1, 1), good(2, 0)),
        (good(1, 0), good(1, 1)),
        (good(None, 0), good(1, 1)),
        (good(1, 0), good(None, 1)),
    ],
)
def test_the_number_decides_and_the_date_only_where_it_cannot(old: GoodList, new: GoodList) -> None:
    assert newer(old, new) is new
    assert newer(new, old) is new


def test_the_first_stays_where_neither_is_newer() -> None:
    one, other = good(1, 0), good(1, 0)

    assert newer(one, other) is one
