"""The command line: one verb a function, errors in plain words, exit 0 done, 1 failed, 2 to be changed by the user, 130 after Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htr_exp import __version__
from htr_exp.errors import ConfigError, HtrExpError

if TYPE_CHECKING:
    from htr_exp.config import Composed
    from htr_exp.plan import Plan
    from htr_exp.rundir import Places, RunDir

# Modules are imported by the verb that needs them: `--help` and `status` start in a moment on a login node.


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    try:
        os.getcwd()
    except FileNotFoundError:
        print("error: the folder you stand in was deleted or moved: go to another one", file=sys.stderr)
        return 2
    try:
        args = (
            parser.parse_intermixed_args(words)
            if not words or words[0] not in VERBS
            else _verb_parser(words[0]).parse_intermixed_args(words[1:])
        )
        if not hasattr(args, "verb"):
            parser.print_help()
            return 2
        return int(VERBS[args.verb][0](args))
    except HtrExpError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        return 0


def train(args: argparse.Namespace) -> int:
    """Plan, write and run an experiment, or every point of a sweep."""
    from htr_exp.config import compose_experiment, compose_sweep, overlays

    folders = overlays(args.config_dir)
    words = args.overrides
    if not args.multirun:
        return _launched([compose_experiment(words, folders)], args, sweep=None)[0]
    codes: list[int] = []

    def launch_points(points: list[Composed]) -> list[Any]:
        code, values = _launched(points, args, sweep=_sweep_id(words))
        codes.append(code)
        return values

    compose_sweep(words, launch_points, folders)
    return max(codes, default=0)


def _sweep_id(words: Sequence[str]) -> str:
    from htr_exp.files import digest_json

    return digest_json(sorted(word for word in words if not word.startswith(("launch.", "site", "tracking"))))[:8]


def _launched(
    points: Sequence[Composed], args: argparse.Namespace, sweep: str | None, *, verb: str = "train"
) -> tuple[int, list[Any]]:
    """Plan all points, then write and run them. Return the exit code and each point's validation CER."""
    from htr_exp import launch, report, terminal
    from htr_exp.stop import Stop
    from htr_exp.write import find, write

    out = terminal.console()
    plans = _planned(points, args, verb=verb)
    if args.dry_run:
        for plan in plans:
            _show_dry_run(out, plan, find(plan), as_json=args.json)
        return 0, [None] * len(plans)
    if not args.json:
        terminal.show_warnings(terminal.console(stderr=True), [warning for plan in plans for warning in plan.warnings])
    command = ["htr_exp", verb, *(["-m"] if sweep else []), *args.overrides]
    runs = []
    for plan in plans:
        run, _ = write(plan, command=command, again=plan.experiment.again)
        if sweep:
            run.join_sweep(sweep, args.overrides)
        runs.append(run)
    experiment, workspace = plans[0].experiment, plans[0].places.workspace
    stop = Stop()

    def ended(run: RunDir, state: Any) -> None:
        if experiment.tracking.kind != "none":
            for problem in launch.record([run], workspace, experiment.tracking.uri):
                terminal.show_warnings(terminal.console(stderr=True), [problem])

    waiting = list(dict.fromkeys(run for run in runs if run.state().state != "done"))
    with stop.listening():
        launch.launch(waiting, jobs=experiment.launch.jobs, stop=stop, quiet=args.json, ended=ended)
    rows = [report.row(run) for run in runs]
    _show_end(out, rows, args, sweep, runs)
    failed = any(row["state"] == "failed" for row in rows)
    code = 130 if stop() == "user" else 143 if stop() == "terminated" else int(failed)
    return code, [row["val_cer"] for row in rows]


def _planned(points: Sequence[Composed], args: argparse.Namespace, *, verb: str) -> list[Plan]:
    """Plan every point; all problems of all points are raised together."""
    from htr_exp.plan import Memory, plan

    memory = Memory(fetch=not args.dry_run, progress=None if args.json else _reading)
    plans, problems = [], []
    for point in points:
        try:
            plans.append(plan(point, memory, evaluate=verb == "evaluate"))
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ConfigError("the experiment cannot run:", problems)
    return plans


def _reading(done: int, total: int) -> None:
    if total >= 200 and sys.stderr.isatty():
        print(
            f"\rreads ground truth: {done} of {total} files",
            end="" if done < total else "\n",
            file=sys.stderr,
            flush=True,
        )


def _show_dry_run(out: Any, plan: Plan, known: RunDir | None, *, as_json: bool) -> None:
    from htr_exp import terminal, write

    folder = str(known.path) if known else str(plan.places.runs / f"{plan.name}-{plan.key[:8]}")
    if as_json:
        print(json.dumps({"run": folder, "state": known.state().state if known else "planned"}))
        return
    terminal.show_plan(out, plan, folder=f"{folder} ({known.state().state if known else 'new'})")
    out.print()
    out.print(write.script_of(plan), markup=False, soft_wrap=True)


