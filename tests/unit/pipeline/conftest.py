"""Fixtures of the tests of whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.segmentation_runs import RELEASES, Planned


@pytest.fixture(params=RELEASES)
def either(request: pytest.FixtureRequest, planned_layout: Planned, fake_kraken4: Path) -> Planned:
    """Write the run of the small segmentation for each release."""
    words = [] if request.param == "7.1.1" else [f"runtime.ketos={fake_kraken4}"]
    return lambda *changes: planned_layout(*words, *changes)
