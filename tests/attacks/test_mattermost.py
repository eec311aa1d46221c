"""The failures of Mattermost's shared channels, each said to our door by a partner with a good key and a good proof.

Each is the same sentence: the remote is known, but nobody asked whether this remote may touch this space, this person,
this post. Source: SECURITY 1.C.
"""

from __future__ import annotations

import pytest

from tests.attacks.fence import Fence


@pytest.mark.advisory("C1")
def test_cve_2024_41144_a_partner_posts_into_a_space_that_is_not_shared_with_it(fence: Fence) -> None:
    fence.refuses("out-of-scope", fence.liar.creates(fence.marie, fence.side))