def _show_end(
    out: Any, rows: Sequence[dict[str, Any]], args: argparse.Namespace, sweep: str | None, runs: Sequence[RunDir]
) -> None:
    from htr_exp import report, terminal

    if args.json:
        said = [
            {
                "run": row["folder"],
                "state": row["state"],
                "reason": row["reason"],
                "val_cer": row["val_cer"],
                "test_cer": row["test_cer"],
            }
            for row in rows
        ]
        print(json.dumps(said if sweep else said[0], ensure_ascii=False))
        return
    if sweep:
        compared, varied = report.compared(runs)
        terminal.show_table(out, compared, varied)
        for row in rows:
            if row["state"] != "done":
                terminal.show_result(out, row)
    else:
        terminal.show_result(out, rows[0])
    out.print("`python -m htr_exp ui` shows it in MLflow; `python -m htr_exp compare` lists all runs", markup=False)


def evaluate(args: argparse.Namespace) -> int:
    """Score a model on all pages of a dataset, and record it."""
    from htr_exp.config import compose_experiment, overlays

    return _launched(
        [compose_experiment(args.overrides, overlays(args.config_dir))], args, sweep=None, verb="evaluate"
    )[0]


def check(args: argparse.Namespace) -> int:
    """Read ground truth and say everything that is wrong with it."""
    from htr_exp import groundtruth, terminal
    from htr_exp.config import compose_experiment, overlays
    from htr_exp.plan import dataset_folders

    folders = [word for word in args.overrides if "=" not in word or Path(word).is_dir()]
    overrides = [word for word in args.overrides if word not in folders]
    experiment = compose_experiment(overrides, overlays(args.config_dir)).experiment
    if folders:
        experiment.dataset.path = folders
    if not dataset_folders(experiment):
        raise ConfigError("nothing to check: name a folder, or dataset=NAME")
    dataset = groundtruth.examine(
        dataset_folders(experiment),
        pattern=experiment.dataset.pattern,
        exclude=experiment.dataset.exclude,
        task=experiment.task.name,  # type: ignore[arg-type]
        digests=groundtruth.FileFacts.of_user(),
        progress=None if args.json else _reading,
    )
    if args.json:
        print(
            json.dumps(
                {
                    "pages": len(dataset.pages),
                    "lines": dataset.lines,
                    "characters": dataset.characters,
                    "digest": dataset.digest,
                    "read": dataset.read,
                    "problems": [problem.to_json() for problem in dataset.problems],
                },
                ensure_ascii=False,
            )
        )
    else:
        terminal.show_check(terminal.console(), dataset)
    return 2 if dataset.errors else 0


def status(args: argparse.Namespace) -> int:
    """Say how runs stand."""
    from htr_exp import report, terminal

    rows = [report.row(run) for run in _chosen(args)]
    if args.json:
        print(json.dumps(rows, ensure_ascii=False))
    elif rows:
        terminal.show_status(terminal.console(), rows)
    else:
        print("no runs here yet: `python -m htr_exp train dataset=... model=...` makes one")
    return 0


def compare(args: argparse.Namespace) -> int:
    """Put runs side by side, best validation CER first."""
    from htr_exp import report, terminal

    rows, varied = report.compared(_chosen(args))
    if args.json:
        print(json.dumps(rows, ensure_ascii=False))
    elif rows:
        terminal.show_table(terminal.console(), rows, varied)
    else:
        print("no runs here yet: `python -m htr_exp train dataset=... model=...` makes one")
    return 0


def sync(args: argparse.Namespace) -> int:
    """Record run folders in MLflow; doing it again changes nothing."""
    from htr_exp import tracking

    runs = _chosen(args)
    say = None if args.json else lambda text: print(text, flush=True)
    done = tracking.sync([run.path for run in runs], workspace=_places(args).workspace, uri=args.uri, progress=say)
    if args.json:
        print(
            json.dumps(
                [
                    {"run": one.run, "run_id": one.run_id, "changed": one.changed, "problem": one.problem}
                    for one in done
                ],
                ensure_ascii=False,
            )
        )
    else:
        changed = sum(one.changed for one in done)
        print(f"{len(done)} runs, {changed} changed in {tracking.store_uri(_places(args).workspace, args.uri)}")
    problems = list(dict.fromkeys(one.problem for one in done if one.problem))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def ui(args: argparse.Namespace) -> int:
    """Record what is new, then show the MLflow UI on this machine until Ctrl-C."""
    from htr_exp import tracking, trackui

    workspace = _places(args).workspace
    if args.uri is None:
        for one in tracking.sync([run.path for run in _chosen(args)], workspace=workspace):
            if one.problem:
                print(f"warning: {one.run}: {one.problem}", file=sys.stderr)
    trackui.ui(workspace, uri=args.uri, port=args.port, open_browser=args.open)
    return 0


