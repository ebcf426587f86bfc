"""Where the tests find what is theirs."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
CHECKOUT = TESTS.parent
FAKES = TESTS / "fakes"
SLURM_DATA = TESTS / "data" / "slurm"
"""What the programs of a real Slurm printed."""
DEMO = CHECKOUT / "htr_exp" / "demo"
