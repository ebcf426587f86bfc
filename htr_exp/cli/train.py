"""`train`: plans, writes and runs or submits an experiment, or every point of a sweep."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from htr_exp.cli.composition import repeat_site
from htr_exp.cli.configuration import shows_configuration

if TYPE_CHECKING:
    from htr_exp.config.compose import Composed


def run(args: argparse.Namespace) -> int:
    """Plan, write and run or submit an experiment, or every point of a sweep."""
    from htr_exp.config.choices import overlays
    from htr_exp.config.compose import compose_experiment, compose_sweep

    folders = overlays(args.config_dir)
    if shows_configuration(args, folders):
        return 0
    if not args.multirun:
        return run_points([compose_experiment(args.overrides, folders)], args, "train")[0]
    codes: list[int] = []
    # a sweeper that learns from values needs them
    learns = any(word.startswith("hydra/sweeper=") for word in args.overrides)

    def launch_points(points: list[Composed]) -> list[Any]:
        code, values = run_points(points, args, "train", sweep=_sweep_id(args.overrides), wait=learns)
        codes.append(code)
        return values

    compose_sweep(args.overrides, launch_points, folders)
    return max(codes, default=0)


def _sweep_id(words: Sequence[str]) -> str:
    from htr_exp.core.files import digest_json

    elsewhere = ("launch.", "site", "tracking", "slurm")
    return digest_json(sorted(word for word in words if not word.startswith(elsewhere)))[:8]


def run_points(
    points: Sequence[Composed], args: argparse.Namespace, verb: str, *, sweep: str | None = None, wait: bool = False
) -> tuple[int, list[Any]]:
    from htr_exp.cli import start

    repeat_site(points[0].site)
    wait = wait or points[0].experiment.launch.wait
    request = start.StartRequest(verb, args.overrides, sweep, args.json, wait)
    if args.dry_run:
        start.dry_run(points, request)
        return 0, [None] * len(points)
    return start.start_runs(points, request)
