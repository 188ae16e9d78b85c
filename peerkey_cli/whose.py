"""Whose certificate a command is about: a node of a configuration, or one that options describe in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from peerkey_cli.errors import WrongUsage
from peerkey_cli.importing import Target, target_at, target_of
from peerkey_cli.plans import PlansReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from peerkey.config.plan import NodePlan


@dataclass(frozen=True, slots=True)
class Whose:
    """What the options ``--config`` and ``--node`` say, or all of the others in their place."""

    config: Path | None
    node: str | None
    uuid: UUID | None
    alias: str | None
    key: str | None
    out: Path | None
    trust: Sequence[Path]

    def plans(self) -> tuple[NodePlan, ...]:
        """Return the plans of the configuration; none where there is no configuration.

        :raises WrongUsage: other options say it too.
        :raises Misconfigured: the configuration has faults, or cannot be read.
        """
        if self.config is None:
            return ()
        if self.uuid or self.alias or self.key or self.out or self.trust:
            options = "--uuid, --alias, --key, --out and --trust"
            message = f"{options} go without --config: the configuration says it all"
            raise WrongUsage(message)
        return PlansReader(self.config, [self.node] if self.node else ())()

    def target(self, plans: Sequence[NodePlan], also: Mapping[str, object] | None = None) -> Target:
        """Return whose certificate it is and where it belongs. ``plans`` are those of :meth:`plans`.

        ``also`` are further options, by their names, that are needed without a configuration.

        :raises WrongUsage: it is said by halves.
        :raises PeerkeyError: the configuration has no such node, or the text of its certificate.
        """
        if self.config is not None:
            return target_of(plans, self.node, self.config)
        missing = [name for name, value in (also or {}).items() if not value]
        if (
            self.node is not None
            or self.uuid is None
            or self.key is None
            or self.out is None
            or not self.trust
            or missing
        ):
            names = ", ".join((*(also or ()), "--uuid", "--key", "--out"))
            message = f"give --config FILE (and --node ROUTER/NODE), or all of {names} and --trust"
            raise WrongUsage(message)
        return target_at(self.uuid, self.alias, self.key, self.out, self.trust)
