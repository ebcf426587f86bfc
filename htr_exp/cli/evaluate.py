"""`evaluate`: scores a model on all pages of a dataset, and records it."""

from __future__ import annotations

import argparse

from htr_exp.cli.train import run_points


def run(args: argparse.Namespace) -> int:
    """Score a model on all pages of a dataset, and record it."""
    from htr_exp.config.choices import overlays
    from htr_exp.config.compose import compose_experiment

    return run_points([compose_experiment(args.overrides, overlays(args.config_dir))], args, "evaluate")[0]
