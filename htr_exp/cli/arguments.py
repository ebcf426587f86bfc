"""The verbs and the arguments that each takes."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, NoReturn

from htr_exp import __version__
from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command
from htr_exp.core.text import printable

LOOK_EVERY_S = 10.0
"""How often `status --watch` looks, seconds."""

INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
"""What `--info` shows, as Hydra calls it."""


FLAGS = {
    "resume": (
        "--trust",
        "also runs that were copied or made by somebody else: their folders say which programs and checkpoints are started",
    ),
    "test": ("--again", "also where the test was opened for another run of the question; every table says so"),
    "compare": ("--csv", "print a table for spreadsheets, with every setting that differs"),
    "show": ("--no-open", "print where it is, open no browser"),
}
"""What a verb that takes runs has alone, without a value."""


@dataclass(frozen=True)
class Verb:
    """A verb of the command line.

    Attributes:
        module: the module of this room whose `run(args)` does it; imported when it is asked for alone.
        family: which arguments it takes.
        sentence: what it does, for `--help`.
        works: it does more than show something, and goes on where nothing can be shown any more.
    """

    module: str
    family: str
    sentence: str
    works: bool = False


VERBS: dict[str, Verb] = {
    "train": Verb(
        "train",
        "experiment",
        "check, split, compile, train, score and record: train dataset=... model=... [-m KEY=A,B]",
        works=True,
    ),
    "evaluate": Verb(
        "evaluate",
        "experiment",
        "score a model, or what another system read, on a dataset: evaluate model=... dataset=...",
        works=True,
    ),
    "resume": Verb(
        "resume",
        "runs",
        "go on with runs that ended before they were done: resume RUN... [slurm.time_min=600]",
        works=True,
    ),
    "test": Verb(
        "open_test",
        "runs",
        "open the sealed test (scores.test=final) for the run that validation chose: test SWEEP [slurm=...]",
        works=True,
    ),
    "transcribe": Verb(
        "transcribe",
        "transcribe",
        "read pages with a model: transcribe model=last IMAGES or FOLDER --out FOLDER",
        works=True,
    ),
    "check": Verb(
        "check.command", "check", "say everything that is wrong with ground truth: check FOLDER, check dataset=..."
    ),
    "status": Verb("status", "runs", "show the status of runs: status [RUN...] [--watch]"),
    "logs": Verb("logs", "runs", "show what a run said: logs RUN [-f]"),
    "cancel": Verb("cancel", "runs", "end runs: cancel RUN... or a sweep", works=True),
    "compare": Verb("compare", "runs", "put runs side by side: compare [RUN or SWEEP ...]"),
    "report": Verb(
        "report",
        "runs",
        "write the tables, figures and methods of a paper: report SWEEP or QUESTION or RUN... --out FOLDER",
    ),
    "show": Verb("show", "runs", "show the report of a run in the browser: show RUN"),
    "sync": Verb("sync", "store", "record run folders in MLflow; doing it again changes nothing", works=True),
    "register": Verb(
        "register", "store", "put the model of a run into MLflow's registry: register RUN NAME", works=True
    ),
    "ui": Verb("ui", "ui", "show the MLflow UI of the workspace on this machine", works=True),
    "push": Verb(
        "push",
        "push",
        "send ground truth and models to another site, only what is not there: push on=SITE dataset=NAME or FOLDER...",
        works=True,
    ),
    "pull": Verb(
        "pull",
        "runs",
        "fetch runs that have ended on another site, and record them here: pull on=SITE [RUN...]",
        works=True,
    ),
    "clean": Verb("clean", "runs", "show what takes room, and with --yes remove what can be made again: clean [--yes]"),
    "init": Verb(
        "init",
        "init",
        "make the folders of a site here, and take in exports as datasets: init [EXPORT ...] [site=unistra]",
        works=True,
    ),
    "options": Verb(
        "options", "options", "list every choice of every group, or the keys of some: options [GROUP or KEY ...]"
    ),
    "completion": Verb(
        "completion", "completion", "print what lets a shell complete words with TAB: completion bash, zsh or fish"
    ),
    "doctor": Verb(
        "doctor.command", "doctor", "say what works here and what does not: doctor [slurm=publicgpu runtime=module]"
    ),
}


NAMING = {
    "check": "FOLDER or KEY=VALUE",
    "init": "EXPORT or KEY=VALUE",
    "push": "FOLDER or KEY=VALUE",
    "transcribe": "PAGES or KEY=VALUE",
}
"""Families that take paths among the words of the configuration -> how their usage calls both."""


def parser() -> argparse.ArgumentParser:
    """The arguments before there is a verb: `--help`, `--version`."""
    verbs = "\n".join(f"  {name:10} {verb.sentence}" for name, verb in VERBS.items())
    found = _Parser(
        prog=own_command(),
        usage=f"{own_command()} VERB [KEY=VALUE ...] [options]",
        description="Fine-tune kraken models for medieval manuscripts, and prove what you publish.",
        epilog=f"verbs:\n{verbs}\n\n`{own_command('VERB --help')}` tells more; `{own_command('options')}` shows what there is to choose.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--version", action="version", version=f"htr_exp {__version__}")
    found.add_argument("words", nargs="*", help=argparse.SUPPRESS, action=_UnknownVerb)
    return found


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(printable(message))  # a word of a shell's `*` is the name of a file


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
            raise ConfigError(f"{values[0]}: there is no such verb{meant}; the verbs are {', '.join(VERBS)}")


def verb_parser(verb: str) -> argparse.ArgumentParser:
    """The arguments of one verb."""
    family = VERBS[verb].family
    parser = _Parser(prog=own_command(verb), description=VERBS[verb].sentence)
    parser.set_defaults(verb=verb, multirun=False, dry_run=False, json=False)
    _add_common(parser, verb)
    if family in ("experiment", "check", "doctor", "init", "transcribe"):
        parser.add_argument(
            "overrides",
            nargs="*",
            metavar=NAMING.get(family, "KEY=VALUE"),
            help="choices and values of the configuration",
        )
    if family == "completion":
        parser.add_argument(
            "shell",
            nargs="?",
            choices=("bash", "zsh", "fish", "answer"),
            metavar="SHELL",
            help="bash, zsh or fish; without it, how to use it",
        )
        parser.add_argument("of", nargs="?", help=argparse.SUPPRESS)
        parser.add_argument("line", nargs="?", help=argparse.SUPPRESS)
        parser.add_argument("replaced", nargs="?", help=argparse.SUPPRESS)
    if family == "options":
        parser.add_argument(
            "names", nargs="*", metavar="GROUP or KEY", help="its choices, and its keys with meaning and default"
        )
    if family == "experiment":
        parser.add_argument("--dry-run", action="store_true", help="print plan and commands, start nothing")
        parser.add_argument("-m", "--multirun", action="store_true", help="a sweep: KEY=A,B runs every combination")
        parser.add_argument("--cfg", choices=("job", "hydra", "all"), help="print the configuration and end")
        parser.add_argument("--resolve", action="store_true", help="with --cfg: with the values of ${...}")
        parser.add_argument("--package", metavar="GROUP", help="with --cfg: this group or key alone")
        parser.add_argument(
            "--info",
            nargs="?",
            const="all",
            metavar="WHAT",
            help=f"print where it comes from and end: {', '.join(INFO)}",
        )
        parser.add_argument("--hydra-help", action="store_true", help="say what there is of Hydra, which composes it")
    if family == "transcribe":
        parser.add_argument(
            "--out", metavar="FOLDER", help="where the pages are written; what is done there already is not done again"
        )
        parser.add_argument(
            "--format", choices=("page", "alto", "hocr", "text"), default="page", help="what is written (page)"
        )
        parser.add_argument(
            "--segment",
            choices=("missing", "all", "never"),
            default="missing",
            help="find lines on pages without any (missing), on all, or never",
        )
        parser.add_argument(
            "--jobs", type=int, metavar="N", help="pages at once; default: as many as cores and memory allow"
        )
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
    if family == "push":
        parser.add_argument(
            "words",
            nargs="*",
            metavar=NAMING[family],
            help="on=SITE, and what is sent: folders, files, dataset=, model=",
        )
    if family in ("runs", "store", "ui"):
        _add_runs(parser, verb, family)
    return parser


def _add_runs(parser: argparse.ArgumentParser, verb: str, family: str) -> None:
    """What the verbs about runs take."""
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="names, prefixes of names, sweeps, or `last`; default: all"
    )
    parser.add_argument("--workspace", default=".", metavar="FOLDER", help="default: the current directory")
    if verb == "clean":
        parser.add_argument("--yes", action="store_true", help="remove it; without this, nothing is removed")
        parser.add_argument(
            "--keep-days", type=float, metavar="DAYS", help="keep what was written or read in the last days (0)"
        )
    if verb == "report":
        parser.add_argument(
            "--out", metavar="FOLDER", help="a new folder, or an earlier report, which is brought up to date"
        )
    if verb == "compare":
        parser.add_argument(
            "--margin",
            type=float,
            metavar="POINTS",
            help="also say which runs are no worse than the best one by so many points of test CER: --margin 0.5",
        )
    if verb == "status":
        parser.add_argument(
            "--watch",
            nargs="?",
            const=str(LOOK_EVERY_S),
            metavar="SECONDS",
            help="look again, every 10 s, until all have ended",
        )
        parser.add_argument("--sync", action="store_true", help="record in MLflow first what is new")
    if verb in FLAGS:
        flag, meaning = FLAGS[verb]
        parser.add_argument(flag, action="store_true", help=meaning)
    if verb in ("status", "compare", "sync"):
        parser.add_argument(
            "--digests", action="store_true", help="read every sealed file, not only those of another size or time"
        )
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


def _add_common(parser: argparse.ArgumentParser, verb: str) -> None:
    """What every verb takes, but those on which it would have no effect."""
    if verb not in ("logs", "ui", "completion"):  # what they print is for people, or for a shell
        parser.add_argument("--json", action="store_true", help="print for programs, not for people")
    if verb != "completion":
        parser.add_argument(
            "--config-dir",
            metavar="FOLDER",
            help="a config folder of your own, before conf/ of this folder and the shipped one",
        )
