"""Whatever stands in a file, the answer is an authority that can be planned, or faults with lines."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from peerkey.config.findings import ConfigurationFaults
from peerkey.config.load import load
from peerkey.config.planning import plans
from peerkey.config.schema import settings
from tests.config.sample import FOREIGN, HUB_UUID, TEXT, edited

BRANCH_PEER = "        - name: branch\n          path:"
GOOD: Any = yaml.safe_load(edited((BRANCH_PEER, FOREIGN + BRANCH_PEER)))
NAMES = sorted({path[-1] for path in settings()} | {"dh-key-size", "certificate-revocation-list", "zebra"})

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=8),
    st.sampled_from(
        [
            "never",
            "ml-kem",
            "fail-hard",
            "hub",
            "branch",
            "node0",
            "wan0",
            "::",
            "10.0.0.1",
            HUB_UUID,
        ]
    ),
)
trees = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(NAMES), below, max_size=4),
    max_leaves=12,
)


@given(trees)
def test_any_tree_of_known_names_is_answered(tree: object) -> None:
    answered(yaml.safe_dump({"authority": tree}))


@given(st.data())
def test_a_good_configuration_with_a_few_parts_replaced_is_answered(data: st.DataObject) -> None:
    tree = GOOD
    for _ in range(data.draw(st.integers(1, 3))):
        tree = spoiled(tree, data)
    answered(yaml.safe_dump(tree, sort_keys=False))


@given(st.data())
def test_a_good_configuration_with_characters_replaced_is_answered(data: st.DataObject) -> None:
    characters = list(TEXT)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(characters) - 1))
        characters[place] = data.draw(
            st.sampled_from(["", " ", "\n", "\t", ":", "-", "{", "]", "&", "*", "!", "9", "\x00"])
        )
    answered("".join(characters))


def answered(text: str) -> None:
    """Load ``text`` and check that the answer is complete, whichever it is."""
    try:
        loaded = load(text, "a.yaml")
    except ConfigurationFaults as wrong:
        assert wrong.faults  # noqa: PT017 -- either outcome is right
        assert all(each.message and each.line >= 0 for each in wrong.faults)  # noqa: PT017
    else:
        assert plans(loaded.authority)


def spoiled(tree: Any, data: st.DataObject) -> Any:  # noqa: ANN401 -- a tree of anything
    """Return ``tree`` with something in it replaced, removed, added or repeated."""
    if isinstance(tree, dict) and tree and data.draw(st.integers(0, 6)):
        key = data.draw(st.sampled_from(list(tree)))
        match data.draw(st.sampled_from(["deeper"] * 6 + ["remove", "add"])):
            case "remove":
                return {each: value for each, value in tree.items() if each != key}
            case "add":
                return {**tree, data.draw(st.sampled_from(NAMES)): data.draw(trees)}
            case _:
                return {**tree, key: spoiled(tree[key], data)}
    if isinstance(tree, list) and tree and data.draw(st.integers(0, 6)):
        index = data.draw(st.integers(0, len(tree) - 1))
        match data.draw(st.sampled_from(["deeper"] * 6 + ["remove", "repeat"])):
            case "remove":
                return tree[:index] + tree[index + 1 :]
            case "repeat":
                return [*tree, tree[index]]
            case _:
                return [*tree[:index], spoiled(tree[index], data), *tree[index + 1 :]]
    return data.draw(trees)
