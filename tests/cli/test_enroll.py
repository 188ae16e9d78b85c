"""``peerkey enroll``: what the CA issues takes the old one's place, and nothing else that it may send."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from prompt_toolkit import PromptSession
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.plain_text import PlainTextOutput
from typer.testing import Result

from peerkey.secret import Secret
from peerkey.testing.ca import Issued, TestCA
from peerkey_cli.asking import secret
from tests.cli.background import in_background
from tests.cli.commands import peerkey
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support import est_server
from tests.support.est_server import PASSWORD, USER, EstServer, Manner, basic

EAST = UUIDS["east"]
#: What a command has recorded that enrolls.
COMMANDS_OWN = {"system.generate_csr", "system.ingest_certificate", "system.enrolled"}


@pytest.fixture
def routers(tmp_path: Path) -> TwoRouters:
    return two_routers(tmp_path)


@pytest.fixture
def old(routers: TwoRouters) -> Issued:
    """Give the node a certificate and key that the test knows."""
    issued = routers.ca.issue(EAST)
    routers.certify("east", issued)
    return issued


@pytest.fixture
def server(routers: TwoRouters) -> Iterator[EstServer]:
    with EstServer(routers.folder / "server", routers.ca).listening() as server:
        yield server


# --- what is asked --------------------------------------------------------------------------------


def test_a_certificate_is_renewed_with_itself(routers: TwoRouters, old: Issued, server: EstServer) -> None:
    done = enroll(routers, server, "--json")

    assert done.exit_code == 0, done.stderr
    (seen,) = server.enrolments()
    assert seen.path == "/.well-known/est/simplereenroll"
    assert seen.content_type == "application/pkcs10"
    assert seen.client == old.certificate.public_bytes(Encoding.DER)
    assert seen.csr.subject.public_bytes() == old.certificate.subject.public_bytes()
    leaf, intermediate = installed(routers)
    assert leaf != old.certificate
    assert intermediate == routers.ca.intermediate.certificate
    assert names_of(leaf) == names_of(old.certificate)
    said = json.loads(done.stdout)
    assert (said["node"], said["operation"], said["certificates"], said["reloaded"]) == (
        "east/node0",
        "simplereenroll",
        2,
        False,
    )
    assert [event["type"] for event in audited(routers)] == [
        "system.generate_csr",
        "system.ingest_certificate",
        "system.enrolled",
    ]


def test_a_first_certificate_is_enrolled_with_a_user_and_a_password(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    (routers.folder / "east.pem").unlink()

    done = enroll(routers, server, *password(routers))

    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(
        f"Enrolled base of east/node0 at {server.url}/.well-known/est (simpleenroll)"
    )
    (seen,) = server.enrolments()
    assert (seen.path, seen.authorization) == ("/.well-known/est/simpleenroll", basic(USER, PASSWORD))
    assert not seen.client
    assert installed(routers)[0].subject.rfc4514_string() == f"CN={EAST}"
    assert PASSWORD not in done.output + events_file(routers).read_text()


def test_the_password_is_in_the_environment_too(
    routers: TwoRouters, old: Issued, server: EstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERKEY_ENROLL_PASSWORD", PASSWORD)

    assert enroll(routers, server, "--user", USER).exit_code == 0


def test_a_password_is_asked_for_without_being_shown() -> None:
    with create_pipe_input() as keyboard:
        keyboard.send_text(f"{PASSWORD}\n")
        screen = io.StringIO()
        session: PromptSession[str] = PromptSession(input=keyboard, output=PlainTextOutput(screen))

        given = secret("Password of router", session)

    assert given == Secret(PASSWORD.encode())
    assert "Password of router: ****" in screen.getvalue()
    assert PASSWORD not in screen.getvalue()


def test_without_a_password_nothing_is_asked_of_the_server(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    done = enroll(routers, server, "--user", USER)

    assert done.exit_code == 2
    assert "--user needs a password: give --password-file" in done.stderr
    assert server.seen == []


def test_a_first_certificate_is_enrolled_with_a_bootstrap_certificate(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    bootstrap = routers.ca.issue(EAST, common_names=("bootstrap",))
    write(routers.folder / "bootstrap.pem", bootstrap.pem)
    write(routers.folder / "bootstrap.key", pem_of(bootstrap))

    done = enroll(
        routers,
        server,
        *("--client-certificate", routers.folder / "bootstrap.pem"),
        *("--client-key", routers.folder / "bootstrap.key"),
    )

    assert done.exit_code == 0, done.stderr
    (seen,) = server.enrolments()
    assert seen.operation == "simpleenroll"
    assert seen.client == bootstrap.certificate.public_bytes(Encoding.DER)


def test_a_bootstrap_key_that_others_can_read_is_not_used(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    write(routers.folder / "boot.key", pem_of(old))
    (routers.folder / "boot.key").chmod(0o644)
    files = ("--client-certificate", routers.folder / "east.pem", "--client-key", routers.folder / "boot.key")

    done = enroll(routers, server, *files)

    assert done.exit_code == 1
    assert "others can read it" in done.stderr
    assert server.seen == []


def test_an_encrypted_private_key_proves_the_node_too(
    routers: TwoRouters, old: Issued, server: EstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        routers.folder / "east.key",
        old.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")),
    )
    monkeypatch.setenv("PEERKEY_KEY_PASSPHRASE", "sesame")

    assert enroll(routers, server).exit_code == 0


def test_a_request_that_was_made_before_is_sent_as_it_is(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    file = routers.folder / "east.csr"
    made = peerkey(
        *("create", "certificate-request", "--config", routers.file, "--node", "east/node0", "--out", file),
        *("--organization-name", "ExampleOrg", "--state-dir", routers.folder / "state"),
    )
    assert made.exit_code == 0, made.stderr

    done = enroll(routers, server, *password(routers), "--request", file)

    assert done.exit_code == 0, done.stderr
    assert server.enrolments()[0].csr.public_bytes(Encoding.PEM) == file.read_bytes()
    assert installed(routers)[0].subject.rfc4514_string() == f"CN={EAST},O=ExampleOrg"


def test_a_request_for_another_key_is_not_sent(routers: TwoRouters, old: Issued, server: EstServer) -> None:
    write(routers.folder / "other.key", pem_of(routers.ca.issue(EAST)))
    file = routers.folder / "east.csr"
    peerkey(
        *("create", "certificate-request", "--uuid", EAST, "--key", routers.folder / "other.key"),
        *("--out", file, "--state-dir", routers.folder / "state"),
    )

    done = enroll(routers, server, *password(routers), "--request", file)

    assert done.exit_code == 1
    assert "the request is not for the private key" in done.stderr
    assert server.seen == []


def test_a_label_chooses_one_ca_of_several(routers: TwoRouters, old: Issued, server: EstServer) -> None:
    done = enroll(routers, server, "--url", f"{server.url}/.well-known/est/lab/")

    assert done.exit_code == 0, done.stderr
    assert [each.path for each in server.seen] == [
        "/.well-known/est/lab/cacerts",
        "/.well-known/est/lab/simplereenroll",
    ]


def test_the_configuration_says_it_all(routers: TwoRouters, old: Issued, server: EstServer) -> None:
    file = routers.write("east", "east", **{"ca-profile": {"url": server.url}})

    done = peerkey("enroll", "--config", file, "--state-dir", routers.folder / "state")

    assert done.exit_code == 0, done.stderr


def test_options_say_it_where_there_is_no_configuration(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    folder = routers.folder

    done = peerkey(
        *("enroll", "--url", server.url, "--uuid", EAST, "--key", folder / "east.key"),
        *("--out", folder / "east.pem", "--trust", folder / "ca.pem", "--state-dir", folder / "state"),
    )

    assert done.exit_code == 0, done.stderr
    assert installed(routers)[0] != old.certificate
    assert audited(routers)[-1]["node"] == str(EAST)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            (),
            "give --config FILE (and --node ROUTER/NODE), or all of --url, --uuid, --key, --out and --trust",
        ),
        (("--node", "east/node0"), "give --config FILE"),
        (("{config}", "--uuid", str(EAST)), "go without --config"),
        (("{config}", "--node", "east/node0"), "has no url in ca-profile"),
        (("{config}", "--node", "east/node0", "--url", "http://ca.example"), "begins with https://"),
        (("{config}", "--node", "east/node0", "--url", "https://ca.example/est"), "https://HOST"),
        (("{config}", "--node", "east/node0", "--url", "https://u:p@ca.example"), "an EST server has no"),
        (("{config}", "--url", "https://ca.example"), "choose one with --node"),
        (
            ("{config}", "--node", "east/node0", "--url", "https://ca.example", "--client-key", "k"),
            "together",
        ),
        (
            ("{config}", "--node", "east/node0", "--url", "https://ca.example", "--password-file", "k"),
            "--user",
        ),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(
    routers: TwoRouters, words: tuple[str, ...], said: str
) -> None:
    done = peerkey("enroll", *(word.format(config=f"--config={routers.file}") for word in words))

    assert done.exit_code in {1, 2}
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_node_without_a_certificate_is_told_how_to_get_the_first_one(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    (routers.folder / "east.pem").unlink()

    done = enroll(routers, server)

    assert done.exit_code == 2
    assert "has no certificate yet that could prove who it is" in done.stderr
    assert server.seen == []


def test_a_certificate_of_another_key_cannot_prove_the_node(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    write(routers.folder / "east.key", pem_of(routers.ca.issue(EAST)))

    done = enroll(routers, server)

    assert done.exit_code == 1
    assert "not the certificate of the private key" in done.stderr


def test_a_key_in_a_device_cannot_be_given_to_tls_and_the_line_says_what_can_be_done(
    routers: TwoRouters, old: Issued, server: EstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = routers.write("east", "east", **{"ca-profile": {"url": server.url}})
    written = json.loads(file.read_text())
    written["authority"]["router"][0]["node"][0]["private-key"] = {"tpm": {"name": "east"}}
    file.write_text(json.dumps(written))
    monkeypatch.setattr(
        "actors.keystores.stores.KeyStores.public_key", lambda *_: old.certificate.public_key()
    )

    done = peerkey("enroll", "--config", file, "--state-dir", routers.folder / "state")

    assert done.exit_code == 1
    assert "tpm:east: TLS here cannot use a private key in a device" in done.stderr
    assert "enroll it with a user and a password" in done.stderr


# --- what comes back ------------------------------------------------------------------------------


def another_key(server: EstServer, seen: est_server.Seen) -> est_server.Answer:
    return est_server.sign(server, seen, signed=server.ca.issue(EAST).certificate)


def another_node(server: EstServer, seen: est_server.Seen) -> est_server.Answer:
    stranger = server.ca.issue(UUIDS["west"], public_key=seen.csr.public_key())
    return est_server.sign(server, seen, signed=stranger.certificate)


def expired(server: EstServer, seen: est_server.Seen) -> est_server.Answer:
    yesterday = server.ca.now - timedelta(hours=1)
    return est_server.sign(server, seen, signed=est_server.issue(server.ca, seen.csr, not_after=yesterday))


def with_private_key(_: EstServer, __: est_server.Seen) -> est_server.Answer:
    return est_server.Answer(200, {"Content-Type": "application/pkcs7-mime"}, pem_of(TestCA().issue(EAST)))


@pytest.mark.parametrize(
    ("manner", "status", "said"),
    [
        (est_server.refusal(400, "the request is not good"), 1, "refuses: 400: the request is not good"),
        (est_server.refusal(403, "<head>x</head><h1>no</h1>\n<p>never</p>", "text/html"), 1, "403: no never"),
        (est_server.refusal(404, "\x1b[31mred\x07 " + "x" * 5000), 1, "404: \\x1b[31mred\\x07 xxx"),
        (est_server.refusal(500, "on fire"), 3, "cannot do it now: 500: on fire"),
        (est_server.later("120", 503), 3, "cannot do it now: 503; it asks to come back in 120 s"),
        (est_server.later("120", 429), 3, "429; it asks to come back in 120 s"),
        (est_server.refusal(204, ""), 1, "answered 204, which EST has no meaning for"),
        (est_server.refusal(304, ""), 1, "answered 304"),
        (est_server.raw(b"<h1>login</h1>", "text/html"), 1, "text/html where application/pkcs7-mime is"),
        (est_server.raw(b"x", ""), 1, "answered with no type"),
        (est_server.raw(b"MII=", "application/pkcs7-mime; smime-type=CMC-Response"), 1, "is expected"),
        (est_server.raw(b"!!"), 1, "the answer is not base64"),
        (est_server.raw(b""), 1, "not a PKCS#7 container"),
        (est_server.raw(b"MIIBAAAA"), 1, "not a PKCS#7 container"),
        (with_private_key, 1, "the answer is not base64"),
        (est_server.flood, 1, "longer than 1048576 bytes"),
        (est_server.moved("https://elsewhere.example/.well-known/est/cacerts"), 1, "not the same server"),
        (est_server.moved("http://127.0.0.1/"), 1, "not the same server"),
        (est_server.moved(""), 1, "redirects to nowhere"),
        (another_key, 1, "for the private key"),
        (another_node, 1, "identity-mismatch"),
        (expired, 1, "expired: the certificate expired"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_whatever_else_comes_back_the_old_certificate_stays(
    routers: TwoRouters, old: Issued, server: EstServer, manner: Manner, status: int, said: str
) -> None:
    server.manners.append(manner)

    done = enroll(routers, server)

    assert done.exit_code == status, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.isascii()
    assert len(done.stderr) < 1000
    assert installed(routers)[0] == old.certificate
    assert audited(routers)[-1]["type"] == "system.enrollment_failed"


def test_a_redirection_on_the_same_server_is_followed_with_the_same_request(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    server.manners.append(est_server.moved("/.well-known/est/lab/simplereenroll", 302))

    done = enroll(routers, server)

    assert done.exit_code == 0, done.stderr
    first, second = server.enrolments()
    assert (second.path, second.body) == ("/.well-known/est/lab/simplereenroll", first.body)


def test_a_loop_of_redirections_ends(routers: TwoRouters, old: Issued, server: EstServer) -> None:
    server.manners.extend([est_server.moved("/.well-known/est/simplereenroll")] * 9)

    done = enroll(routers, server)

    assert done.exit_code == 1
    assert "redirects more than 3 times" in done.stderr


def test_a_wrong_password_is_told_plainly(routers: TwoRouters, old: Issued, server: EstServer) -> None:
    write(routers.folder / "wrong", b"guess\n")

    done = enroll(routers, server, "--user", USER, "--password-file", routers.folder / "wrong")

    assert done.exit_code == 1
    assert "the server refuses: 401: who?; check the user and the password" in done.stderr


def test_a_certificate_that_the_server_does_not_take_is_told_plainly(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    routers.certify("east", TestCA("other", now=routers.ca.now).issue(EAST))

    done = enroll(routers, server)

    # In TLS 1.3 the refusal comes after the handshake, and may be overtaken by the end of the connection.
    assert done.exit_code in {1, 3}
    assert done.stderr.endswith("; it may not accept the certificate that it was shown\n")
    assert installed(routers)[0].issuer.rfc4514_string() == "CN=other issuing"


def test_a_ca_that_decides_later_is_asked_again_with_the_same_request(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    server.manners.append(est_server.later("1"))

    done = enroll(routers, server, "--wait", 30)

    assert done.exit_code == 0, done.stderr
    first, second = server.enrolments()
    assert first == second


def test_where_the_wait_is_too_short_it_is_said_when_to_come_back(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    server.manners.extend([est_server.later("3600"), est_server.later("3600")])

    done, again = enroll(routers, server), enroll(routers, server)

    assert done.exit_code == again.exit_code == 1
    assert "the CA has the request and decides later: run the same command again after " in done.stderr
    first, second = server.enrolments()
    assert first == second, "the same key asks for the same names with the same bytes"
    assert installed(routers)[0] == old.certificate


def test_nobody_there_is_another_status_than_no(routers: TwoRouters, old: Issued) -> None:
    with EstServer(routers.folder / "server", routers.ca).listening() as server:
        url = server.url

    done = enroll(routers, url)

    assert done.exit_code == 3
    assert "the server cannot be reached" in done.stderr


# --- whom to trust --------------------------------------------------------------------------------


def test_a_server_of_an_unknown_ca_is_not_asked(routers: TwoRouters, old: Issued) -> None:
    stranger = TestCA("stranger", now=routers.ca.now)
    with EstServer(routers.folder / "s", routers.ca, listener_ca=stranger.root).listening() as server:
        done = enroll(routers, server)
        write(routers.folder / "stranger.pem", stranger.root.certificate.public_bytes(Encoding.PEM))
        known = enroll(routers, server, "--ca", routers.folder / "stranger.pem")

    assert done.exit_code == 1
    assert "the server's certificate is not trusted" in done.stderr
    assert "--ca FILE" in done.stderr
    assert known.exit_code == 0, known.stderr


def test_an_intermediate_that_is_trusted_alone_is_enough_for_the_server(
    routers: TwoRouters, old: Issued
) -> None:
    write(routers.folder / "sub.pem", routers.ca.intermediate.certificate.public_bytes(Encoding.PEM))
    with EstServer(
        routers.folder / "s", routers.ca, listener_ca=routers.ca.intermediate
    ).listening() as server:
        done = enroll(routers, server, "--ca", routers.folder / "sub.pem")

    assert done.exit_code == 0, done.stderr


def test_a_ca_that_only_the_server_vouches_for_is_not_trusted_and_the_line_says_how_to_decide(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    other = TestCA("other", now=routers.ca.now)
    server.cacerts = lambda *_: est_server.certificates(
        other.root.certificate, other.intermediate.certificate
    )
    server.manners.append(lambda _, seen: est_server.certificates(est_server.issue(other, seen.csr)))

    done = enroll(routers, server)

    assert done.exit_code == 1
    assert "the certificate leads to CN=other root (SHA-256 " in done.stderr
    assert "--cacerts" in done.stderr
    assert installed(routers)[0] == old.certificate
    assert [event["type"] for event in audited(routers)][-2:] == [
        "certificate.refused",
        "system.enrollment_failed",
    ]


def test_what_the_ca_says_of_itself_is_shown_and_written_and_not_trusted(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    out = routers.folder / "offered.pem"
    other = TestCA("other", now=routers.ca.now)
    server.cacerts = lambda *_: est_server.certificates(routers.ca.root.certificate, other.root.certificate)

    done = enroll(routers, server, "--cacerts", out, "--json")
    again = enroll(routers, server, "--cacerts", out)
    shown = enroll(routers, server, "--cacerts", out, "--force")

    assert done.exit_code == 0, done.stderr
    said = {each["subject"]: each["trusted"] for each in json.loads(done.stdout)["offered"]}
    assert said == {"CN=test root": True, "CN=other root": False}
    assert len(x509.load_pem_x509_certificates(out.read_bytes())) == 2
    assert again.exit_code == 1
    assert "Trusted here:  no" in shown.stdout
    assert server.enrolments() == []
    assert installed(routers)[0] == old.certificate


def test_a_server_without_cacerts_is_enough_where_the_chain_comes_with_the_certificate(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    server.cacerts = est_server.refusal(404, "")
    server.manners.append(
        lambda server, seen: est_server.certificates(
            est_server.issue(server.ca, seen.csr), server.ca.intermediate.certificate
        )
    )

    assert enroll(routers, server).exit_code == 0


def test_a_running_system_reads_the_new_certificate_and_records_the_enrolment(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    state = routers.folder / "state"
    file = routers.write("both", **{"ca-profile": {"url": server.url}})
    with in_background(file, state) as system:
        done = peerkey("enroll", "--config", file, "--node", "east/node0", "--state-dir", state, "--json")

        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["reloaded"] is True
        kinds = [entry.event.TYPE for entry in system.running.journal.recent()]
    assert [kind for kind in kinds if kind in COMMANDS_OWN] == [
        "system.generate_csr",
        "system.ingest_certificate",
        "system.enrolled",
    ]


# --- helpers --------------------------------------------------------------------------------------


def enroll(routers: TwoRouters, server: EstServer | str, *words: object) -> Result:
    url = server if isinstance(server, str) else server.url
    chosen = () if "--url" in words else ("--url", url)
    return peerkey(
        *(
            "enroll",
            "--config",
            routers.file,
            "--node",
            "east/node0",
            "--state-dir",
            routers.folder / "state",
        ),
        *chosen,
        *words,
    )


def password(routers: TwoRouters) -> tuple[object, ...]:
    file = routers.folder / "password"
    write(file, f"{PASSWORD}\n".encode())
    return "--user", USER, "--password-file", file


def installed(routers: TwoRouters) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((routers.folder / "east.pem").read_bytes())


def events_file(routers: TwoRouters) -> Path:
    return routers.folder / "state" / "events.jsonl"


def audited(routers: TwoRouters) -> list[dict[str, Any]]:
    return [json.loads(line) for line in events_file(routers).read_text().splitlines()]


def names_of(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def pem_of(issued: Issued) -> bytes:
    return issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
