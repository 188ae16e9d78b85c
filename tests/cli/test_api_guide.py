"""``docs/guides/api.md`` tells the truth: each example is carried out, against a system that runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from peerkey.pki.certificate import fingerprint
from peerkey.testing.ca import TestCA
from peerkey_cli import doorkeeper, enrollments, http_protocol
from peerkey_cli.api import gate, json_parts, judging_routes, stream, visitors
from peerkey_cli.api.roles import Role
from peerkey_cli.api.tokens import add_token
from peerkey_cli.desk import DONE_WITHIN
from peerkey_cli.desk import MAXIMUM_WAITING as KEYS_WAITING
from tests.cli.remote_system import RemoteSystem, remote_system
from tests.cli.two_routers import TwoRouters
from tests.support.est_server import PASSWORD, EstServer

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guides" / "api.md").read_text("utf-8")
DESCRIPTION = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
#: Each is one line.
EXAMPLES = re.findall(r'^    ((?:curl .*"\$API"|jq |NODE=).*)$', TEXT, re.MULTILINE)
#: Told of in words, or with an example at the Unix socket: what each command asks for is in docs/console.md.
WITHOUT_EXAMPLE = {
    "/v1/audit",
    "/v1/alarms/cleared",
    "/v1/alarms/explained",
    "/v1/alarms/shelve",
    "/v1/alarms/shelvings",
    "/v1/alarms/unshelve",
    "/v1/config",
    "/v1/config/check",
    "/v1/config/diff",
    "/v1/drain",
    "/v1/drain/host",
}
#: What curl ends with when the time is over that it was given.
TIME_IS_OVER = 28


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    folder = tmp_path_factory.mktemp("guide")
    with ExitStack() as stack:

        def ca_profile(routers: TwoRouters) -> dict[str, object]:
            server = stack.enter_context(EstServer(folder / "server", routers.ca).listening())
            return {"ca-profile": {"url": server.url}}

        yield stack.enter_context(remote_system(folder, more=ca_profile))


def test_every_example_is_carried_out(remote: RemoteSystem, tmp_path: Path) -> None:
    if shutil.which("curl") is None or shutil.which("jq") is None:
        pytest.skip("install curl and jq: apt install curl jq")
    script = [f"printf '\\n# {number}\\n'\n{line}" for number, line in enumerate(EXAMPLES)]
    add_token(remote.routers.folder / "tokens", "prometheus", Role.READ, datetime.now(UTC))
    with remote.http("write") as http:
        http.post("/v1/reload")

    done = subprocess.run(
        ["bash", "-c", "\n".join([*script_start(), *script])],
        cwd=remote.routers.folder,
        env={**os.environ, **prepared(remote, tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    # One of them is cut off by its own clock.
    assert re.fullmatch(r"(curl: \(28\) [^\n]+\n)?", done.stderr), done.stderr
    assert done.returncode == 0
    answers = dict(re.findall(r"^# (\d+)\n(.*?)(?=^# |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    assert len(answers) == len(EXAMPLES)
    for number, answer in answers.items():
        line = EXAMPLES[int(number)]
        if "stream" in line:
            assert answer.startswith("retry: 2000")
        elif not line.startswith("NODE="):
            assert isinstance(json.loads(answer), dict), line


def test_every_resource_has_an_example() -> None:
    asked = {
        urlsplit(url.replace("$NODE", "http://peerkey/v1/router/{router}/node/{node}").strip('"')).path
        for line in EXAMPLES
        if not line.startswith("NODE=")
        for url in re.findall(r'(?:http://peerkey/v1|\$NODE)/[^"\s]+', line)
    }
    asked = {re.sub(r"/tokens/\w+", "/tokens/{name}", path) for path in asked} - {"/v1/openapi.json"}
    short = {"/v1/private-key", "/v1/certificate", "/v1/certificate-request", "/v1/trusted-ca-certificate"}

    assert asked == set(DESCRIPTION["paths"]) - short - {"/v1/enrollment"} - WITHOUT_EXAMPLE


def test_every_status_of_a_refusal_is_told_of() -> None:
    _, _, table = TEXT.partition("| status | is |")
    told = {
        int(number)
        for row in re.findall(r"^\| ([0-9, ]+) \|", table, re.MULTILINE)
        for number in row.split(",")
    }
    described = {
        int(status)
        for operations in DESCRIPTION["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
    }

    assert told >= {status for status in described if status >= 400}


@pytest.mark.parametrize(
    "told",
    [
        f"| TLS handshake | {doorkeeper.HANDSHAKE_WITHIN_SECONDS:g} s |",
        (
            f"| request line and headers | {http_protocol.MAXIMUM_HEADER_BYTES // 1024} KiB, "
            f"{http_protocol.HEADERS_WITHIN_SECONDS:g} s |"
        ),
        (
            f"| body | {gate.MAXIMUM_BODY_BYTES // 1024} KiB, {gate.BODY_WITHIN_SECONDS:g} s, "
            f"{http_protocol.MAXIMUM_PIECES:,} pieces; {json_parts.MAXIMUM_PARTS:,} values |"
        ),
        f"| not taking an answer | {http_protocol.TAKEN_WITHIN_SECONDS:g} s |",
        f"(an IPv4 address, an IPv6 /64) | {doorkeeper.MAXIMUM_FROM_ONE_SOURCE} |",
        f"| requests with one token | {visitors.REQUESTS.burst} at once, 20 a second |",
        f"| refused logins of one source | {visitors.REFUSALS.burst} at once, one in 6 s |",
        f"| requests about keys | one at a time, {KEYS_WAITING} wait, {DONE_WITHIN.seconds} s |",
        f"one at a time, {judging_routes.MAXIMUM_WAITING} wait; {judging_routes.AT_ONCE_SECONDS:g} s at once",
        f"There are {stream.MAXIMUM_STREAMS} at most, {stream.MAXIMUM_OF_ONE_VISITOR} for one token.",
    ],
)
def test_a_limit_is_the_one_that_holds(told: str) -> None:
    assert told in TEXT


def test_an_enrolment_is_given_up_when_the_guide_says() -> None:
    assert enrollments.GIVEN_UP_AFTER.days == 3
    assert "one of each node, three days" in TEXT


# --- helpers --------------------------------------------------------------------------------------


def script_start() -> list[str]:
    """Let a stream be cut off, and nothing else fail."""
    over = f"[ $? -eq {TIME_IS_OVER} ] || exit 1"
    return ["set -o pipefail", f"trap '{over}' ERR"]


def prepared(remote: RemoteSystem, home: Path) -> dict[str, str]:
    """Write the files that the examples name, beside those that are there; return the environment."""
    folder = remote.routers.folder
    new = TestCA(now=datetime.now(UTC).replace(microsecond=0)).root.certificate
    (folder / "new-ca.pem").write_bytes(new.public_bytes(Encoding.PEM))
    (folder / "password").write_text(f"{PASSWORD}\n")
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "brought.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    # An answer that is no ends an example.
    (home / ".curlrc").write_text("fail-with-body\n")
    return {
        "API": str(remote.system.running.state.socket),
        "SHA256": fingerprint(new).hex(),
        "CURL_HOME": str(home),
        "HOME": str(home),
    }
