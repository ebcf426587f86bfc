"""`evaluate`: scores models, or what another system read, on the pages of datasets, and records it."""

from __future__ import annotations

import argparse

from htr_exp.cli.train import run_verb


def run(args: argparse.Namespace) -> int:
    """Score models, or what another system read, on the pages of datasets, and record it."""
    return run_verb(args, "evaluate")
