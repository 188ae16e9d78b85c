"""``peerkey pki revoke`` and ``publish-crl``: what they write is what routers and OpenSSL read."""

from __future__ import annotations

import json
import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import Misconfigured
from peerkey.pki.laboratory import Revoked
from peerkey_cli.key_types import KeyType
from peerkey_cli.laboratory.register import MOST_ENTRIES, Entry, Register, changed
from tests.cli.commands import document, peerkey

NODE = UUID("d66887a3-a556-4782-952b-f8818ec8d8bc")
NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)
Flags = x509.ReasonFlags


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """Make an authority with one certificate."""
    made(tmp_path / "pki")
    return tmp_path / "pki"


@pytest.mark.parametrize("kind", [KeyType.EC_P256, KeyType.EC_P521, KeyType.RSA_2048, KeyType.ML_DSA_44])
def test_a_certificate_that_was_revoked_is_refused_once_the_list_is_there(
    kind: KeyType, tmp_path: Path
) -> None:
    ca = tmp_path / "pki"
    made(ca, "--key-type", kind)
    published = peerkey("pki", "publish-crl", "--ca", ca)
    good = verified(ca)

    revoked = peerkey("pki", "revoke", "--ca", ca, ca / "east.pem", "--reason", "keyCompromise")
    unpublished = verified(ca)
    again = peerkey("pki", "publish-crl", "--ca", ca)

    assert (published.exit_code, revoked.exit_code, again.exit_code) == (0, 0, 0)
    assert "number 1, complete, 0 entries" in published.stdout
    assert "number 2, complete, 1 entry" in again.stdout
    assert (good["state"], unpublished["state"], verified(ca)["state"]) == ("valid", "valid", "revoked")


def test_the_list_says_what_was_asked_for(ca: Path) -> None:
    old = ("--reason", "superseded", "--since", "2020-01-01T00:00:00Z")
    peerkey("pki", "revoke", "--ca", ca, "--serial", "0xAB:CD", *old)
    peerkey("pki", "revoke", "--ca", ca, "--serial", "ef")
    done = peerkey(
        "pki", "publish-crl", "--ca", ca, "--number", 12, "--next-update", "2099-01-01T00:00:00Z",
        "--form", "pem", "--out", ca / "deep" / "list.pem",
    )  # fmt: skip

    shown = document("pki", "crl", ca / "deep" / "list.pem", "--issuer", ca / "ca.pem")["lists"][0]
    assert done.exit_code == 0
    assert (shown["number"], shown["state"], shown["signature"]) == (12, "current", "valid")
    assert shown["next_update"] == "2099-01-01T00:00:00.000Z"
    entries = {each["serial"]: each for each in shown["entries"]}
    assert {serial: each["reason"] for serial, each in entries.items()} == {"abcd": "superseded", "ef": None}
    assert entries["abcd"]["since"] == "2020-01-01T00:00:00.000Z"
    assert stat.S_IMODE((ca / "deep" / "list.pem").stat().st_mode) == 0o644


def test_openssl_reads_it(ca: Path) -> None:
    peerkey("pki", "revoke", "--ca", ca, ca / "east.pem")
    peerkey("pki", "publish-crl", "--ca", ca, "--form", "pem")

    checked = [
        "-crl_check",
        "-CRLfile",
        str(ca / "ca.crl"),
        "-CAfile",
        str(ca / "ca.pem"),
        str(ca / "east.pem"),
    ]
    done = subprocess.run(["openssl", "verify", *checked], capture_output=True, text=True, check=False)

    assert "certificate revoked" in done.stderr


def test_an_intermediate_signs_the_list_of_what_it_has_issued(tmp_path: Path) -> None:
    ca = tmp_path / "pki"
    made(ca, "--intermediate")
    peerkey("pki", "revoke", "--ca", ca, ca / "east.pem")
    done = peerkey("pki", "publish-crl", "--ca", ca)

    assert f"wrote {ca}/intermediate.crl" in done.stdout
    shown = document("pki", "crl", ca / "intermediate.crl", "--issuer", ca / "intermediate.pem")
    assert shown["lists"][0]["signature"] == "valid"


