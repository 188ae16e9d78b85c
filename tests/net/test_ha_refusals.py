"""Who is no mate is refused, with an alarm that names why at each end, and nothing else happens.

Real processes on hosts of their own: a node with another SSH key, of another authority, of another version of
the link; and OpenSSH's own programs in the place of a node, with its key and with another.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.ha.ssh_keys import create_ssh_key, public_line_of
from peerkey.ha.constants import LENGTH_BYTES
from peerkey.ha.messages import Frames, Hello, Refused, read_untrusted
from tests.support.ha_pair import ONE, PAIR, PEERS, TWO, HaPair, ha_pair
from tests.support.hosts import require_namespaces, stop, wait_for

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

WITHIN = 60.0
#: peerkey, as if the link had a version before the one that it has.
OLDER = (
    "import peerkey.ha.messages as messages; messages.HA_VERSION = 0; "
    "from peerkey_cli.main import app; app(prog_name='peerkey')"
)
#: Where the node of the higher UUID listens.
LISTENS, PORT = "10.81.9.2", "1280"
SSHD = "/usr/sbin/sshd"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HaPair]:
    require_namespaces()
    with ha_pair(tmp_path_factory.mktemp("pair")) as made:
        well(made)
        yield made
        for peer in PEERS:
            accepted = [event for event in made.routers[peer].events() if event["type"] == "key.accepted"]
            assert len(accepted) == 2, "some peer has rekeyed"


def test_a_node_that_connects_with_another_key_is_refused(pair: HaPair, tmp_path: Path) -> None:
    file, shown = with_another_key(pair, ONE, tmp_path)
    with changed(pair, ONE, file):
        wait_alarm(pair, TWO, "is not the configured one", shown)
        wait_alarm(pair, ONE, "refuses `hub/node0`: wrong-client-key", shown)
        assert refusals(pair, TWO) == {("wrong-client-key", False)}
        assert refusals(pair, ONE) == {("wrong-client-key", True)}


def test_a_node_that_answers_with_another_key_is_refused(pair: HaPair, tmp_path: Path) -> None:
    file, shown = with_another_key(pair, TWO, tmp_path)
    with changed(pair, TWO, file):
        wait_alarm(pair, ONE, "is not the configured one", shown)
        assert ("wrong-host-key", False) in refusals(pair, ONE)


def test_a_node_of_another_authority_is_refused_at_both_ends(pair: HaPair, tmp_path: Path) -> None:
    document = json.loads(pair.routers[TWO].file.read_text())
    document["authority"]["name"] = "another"
    with changed(pair, TWO, written(pair, tmp_path, document)):
        wait_alarm(pair, ONE, "another-router", "authority another")
        wait_alarm(pair, TWO, "another-router", "authority test")


def test_a_node_of_an_older_version_is_refused_at_both_ends(pair: HaPair) -> None:
    with changed(pair, TWO, pair.routers[TWO].file, program=("-c", OLDER)):
        wait_alarm(pair, ONE, "unsupported-version", "version 0", "version 1")
        # The older one is told in a frame that it cannot read either; its own words name both.
        wait_alarm(pair, TWO, "unsupported-version", "version 0", "version 1")


def test_openssh_with_the_key_of_a_node_hears_a_greeting_and_no_record(pair: HaPair) -> None:
    require("ssh", "openssh-client")
    router = pair.routers[ONE]
    folder = router.file.parent
    with stopped(pair, ONE):
        known = folder / "known_hosts"
        known.write_text(f"[{LISTENS}]:{PORT} {public_key(pair, TWO)}\n")
        with openssh(pair, folder / "hub-node0.ha.key", known) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            said = client.stdout.read(LENGTH_BYTES)
            said += client.stdout.read(int.from_bytes(said, "big"))
            client.stdin.write(b"\x00\x00\x00\x04junk")
            client.stdin.flush()
            client.wait(30)
            said += client.stdout.read()
        first, *rest = (read_untrusted(frame) for frame in Frames().feed(said))
        assert isinstance(first, Hello)
        # Their client throws away what has come together with the end of the connection.
        assert [message.reason for message in rest if isinstance(message, Refused)] in ([], ["malformed"])
        assert all(isinstance(message, Refused) for message in rest)
        wait_alarm(pair, TWO, "malformed")


def test_openssh_with_another_key_hears_nothing(pair: HaPair, tmp_path: Path) -> None:
    require("ssh", "openssh-client")
    with stopped(pair, ONE):
        known = tmp_path / "known_hosts"
        known.write_text(f"[{LISTENS}]:{PORT} {public_key(pair, TWO)}\n")
        create_ssh_key(tmp_path / "stranger.key", replace=False)
        with openssh(pair, tmp_path / "stranger.key", known) as client:
            said, complaint = client.communicate(b"", timeout=30)
        assert (said, client.returncode) == (b"", 255)
        assert b"Permission denied (publickey)" in complaint
        wait_alarm(pair, TWO, "is not the configured one")


def test_openssh_in_the_place_of_the_node_that_listens_is_refused_with_another_key(
    pair: HaPair, tmp_path: Path
) -> None:
    require(SSHD, "openssh-server")
    create_ssh_key(tmp_path / "stranger.key", replace=False)
    settings = (
        f"ListenAddress {LISTENS}:{PORT}",
        f"HostKey {tmp_path / 'stranger.key'}",
        "PidFile none",
        "UsePAM no",
        "StrictModes no",
        "Subsystem peerkey-ha /bin/cat",
    )
    (tmp_path / "sshd_config").write_text("\n".join(settings) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    with stopped(pair, TWO):
        server = started(pair, TWO, SSHD, "-D", "-e", "-f", str(tmp_path / "sshd_config"))
        try:
            wait_alarm(pair, ONE, "is not the configured one", fingerprint(tmp_path / "stranger.key"))
            # It is the alarm of a mate that is silent too, whose keys were taken over meanwhile.
            wait_for(lambda: bool((pair.mate(ONE) or {}).get("taken_over")), WITHIN)
        finally:
            stop(server)


# --- helpers --------------------------------------------------------------------------------------


def well(pair: HaPair) -> None:
    """Wait until both are in step, without an alarm and with their own keys alone."""

    def so() -> bool:
        mates = [pair.mate(node) or {"taken_over": True} for node in PAIR]
        return (
            pair.in_step()
            and not any(mate["taken_over"] for mate in mates)
            and not any(alarms(pair, node) for node in PAIR)
        )

    wait_for(so, 120.0, told=lambda: {node: alarms(pair, node) for node in PAIR})


@contextmanager
def stopped(pair: HaPair, node: str) -> Iterator[None]:
    """Let a node be away; afterwards all is well again."""
    router = pair.routers[node]
    router.end()
    try:
        yield
    finally:
        router.start()
        well(pair)


@contextmanager
def changed(
    pair: HaPair, node: str, file: Path, program: tuple[str, ...] = ("-m", "peerkey_cli.main")
) -> Iterator[None]:
    """Let a node run with another configuration, or another program."""
    router = pair.routers[node]
    with stopped(pair, node):
        arguments = ("run", str(file), "--state-dir", str(router.state), "--node", node)
        process = started(pair, node, sys.executable, *program, *arguments)
        try:
            yield
        finally:
            stop(process)


def started(
    pair: HaPair, node: str, *command: str, pipes: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a program on the host of a node."""
    host = pair.routers[node].host
    process = subprocess.Popen(
        ["ip", "netns", "exec", host.name, *command], stdin=pipes, stdout=pipes, stderr=pipes
    )
    host.started.append(process)
    return process


