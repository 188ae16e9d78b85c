"""``peerkey backup`` and ``peerkey restore`` as an operator meets them: two routers, one of which is lost."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from actors.audit_log import AuditLog
from actors.crl.kept_lists import KeptFiles
from actors.crl.port import KeptLists
from actors.draining import RECORD as DRAINED
from actors.journal import FileJournal
from actors.master_list_file import MasterListFile
from peerkey.observe.events import CsrGenerated
from peerkey.observe.security_stats import Counter
from peerkey.pki.crl_polling import Validators
from peerkey.pki.master_list import Section, write
from peerkey.pki.revocation_table import width_of
from peerkey.pki.table_building import build
from peerkey.pki.when import NO_REASON, when_of
from peerkey.protocol.restoring import BackupFromLater, floor
from peerkey.protocol.state import PeeringState, decode_state, encode_state
from peerkey.secret import Secret
from peerkey_cli.backup import restoring
from peerkey_cli.backup.entries import FileEntry, Manifest, NodeName, OwnerEntry, RecordEntry, encoded
from peerkey_cli.backup.sealing import opened_untrusted, sealed
from peerkey_cli.state import DirectoryInUse, StateDirectory
from runtime.store.memory import MemoryStore
from runtime.store.port import Record
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.whole import fill, snapshot
from tests.cli.background import in_background
from tests.cli.commands import document, peerkey
from tests.cli.stored import found, stored_secrets
from tests.cli.two_routers import UUIDS, two_routers
from tests.support.hosts import wait_for

CSR = CsrGenerated("base", "x", "", "", "", "", "", "", 1)
PASSPHRASE = "correct horse battery staple"  # noqa: S105 - a test's


@dataclass(frozen=True)
class Story:
    """East was backed up while it ran, went on, and was restored elsewhere beside its living peer."""

    folder: Path
    backup: Path
    passphrase: Path
    #: The state directory that was backed up, as it was when its process had ended.
    east: StateDirectory
    restored: StateDirectory
    made: dict[str, Any]
    done: dict[str, Any]
    secrets: set[bytes]
    #: Key ids that east has had, and those that it has after it was restored.
    before: set[str]
    after: set[str]
    peer_after: set[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Live it once: the tests look at what came of it."""
    folder = tmp_path_factory.mktemp("backup")
    routers = two_routers(folder)
    passphrase = folder / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text(PASSPHRASE + "\n")
    east, west = routers.write("east", "east"), routers.write("west", "west")
    state, other, backup = folder / "state", folder / "west-state", folder / "east.backup"
    words = ("--state-dir", state, "--passphrase-file", passphrase)
    with in_background(west, other):
        with in_background(east, state):
            wait_for(lambda: bool(keys(state)) and keys(state) == keys(other), 30)
            made = document("backup", "--out", backup, "--config", east, *words)
            first = keys(state)
            assert peerkey("rekey", "--state-dir", state).exit_code == 0
            wait_for(lambda: keys(state) > first, 30)
            before = keys(state)
        gone = folder / "another" / "machine"
        done = document("restore", backup, "--state-dir", gone, "--passphrase-file", passphrase)
        with in_background(east, gone):
            wait_for(lambda: bool(keys(gone)) and keys(gone) <= keys(other), 30)
            after, peer_after = keys(gone), keys(other)
    directory = StateDirectory(state)
    secrets = stored_secrets(directory, [UUIDS["east"]])
    return Story(
        folder,
        backup,
        passphrase,
        directory,
        StateDirectory(gone),
        made,
        done,
        secrets,
        before,
        after,
        peer_after,
    )


# --- made -------------------------------------------------------------------------------------------


def test_a_backup_of_a_running_system_says_what_is_in_it(story: Story) -> None:
    places = {each["place"] for each in story.made["files"]}

    assert story.made["nodes"] == [{"node": "east/node0", "uuid": str(UUIDS["east"])}]
    assert {"events.jsonl", "events.checkpoint"} <= places
    assert int(story.made["audit_head"].partition(":")[0]) > 0
    assert f"outside{story.folder}/east.key" in places
    assert f"outside{story.folder}/east.yaml" in places
    assert story.made["records"] == 1


