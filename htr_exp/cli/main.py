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
from htr_exp.core.errors import ConfigError, HtrExpError

if TYPE_CHECKING:
    from htr_exp.config.compose import Composed
    from htr_exp.config.places import Places
    from htr_exp.runs.run_dir import RunDir

WATCH_S = 10.0
"""How often `status --watch` looks, seconds."""

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
        args = _parsed(parser, words)
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


def _parsed(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    if not words or words[0] not in VERBS:
        return parser.parse_intermixed_args(words)
    of_verb = _verb_parser(words[0])
    if VERBS[words[0]][1] != "experiment":
        return of_verb.parse_intermixed_args(words[1:])
    args, unknown = of_verb.parse_known_intermixed_args(words[1:])
    if unknown:
        from htr_exp.cli import kraken_options

        raise ConfigError("the command line cannot be used:", kraken_options.of_words(unknown))
    return args


def train(args: argparse.Namespace) -> int:
    """Plan, write and run or submit an experiment, or every point of a sweep."""
    from htr_exp.config.compose import compose_experiment, compose_sweep, overlays

    folders = overlays(args.config_dir)
    if not args.multirun:
        return _start([compose_experiment(args.overrides, folders)], args, "train")[0]
    codes: list[int] = []
    # a sweeper that learns from values needs them
    learns = any(word.startswith("hydra/sweeper=") for word in args.overrides)

    def launch_points(points: list[Composed]) -> list[Any]:
        code, values = _start(points, args, "train", sweep=_sweep_id(args.overrides), wait=learns)
        codes.append(code)
        return values

    compose_sweep(args.overrides, launch_points, folders)
    return max(codes, default=0)


def _sweep_id(words: Sequence[str]) -> str:
    from htr_exp.core.files import digest_json

    elsewhere = ("launch.", "site", "tracking", "slurm")
    return digest_json(sorted(word for word in words if not word.startswith(elsewhere)))[:8]


def _start(
    points: Sequence[Composed], args: argparse.Namespace, verb: str, *, sweep: str | None = None, wait: bool = False
) -> tuple[int, list[Any]]:
    from htr_exp.cli import start

    wait = wait or points[0].experiment.launch.wait
    request = start.StartRequest(verb, args.overrides, sweep, args.json, wait)
    if args.dry_run:
        start.dry_run(points, request)
        return 0, [None] * len(points)
    return start.start_runs(points, request)


def evaluate(args: argparse.Namespace) -> int:
    """Score a model on all pages of a dataset, and record it."""
    from htr_exp.config.compose import compose_experiment, overlays

    return _start([compose_experiment(args.overrides, overlays(args.config_dir))], args, "evaluate")[0]


def resume(args: argparse.Namespace) -> int:
    """Go on with runs that ended before they were done: here, or as new jobs."""
    from htr_exp.cli import start
    from htr_exp.config.compose import overlays

    words = [word for word in args.runs if word.startswith(("slurm=", "slurm."))]
    args.runs = [word for word in args.runs if word not in words]
    if not any(not word.startswith(("site=", "site.")) for word in args.runs):
        raise ConfigError("nothing to resume: name runs, or a sweep")
    request = start.StartRequest("resume", args.runs, json=args.json)
    return start.resume(_chosen(args), words, overlays(args.config_dir), request)


def check(args: argparse.Namespace) -> int:
    """Read ground truth and say everything that is wrong with it."""
    from htr_exp.cli.check import verb as cli_check_verb
    from htr_exp.cli.check.verb import CheckRequest

    return cli_check_verb.run(
        CheckRequest(
            args.overrides,
            config_dir=args.config_dir,
            json=args.json,
            junit=args.junit,
            html=args.html,
            pictures=args.pictures,
            fix=args.fix,
            since=args.since,
            htr_united=args.htr_united,
            quick=args.quick,
        )
    )


def status(args: argparse.Namespace) -> int:
    """Say how runs stand."""
    from htr_exp.core.console import console
    from htr_exp.runs import status as runs_status
    from htr_exp.runs import status_table, table

    every_s = _watched(args)
    runs = _chosen(args)
    if args.sync:
        _record_new(args, runs)

    def look() -> tuple[list[dict[str, Any]], list[str]]:
        found, notes = runs_status.look(runs)
        return [table.row(run, found[run.path]) for run in runs], notes

    if every_s is not None and runs:
        try:
            status_table.watch_status(console(), look, every_s=every_s)
        except KeyboardInterrupt:  # as `watch` does: who only looks has nothing to interrupt
            return 0
        return 0
    rows, notes = look()
    if args.json:
        print(json.dumps(rows, ensure_ascii=False))
    elif rows:
        status_table.show_status(console(), rows)
    else:
        print("no runs here yet: `python -m htr_exp train dataset=... model=...` makes one")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _watched(args: argparse.Namespace) -> float | None:
    """Return the seconds of `--watch`, None without it; a word that is no number is the run that follows it."""
    if args.watch is None:
        return None
    if args.json:
        raise ConfigError("--watch is for people: ask for --json again and again instead")
    try:
        return max(float(args.watch), 1.0)
    except ValueError:
        args.runs.append(args.watch)
        return WATCH_S


def logs(args: argparse.Namespace) -> int:
    """Show a run's log."""
    from htr_exp.runs.logs import follow, last_lines

    if not args.runs:
        args.runs = ["last"]
    run, *others = _chosen(args)
    if others:
        names = ", ".join([run.name, *(other.name for other in others)])
        raise ConfigError(f"logs shows one run at a time: choose one of {names}")
    if not args.follow:
        lines = last_lines(run, args.lines)
        print("\n".join(lines) if lines else f"{run.name}: {run.state().state}: it has not said anything yet")
        return 0
    try:
        follow(
            run,
            lambda text: print(text, end="", flush=True),
            lambda text: print(f"== {text}", file=sys.stderr, flush=True),
            lines=args.lines,
        )
    except KeyboardInterrupt:
        return 0
    return 0


def cancel(args: argparse.Namespace) -> int:
    """End runs."""
    from htr_exp.runs import logs as runs_logs
    from htr_exp.runs.run_dir import plainly

    if not [word for word in args.runs if not word.startswith(("site=", "site."))]:
        raise ConfigError("cancel which runs? Name them, or a sweep; `python -m htr_exp status` lists them")
    runs = _chosen(args)
    try:
        done, problems = runs_logs.cancel(runs)
    except OSError as error:
        raise plainly(error, runs[0].path) from None
    if args.json:
        print(json.dumps([{"run": str(one.run.path), "state": one.state} for one in done], ensure_ascii=False))
    else:
        for one in done:
            print(one.said)
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    return 1 if problems else 0


def compare(args: argparse.Namespace) -> int:
    """Put runs side by side, best validation CER first."""
    from htr_exp.core.console import console
    from htr_exp.runs import run_table, table

    runs = _chosen(args)
    _record_new(args, runs)
    rows, varied = table.compared(runs)
    if args.json:
        print(json.dumps(rows, ensure_ascii=False))
    elif rows:
        run_table.show_table(console(), rows, varied)
    else:
        print("no runs here yet: `python -m htr_exp train dataset=... model=...` makes one")
    return 0


def sync(args: argparse.Namespace) -> int:
    """Record run folders in MLflow, each where its experiment says; doing it again changes nothing."""
    from htr_exp.runs import status as runs_status
    from htr_exp.tracking.sync import store_of, sync_runs

    workspace, runs = _places(args).workspace, _chosen(args)
    runs_status.look(runs)  # what Slurm alone knows of a run's end goes into its folder
    paths = [run.path for run in runs]
    asked_for = args.uri is not None or bool(_names(args))
    if not asked_for:
        paths = [path for path in paths if store_of(path, workspace)]
    say = None if args.json else lambda text: print(text, flush=True)
    done = sync_runs(paths, workspace=workspace, uri=args.uri, ask=asked_for, progress=say)
    if args.json:
        keys = ("run", "run_id", "changed", "problem", "store")
        print(json.dumps([{key: getattr(one, key) for key in keys} for one in done], ensure_ascii=False))
    else:
        for store in dict.fromkeys(one.store for one in done):
            there = [one for one in done if one.store == store]
            print(f"{len(there)} runs, {sum(one.changed for one in there)} changed in {store}")
        if not done:
            print("no runs to record")
        if len(paths) < len(runs):
            print(f"{len(runs) - len(paths)} runs have tracking=none: name them, and they are recorded too")
    problems = list(dict.fromkeys(one.problem for one in done if one.problem))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _record_new(args: argparse.Namespace, runs: Sequence[RunDir]) -> None:
    """Bring MLflow up to date with runs before they are shown; whatever goes wrong there is a warning."""
    from htr_exp.tracking import subprocesses

    subprocesses.record_new(runs, _places(args).workspace)


def ui(args: argparse.Namespace) -> int:
    """Record what is new, then show the MLflow UI on this machine until Ctrl-C."""
    from htr_exp.tracking.sync import store_of, sync_runs
    from htr_exp.tracking.ui import serve_ui

    workspace, uri = _places(args).workspace, args.uri
    if uri is None:
        runs = _chosen(args)
        paths = [run.path for run in runs if _names(args) or store_of(run.path, workspace)]
        done = sync_runs(paths, workspace=workspace, ask=False)
        for one in done:
            if one.problem:
                print(f"warning: {one.run}: {one.problem}", file=sys.stderr)
        servers = [store for store in dict.fromkeys(one.store for one in done) if store.startswith("http")]
        if len(servers) == 1 and all(one.store in servers for one in done):
            (uri,) = servers
        elif servers:
            print(f"other runs are at {', '.join(servers)}")
    serve_ui(workspace, uri=uri, port=args.port, open_browser=args.open)
    return 0


def options(args: argparse.Namespace) -> int:
    """List every choice of every group."""
    from htr_exp.config import compose

    groups = compose.options(compose.overlays(args.config_dir))
    if args.json:
        print(json.dumps(groups, ensure_ascii=False))
        return 0
    for group, choices in groups.items():
        print(f"{group}=")
        for name, sentence in choices.items():
            print(f"  {name:18} {sentence}")
    return 0


def doctor(args: argparse.Namespace) -> int:
    """Say what works here and what does not, each with its remedy."""
    from htr_exp.cli.doctor import software

    lacking = software.lacking()
    if lacking:  # without these packages there is neither a configuration nor a table
        if args.json:
            print(json.dumps([{"section": software.TITLE} | vars(finding) for finding in lacking], ensure_ascii=False))
        for finding in () if args.json else lacking:
            print(f"{finding.state}  {finding.name}  {finding.found}\n       -> {finding.remedy}")
        return 2
    from htr_exp.cli.doctor import terminal
    from htr_exp.cli.doctor.examination import examine
    from htr_exp.config.compose import overlays
    from htr_exp.core.console import console

    sections = examine(args.overrides, overlays(args.config_dir))
    if args.json:
        rows = [{"section": title} | vars(finding) for title, findings in sections for finding in findings]
        print(json.dumps(rows, ensure_ascii=False))
        return 2 if any(row["state"] == "error" for row in rows) else 0
    told = terminal.show_findings(console(), sections)
    return 2 if any(finding.state == "error" for finding in told) else 0


def _places(args: argparse.Namespace) -> Places:
    from htr_exp.config.places import Places

    words = [word for word in args.runs if word.startswith(("site=", "site."))]
    if words:
        from htr_exp.config.compose import compose_experiment, overlays
        from htr_exp.config.places import places_of

        return places_of(compose_experiment(words, overlays(args.config_dir)).experiment)
    here = Path(args.workspace).expanduser().absolute()
    return Places(here, here / "runs", here / "cache", here / "models")


def _names(args: argparse.Namespace) -> list[str]:
    """Return the words of the command line that mean runs."""
    return [word for word in args.runs if not word.startswith(("site=", "site."))]


def _chosen(args: argparse.Namespace) -> list[RunDir]:
    """Return the runs named on the command line (by run, or by sweep), or all.

    Raises:
        ConfigError: some name means no run, or several; all such names at once.
    """
    from htr_exp.core.files import read_jsonl
    from htr_exp.runs.selection import named, runs_in

    folder = _places(args).runs
    names = _names(args)
    if not names:
        return runs_in(folder)
    of_sweep: dict[str, list[RunDir]] = {}
    for run in runs_in(folder):
        for sweep in {member["sweep"] for member in read_jsonl(run.sweeps)}:
            of_sweep.setdefault(sweep, []).append(run)
    chosen: dict[Path, RunDir] = {}
    unknown: list[str] = []
    for name in names:
        try:
            for run in of_sweep.get(name) or [named(folder, name)]:
                chosen[run.path] = run
        except ConfigError as error:
            unknown.append(str(error))
    if unknown:
        raise ConfigError(unknown[0]) if len(unknown) == 1 else ConfigError("some names mean no run:", unknown)
    return list(chosen.values())


VERBS: dict[str, tuple[Any, str, str]] = {
    "train": (
        train,
        "experiment",
        "check, split, compile, train, score and record: train dataset=... model=... [-m KEY=A,B]",
    ),
    "evaluate": (evaluate, "experiment", "score a model on all pages of a dataset: evaluate model=... dataset=..."),
    "resume": (resume, "runs", "go on with runs that ended before they were done: resume RUN... [slurm.time_min=600]"),
    "check": (check, "check", "say everything that is wrong with ground truth: check FOLDER, check dataset=..."),
    "status": (status, "runs", "say how runs stand: status [RUN...] [--watch]"),
    "logs": (logs, "runs", "show what a run said: logs RUN [-f]"),
    "cancel": (cancel, "runs", "end runs: cancel RUN... or a sweep"),
    "compare": (compare, "runs", "put runs side by side: compare [RUN or SWEEP ...]"),
    "sync": (sync, "store", "record run folders in MLflow; doing it again changes nothing"),
    "ui": (ui, "ui", "show the MLflow UI of the workspace on this machine"),
    "options": (options, "options", "list every choice of every group"),
    "doctor": (doctor, "doctor", "say what works here and what does not: doctor [slurm=publicgpu runtime=module]"),
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
    if family in ("experiment", "check", "doctor"):
        parser.add_argument(
            "overrides",
            nargs="*",
            metavar="FOLDER or KEY=VALUE" if family == "check" else "KEY=VALUE",
            help="choices and values of the configuration",
        )
    if family == "experiment":
        parser.add_argument("--dry-run", action="store_true", help="print plan and commands, start nothing")
        parser.add_argument("-m", "--multirun", action="store_true", help="a sweep: KEY=A,B runs every combination")
    if family == "check":
        parser.add_argument("--html", metavar="FILE", help="write a page with pictures of the lines concerned")
        parser.add_argument("--pictures", type=int, metavar="N", help="of each kind of problem on that page (6)")
        parser.add_argument(
            "--junit", metavar="FILE", help="write a report for CI: a test case for each kind of problem"
        )
        parser.add_argument(
            "--fix",
            metavar="FOLDER",
            help="write a clean copy into a new folder, with a list of every change; exit code 0 once it is written",
        )
        parser.add_argument(
            "--since",
            metavar="RECORD",
            help="say what has changed since a run (name, prefix, `last`), a file written by `check --json`, or a digest",
        )
        parser.add_argument(
            "--htr-united",
            metavar="FILE",
            help="fill in or bring up to date an htr-united.yml, and say what the catalogue would refuse",
        )
        parser.add_argument(
            "--quick", action="store_true", help="do not decode the images to look for pages that are nearly the same"
        )
    if family in ("runs", "store", "ui"):
        parser.add_argument(
            "runs", nargs="*", metavar="RUN", help="names, prefixes of names, sweeps, or `last`; default: all"
        )
        parser.add_argument("--workspace", default=".", metavar="FOLDER", help="default: the folder one stands in")
    if verb == "status":
        parser.add_argument(
            "--watch",
            nargs="?",
            const=str(WATCH_S),
            metavar="SECONDS",
            help="look again, every 10 s, until all have ended",
        )
        parser.add_argument("--sync", action="store_true", help="record in MLflow first what is new")
    if verb == "logs":
        parser.add_argument("-f", "--follow", action="store_true", help="go on as it grows, until the run has ended")
        parser.add_argument("--lines", type=int, default=50, metavar="N", help="how many of the last lines (50)")
    if family in ("store", "ui"):
        parser.add_argument(
            "--uri",
            help="an MLflow server or store; default: each run's own, mlflow.db of the workspace unless tracking=server",
        )
    if family == "ui":
        parser.add_argument("--port", type=int, help="default: 5000, or the next free one")
        parser.add_argument("--open", action="store_true", help="open the browser")
    return parser
