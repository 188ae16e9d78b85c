"""Where an EST server is, and what a configuration may say of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.config.est_url import Operation, est_url
from peerkey.config.load import load
from peerkey.config.plan import EnrollmentPlan
from peerkey.config.planning import plans
from peerkey.errors import Misconfigured
from tests.config.sample import fault_of, with_policy


@pytest.mark.parametrize(
    ("written", "cacerts"),
    [
        ("https://ca.example", "https://ca.example/.well-known/est/cacerts"),
        ("https://ca.example/", "https://ca.example/.well-known/est/cacerts"),
        ("HTTPS://ca.example:8443/.well-known/est", "https://ca.example:8443/.well-known/est/cacerts"),
        ("https://ca.example/.well-known/est/lab", "https://ca.example/.well-known/est/lab/cacerts"),
        (
            "https://[2001:db8::1]:8443/.well-known/est/a.b/",
            "https://[2001:db8::1]:8443/.well-known/est/a.b/cacerts",
        ),
    ],
)
def test_a_server_is_named_with_or_without_the_path_and_a_label(written: str, cacerts: str) -> None:
    assert est_url(written).of(Operation.CACERTS) == cacerts


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("http://ca.example", "begins with https://"),
        ("ca.example", "begins with https://"),
        ("https://", "begins with https://"),
        ("https://ca.example:0", "begins with https://"),
        ("https://ca.example:99999", "begins with https://"),
        ("https://[::1", "begins with https://"),
        ("https://c\N{LATIN SMALL LETTER A WITH DIAERESIS}.example", "begins with https://"),
        ("https://user:secret@ca.example", "no user, query or fragment"),
        ("https://ca.example?x=1", "no user, query or fragment"),
        ("https://ca.example/#x", "no user, query or fragment"),
        ("https://ca.example/est", "is at https://HOST"),
        ("https://ca.example/.well-known/estonia", "is at https://HOST"),
        ("https://ca.example/.well-known/est/a/b", "is at https://HOST"),
        ("https://ca.example/.well-known/est/a%20b", "is at https://HOST"),
        ("https://ca.example/.well-known/est/cacerts", "cacerts is an operation of EST"),
        ("https://ca.example/.well-known/est/csrattrs", "csrattrs is an operation of EST"),
    ],
)
def test_anything_else_is_refused_in_one_line_without_a_password(written: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as refusal:
        est_url(written)
    assert "secret" not in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@given(st.text(max_size=80) | st.text(max_size=40).map("https://ca.example/.well-known/est/{}".format))
def test_no_text_does_more_than_be_refused(written: str) -> None:
    refusal = ""
    try:
        found = est_url(written)
    except Misconfigured as fault:
        refusal = str(fault)
    else:
        assert est_url(str(found)) == found
    assert refusal.isascii()


@pytest.mark.parametrize(
    ("profile", "setting", "said"),
    [
        ("{automatic-enrollment: true}", "automatic-enrollment", "needs the url of an EST server"),
        ("{automatic-enrollment: true, url: http://ca.example}", "url", "begins with https://"),
        ("{automatic-enrollment: 1}", "automatic-enrollment", "true or false"),
    ],
)
def test_automatic_enrollment_that_could_never_succeed_is_a_fault(
    profile: str, setting: str, said: str
) -> None:
    fault = fault_of(with_policy(f"ca-profile: {profile}"))

    assert fault.path.endswith(f"ca-profile > {setting}")
    assert said in fault.message


def test_automatic_enrollment_needs_a_file_that_it_can_replace() -> None:
    pem = '"-----BEGIN CERTIFICATE-----\\\\nAAAA\\\\n-----END CERTIFICATE-----"'
    text = with_policy("ca-profile: {automatic-enrollment: true, url: https://ca.example}")
    text = text.replace(
        "          network-interface:\n",
        f"          client-certificate: {{content: {pem}}}\n          network-interface:\n",
        1,
    )

    fault = fault_of(text)

    assert fault.path.endswith("client-certificate > content")
    assert "cannot be renewed automatically" in fault.message


def test_the_plan_of_a_node_says_where_and_whom_to_trust_there() -> None:
    def planned(profile: str) -> EnrollmentPlan | None:
        (plan, _) = plans(load(with_policy(f"ca-profile: {profile}"), "x").authority, "/etc/p")
        return plan.enrollment

    assert planned("{}") is None
    ordinary = planned("{url: https://ca.example}")
    assert ordinary is not None
    assert (ordinary.url, ordinary.automatic) == ("https://ca.example", False)
    assert [each.file for each in ordinary.server_trust] == ["/etc/p/ca.pem"]
    special = planned("{url: https://ca.example, server-ca-file: web.pem, automatic-enrollment: true}")
    assert special is not None
    assert special.automatic
    assert [each.file for each in special.server_trust] == ["/etc/p/web.pem"]


def test_automatic_enrollment_without_any_trusted_ca_is_a_fault() -> None:
    text = with_policy("ca-profile: {automatic-enrollment: true, url: https://ca.example}")
    text = text.replace("  trusted-ca-certificate: [{name: root, file: ca.pem}]\n", "")
    text = text.replace("peer-validation: true", "peer-validation: false")

    assert "needs a trusted-ca-certificate" in fault_of(text).message