def openssh(pair: HaPair, key: Path, known: Path) -> subprocess.Popen[bytes]:
    """Start OpenSSH's client at the node that listens, from the host of the other."""
    options = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes")
    words = (word for option in (*options, f"UserKnownHostsFile={known}") for word in ("-o", option))
    where = ("-p", PORT, f"anybody@{LISTENS}", "-s", "peerkey-ha")
    return started(pair, ONE, "ssh", "-F", "none", "-i", str(key), *words, *where, pipes=subprocess.PIPE)


def with_another_key(pair: HaPair, node: str, folder: Path) -> tuple[Path, str]:
    """Return a configuration in which this node has another key, and the fingerprint of that."""
    key = create_ssh_key(folder / "stranger.key", replace=False)
    document = json.loads(pair.routers[node].file.read_text())
    sync = ha_sync(document, node)
    sync["public-key"] = public_line_of(key)
    sync["private-key-file"] = str(folder / "stranger.key")
    return written(pair, folder, document), fingerprint(folder / "stranger.key")


def written(pair: HaPair, folder: Path, document: dict[str, Any]) -> Path:
    """Write a configuration beside the one of the pair, whose files it names."""
    file = pair.routers[ONE].file.parent / f"{folder.name}.yaml"
    file.write_text(json.dumps(document))
    return file


def ha_sync(document: dict[str, Any], node: str) -> dict[str, Any]:
    router, _, name = node.partition("/")
    (found,) = (each for each in document["authority"]["router"] if each["name"] == router)
    (place,) = (each for each in found["node"] if each["name"] == name)
    sync: dict[str, Any] = place["ha-sync"]
    return sync


def public_key(pair: HaPair, node: str) -> str:
    document = json.loads(pair.routers[node].file.read_text())
    return str(ha_sync(document, node)["public-key"])


def fingerprint(key: Path) -> str:
    """Return what OpenSSH calls a key."""
    require("ssh-keygen", "openssh-client")
    shown = subprocess.run(["ssh-keygen", "-lf", str(key)], check=True, capture_output=True, text=True).stdout
    return shown.split()[1]


def require(program: str, package: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is missing: apt-get install {package}")


def alarms(pair: HaPair, node: str) -> list[str]:
    """Return what is wrong at this moment. An alarm that came and went several times is shown for longer."""
    document = pair.get(node, "alarms")
    if document is None:
        return ["no answer"]
    return [alarm["message"] for alarm in document["alarms"] if alarm["present"]]


def wait_alarm(pair: HaPair, node: str, *words: str) -> None:
    """Wait for an alarm of a node that has all these words; print it: it is what the test is for."""

    def found() -> str | None:
        return next((text for text in alarms(pair, node) if all(word in text for word in words)), None)

    began = time.monotonic()
    wait_for(lambda: found() is not None, WITHIN, told=lambda: alarms(pair, node))
    print(f"{node} after {time.monotonic() - began:.1f} s: {found()}")  # noqa: T201


def refusals(pair: HaPair, node: str) -> set[tuple[str, bool]]:
    return {
        (event["detail"]["reason"], event["detail"]["by_mate"])
        for event in pair.routers[node].events()
        if event["type"] == "ha.refused"
    }