def test_a_delta_tells_what_has_changed_also_that_a_hold_was_lifted(ca: Path) -> None:
    for serial, reason in (("1", "certificateHold"), ("2", "keyCompromise")):
        peerkey("pki", "revoke", "--ca", ca, "--serial", serial, "--reason", reason)
    peerkey("pki", "publish-crl", "--ca", ca)
    peerkey("pki", "revoke", "--ca", ca, "--serial", "1", "--reason", "removeFromCRL")
    peerkey("pki", "revoke", "--ca", ca, "--serial", "3")
    delta = peerkey("pki", "publish-crl", "--ca", ca, "--delta")
    peerkey("pki", "publish-crl", "--ca", ca)

    told = document("pki", "crl", ca / "ca-delta.crl")["lists"][0]
    complete = document("pki", "crl", ca / "ca.crl")["lists"][0]
    assert "number 2, a delta to 1, 2 entries" in delta.stdout
    assert told["delta_base"] == 1
    assert {each["serial"]: each["reason"] for each in told["entries"]} == {"1": "removeFromCRL", "3": None}
    assert (complete["number"], [each["serial"] for each in complete["entries"]]) == (3, ["2", "3"])


def test_a_list_whose_end_has_passed_can_be_made(ca: Path) -> None:
    peerkey("pki", "publish-crl", "--ca", ca, "--next-update", "2020-01-01T00:00:00Z")

    assert document("pki", "crl", ca / "ca.crl")["lists"][0]["state"] == "stale"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["revoke"], 2, "give either FILE or --serial"),
        (["revoke", "east.pem", "--serial", "1"], 2, "give either FILE or --serial"),
        (["revoke", "--serial", "xyz"], 2, "write a serial number in hexadecimal"),
        (["revoke", "--serial", "0"], 2, "write a serial number in hexadecimal"),
        (["revoke", "--serial", "f" * 41], 2, "write a serial number in hexadecimal"),
        (["revoke", "--serial", "1", "--since", "2199-01-01T00:00:00Z"], 2, "between 1951 and now"),
        (["revoke", "--serial", "1", "--since", "1900-01-01T00:00:00Z"], 2, "between 1951 and now"),
        (["revoke", "--serial", "1", "--reason", "boredom"], 2, "'boredom' is not one of"),
        (["revoke", "--serial", "1", "--reason", "removeFromCRL"], 1, "serial 1 is not on hold"),
        (["revoke", "absent.pem"], 2, "'absent.pem' cannot be read"),
        (["revoke", "ca.key"], 1, "ca.key"),
        (["publish-crl", "--delta"], 1, "a delta builds on a complete list"),
        (["publish-crl", "--number", "0"], 1, "numbers grow"),
        (
            ["publish-crl", "--days", "1", "--next-update", "2099-01-01T00:00:00Z"],
            2,
            "either --days or --next-update",
        ),
        (["publish-crl", "--out", "ca.pem/x"], 1, "is not a directory"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_changes_nothing(
    words: list[str], status: int, said: str, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ca)

    done = peerkey("pki", *words, "--ca", ca)

    assert done.exit_code == status
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (ca / "ca.crl").exists()
    # A number that nobody has seen may be left out; a revocation may not be made up.
    register = ca / "revoked.json"
    assert not register.exists() or json.loads(register.read_text())["revoked"] == []


def test_nothing_is_revoked_twice_and_what_another_has_issued_not_at_all(ca: Path, tmp_path: Path) -> None:
    made(tmp_path / "other")
    assert peerkey("pki", "revoke", "--ca", ca, ca / "east.pem").exit_code == 0

    twice = peerkey("pki", "revoke", "--ca", ca, ca / "east.pem")
    strange = peerkey("pki", "revoke", "--ca", ca, tmp_path / "other" / "east.pem")

    assert (twice.exit_code, strange.exit_code) == (1, 1)
    assert "was revoked at 2" in twice.stderr
    assert "not by this authority" in strange.stderr


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"number": -1, "complete": 0, "revoked": []}', "\x00"])
def test_a_register_that_was_spoilt_stops_everything(content: str, ca: Path) -> None:
    (ca / "revoked.json").write_text(content)

    for words in (["revoke", "--serial", "1"], ["publish-crl"]):
        done = peerkey("pki", *words, "--ca", ca)
        assert done.exit_code == 1
        assert "is no register of what was revoked" in done.stderr
    assert (ca / "revoked.json").read_text() == content


