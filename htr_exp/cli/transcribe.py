"""`transcribe`: reads pages with a model."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from htr_exp.core.errors import ConfigError, HtrExpError
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem

if TYPE_CHECKING:
    from rich.console import Console

    from htr_exp.config.schema import Experiment, RecognitionScores
    from htr_exp.core.signals import Stop
    from htr_exp.pipeline.sources import BaseModel
    from htr_exp.transcribe.calls import Means, Outcome
    from htr_exp.transcribe.folder import OutputFolder
    from htr_exp.transcribe.forms import Form
    from htr_exp.transcribe.pages import WantedPage

GB_PER_CALL = 2.0
"""Of memory that a call of kraken may take: 1.2 GB were measured for lines, 1.7 GB where it finds them in images of 4 megapixels."""

SPARSE_S = 300.0
"""Between two lines about how far it is, where there is no terminal, seconds."""

SHOWN = 20
"""Pages that failed, on the terminal; --json has all."""


def run(args: argparse.Namespace) -> int:
    """Transcribe what the command line names."""
    from htr_exp.config.choices import overlays
    from htr_exp.config.places import places_of
    from htr_exp.core.errors import plainly
    from htr_exp.core.signals import Stop
    from htr_exp.core.terminal import say
    from htr_exp.transcribe.folder import OutputFolder
    from htr_exp.transcribe.forms import ENDINGS
    from htr_exp.transcribe.pages import wanted

    named = [word for word in args.overrides if _is_path(word)]
    words = [word for word in args.overrides if word not in named]
    if problems := list(_lacking(args, named, words)):
        raise ConfigError("nothing can be transcribed:", problems)
    out = Path(args.out).expanduser().absolute()
    experiment = _composed(words, overlays(args.config_dir))
    paths = [Path(word).expanduser().absolute() for word in named]
    found, missing = wanted(paths, args.segment, out=out, cache=places_of(experiment).cache / "datasets")
    means, settings = _means(experiment, args.format, args.segment, missing)
    folder, stop = OutputFolder(out, ENDINGS[args.format]), Stop()
    try:
        with folder.opened(settings), stop.listening():
            done, before = _transcribed(found.pages, means, folder, stop, args)
    except OSError as error:
        raise plainly(error, out) from None
    done.failed |= found.unusable
    _show(done, before, out, json=args.json)
    if stop.asked:
        said = f"stopped: {before + done.written} of {len(found.pages)} pages are done; the same command goes on"
        say(said, error=True)
        return 130
    return 1 if done.failed else 0


def _lacking(args: argparse.Namespace, named: Sequence[str], words: Sequence[str]) -> Iterator[Problem]:
    """What the command line does not say, and cannot do without."""
    if not args.out:
        yield Problem("--out is missing", "say where the pages are written: --out FOLDER", "--out")
    if not named:
        yield Problem("no page is named", "name images, PAGE or ALTO files, or folders")
    if args.jobs is not None and args.jobs < 1:
        yield Problem(f"--jobs {args.jobs}: it must be 1 or more", "leave it out", "--jobs")
    if not any(word.startswith("model=") for word in words):
        remedy = "name a model: model=RUN, model=last, model=NAME or model=file model.path=FILE"
        yield Problem("model= is missing", remedy, "model")


def _transcribed(
    pages: Sequence[WantedPage], means: Means, folder: OutputFolder, stop: Stop, args: argparse.Namespace
) -> tuple[Outcome, int]:
    """Transcribe the pages that are not done; return what became of them, and how many were done before."""
    from htr_exp.core.console import console
    from htr_exp.core.terminal import say
    from htr_exp.transcribe.calls import transcribe

    left, unknown = folder.left(pages)
    jobs = min(args.jobs or _calls_at_once(means.device), max(len(left), 1))
    name = means.software.model.partition(" (")[0]
    what = f"{name}, {means.software.kraken}, {jobs} at a time"
    say(f"{len(left)} of {len(pages)} pages to transcribe with {what}", error=args.json)
    with _progress(console(stderr=True), len(left)) as tell, stop.answered(lambda: "stopping"):
        done = transcribe(left, means, folder, jobs=jobs, stop=stop, tell=tell)
    done.failed |= unknown
    return done, len(pages) - len(left) - len(unknown)


def _is_path(word: str) -> bool:
    return os.path.exists(word) or "=" not in word


def _composed(words: Sequence[str], folders: Sequence[Path]) -> Experiment:
    from htr_exp.cli.composition import composed_words, remember_site, repeat_site
    from htr_exp.config.places import places_of

    if "model=last" in words:
        others = [word for word in words if not word.startswith("model=")]
        newest = _last_model(places_of(composed_words(others, folders).experiment).runs)
        words = [f"model={newest}" if word == "model=last" else word for word in words]
    if not any(word.startswith("segmentation_model=") for word in words):
        words = [*words, "segmentation_model=blla"]
    composed = composed_words(words, folders)
    repeat_site(composed.site)
    remember_site(composed.site, "transcribe")
    return composed.experiment


def _last_model(runs: Path) -> str:
    """The newest run that has a model for recognition.

    Raises:
        ConfigError: there is none.
    """
    from htr_exp.core.task import RECOGNITION
    from htr_exp.runs.selection import runs_in

    having = [run for run in runs_in(runs) if run.best.exists() and run.facts()["run"]["task"] == RECOGNITION.name]
    if not having:
        raise ConfigError(
            f"model=last: no run in {runs} has a model for recognition; `{own_command('status')}` shows the runs"
        )
    return max(having, key=lambda run: run.best.stat().st_mtime_ns).name


def _means(experiment: Experiment, form: Form, segment: str, problems: list[Problem]) -> tuple[Means, dict[str, Any]]:
    """With what pages are read, and how the output folder remembers it.

    Raises:
        ConfigError: with all that is missing or wrong, the pages' `problems` among it.
    """
    from htr_exp import __version__
    from htr_exp.config.places import places_of
    from htr_exp.core.task import RECOGNITION, SEGMENTATION
    from htr_exp.pipeline.sources import Sources
    from htr_exp.transcribe.calls import Means
    from htr_exp.transcribe.forms import Software

    sources, places = Sources(), places_of(experiment)
    problems = [*problems, *sources.device_problems(experiment.training.device, submits=False)]

    def attempt(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except HtrExpError as error:
            problems.extend(error.reasons())

    model = attempt(lambda: sources.base_model(experiment.model, RECOGNITION, places, needed_for="transcribe needs"))
    finder = None
    if segment != "never":
        section = experiment.segmentation_model
        finder = attempt(lambda: sources.base_model(section, SEGMENTATION, places, needed_for="to find lines it takes"))
    kraken = attempt(lambda: sources.kraken(experiment.runtime, submits=False))
    if problems:
        raise ConfigError("nothing can be transcribed:", problems)
    device = sources.device(experiment.training.device, submits=False)
    scores = cast("RecognitionScores", experiment.scores)
    means = Means(
        kraken=kraken,
        model=model.path,
        segmenter=finder.path if finder else None,
        form=form,
        device=device,
        precision=experiment.training.precision,
        pad=scores.pad,
        text_direction=scores.text_direction,
        software=Software(
            f"htr_exp {__version__}", f"kraken {kraken.version}", _called(model), finder and _called(finder)
        ),
    )
    settings = {
        "form": form,
        "segment": segment,
        "model": model.sha256,
        "segmentation_model": finder.sha256 if finder else None,
        "kraken": kraken.version,
        "device": device.partition(":")[0],
        "precision": means.precision,
        "pad": means.pad,
        "text_direction": means.text_direction,
    }
    return means, settings


def _called(model: BaseModel) -> str:
    return f"{model.name} (sha256 {model.sha256})"


def _calls_at_once(device: str) -> int:
    """As many as there are cores, and memory for; a GPU takes one."""
    import psutil

    from htr_exp.core.machine import usable_cpus

    if not device.startswith("cpu"):
        return 1
    return max(min(usable_cpus(), int(psutil.virtual_memory().available / 1e9 / GB_PER_CALL)), 1)


@contextmanager
def _progress(out: Console, total: int) -> Iterator[Callable[[Outcome], None]]:
    """Show how many pages are done, how many an hour that makes, and the time left: on a terminal at any time, elsewhere now and then."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from htr_exp.core.console import Text

    began = told = time.monotonic()

    def rate(outcome: Outcome) -> str:
        per_hour = 3600 * outcome.written / max(time.monotonic() - began, 1e-9)
        return f"{per_hour:.0f} pages an hour" if outcome.written else ""

    if not out.is_terminal:

        def say_now_and_then(outcome: Outcome) -> None:
            nonlocal told
            if time.monotonic() - told >= SPARSE_S:
                told = time.monotonic()
                out.print(
                    Text(f"{outcome.written} of {total} pages written, {len(outcome.failed)} failed; {rate(outcome)}")
                )

        yield say_now_and_then
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=total, rate="")

        def tell(outcome: Outcome) -> None:
            bar.update(task, completed=outcome.written + len(outcome.failed), rate=rate(outcome))

        yield tell


def _show(done: Outcome, before: int, out: Path, *, json: bool) -> None:
    from htr_exp.core.terminal import say, say_json
    from htr_exp.core.text import and_more, counted, first_of

    if json:
        failed = [{"page": page, "why": why} for page, why in sorted(done.failed.items())]
        said = {"pages": done.written, "before": before, "failed": failed, "without_lines": done.without_lines}
        say_json({**said, "out": str(out)})
        return
    earlier = f", {before} were done before" if before else ""
    say(f"{counted(done.written, 'page')} written into {out}{earlier}")
    if done.without_lines:
        say(f"no line was found on {counted(len(done.without_lines), 'page')}: {first_of(done.without_lines, 5)}")
    if done.failed:
        say(f"{counted(len(done.failed), 'page')} failed:")
        for page, why in sorted(done.failed.items())[:SHOWN]:
            say(f"  {page}: {why}")
        if more := and_more(len(done.failed) - SHOWN):
            say(f"  {more}; --json has all")
