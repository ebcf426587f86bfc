"""Plans, writes and starts runs, here or through Slurm, and shows their end: what train, evaluate and resume have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp.cli import plan_record, plan_summary
from htr_exp.cli.composition import remember_site
from htr_exp.config.compose import Composed
from htr_exp.config.schema import Experiment, Slurm
from htr_exp.core import console, terminal
from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem
from htr_exp.core.run_state import RunState
from htr_exp.core.signals import Stop, said_if_interrupted
from htr_exp.core.text import counted
from htr_exp.pipeline import write
from htr_exp.pipeline.plan import Plan, make_plan, points_of
from htr_exp.pipeline.sources import Sources
from htr_exp.runs import compare_table, configuration, provenance, status, status_table, sweep_points
from htr_exp.runs.rows import RunRow, compared_rows, rows_of, settings_of, to_minimise
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.tracking import subprocesses

LOOK_S = 10.0
"""Between two looks at submitted runs that are waited for."""

LINES_LEFT_OUT = "{files}: lines that look like a secret are left out of uncommitted.diff; keep secrets in variables, not in files of the checkout"


@dataclass(frozen=True)
class StartRequest:
    """What a command line asks for, beside its experiments.

    Attributes:
        verb: train, evaluate, resume or test.
        words: of the command line, for the record.
        sweep: the sweep that the runs belong to, or None.
        json: for programs, not for people.
        wait: return only when submitted runs have ended.
    """

    verb: str
    words: Sequence[str]
    sweep: str | None = None
    json: bool = False
    wait: bool = False


@dataclass(frozen=True)
class Ready:
    """A run that is written down, and where it is to run."""

    run: RunDir
    to_compile: tuple[Path, ...]  # what the cache lacks of it
    experiment: Experiment
    cache: Path
    workspace: Path
    label: str  # of its dataset, for the name of an array


def start_runs(points: Sequence[Composed], request: StartRequest) -> tuple[int, list[Any]]:
    """Plan all points, then write and start them.

    Returns:
        The exit code, and what a sweeper minimises of each point where it is known: validation CER, or what the line F1 lacks
        of 1; the mean of its folds where it has several.

    Raises:
        ConfigError: with all problems of all points; nothing is written then.
        HtrExpError: a run folder cannot be written, or Slurm does not take the runs.
    """
    by_point = planned(points, request, sources_of(request, fetch=True))
    plans = [one for of_point in by_point for one in of_point]
    if not request.json:
        settings = [_settings(plan) for plan in plans]
        console.show_warnings(
            console.console(stderr=True), sweep_points.said_of(settings, [plan.warnings for plan in plans])
        )
    remember_site(points[0].site, request.verb)
    ready = written(plans, request)
    if request.sweep:
        for one in ready:
            one.run.join_sweep(request.sweep, request.words)
        if not request.json and len(ready) > 1:
            _show_sweep(ready, request.sweep)
    code, values = started(ready, request)
    of_runs = iter(values)
    return code, [_mean([next(of_runs) for _ in of_point]) for of_point in by_point]


def written(plans: Sequence[Plan], request: StartRequest) -> list[Ready]:
    """Write the run folder of each plan, or take the one that there is.

    Raises:
        HtrExpError: a run folder cannot be written.
    """
    command = ["htr-exp", request.verb, *(["-m"] if request.sweep else []), *request.words]
    ready: list[Ready] = []
    left_out: set[str] = set()
    for point in plans:
        run, new = write.write_run(point, command=command, again=point.experiment.again)
        if new and (files := run.facts()["code"].get("redacted")):
            left_out |= {", ".join(files)}
        places = point.places
        ready.append(Ready(run, _lacking(point), point.experiment, places.cache, places.workspace, point.dataset_name))
    for names in sorted(left_out) if not request.json else ():
        console.show_warnings(console.console(stderr=True), [LINES_LEFT_OUT.format(files=names)])
    return ready


def _show_sweep(ready: Sequence[Ready], sweep: str) -> None:
    """Say what a sweep is called, where that is of use, and what its runs are, before the first begins."""
    out = console.console()
    own = f"`{own_command(f'status {sweep}')}`, `{own_command(f'compare {sweep}')}`"
    out.print(f"{sweep_points.of_sweep(len(ready), sweep)}; its name means all of them: {own}")
    states = {one.run: one.run.state().state for one in ready}
    sweep_points.show_points(
        out,
        [
            sweep_points.Point(run.name, settings_of(run), "" if state is RunState.QUEUED else str(state))
            for run, state in states.items()
        ],
    )


def _settings(plan: Plan) -> dict[str, Any]:
    """What a run would be told apart by, as `settings_of` has it of one that is written."""
    used = configuration.flat(plan.composed.values)
    called = {"dataset.name": plan.dataset_name, "model.name": plan.base.name if plan.base else None}
    return used | {key: name for key, name in called.items() if used.get(key) is None}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def dry_run(points: Sequence[Composed], request: StartRequest) -> None:
    """Show what `start` would do: plans, kraken's commands and the sbatch scripts.

    Raises:
        ConfigError: with all problems of all points.
    """
    sources = sources_of(request, fetch=False, submits=False)
    plans = [one for of_point in planned(points, request, sources) for one in of_point]
    known = [write.find(point) for point in plans]
    folders = [
        one.path if one else point.places.runs / f"{point.name}-{point.key[:8]}" for one, point in zip(known, plans)
    ]
    scripts = _scripts(plans, known, folders, request)
    states = [str(one.state().state) if one else "new" for one in known]
    if request.json:
        for point, one, folder in zip(plans, known, folders):
            told = {"run": str(folder), "state": one.state().state if one else "planned", "sbatch": scripts}
            terminal.say_json(told | plan_record.of_plan(point))
        return
    out = console.console()
    settings = [_settings(plan) for plan in plans]
    if len(plans) > 1:
        out.print(f"{counted(len(plans), 'run')}:")
        named = [folder.name for folder in folders]
        sweep_points.show_points(out, [sweep_points.Point(*one) for one in zip(named, settings, states)])
        out.print()
        out.print("the first of them:", style="bold")
    plan_summary.show_plan(out, plans[0], folder=f"{folders[0]} ({states[0]})")
    first = plans[0].warnings
    others = [[said for said in plan.warnings if said not in first] for plan in plans[1:]]
    console.show_warnings(out, sweep_points.said_of(settings, [[], *others]))
    out.print()
    console.show_block(out, write.script_of(plans[0]))
    for script in scripts:
        out.print("the sbatch script:", style="bold")
        console.show_block(out, script)


def sources_of(request: StartRequest, *, fetch: bool, submits: bool = True) -> Sources:
    """What the plans of a command read, each file once."""
    return Sources(fetch=fetch, submits=submits, progress=None if request.json else reading)


@said_if_interrupted("stopped while planning: no run was written or started")
def planned(points: Sequence[Composed], request: StartRequest, sources: Sources) -> list[list[Plan]]:
    """The same as `plans_of`, before there is any run."""
    return plans_of(points, request, sources)


def plans_of(points: Sequence[Composed], request: StartRequest, sources: Sources) -> list[list[Plan]]:
    """Plan every point, which in a sweep may be several runs; all problems of all points are raised together.

    Raises:
        ConfigError: there are some.
    """
    plans: list[list[Plan]] = []
    problems: list[Problem] = []
    for point in points:
        plans.append([])
        for one in points_of(point, sources) if request.sweep else [point]:
            try:
                plans[-1].append(make_plan(one, sources, evaluate=request.verb == "evaluate"))
            except ConfigError as error:
                problems += [problem for problem in error.problems if problem not in problems]
    problems += _mixed_versions([one for of_point in plans for one in of_point])
    if problems:
        raise ConfigError("the experiment cannot run:", problems)
    return plans


def _mixed_versions(plans: Sequence[Plan]) -> list[Problem]:
    """Why the runs of a sweep are not comparable, unless that is asked for."""
    versions = sorted({version for point in plans for version in point.versions})
    if len(plans) < 2 or len(versions) < 2 or all(point.experiment.runtime.mixed_versions for point in plans):
        return []
    what = (
        f"the runs of this sweep would use different versions of kraken ({', '.join(versions)}), which cut lines out differently: "
        "their scores do not compare"
    )
    remedy = "choose one runtime and one runtime.fallback_kraken, or ask for it with runtime.mixed_versions=true"
    return [Problem(what, remedy, "runtime")]


def reading(done: int, total: int) -> None:
    """Show on a terminal how much of a large ground truth is read."""
    if total >= 200:
        terminal.say_on_one_line(f"reads ground truth: {done} of {counted(total, 'file')}", last=done >= total)


def _scripts(
    plans: Sequence[Plan], known: Sequence[RunDir | None], folders: Sequence[Path], request: StartRequest
) -> list[str]:
    scripts = []
    for settings, members in _by_settings(list(zip(plans, known, folders)), lambda one: one[0].experiment.slurm):
        from htr_exp.pipeline.submit import RunToSubmit, arrange  # what runs and submitit need: only Slurm costs it

        wanted = [
            RunToSubmit(folder, _lacking(point))
            for point, run, folder in members
            if run is None or run.state().state.can_submit
        ]
        if wanted:
            first = members[0][0]
            name = _name([folder.name for _, _, folder in members], first.dataset_name, request.sweep)
            code = first.places.cache / "code" / provenance.code_digest()[:16]
            arranged = arrange(wanted, settings, name=name, cache=first.places.cache, code=code)
            scripts += arranged.scripts()
    return scripts


def _by_settings(items: Sequence[Any], settings_of: Any) -> list[tuple[Slurm, list[Any]]]:
    """Group what is submitted by what it asks of Slurm: the jobs of an array ask all the same."""
    groups: dict[str, tuple[Slurm, list[Any]]] = {}
    for item in items:
        settings = settings_of(item)
        if settings.submit:
            groups.setdefault(repr(settings), (settings, []))[1].append(item)
    return list(groups.values())


def _lacking(point: Plan) -> tuple[Path, ...]:
    return tuple(path for path in point.compiled.values() if not path.exists())


def _name(runs: Sequence[str], dataset: str, sweep: str | None) -> str:
    return runs[0] if len(runs) == 1 else f"{dataset}-{sweep or 'runs'}"


def started(ready: Sequence[Ready], request: StartRequest) -> tuple[int, list[Any]]:
    """Run or submit what is written, and show its end; returns the exit code, and what a sweeper minimises of each."""
    stopped, submitted = work(ready, request)
    runs = list(dict.fromkeys(one.run for one in ready))
    found, notes = status.look(runs)
    rows = rows_of(runs, found)
    _show_end(rows, request, runs, notes, all_submitted=len(submitted) == len({run.path for run in runs}))
    failed = any(
        row["state"] is RunState.FAILED and (row["folder"] not in {str(path) for path in submitted} or request.wait)
        for row in rows
    )
    code = code_of(stopped) or int(failed)
    known = {row["folder"]: to_minimise(row) for row in rows}
    return code, [known[str(one.run.path)] for one in ready]


def code_of(stopped: str | None) -> int:
    """The exit code of what was stopped, by the word of `core.signals`; 0 if it was not."""
    return 130 if stopped == "user" else 143 if stopped else 0


def work(
    ready: Sequence[Ready], request: StartRequest, called: Mapping[RunDir, str] | None = None
) -> tuple[str | None, set[Path]]:
    """Run or submit what is written; submitted runs are waited for where that is asked for.

    Args:
        ready: what there is to do.
        request: how.
        called: what each run is called while it is worked on; default: by its number, and what it differs in.

    Returns:
        The word of `core.signals` with which this process was stopped, or None, and the folders of submitted runs.
    """
    submitted = {one.run.path for one in ready if one.experiment.slurm.submit}
    for settings, members in _by_settings(ready, lambda one: one.experiment.slurm):
        from htr_exp.pipeline.submit import RunToSubmit, submit_runs

        wanted = list({one.run.path: RunToSubmit(one.run.path, one.to_compile) for one in members}.values())
        name = _name([run.path.name for run in wanted], members[0].label, request.sweep)
        jobs = submit_runs(wanted, settings, name=name, cache=members[0].cache)
        if not request.json and jobs:
            plan_summary.show_submitted(console.console(), jobs, settings)
    stop = Stop()
    here = [one for one in ready if one.run.path not in submitted]
    with stop.listening():
        if here:
            _run_here(here, stop, request, called)
    if submitted and request.wait and stop() is None:
        _wait_for(list(dict.fromkeys(one.run for one in ready)), request)
    return stop(), submitted


def _run_here(ready: Sequence[Ready], stop: Stop, request: StartRequest, called: Mapping[RunDir, str] | None) -> None:
    from htr_exp.pipeline.launch import launch_runs  # a third of a second that a dry run does not need
    from htr_exp.pipeline.progress import Progress

    workspace = ready[0].workspace
    out = console.console()

    def ended(run: RunDir, _state: StateRecord) -> None:
        with Progress(out if out.is_terminal and not request.json else None) as progress:
            progress.stage("record")
            problems = subprocesses.record_ended(run, workspace, at_once=stop.at_once)
        console.show_warnings(console.console(stderr=True), problems)
        if called and not request.json and (said := compare_table.in_short(rows_of([run])[0])):
            out.print(f"  {said}")

    runs = list(dict.fromkeys(one.run for one in ready if one.run.state().state is not RunState.DONE))
    found, _ = status.look(runs)
    for run in runs:
        if found[run.path].job is None:
            run.revive()
    waiting = [run for run in runs if found[run.path].job is None]
    every = list(dict.fromkeys(one.run for one in ready))
    if called is None and len(every) > 1:
        called = dict(zip(every, sweep_points.numbered([settings_of(run) for run in every])))
    of_launch = ready[0].experiment.launch
    jobs = of_launch.search.at_a_time or of_launch.jobs
    launch_runs(waiting, jobs=jobs, stop=stop, quiet=request.json, ended=ended, called=called)


def _wait_for(runs: Sequence[RunDir], request: StartRequest) -> None:
    """Wait until no run is at work or waits for Slurm any more; Ctrl-C ends the waiting alone."""

    def look() -> tuple[list[RunRow], list[str]]:
        found, notes = status.look(runs)
        return rows_of(runs, found), notes

    try:
        status_table.watch_status(console.console(stderr=request.json), look, every_s=LOOK_S)
    except KeyboardInterrupt:
        terminal.say(f"The jobs go on: `{own_command('status --watch')}` follows them", error=True)
        raise


def _show_end(
    rows: Sequence[RunRow],
    request: StartRequest,
    runs: Sequence[RunDir],
    notes: Sequence[str],
    *,
    all_submitted: bool,
) -> None:
    if request.json:
        told = [brief(row) for row in rows]
        terminal.say_json(told if request.sweep or len(told) > 1 else told[0])
        return
    out = console.console()
    console.show_warnings(console.console(stderr=True), notes)
    if all_submitted and any(not row["state"].is_ended for row in rows):
        status_table.show_status(out, rows)
        what = f" {request.sweep}" if request.sweep else f" {rows[0]['run']}" if len(rows) == 1 else ""
        out.print(f"`{own_command(f'status{what} --watch')}` follows it")
        return
    if len(rows) > 1:
        shown, varied, _ = compared_rows(runs)
        compare_table.show_table(out, shown, varied)
        for row in rows:
            if row["state"] is not RunState.DONE:
                compare_table.show_result(out, row)
    else:
        compare_table.show_result(out, rows[0])
    if request.sweep and len(rows) > 1:
        first = shown[0]["run"]
        reports = f"`{own_command(f'show {first}')}` opens the report of the first"
        again = f"`{own_command(f'compare {request.sweep}')}` shows this sweep again"
    else:
        reports = f"`{own_command('show')}` opens the report"
        again = f"`{own_command('compare')}` lists all runs"
    out.print(f"{reports}, `{own_command('ui')}` shows it in MLflow, {again}")


def brief(row: Mapping[str, object]) -> dict[str, object]:
    """What `--json` prints of a run that was started."""
    keys = ("state", "reason", "metric", "val", "test", "val_cer", "test_cer", "seals", "jobs")
    return {"run": row["folder"], **{key: row[key] for key in keys}}
