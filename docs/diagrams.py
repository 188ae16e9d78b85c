"""Draw the state diagrams in ``docs/protocol.md`` and ``docs/ha.md`` from the tables in the code.

    python docs/diagrams.py

A diagram stands between ``<!-- diagram: name -->`` and ``<!-- end -->``; everything else in the files is
written by hand and left as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from peerkey.ha.leadership import LEADERSHIP_EDGES  # noqa: E402
from peerkey.ha.link import LINK_EDGES, LinkState  # noqa: E402
from peerkey.ha.messages import Role  # noqa: E402
from peerkey.ha.takeover import TAKEOVER_EDGES, TakeoverState  # noqa: E402
from peerkey.protocol.path import PATH_EDGES, PathState  # noqa: E402
from peerkey.protocol.phases import EDGES, Phase  # noqa: E402 - found beside this script

_MARKED: Final = re.compile(
    r"(?P<head><!-- diagram: (?P<name>\w+) -->\n).*?(?P<foot><!-- end -->)", re.DOTALL
)


_State = TypeVar("_State", bound=Enum)
_Step = TypeVar("_Step", bound=Enum)


def diagram(edges: Mapping[tuple[_State, _Step], _State], initial: _State) -> str:
    """Return a table of transitions as a Mermaid state diagram, in the order of the states."""
    arrows: dict[tuple[str, str], list[str]] = {}
    order = list(type(initial))
    for (before, step), after in sorted(edges.items(), key=lambda edge: order.index(edge[0][0])):
        arrows.setdefault((before.name, after.name), []).append(step.name.lower().replace("_", " "))
    lines = [f"    {before} --> {after}: {', '.join(steps)}" for (before, after), steps in arrows.items()]
    return "\n".join(("```mermaid", "stateDiagram-v2", f"    [*] --> {initial.name}", *lines, "```", ""))


DIAGRAMS: Final = {
    "exchange": diagram(EDGES, Phase.IDLE),
    "path": diagram(PATH_EDGES, PathState.WAITING),
}
HA_DIAGRAMS: Final = {
    "link": diagram(LINK_EDGES, LinkState.DOWN),
    "leadership": diagram(LEADERSHIP_EDGES, Role.INACTIVE),
    "takeover": diagram(TAKEOVER_EDGES, TakeoverState.STANDING_BY),
}
TARGETS: Final = {ROOT / "docs" / "protocol.md": DIAGRAMS, ROOT / "docs" / "ha.md": HA_DIAGRAMS}


def drawn(text: str, diagrams: Mapping[str, str] = DIAGRAMS) -> str:
    """Return the document with every diagram as the code has it now.

    Raises:
        KeyError: where it asks for a diagram that there is none of.

    """
    return _MARKED.sub(lambda match: f"{match['head']}{diagrams[match['name']]}{match['foot']}", text)


if __name__ == "__main__":
    for target, diagrams_of_it in TARGETS.items():
        target.write_text(drawn(target.read_text("utf-8"), diagrams_of_it), "utf-8")
