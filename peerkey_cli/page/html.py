"""From a view to the page: HTML, and the policy by which a browser obeys nothing else in it.

Everything that comes from a configuration, a certificate or a peer is text: jinja escapes it, and what is
invisible or turns the direction of writing is replaced. Style and script are in the page and known to the
policy by their hashes, so that nothing that somebody smuggles in is applied or run, and nothing is loaded.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from peerkey_cli import palette
from peerkey_cli.page import fleet_map
from peerkey_cli.palette import SEVERITIES, Standing
from peerkey_cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peerkey_cli.page.rows import View

#: How often a page without scripts is asked for again.
REFRESH_SECONDS: Final = 30
#: And one of a system that did not answer.
AGAIN_SECONDS: Final = 10

_PARTS: Final = Path(__file__).parent / "parts"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer for a browser."""

    content: bytes
    headers: Mapping[str, str]
    status: int = 200


def page(view: View) -> Page:
    """Return the status page."""
    legend = [
        (standing, view.standings[standing])
        for standing in sorted(view.standings, key=lambda each: -each.rank)
        if view.standings[standing]
    ]
    return _made(
        "page.html",
        view=view,
        drawing=fleet_map.drawn(view.map),
        explained=fleet_map.explained(view.map),
        legend=legend,
        severities=[(SEVERITIES[name], name, number) for name, number in view.severities.items() if number],
        refresh=REFRESH_SECONDS,
    )


def unreachable(why: str, now: datetime) -> Page:
    """Return the page of a system that does not answer, which asks for itself again."""
    return _made("unreachable.html", 503, why=why, now=now, refresh=AGAIN_SECONDS)


def refused(status: int, why: str) -> Page:
    """Return the page for a request that is not answered."""
    return _made("refused.html", status, why=why)


def _made(name: str, status: int = 200, **values: Any) -> Page:  # noqa: ANN401 - what a template is given
    text = environment().get_template(name).render(**values)
    return Page(text.encode(), headers(), status)


@cache
def headers() -> Mapping[str, str]:
    """Return what goes with each page."""
    policy = (
        "default-src 'none'",
        f"style-src {hash_of(style())}",
        f"script-src {hash_of(script())}",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(policy),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def hash_of(text: str) -> str:
    """Return how a policy names a style sheet or a script."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


@cache
def style() -> str:
    """Return the style sheet: the colours, then everything else."""
    return palette.style() + (_PARTS / "page.css").read_text("utf-8")


@cache
def script() -> str:
    """Return the script, which keeps a page that is open as it would be if it were asked for again."""
    return (_PARTS / "page.js").read_text("utf-8")


@cache
def environment() -> Environment:
    """Return the templates, read once."""
    made = Environment(
        loader=PackageLoader("peerkey_cli.page", "parts"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(
        style=Markup(style()),  # noqa: S704 - our own file
        script=Markup(script()),  # noqa: S704 - our own file
        symbols=palette.symbols(),
        mark=palette.mark,
        good=Standing.GOOD,
        warned=Standing.DEGRADED,
    )
    made.filters.update(instant=instant, ago=ago, ahead=ahead, commands=commands)
    return made


def harmless(value: object) -> object:
    """Return text without what no reader sees and a browser or an eye may obey; the rest as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def commands(text: str) -> Markup:
    """Return advice in which what stands between two backticks is set as what is typed. All of it is text."""
    parts = printable(text).split("`")
    # One without its partner is a backtick.
    paired = len(parts) % 2 == 1
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if paired and number % 2 else part
        for number, part in enumerate(parts if paired else [printable(text)])
    )


def instant(time: datetime) -> Markup:
    """Return a time for readers and machines."""
    utc = time.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.isoformat(timespec="seconds"), f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    )


def ago(time: datetime | None, now: datetime) -> str:
    """Return how long ago something was, in one or two units."""
    return "never" if time is None else f"{span(now - time)} ago"


def ahead(time: datetime | None, now: datetime) -> str:
    """Return how far ahead something is, or that it is over."""
    if time is None:
        return "-"
    return (
        f"in {span(time - now)}"
        if time > now
        else "now"
        if now - time < timedelta(minutes=1)
        else ago(time, now)
    )


def span(time: timedelta) -> str:
    """Return ``3 d 4 h``, ``4 h 5 min``, ``5 min 6 s`` or ``6 s``."""
    seconds = max(0, round(time.total_seconds()))
    for size, unit, smaller, below in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{seconds} s"
