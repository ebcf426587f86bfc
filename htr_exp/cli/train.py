"""`train`: plans, writes and runs or submits an experiment, every point of a sweep, or the trials of a search."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from htr_exp.cli.composition import repeat_site
from htr_exp.cli.configuration import shows_configuration
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem

if TYPE_CHECKING:
    from htr_exp.config.compose import Composed
    from htr_exp.config.search_space import Point, Space


def run(args: argparse.Namespace) -> int:
    """Plan, write and run or submit an experiment, every point of a sweep, or the trials of a search."""
    return run_verb(args, "train")


def run_verb(args: argparse.Namespace, verb: str) -> int:
    """The same for a verb that takes an experiment: train or evaluate."""
    from htr_exp.config.choices import overlays
    from htr_exp.config.compose import compose_experiment, compose_sweep

    folders = overlays(args.config_dir)
    if shows_configuration(args, folders):
        return 0
    if not args.multirun:
        return run_points([compose_experiment(args.overrides, folders)], args, verb)[0]
    codes: list[int] = []

    def launch_points(points: list[Composed]) -> list[Any]:
        code, values = run_points(points, args, verb, sweep=_sweep_id(args.overrides))
        codes.append(code)
        return values

    def do_search(space: Space, compose: Callable[[Sequence[Point]], list[Composed]]) -> None:
        from htr_exp.cli import start

        if verb == "evaluate":
            raise _search_refused(verb)
        try:
            from htr_exp.cli import search
        except ImportError as error:
            if error.name != "optuna":
                raise
            remedy = "install it with `pip install 'htr-exp[optuna]'`"
            lacking = Problem("launch/search=optuna needs Optuna, which is not installed here", remedy, "launch/search")
            raise ConfigError("the search cannot run:", [lacking]) from None
        request = start.StartRequest("train", args.overrides, json=args.json, wait=True)
        codes.append(search.run(space, compose, request, dry=args.dry_run))

    compose_sweep(args.overrides, launch_points, folders, do_search)
    return max(codes, default=0)


def _sweep_id(words: Sequence[str]) -> str:
    from htr_exp.core.files import digest_json

    elsewhere = ("launch.", "site", "tracking", "slurm")
    return digest_json(sorted(word for word in words if not word.startswith(elsewhere)))[:8]


def run_points(
    points: Sequence[Composed], args: argparse.Namespace, verb: str, *, sweep: str | None = None
) -> tuple[int, list[Any]]:
    from htr_exp.cli import start

    if any(point.experiment.launch.search.name == "optuna" for point in points):
        raise _search_refused(verb)
    repeat_site(points[0].site)
    request = start.StartRequest(verb, args.overrides, sweep, args.json, points[0].experiment.launch.wait)
    if args.dry_run:
        start.dry_run(points, request)
        return 0, [None] * len(points)
    return start.start_runs(points, request)


def _search_refused(verb: str) -> ConfigError:
    what = "launch/search=optuna makes several runs, of points that it chooses"
    remedy = "write `train -m ...`" if verb == "train" else "leave it out: `evaluate` trains nothing"
    return ConfigError("the experiment cannot run:", [Problem(what, remedy, "launch/search")])