def test_a_backup_is_readable_by_its_owner_alone_and_shows_nothing(story: Story) -> None:
    content = story.backup.read_bytes()

    assert story.backup.stat().st_mode & 0o777 == 0o600
    assert found({*story.secrets, (story.folder / "east.key").read_bytes()[40:80]}, [content]) == []
    assert b"east" not in content


def test_no_peer_key_and_no_sealing_key_is_in_a_backup_even_opened(story: Story) -> None:
    with story.backup.open("rb") as file:
        opened = b"".join(opened_untrusted(file, Secret(PASSPHRASE.encode())))

    assert found(story.secrets, [opened]) == []
    assert b"PRIVATE KEY" in opened


def test_the_audit_log_tells_of_the_backup(story: Story) -> None:
    (event,) = events(story.east, "backup.made")

    assert event["detail"]["file"] == "east.backup"
    assert event["detail"]["nodes"] == ["east/node0"]


def test_a_backup_is_never_written_over_another_file(story: Story) -> None:
    before = story.backup.read_bytes()

    again = peerkey("backup", "--out", story.backup, "--state-dir", story.east.path)

    assert again.exit_code == 1
    assert "is there already" in again.stderr
    assert story.backup.read_bytes() == before


def test_a_backup_is_checked_without_being_restored(story: Story) -> None:
    checked = document("backup", "--check", story.backup, "--passphrase-file", story.passphrase)

    assert {**checked, "bytes": 0} == {**story.made, "bytes": 0}


def test_a_stopped_system_is_backed_up_too(story: Story, tmp_path: Path) -> None:
    words = ("--passphrase-file", story.passphrase, "--state-dir", copied(story.east, tmp_path))

    made = document("backup", "--out", tmp_path / "b", "--node", UUIDS["east"], "--logs", *words)

    assert [each["uuid"] for each in made["nodes"]] == [str(UUIDS["east"])]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--out", "x", "--check", "y"), 2, "give either --out"),
        ((), 2, "give either --out"),
        (("--out", "x", "--state-dir", "nowhere"), 1, "is not there"),
        (("--check", "nowhere"), 1, "cannot be read"),
    ],
)
def test_what_cannot_be_backed_up_is_one_line(words: tuple[str, ...], status: int, says: str) -> None:
    done = peerkey("backup", *words)

    assert done.exit_code == status
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("what", ["/dev/zero", "pipe", "nothing"])
def test_what_is_no_file_is_not_waited_for_and_no_half_backup_is_left(
    story: Story, tmp_path: Path, what: str
) -> None:
    state, out = copied(story.east, tmp_path), tmp_path / "b"
    os.mkfifo(tmp_path / "pipe")
    words = ("--state-dir", state, "--passphrase-file", story.passphrase)

    done = peerkey("backup", "--out", out, "--include", tmp_path / what, *words)

    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert {each.name for each in tmp_path.iterdir()} == {"state", "pipe"}


def test_a_node_that_is_not_there_is_named_with_those_that_are(story: Story, tmp_path: Path) -> None:
    state = copied(story.east, tmp_path)

    done = peerkey("backup", "--out", tmp_path / "b", "--node", "north/node0", "--state-dir", state)

    assert (done.exit_code, "no node 'north/node0'" in done.stderr) == (1, True)


# --- restored ---------------------------------------------------------------------------------------


def test_a_restored_node_agrees_new_keys_and_none_of_before_is_ever_used_again(story: Story) -> None:
    assert story.after
    assert not story.after & story.before
    assert story.after <= story.peer_after


def test_the_numbers_of_a_restored_node_are_beyond_every_number_of_before(story: Story) -> None:
    then, now = memory(story.east), memory(story.restored)

    assert now.highest_index > then.highest_index
    assert now.announcement_number > then.announcement_number
    assert epoch(story.restored) > epoch(story.east)


