"""`resume`: goes on with runs that ended before they were done, here or as new jobs."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from htr_exp.cli.chosen_runs import chosen_runs, run_names
from htr_exp.cli.start import Ready, StartRequest, started
from htr_exp.config import rules
from htr_exp.config.choices import overlays
from htr_exp.config.compose import slurm_settings
from htr_exp.config.site_choice import SHIPPED, TYPED
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.pipeline.sources import Sources
from htr_exp.runs import ownership
from htr_exp.runs.records import Provenance
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.seals import CHANGED


def run(args: argparse.Namespace) -> int:
    """Go on with runs that ended before they were done: here, or as new jobs."""
    words = [word for word in args.runs if word.startswith(("slurm=", "slurm."))]
    args.runs = [word for word in args.runs if word not in words]
    if not run_names(args):
        raise ConfigError("nothing to resume: name runs, or a sweep")
    request = StartRequest("resume", args.runs, json=args.json)
    return resumed(chosen_runs(args), words, overlays(args.config_dir), request, trusted=args.trust)


def resumed(
    runs: Sequence[RunDir],
    words: Sequence[str],
    folders: Sequence[Path],
    request: StartRequest,
    *,
    trusted: bool = False,
    before: Callable[[], None] = lambda: None,
) -> int:
    """Start runs again that ended before they were done, with other settings of Slurm where `words` gives them.

    Args:
        runs: of one workspace.
        words: `slurm.KEY=VALUE` or `slurm=CHOICE`.
        folders: the user's config folders.
        request: what else the command line asks for.
        trusted: also runs that this account did not write; they count as written by it from now on.
        before: called once it is known that nothing is in the way.

    Raises:
        ConfigError: a setting cannot be used, or a run folder is not to be believed.
    """
    ready: list[Ready] = []
    problems: list[Problem] = []
    sources = Sources()
    for run in runs:
        if trusted and not run.broken_seals(every_digest=True):
            ownership.sign(run)
        if why := _not_believed(run):
            problems.append(Problem(why))
            continue
        inputs = RunInputs(run)
        experiment = replace(inputs.experiment, slurm=slurm_settings(inputs.experiment.slurm, words, folders))
        problems += rules.job_problems(experiment) + sources.slurm_problems(experiment.slurm)
        workspace = Path(inputs.places["workspace"])
        if not workspace.is_dir():
            problems.append(_moved(run, workspace, inputs.facts))
            continue
        lacking = tuple(inputs.to_compile())
        ready.append(Ready(run, lacking, experiment, inputs.cache, workspace, inputs.facts["dataset"]["name"]))
    if problems:
        raise ConfigError("the runs cannot be resumed so:", list(dict.fromkeys(problems)))
    before()
    return started(ready, request)[0]


def _moved(run: RunDir, workspace: Path, facts: Provenance) -> Problem:
    """What is said of a run whose workspace was moved: only a plan finds the data and all that is staged again."""
    site = facts["site"]
    command = [*facts["command"], *([] if site["from"] in (TYPED, SHIPPED) else [f"site={site['name']}"])]
    what = f"{run.path}: its workspace was {workspace}, which was moved or renamed"
    return Problem(
        what,
        f"there, as it is now, give the command that began it again, which goes on with it: `{shlex.join(command)}`",
    )


def _not_believed(run: RunDir) -> str:
    """Why a run folder may not say what is started and loaded; "" if it may."""
    if broken := run.broken_seals(every_digest=True):
        return f"{run.path}: {CHANGED.format(files=', '.join(broken))}; start anew with again=true"
    return "" if ownership.is_ours(run) else ownership.not_ours(run)
