"""Validation that goes on after a fault.

pydantic reports every bad value of a tree at once but then returns nothing, so that the rules between
settings would stay silent until the last of them is repaired. Here the bad values are taken out,
round after round, until what remains is valid; what was taken out is noted, so that no rule complains
of its absence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from peerkey.config.explain import explain
from peerkey.config.models import Document
from peerkey.config.text import Items, Section

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from peerkey.config.findings import Finding
    from peerkey.config.report import Losses
    from peerkey.config.text import Branch, Step


def validated(tree: Section, source: str, losses: Losses) -> tuple[Document | None, list[Finding]]:
    """Return what of ``tree`` is valid, if anything, and the faults of the rest, which goes to ``losses``.

    ``tree`` loses what is not valid. Each round removes at least one entry, and what its absence makes
    invalid is one level higher, so there are about as many rounds as levels of containers.
    """
    try:
        return Document.model_validate(tree), []
    except ValidationError as error:
        errors = _causes(error)
        faults = explain(errors, tree, source)
    while _removed([each["loc"] for each in errors], tree, losses):
        try:
            return Document.model_validate(tree), faults
        except ValidationError as error:
            errors = _causes(error)
    return None, faults


def _causes(error: ValidationError) -> list[ErrorDetails]:
    """Leave out lists that are "too short" only because their items are invalid, which is said already."""
    errors = error.errors(include_url=False)
    above = {each["loc"][:depth] for each in errors for depth in range(len(each["loc"]))}
    return [each for each in errors if each["type"] != "too_short" or each["loc"] not in above]


def _removed(locs: list[tuple[Step, ...]], tree: Section, losses: Losses) -> bool:
    """Remove what ``locs`` point at; say whether there was anything to remove."""
    settings: dict[tuple[int, str], Section] = {}
    items: dict[tuple[int, int], Items] = {}
    for loc in locs:
        branch, step = _victim(tree, loc)
        if isinstance(branch, Section) and step in branch:
            settings[id(branch), str(step)] = branch
            losses.note(branch, step, branch[str(step)])
        elif isinstance(branch, Items):
            items[id(branch), int(step)] = branch
            losses.note(branch, step, branch[int(step)])
    for (_, key), section in settings.items():
        del section[key]
    # From the end of each list, so that the indices of the others stay.
    for (_, index), listed in sorted(items.items(), key=lambda item: item[0][1], reverse=True):
        del listed[index]
    return bool(settings or items)


def _victim(tree: Section, loc: tuple[Step, ...]) -> tuple[Branch, Step]:
    """Return where in ``tree`` to find what an error at ``loc`` makes unusable.

    That is the value itself, or, where ``loc`` is of a setting that is missing, the container that lacks it.
    """
    branch: Branch = tree
    found: tuple[Branch, Step] = tree, ""
    for step in loc:
        if isinstance(branch, Section):
            if isinstance(step, int):
                continue  # a single container, which was read as a list of one
            if step not in branch:
                break
            value = branch[step]
        else:
            value = branch[int(step)]
        found = branch, step
        if not isinstance(value, Section | Items):
            break
        branch = value
    return found