def test_the_chain_of_the_audit_log_goes_on_and_says_that_the_node_was_restored(story: Story) -> None:
    verified = document("events", "verify", "--state-dir", story.restored.path)
    (event,) = events(story.restored, "node.restored")

    assert verified["valid"]
    assert event["node"] == "east/node0"
    assert event["detail"]["made"] == story.made["made"]


def test_files_of_elsewhere_are_laid_beside_and_never_written_where_they_were(story: Story) -> None:
    outside = {each["was"]: Path(each["now"]) for each in story.done["outside"]}
    key = story.folder / "east.key"

    assert outside[str(key)].read_bytes() == key.read_bytes()
    assert outside[str(key)].stat().st_mode & 0o777 == 0o600
    assert all(each.is_relative_to(story.restored.path) for each in outside.values())


def test_state_that_is_there_is_replaced_only_by_force_and_then_set_aside(
    story: Story, tmp_path: Path
) -> None:
    state = copied(story.east, tmp_path)
    before = files(state)
    words = ("restore", story.backup, "--state-dir", state, "--passphrase-file", story.passphrase)

    refused = peerkey(*words)
    assert refused.exit_code == 1
    assert "has the state of 1 node" in refused.stderr
    assert "--force" in refused.stderr
    assert files(state) == before

    done = document(*words, "--force")
    aside = Path(done["set_aside"])
    assert {**files(aside), "lock": b""} == {**before, "lock": b""}
    assert aside.parent == tmp_path
    assert not memory(StateDirectory(state)).ring


def test_over_state_that_is_newer_pins_stay_and_no_number_and_no_counter_goes_back(
    story: Story, tmp_path: Path
) -> None:
    state = StateDirectory(copied(story.east, tmp_path))
    journal = FileJournal(state.journal)
    journal.record(datetime.now(UTC), "east/node0", CSR)
    counted, head = journal.counted().totals(), journal.head
    journal.close()
    pin, then = memory(state).peer, memory(state)
    now_about = datetime.now(UTC)

    document(
        "restore", story.backup, "--state-dir", state.path, "--passphrase-file", story.passphrase, "--force"
    )

    log, told = AuditLog.open(state.journal)
    log.close()
    assert told == ()
    assert log.statistics.counted().totals() == counted
    assert log.head.sequence == head.sequence + 1
    now = memory(state)
    assert now.peer == pin
    assert now.highest_index >= then.highest_index
    assert now.highest_index >= floor(now_about, now_about)