def options(args: argparse.Namespace) -> int:
    """List every choice of every group."""
    from htr_exp import config

    groups = config.options(config.overlays(args.config_dir))
    if args.json:
        print(json.dumps(groups, ensure_ascii=False))
        return 0
    for group, choices in groups.items():
        print(f"{group}=")
        for name, sentence in choices.items():
            print(f"  {name:18} {sentence}")
    return 0


def _places(args: argparse.Namespace) -> Places:
    from htr_exp.rundir import Places

    words = [word for word in args.runs if word.startswith(("site=", "site."))]
    if words:
        from htr_exp.config import compose_experiment, overlays
        from htr_exp.plan import places_of

        return places_of(compose_experiment(words, overlays(args.config_dir)).experiment)
    here = Path(args.workspace).expanduser().absolute()
    return Places(here, here / "runs", here / "cache", here / "models")


def _chosen(args: argparse.Namespace) -> list[RunDir]:
    """Return the runs named on the command line (by run, or by sweep), or all."""
    from htr_exp.files import read_jsonl
    from htr_exp.rundir import named, runs_in

    folder = _places(args).runs
    names = [word for word in args.runs if not word.startswith(("site=", "site."))]
    if not names:
        return runs_in(folder)
    chosen: dict[Path, RunDir] = {}
    for name in names:
        of_sweep = [run for run in runs_in(folder) if any(member["sweep"] == name for member in read_jsonl(run.sweeps))]
        for run in of_sweep or [named(folder, name)]:
            chosen[run.path] = run
    return list(chosen.values())


VERBS: dict[str, tuple[Any, str, str]] = {
    "train": (
        train,
        "experiment",
        "check, split, compile, train, score and record: train dataset=... model=... [-m KEY=A,B]",
    ),
    "evaluate": (evaluate, "experiment", "score a model on all pages of a dataset: evaluate model=... dataset=..."),
    "check": (check, "check", "say everything that is wrong with ground truth: check FOLDER, check dataset=..."),
    "status": (status, "runs", "say how runs stand"),
    "compare": (compare, "runs", "put runs side by side: compare [RUN or SWEEP ...]"),
    "sync": (sync, "store", "record run folders in MLflow; doing it again changes nothing"),
    "ui": (ui, "ui", "show the MLflow UI of the workspace on this machine"),
    "options": (options, "options", "list every choice of every group"),
}
"""Verb -> its function, the family of its arguments, what it does."""


def _parser() -> argparse.ArgumentParser:
    verbs = "\n".join(f"  {name:10} {sentence}" for name, (_, _, sentence) in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="python -m htr_exp",
        usage="python -m htr_exp VERB [KEY=VALUE ...] [options]",
        description="Fine-tune kraken models for medieval manuscripts, and prove what you publish.",
        epilog=f"verbs:\n{verbs}\n\n`python -m htr_exp VERB --help` tells more; `python -m htr_exp options` lists what there is to choose.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"htr_exp {__version__}")
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS, action=_UnknownVerb)
    return parser


class _UnknownVerb(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        import difflib

        if values:
            close = difflib.get_close_matches(values[0], list(VERBS), n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"{values[0]}: there is no such verb{meant} Verbs: {', '.join(VERBS)}")


def _verb_parser(verb: str) -> argparse.ArgumentParser:
    _, family, sentence = VERBS[verb]
    parser = argparse.ArgumentParser(prog=f"python -m htr_exp {verb}", description=sentence)
    parser.set_defaults(verb=verb, multirun=False, dry_run=False)
    parser.add_argument("--json", action="store_true", help="print for programs, not for people")
    parser.add_argument(
        "--config-dir",
        metavar="FOLDER",
        help="a config folder of your own, before conf/ of this folder and the shipped one",
    )
    if family in ("experiment", "check"):
        parser.add_argument(
            "overrides",
            nargs="*",
            metavar="FOLDER or KEY=VALUE" if family == "check" else "KEY=VALUE",
            help="choices and values of the configuration",
        )
    if family == "experiment":
        parser.add_argument("--dry-run", action="store_true", help="print plan and commands, start nothing")
        parser.add_argument("-m", "--multirun", action="store_true", help="a sweep: KEY=A,B runs every combination")
    if family in ("runs", "store", "ui"):
        parser.add_argument(
            "runs", nargs="*", metavar="RUN", help="names, prefixes of names, sweeps, or `last`; default: all"
        )
        parser.add_argument("--workspace", default=".", metavar="FOLDER", help="default: the folder one stands in")
    if family in ("store", "ui"):
        parser.add_argument("--uri", help="an MLflow server or store; default: mlflow.db of the workspace")
    if family == "ui":
        parser.add_argument("--port", type=int, help="default: 5000, or the next free one")
        parser.add_argument("--open", action="store_true", help="open the browser")
    return parser
