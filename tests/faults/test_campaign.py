"""`make faults` ends by itself, and says what it did not come to."""

from __future__ import annotations

import json

import pytest

from tests.faults import __main__ as campaign
from tests.faults.play import FURTHER, SCENES


def test_a_campaign_without_time_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign.main(["--only", "crashes", "--crashes", "2", "--postgresql", "0", "--minutes", "0"]) == 1
    found = json.loads(capsys.readouterr().out)["crashes"]
    assert (found["crashes"], found["fewest"]) == (0, 0)
    assert found["short"] == sorted((*SCENES, *FURTHER))
    assert "no time left" in found["broken"][0]
