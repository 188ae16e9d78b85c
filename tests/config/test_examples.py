"""The examples are right, and show what their pages say."""

from __future__ import annotations

from pathlib import Path

import pytest

from peerkey.config.load import Loaded, load
from peerkey.config.planning import plans

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", ["two-routers", "hub-and-branches"])
def test_an_example_has_neither_fault_nor_warning(name: str) -> None:
    assert example(name).warnings == ()
    assert (EXAMPLES / name / "README.md").is_file()


def test_the_two_routers_share_one_path() -> None:
    east, west = plans(example("two-routers").authority)
    assert [len(peering.paths) for plan in (east, west) for peering in plan.peerings] == [1, 1]


def test_the_hub_has_eight_branches_over_two_paths_each() -> None:
    hub, *branches = plans(example("hub-and-branches").authority)
    assert [len(peering.paths) for peering in hub.peerings] == [2] * 8
    assert [[len(peering.paths) for peering in branch.peerings] for branch in branches] == [[2]] * 8


def test_the_hub_follows_the_override_of_its_oldest_branch() -> None:
    hub, *branches = plans(example("hub-and-branches").authority)
    names = ["diffie-hellman-2048-ml-kem-768"] * 7 + ["diffie-hellman-2048"]
    assert [peering.algorithm_name for peering in hub.peerings] == names
    assert [branch.peerings[0].algorithm_name for branch in branches] == names


def test_every_node_of_an_example_has_its_own_files_below_pki() -> None:
    files = [
        file
        for plan in plans(example("hub-and-branches").authority)
        for file in (plan.certificate.file, plan.key_file)
    ]
    assert len(set(files)) == len(files) == 18
    assert all((file or "").startswith("pki/") for file in files)


@pytest.mark.parametrize("name", ["two-routers", "hub-and-branches"])
def test_the_files_of_a_node_are_named_after_it(name: str) -> None:
    for plan in plans(example(name).authority):
        assert plan.certificate.file == f"pki/{plan.router}-{plan.node}.pem"
        assert plan.key_file == f"pki/{plan.router}-{plan.node}.key"


def example(name: str) -> Loaded:
    """Return an example, loaded."""
    file = EXAMPLES / name / "authority.yaml"
    return load(file.read_text(encoding="utf-8"), str(file))
