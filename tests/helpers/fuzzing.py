"""How tests with made-up input are run: the same examples each time, or many new ones where HTR_EXP_FUZZ gives a number."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("HTR_EXP_FUZZ", "0"))


def tried(examples: int = 100) -> settings:
    """Settings of a property test."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
