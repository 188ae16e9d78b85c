"""What is refused before a route sees it: a status, why, and the headers that belong to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi.responses import JSONResponse

from peerkey_cli import documents

if TYPE_CHECKING:
    from collections.abc import Mapping


#: What such an answer is (RFC 9457, section 3).
PROBLEM: Final = "application/problem+json"


class Denied(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer with ``status`` and a problem that says ``text``."""
        super().__init__(text)
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """Return the answer."""
        return problem_answer(self.status, self, self.headers)


def problem_answer(
    status: int, error: Exception | str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the answer that says why something was refused, as RFC 9457 has it."""
    problem = documents.problem(status, error)
    return JSONResponse(problem.model_dump(mode="json"), status, headers, PROBLEM)