def test_counters_that_only_the_backup_has_come_back_once(story: Story, tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    counted = counting_backup(story, tmp_path)
    FileJournal(state.journal).close()
    journal = FileJournal(state.journal)
    journal.record(datetime.now(UTC), "east/node0", CSR)
    journal.close()

    for _ in range(2):
        document(
            "restore", counted, "--state-dir", state.path, "--passphrase-file", story.passphrase, "--force"
        )

    log, _ = AuditLog.open(state.journal)
    log.close()
    assert log.statistics.counted().totals()[Counter.CSR_SUCCESS] == 3


def test_revocations_of_both_sides_are_known_and_of_two_lists_the_later_stays(
    story: Story, tmp_path: Path
) -> None:
    there, then = StateDirectory(copied(story.east, tmp_path)), tmp_path / "then"
    then.mkdir()
    backed_up = StateDirectory(copied(story.east, then))
    url = "http://ca.test/list"
    for state, serial, fetched in ((backed_up, 5, OLDER), (there, 600, NEWER)):
        MasterListFile(state.master_list).publish(write([named(serial)], 1))
        KeptFiles(state.revocation).save(KeptLists(url, (b"%d" % serial,), Validators(), fetched, None, ()))
    KeptFiles(backed_up.revocation).save(KeptLists(url + "2", (b"only",), Validators(), OLDER, None, ()))
    out, words = tmp_path / "b", ("--passphrase-file", story.passphrase)
    document("backup", "--out", out, "--state-dir", backed_up.path, *words)

    document(*restoring_by_force(out, there, story))

    master = MasterListFile(there.master_list).read()
    assert master is not None
    assert [serial for serial in (5, 6, 600) if master.lookup(b"issuer", serial)] == [5, 600]
    kept = KeptFiles(there.revocation)
    assert dict(kept.fetched()) == {url: NEWER, url + "2": OLDER}


def test_a_link_that_leads_out_of_the_state_directory_is_not_followed(story: Story, tmp_path: Path) -> None:
    state = StateDirectory(copied(story.east, tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (state.path / "outside").symlink_to(elsewhere)

    done = peerkey(*restoring_by_force(story.backup, state, story))

    assert done.exit_code == 1
    assert "a link that leads out" in done.stderr
    assert list(elsewhere.iterdir()) == []
    assert memory(state).ring


def test_one_node_of_a_backup_is_restored_beside_another_that_stays_as_it_is(
    story: Story, tmp_path: Path
) -> None:
    north = f"node:{UUID(int=9)}"
    record = RecordEntry(f"peering:{UUID(int=8)}", encode_state(PeeringState(3, b"")))
    entries: list[Manifest | OwnerEntry | RecordEntry | FileEntry] = [
        Manifest(datetime.now(UTC), "1", "lab", (NodeName("north/node0", str(UUID(int=9))), EAST)),
        OwnerEntry(north, 4),
        record,
        OwnerEntry(f"node:{UUIDS['east']}", 1),
        FileEntry("identity", "", 0o600, 5, (b"north",)),
    ]
    backup = tmp_path / "b"
    backup.write_bytes(b"".join(sealed(encoded(entries), Secret(PASSPHRASE.encode()), os.urandom)))
    state = StateDirectory(copied(story.east, tmp_path))
    before = {owner: (epoch, records) for owner, epoch, records in snapshot(state.store)}

    done = document(*restoring_by_force(backup, state, story), "--node", "north/node0")

    after = {owner: (epoch, records) for owner, epoch, records in snapshot(state.store)}
    assert done["nodes"] == ["north/node0"]
    assert {owner: after[owner] for owner in before} == before
    assert after[north][0] > 4
    assert memory(state).ring
    assert (state.path / "identity").read_bytes() == b"north"


def test_a_log_that_is_a_link_is_not_written_through(story: Story, tmp_path: Path) -> None:
    state = StateDirectory(copied(story.east, tmp_path))
    elsewhere = state.journal.rename(tmp_path / "elsewhere.jsonl")
    state.journal.symlink_to(elsewhere)
    before = elsewhere.read_bytes()

    done = peerkey(*restoring_by_force(story.backup, state, story))

    assert done.exit_code == 1
    assert "events.jsonl in the state directory is a link" in done.stderr
    assert elsewhere.read_bytes() == before


@pytest.mark.parametrize("left", ["an empty file", "no file"])
def test_a_log_whose_writer_was_killed_as_a_file_was_full_goes_on_too(
    story: Story, tmp_path: Path, left: str
) -> None:
    state = StateDirectory(copied(story.east, tmp_path))
    full = state.journal.rename(state.journal.with_name("events.000000000001.jsonl"))
    if left == "an empty file":
        state.journal.touch()
    before = full.read_bytes()

    document(*restoring_by_force(story.backup, state, story))

    assert full.read_bytes() == before
    assert (state.path / "outside" / "audit" / "events.jsonl").exists()
    assert peerkey("events", "verify", state.journal).exit_code == 0
    first = json.loads(state.journal.read_text().splitlines()[0])
    assert first["sequence"] == before.count(b"\n") + 1


def test_who_was_drained_stays_drained_until_an_operator_undoes_it(story: Story, tmp_path: Path) -> None:
    state = StateDirectory(copied(story.east, tmp_path))
    owner, since = f"node:{UUIDS['east']}", b"2026-06-01T00:00:00+00:00"
    sealer = SealedStore(MemoryStore(), AesGcmSealer(state.sealing_key.read_bytes(), os.urandom))
    there = [*snapshot(state.store)]
    state.store.unlink()
    drained = sealer.sealed(owner, Record(DRAINED, 1, 1, since))
    fill(state.store, [(o, e, (*r, drained) if o == owner else r) for o, e, r in there])

    document(*restoring_by_force(story.backup, state, story))

    records = {o: {each.name: each for each in r} for o, _, r in snapshot(state.store)}[owner]
    assert sealer.opened(owner, records[DRAINED]).value == since


def test_who_interrupts_a_restore_leaves_no_private_keys_about(story: Story, tmp_path: Path) -> None:
    def interrupt(step: str) -> None:
        if step == "staged":
            raise KeyboardInterrupt

    with story.backup.open("rb") as file, pytest.raises(KeyboardInterrupt):
        restoring.restore(
            file,
            Secret(PASSPHRASE.encode()),
            StateDirectory(tmp_path / "state"),
            node=None,
            force=False,
            now=datetime.now(UTC),
            step=interrupt,
        )

    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_another_process_made_meanwhile_is_left_to_it(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDirectory(tmp_path / "state")

    def overtaken(_: StateDirectory, __: int) -> None:
        (state.path / "store.sqlite").write_bytes(b"theirs")
        message = "process 7 uses this state directory"
        raise DirectoryInUse(message)

    monkeypatch.setattr(StateDirectory, "_lock", overtaken)
    done = peerkey(*restoring_by_force(story.backup, state, story))

    assert done.exit_code == 1
    assert (state.path / "store.sqlite").read_bytes() == b"theirs"


def test_who_waited_for_a_lock_that_a_restore_has_exchanged_does_not_run_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDirectory(tmp_path / "state")
    other = StateDirectory(tmp_path / "other")
    other.prepare()
    other.lock.touch()

    def exchanged(_: StateDirectory, __: int) -> None:
        state.path.rename(tmp_path / "aside")
        other.path.rename(state.path)

    monkeypatch.setattr(StateDirectory, "_lock", exchanged)
    with pytest.raises(DirectoryInUse, match="try again"), state.held():
        pass


def test_a_running_system_is_never_restored_over(story: Story, tmp_path: Path) -> None:
    state = StateDirectory(copied(story.east, tmp_path))
    with state.held():
        done = peerkey(*restoring_by_force(story.backup, state, story))

    assert done.exit_code == 1
    assert "uses this state directory" in done.stderr


@pytest.mark.parametrize(
    "way", ["truncated", "garbled", "wrong passphrase", "newer", "empty", "no such node"]
)
def test_what_cannot_be_restored_is_one_clear_line_and_changes_nothing(
    story: Story, tmp_path: Path, way: str
) -> None:
    content = bytearray(story.backup.read_bytes())
    file, passphrase = tmp_path / "spoiled", story.passphrase
    more: tuple[str, ...] = ()
    if way == "truncated":
        del content[-10:]
    elif way == "garbled":
        content[len(content) // 2] ^= 1
    elif way == "newer":
        content[15] = 9
    elif way == "empty":
        content.clear()
    elif way == "no such node":
        more = ("--node", "north/node0")
    else:
        passphrase = tmp_path / "other"
        passphrase.touch(mode=0o600)
        passphrase.write_text("another one, quite wrong")
    file.write_bytes(content)
    state = copied(story.east, tmp_path)
    before = files(state)

    for target in (state, tmp_path / "new" / "state"):
        done = peerkey(
            "restore", file, "--state-dir", target, "--passphrase-file", passphrase, "--force", *more
        )
        assert done.exit_code == 1
        assert done.stderr.count("\n") == 1
    assert files(state) == before
    assert not (tmp_path / "new" / "state").exists()
    assert {each.name for each in tmp_path.iterdir()} <= {"spoiled", "other", "state", "new"}


@pytest.mark.parametrize("fatal", ["held", "staged", "synced", "exchanged"])
def test_whoever_is_killed_halfway_leaves_the_old_state_or_the_new_one(
    story: Story, tmp_path: Path, fatal: str
) -> None:
    state = StateDirectory(copied(story.east, tmp_path))
    before = files(state.path)

    def die(step: str) -> None:
        if step == fatal:
            raise Killed

    with story.backup.open("rb") as file, pytest.raises(Killed):
        restoring.restore(
            file, Secret(PASSPHRASE.encode()), state, node=None, force=True, now=datetime.now(UTC), step=die
        )

    if fatal == "exchanged":
        assert not memory(state).ring
        assert len(events(state, "node.restored")) == 1
    else:
        assert {**files(state.path), "lock": b""} == {**before, "lock": b""}
    # And the next try goes through.
    with story.backup.open("rb") as file:
        restoring.restore(
            file, Secret(PASSPHRASE.encode()), state, node=None, force=True, now=datetime.now(UTC)
        )
    assert not memory(state).ring


def test_a_clock_that_stands_before_the_backup_refuses_it(story: Story, tmp_path: Path) -> None:
    with story.backup.open("rb") as file, pytest.raises(BackupFromLater, match="set the clock"):
        restoring.restore(
            file,
            Secret(PASSPHRASE.encode()),
            StateDirectory(tmp_path / "state"),
            node=None,
            force=False,
            now=datetime(2026, 1, 2, tzinfo=UTC),
        )

    assert list(tmp_path.iterdir()) == []


def test_nobody_is_asked_where_nobody_is(story: Story, tmp_path: Path) -> None:
    done = peerkey("restore", story.backup, "--state-dir", tmp_path / "state")

    assert done.exit_code == 1
    assert "--passphrase-file" in done.stderr


# --- helpers ----------------------------------------------------------------------------------------


OLDER, NEWER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


def named(serial: int) -> Section:
    number = serial.to_bytes(width_of(serial), "big")
    return Section(b"issuer", b"issuer", build(len(number), number + when_of(OLDER, NO_REASON)))


EAST = NodeName("east/node0", str(UUIDS["east"]))


class Killed(BaseException):
    """The process dies here: nothing that it would do on its way out is done."""


def restoring_by_force(backup: Path, state: StateDirectory, story: Story) -> tuple[object, ...]:
    words = ("restore", backup, "--state-dir", state.path)
    return (*words, "--passphrase-file", story.passphrase, "--force")


def keys(state: Path) -> set[str]:
    shown = document("show", "peers", "security", "--state-dir", state)
    return {key["key_id"] for peer in shown["peers"] for key in peer["keys"]}


def memory(state: StateDirectory) -> PeeringState:
    """Return what a store has of east's peering."""
    store = SealedStore(MemoryStore(), AesGcmSealer(state.sealing_key.read_bytes(), os.urandom))
    for owner, _, records in snapshot(state.store):
        if owner == f"node:{UUIDS['east']}":
            for record in records:
                if record.name.startswith("peering:"):
                    return decode_state(store.opened(owner, record).value)
    raise AssertionError(owner)


def epoch(state: StateDirectory) -> int:
    return next(number for owner, number, _ in snapshot(state.store) if owner == f"node:{UUIDS['east']}")


def events(state: StateDirectory, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in state.journal.read_text("ascii").splitlines()]
    return [line for line in lines if line["type"] == kind]


def copied(state: StateDirectory, folder: Path) -> Path:
    target = folder / "state"
    shutil.copytree(state.path, target, ignore=shutil.ignore_patterns("api.sock"))
    target.chmod(0o700)
    return target


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(each.relative_to(directory)): each.read_bytes() for each in directory.rglob("*") if each.is_file()
    }


def counting_backup(story: Story, folder: Path) -> Path:
    """Make a backup of a state that has counted three requests."""
    folder = folder / "counted"
    folder.mkdir()
    state = StateDirectory(copied(story.east, folder))
    journal = FileJournal(state.journal)
    for _ in range(3):
        journal.record(datetime.now(UTC), "east/node0", CSR)
    journal.close()
    out = folder / "backup"
    document("backup", "--out", out, "--state-dir", state.path, "--passphrase-file", story.passphrase)
    return out
