"""`evaluate`: scores a model, or what another system read, on the pages of a dataset, and records it."""

from __future__ import annotations

import argparse

from htr_exp.cli.configuration import shows_configuration
from htr_exp.cli.train import run_points


def run(args: argparse.Namespace) -> int:
    """Score a model, or what another system read, on the pages of a dataset, and record it."""
    from htr_exp.config.choices import overlays
    from htr_exp.config.compose import compose_experiment

    folders = overlays(args.config_dir)
    if shows_configuration(args, folders):
        return 0
    return run_points([compose_experiment(args.overrides, folders)], args, "evaluate")[0]