def test_those_who_revoke_at_once_lose_nothing(tmp_path: Path) -> None:
    def work(first: int) -> None:
        for serial in range(first, first + 25):
            with changed(tmp_path) as (former, write):
                write(former.revoke(serial, NOW, Flags.unspecified))

    threads = [threading.Thread(target=work, args=(first,)) for first in (1, 101, 201)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with changed(tmp_path) as (register, _):
        assert len(register.entries) == 75


def test_an_authority_that_is_made_anew_has_revoked_nothing(ca: Path) -> None:
    peerkey("pki", "revoke", "--ca", ca, "--serial", "1")
    made(ca, "--force")

    assert "0 entries" in peerkey("pki", "publish-crl", "--ca", ca).stdout


def test_a_register_is_bounded() -> None:
    entries = tuple(Entry(Revoked(serial, NOW, Flags.unspecified), 0) for serial in range(MOST_ENTRIES))

    with pytest.raises(Misconfigured):
        Register(0, 0, entries).revoke(MOST_ENTRIES, NOW, Flags.unspecified)


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("revoke"),
                st.integers(1, 4),
                st.sampled_from([Flags.certificate_hold, Flags.superseded]),
            ),
            st.tuples(st.just("lift"), st.integers(1, 4)),
            st.tuples(st.just("complete")),
            st.tuples(st.just("delta")),
        ),
        max_size=30,
    )
)
def test_a_delta_and_the_list_that_it_builds_on_say_what_a_complete_list_would(
    steps: list[tuple[object, ...]],
) -> None:
    register, numbers = Register(), [0]
    base: dict[int, x509.ReasonFlags] = {}
    for kind, *more in steps:
        try:
            if kind == "revoke":
                register = register.revoke(int(str(more[0])), NOW + timedelta(seconds=1), Flags(more[1]))
            elif kind == "lift":
                register = register.revoke(int(str(more[0])), NOW, Flags.remove_from_crl)
            else:
                wanted = {each.serial: each.reason for each in register.published(None, delta=False)[1]}
                register, told = register.published(None, delta=kind == "delta")
                numbers.append(register.number)
                said = {each.serial: each.reason for each in told}
                base, seen = (base, base | said) if kind == "delta" else (said, said)
                assert {key: why for key, why in seen.items() if why is not Flags.remove_from_crl} == wanted
        except Misconfigured:
            continue
    assert numbers == sorted(set(numbers))


def test_every_command_of_the_authority_has_its_document(tmp_path: Path) -> None:
    ca, out = tmp_path / "pki", tmp_path / "pki" / "east"

    init = document("pki", "init-ca", ca)
    issued = document("pki", "issue", "--ca", ca, "--uuid", NODE, "--out", out)
    revoked = document("pki", "revoke", "--ca", ca, f"{out}.pem", "--reason", "superseded")
    published = document("pki", "publish-crl", "--ca", ca)

    assert init["files"] == [f"{ca}/ca.pem", f"{ca}/ca.key"]
    assert issued["nodes"][0] | {"not_after": ""} == {
        "node": str(NODE),
        "certificate": f"{out}.pem",
        "key": f"{out}.key",
        "not_after": "",
        "kept": "",
    }
    shown = document("pki", "crl", ca / "ca.crl")["lists"][0]["entries"]
    assert (revoked["serial"], revoked["reason"]) == (shown[0]["serial"], "superseded")
    assert (published["number"], published["delta_base"], published["entries"]) == (1, None, 1)


# --- helpers --------------------------------------------------------------------------------------


def made(ca: Path, *words: object) -> None:
    kind = words if "--key-type" in words else ()
    again = [each for each in words if each == "--force"]
    assert peerkey("pki", "init-ca", ca, *words).exit_code == 0
    done = peerkey("pki", "issue", "--ca", ca, "--uuid", NODE, "--out", ca / "east", *kind, *again)
    assert done.exit_code == 0


def verified(ca: Path) -> dict[str, str]:
    found: dict[str, str] = document(
        "pki", "verify", ca / "east.pem", "--trust", ca / "ca.pem", "--crl", ca / "ca.crl", "--require-crl"
    )
    return found
