"""The description of the admin API: it is what is published, and what it allows is answered as it says.

schemathesis makes requests of the description, good ones and bad ones, and asks a system that runs.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.cli.remote_system import RemoteSystem, remote_system

ROOT = Path(__file__).parents[2]
DESCRIPTION = ROOT / "docs" / "openapi.json"

#: A stream does not end; ``test_api_stream.py`` reads it. The short paths are answered by what answers the
#: long ones, and a signing request that is asked for with ``GET`` by what answers ``POST``.
schema = (
    schemathesis.openapi.from_path(str(DESCRIPTION))
    .exclude(path_regex="^/v1/(events/stream|private-key|certificate|certificate-request)$")
    .exclude(path_regex="certificate-request$", method="GET")
)

CHECKS: list[Any] = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    with remote_system(tmp_path_factory.mktemp("remote")) as system:
        yield system


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Keep connections: each would cost more than its request."""
    with requests.Session() as kept:
        kept.trust_env = False
        yield kept


def test_the_published_description_is_that_of_the_api() -> None:
    """Run ``python docs/openapi_document.py`` if this fails."""
    script = runpy.run_path(str(ROOT / "docs" / "openapi_document.py"))

    assert DESCRIPTION.read_text("utf-8") == script["document"]()


def test_the_description_that_is_served_is_the_published_one(remote: RemoteSystem) -> None:
    with remote.http("read") as http:
        assert http.get("/v1/openapi.json").json() == schema.raw_schema


def test_no_document_of_the_description_has_room_for_a_private_key() -> None:
    answers = {
        name
        for name, document in schema.raw_schema["components"]["schemas"].items()
        if any("private" in key and key != "private_key" for key in document.get("properties", {}))
    }
    taken = schema.raw_schema["components"]["schemas"]["BroughtPrivateKey"]["properties"]["private_key"]

    assert answers == set()
    assert taken["writeOnly"] is True


@schema.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_description_foretells(
    remote: RemoteSystem, session: requests.Session, case: schemathesis.Case[Any]
) -> None:
    case.call_and_validate(
        base_url=remote.settings.url,
        session=session,
        headers={"Authorization": f"Bearer {remote.token('write')}"},
        verify=str(remote.ca),
        checks=CHECKS,
    )
    if case.path == "/v1/drain":
        # Else the next one finds that the system is not ready, which is what 503 is for.
        with remote.http("write") as http:
            http.post("/v1/drain", json={"undo": True})
