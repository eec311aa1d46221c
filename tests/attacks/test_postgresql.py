"""The same attacks where the node keeps its rows in PostgreSQL: one of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import FileSystemBytecodeCache

from tests.attacks import test_advisories_a as a
from tests.attacks import test_advisories_b as b
from tests.attacks import test_advisories_c as c
from tests.attacks import test_advisories_d as d
from tests.attacks import test_mattermost as m
from tests.attacks.conftest import world_in
from tests.attacks.fence import Attack, Fence

ATTACKS: list[Attack] = [
    m.test_cve_2024_41144_a_partner_writes_into_a_space_that_is_not_shared_with_it,
    m.test_cve_2024_39274_a_local_space_is_answered_like_one_that_is_not_there,
    m.test_cve_2024_36492_a_partner_changes_people_of_ours,
    m.test_cve_2024_41162_a_partner_changes_the_settings_of_a_space_of_ours,
    m.test_cve_2026_28759_a_partner_takes_out_people_who_are_not_its_own,
    m.test_cve_2025_13324_an_invitation_is_used_once_and_by_the_one_invited,
    a.test_cve_2023_49079_a_good_proof_by_another_than_the_actor,
    a.test_a_signature_holds_five_minutes_and_once,
    b.test_cve_2024_52592_nobody_changes_what_another_made,
    b.test_a_proof_inside_proves_nothing_for_what_is_around,
    c.test_a_space_has_one_host,
    c.test_cve_2022_39374_what_was_refused_stays_refused,
    d.test_cve_2021_39163_a_partner_reads_what_it_is_in_and_nothing_else,
    d.test_cve_2022_39335_nobody_reads_the_log_to_another,
    d.test_cve_2025_62605_a_wrapper_gives_nothing_that_its_inside_has_not,
]


@pytest.fixture
def fence_on_postgresql(
    tmp_path: Path, postgresql_url: str, compiled: FileSystemBytecodeCache
) -> Iterator[Fence]:
    with world_in(tmp_path, compiled, database_url=postgresql_url) as (made, net):
        yield Fence(made, net)


@pytest.mark.postgresql
def test_the_attacks_on_postgresql(fence_on_postgresql: Fence) -> None:
    for attack in ATTACKS:
        attack(fence_on_postgresql)
