"""Where a revocation list may be, by what a configuration says of it."""

from __future__ import annotations

import pytest

from tests.config.sample import authority, fault_of, warnings_of, with_top


@pytest.mark.parametrize(
    "url",
    [
        *("http://crl.example/a.crl", "https://crl.example:8443/a?b=c", "file:///var/lib/crl/ca.crl"),
        "file://localhost/ca.crl",
    ],
)
def test_a_list_may_be_at_a_web_server_or_in_a_file_of_this_machine(url: str) -> None:
    text = with_top(f"certificate-revocation-list: {{url: '{url}'}}")

    assert [each.url for each in authority(text).certificate_revocation] == [url]
    assert warnings_of(text) == ()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ldap://ldap.example/cn=ca", "is an LDAP URL, which is not supported"),
        ("ldaps://ldap.example/cn=ca", "is an LDAP URL, which is not supported"),
        ("file://elsewhere/ca.crl", "is not the URL of a file of this machine"),
        ("file:ca.crl", "is not the URL of a file of this machine"),
        ("file:///ca.crl?a", "is not the URL of a file of this machine"),
        ("file:///a b", "must be escaped"),
        ("http://u:p@crl.example/", "holds a user name or password"),
        ("ftp://crl.example/", "begins with http:// or https://"),
        ("http://[crl/", "is not a URL"),
    ],
)
def test_any_other_place_is_refused_with_what_may_be_one(url: str, said: str) -> None:
    assert said in fault_of(with_top(f"certificate-revocation: {{url: '{url}'}}")).message
