"""Trains in legs that can be killed at any moment: follows kraken's log, keeps the curve, the best and the newest checkpoint."""

from __future__ import annotations

import queue
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict, cast

from htr_exp.config.schema import Training
from htr_exp.core.errors import KilledError, TrainingError
from htr_exp.core.files import append_jsonl, make_folder, utc_now, write_json
from htr_exp.core.resource_use import ResourceWatch
from htr_exp.core.secrets import hidden
from htr_exp.core.task import Epoch, Task
from htr_exp.core.text import counted
from htr_exp.kraken.checkpoints import Checkpoints, EpochModels, checkpoints_of
from htr_exp.kraken.commands import resume_command, train_command
from htr_exp.kraken.log import REPLACED, further_of, loads_sample, sanity_checks, validation_of
from htr_exp.kraken.process import was_killed
from htr_exp.kraken.releases import release
from htr_exp.kraken.runtime import Kraken
from htr_exp.runs.records import Results
from htr_exp.runs.run_dir import RunDir


class Observer(Protocol):
    """Whoever shows a run's progress."""

    def epoch(self, task: Task, record: Epoch, best: Epoch, left_s: float | None) -> None:
        """An epoch was validated; `left_s` is the most time that can be left, seconds, where that is known."""

    def within(self, epoch: int, of: int | None, done: float, total: float | None, noun: str) -> None:
        """How far an epoch is.

        Args:
            epoch: its number, from 1.
            of: how many there will be; None where that is not known.
            done: lines or pages that were read; where kraken does not say that, seconds.
            total: how many there are; how long the last epoch took; None where there was none.
            noun: line, page or s.
        """

    def note(self, text: str) -> None:
        """Something worth a line."""


class _Lists(TypedDict):
    train: Path
    validation: Path


class TrainingFiles(_Lists, total=False):
    """What of `TrainingInputs` is the task's own."""

    classes: Path
    keep: int


@dataclass(frozen=True)
class TrainingInputs:
    """What a training is made from."""

    training: Training
    kraken: Kraken
    device: str
    workers: int
    seed: int
    base: str | None
    spec: str | None
    train: Path  # lists the compiled lines, or the pages, that are trained on
    validation: Path
    task: Task
    classes: Path | None = None  # says which number each class of a segmentation has
    keep: int = 1  # of the best epochs, how many are to be there at the end
    samples: int | None = (
        None  # lines or pages of an epoch, validation included, where kraken says each; None: it does not
    )
    began: Callable[[], object] = lambda: (
        None
    )  # called once kraken has read the base model, and its first epoch is validated


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    ended_by: str  # early, epochs, time_budget, user, terminated
    best_epoch: int  # from 1; 0 where there is none
    epochs: int


def train(run: RunDir, inputs: TrainingInputs, *, stop: Callable[[], str | None], observer: Observer) -> Outcome:
    """Train until the experiment's end, from whatever is on disk.

    Args:
        run: its folder gets the curve, the checkpoints, the log and a record of every start.
        inputs: settings and data.
        stop: asked several times a second; a word (user, terminated) stops kraken cleanly.
        observer: shown every epoch.

    Raises:
        TrainingError: kraken ended without having finished, with its own last words.
    """
    ended_by, begun = None, False
    files = checkpoints_of(run.training, inputs.training, inputs.kraken.version, inputs.task)
    while ended_by is None:
        records = run.epochs()
        ended_by = _over(records, inputs)
        if ended_by is not None and files.has(inputs.task.best_of(records)["epoch"]):
            break
        ended_by = _leg(run, inputs, files, begun, stop, observer)
        begun = True
    records = run.epochs()
    if not records:
        return Outcome(ended_by, 0, 0)
    outcome = Outcome(ended_by, int(inputs.task.best_of(records)["epoch"]), len(records))
    write_json(
        run.training_outcome,
        {"ended_by": outcome.ended_by, "best_epoch": outcome.best_epoch, "epochs": outcome.epochs},
    )
    return outcome


def weights_of_best(run: RunDir, training: Training, version: str, task: Task) -> tuple[Path, bool]:
    """The file of the best epoch, and whether it is weights already (else a checkpoint to convert)."""
    return weights_of(run, training, version, task, best_epoch(run, task))


def weights_of(run: RunDir, training: Training, version: str, task: Task, record: Epoch) -> tuple[Path, bool]:
    """The file of an epoch that was kept, and whether it is weights already."""
    return checkpoints_of(run.training, training, version, task).best(record)


def kept_epochs(run: RunDir, training: Training, version: str, task: Task, keep: int) -> list[Epoch]:
    """The records of the best epochs, at most `keep` and the best one, whose weights are there."""
    return checkpoints_of(run.training, training, version, task).kept(run.epochs(), keep)


def scored_outcome(run: RunDir) -> Outcome:
    """How a training ended that was scored before, as its results say."""
    results = run.result() or Results()
    return Outcome(results["ended_by"], results["best_epoch"], results["epochs"])


def best_epoch(run: RunDir, task: Task) -> Epoch:
    """The record of the epoch with the best figure of kraken's."""
    return task.best_of(run.epochs())


def clear(run: RunDir, *, keep: bool) -> None:
    """Free the disk of checkpoints; with `keep`, those that a later start goes on from stay."""
    if not keep:
        shutil.rmtree(run.training, ignore_errors=True)


def forget(run: RunDir) -> None:
    """Remove all that was learnt, so that the next start begins anew."""
    clear(run, keep=False)
    run.write_epochs([])
    shutil.rmtree(run.candidates, ignore_errors=True)
    for made in (run.training_outcome, run.chosen_epoch, run.best):
        made.unlink(missing_ok=True)


def _leg(
    run: RunDir,
    inputs: TrainingInputs,
    files: Checkpoints,
    begun: bool,
    stop: Callable[[], str | None],
    observer: Observer,
) -> str | None:
    """Run kraken once. The result says why the whole training is over, or None where there is more to do."""
    training, version = inputs.training, inputs.kraken.version
    records = run.epochs()
    checkpoint, done = files.newest(len(records))
    kept, lost = records[:done], records[done:]
    run.confirm()
    if records:
        run.write_epochs(kept)  # also without a line that a full disk cut short
    if kept and (over := _over(kept, inputs)):
        return over
    files.forget(done)
    leg, until = files.leg(done)
    make_folder(leg, below=run.path)  # 4.3.13 fails after its first epoch without
    warm = checkpoint is not None and release(version) == "4.3"
    # a seed that repeats would repeat the order of lines and the dropout of the first epochs
    common: dict[str, Any] = {
        "task": inputs.task, "device": inputs.device, "workers": str(inputs.workers), "seed": inputs.seed + done, "until_epoch": until,
        "each_sample": inputs.samples is not None,
        "output": str(leg / EpochModels.STEM) if release(version) == "4.3" else str(leg),
    }  # fmt: skip
    if checkpoint is not None and not warm:
        argv = resume_command(version, training, checkpoint=str(checkpoint), **common)
    else:
        argv = train_command(
            version, training, train=str(inputs.train), validation=str(inputs.validation), base=str(checkpoint) if warm else inputs.base,
            spec=inputs.spec, classes=str(inputs.classes) if inputs.classes else None, done=done, **common,
        )  # fmt: skip
    new_leg = begun and not lost
    here = {"kraken": version, "device": inputs.device, "workers": inputs.workers}
    first: Mapping[str, Any] = next((start for start in run.begun if "leg" in start), here)
    append_jsonl(
        run.starts,
        {
            "time": utc_now(),
            "leg": leg.name,
            **here,
            "exact": files.begins_leg(checkpoint, done) and all(first[key] == value for key, value in here.items()),
            "new_leg": new_leg,
            "resumed_from": checkpoint.name if checkpoint else None,
            "warm_restart": warm,
            "epochs_before": done,
            "lost_epochs": len(lost),
            "lost_seconds": round(sum(record["seconds"] for record in lost), 1),
        },
    )
    how = ", without the state of its optimiser (a warm restart)" if warm else ""
    if lost:
        observer.note(
            f"goes on after epoch {done}{how}; {counted(len(lost), 'epoch')} {'of its leg' if training.exact else 'without a checkpoint'} must be trained again"
        )
    elif checkpoint is not None and not new_leg:
        observer.note(f"goes on after epoch {done}{how}")
    began = inputs.began if checkpoint is None else lambda: None
    over = _Follower(run, inputs, files, leg, kept, stop, observer, began).follow(argv)
    if over is None and until is None:
        return _over(run.epochs(), inputs) or "early"  # kraken's own word is enough
    if over is None:
        over = _over(run.epochs(), inputs)  # in legs, patience is ours: kraken may have run on to the leg's end
    if over is None and until is not None and len(run.epochs()) != until:
        raise TrainingError(
            f"kraken ended after {until} epochs, of which only {len(run.epochs())} could be read from what it said: see {run.log}"
        )
    return over


def _over(records: Sequence[Epoch], inputs: TrainingInputs) -> str | None:
    """Why no further epoch may be trained, or None."""
    training = inputs.training
    if not records:
        return None
    if _patience_spent(records, inputs):
        return "early"
    if len(records) >= training.epochs:
        return "epochs"
    if (
        training.time_budget_min is not None
        and sum(record["seconds"] for record in records) >= training.time_budget_min * 60
    ):
        return "time_budget"
    return None


def _patience_spent(records: Sequence[Epoch], inputs: TrainingInputs) -> bool:
    training, task = inputs.training, inputs.task
    if training.quit != "early" or not records or len(records) < training.min_epochs:
        return False
    best = task.best_of(records)
    return bool(task.loss(best) == 0 or records[-1]["epoch"] - best["epoch"] >= training.lag)


class _Follower:
    """Follows one training of kraken's to its end."""

    def __init__(
        self,
        run: RunDir,
        inputs: TrainingInputs,
        files: Checkpoints,
        leg: Path,
        records: list[Epoch],
        stop: Callable[[], str | None],
        observer: Observer,
        began: Callable[[], object],
    ) -> None:
        self._began: Callable[[], object] | None = began
        self._run, self._inputs, self._files, self._leg, self._records = run, inputs, files, leg, records
        self._task, self._stop, self._observer = inputs.task, stop, observer
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._last: list[str] = []
        self._since = time.monotonic()
        self._loaded = 0
        self._sanity_checks = sanity_checks(inputs.kraken.version)

    def follow(self, argv: Sequence[str]) -> str | None:
        """Run the command; return why the training as a whole is over, or None at the leg's own end."""
        training = self._inputs.training
        over: str | None = None
        with open(self._run.log, "a", encoding="utf-8") as log:
            log.write(f"$ {hidden(' '.join(argv))}\n")
            command = self._inputs.kraken.start(
                argv, threads=training.threads, on_line=self._said.put, folder=self._run.path
            )
            try:
                newest = cast("Mapping[str, float]", self._records[-1] if self._records else {})
                on_gpu = self._inputs.device.startswith("cuda")
                self._taken = ResourceWatch(command.pid, on_gpu=on_gpu, before=newest)
                while command.wait(0.2) is None:
                    self._taken.look()
                    self._take_in(log)
                    self._tell()
                    over = self._stop() or self._cut()
                    if over:
                        command.stop()
                        break
            except BaseException:
                command.kill()
                raise
            code = command.poll()
            self._take_in(log)
        self._files.thin_out(self._records, self._inputs.keep)
        if over is None and not self._files.ended(self._leg) and not _over(self._records, self._inputs):
            over = self._stop()
            if over is None:
                # at a SIGTERM that is not ours, kraken writes its state and ends well
                kind = KilledError if not code or was_killed(code) else TrainingError
                raise kind(f"kraken ended while training (exit code {code}) without having finished", self._words())
        return over

    def _take_in(self, log: Any) -> None:
        while not self._said.empty():
            line = self._said.get()
            if loads_sample(line):
                self._loaded += 1
                continue
            log.write(hidden(line) + "\n")
            if line.strip():
                self._last = [*self._last[-30:], line.strip()]
            if REPLACED.search(line):
                raise TrainingError(
                    "kraken could not use one of the pages, and would train on another in its place",
                    [
                        f"the page stands in {self._run.log}; `check` may say what is wrong with it, dataset.exclude leaves it aside"
                    ],
                )
            validation = validation_of(line)
            if validation is not None:
                self._loaded = 0
            if validation is not None and self._sanity_checks:
                self._sanity_checks -= 1
            elif validation is not None and not self._complete():
                self._validated(validation)
            elif self._records and (more := further_of(line)) and not more.keys() <= self._records[-1].keys():
                self._records[-1] |= cast("Epoch", more)
                self._run.write_epochs(self._records)
        log.flush()

    def _tell(self) -> None:
        """Tell how far the epoch is that is under way."""
        if self._complete():
            return
        training = self._inputs.training
        of = training.epochs if training.quit == "fixed" else None
        if (samples := self._inputs.samples) is not None:
            done, total, noun = float(min(self._loaded, samples)), float(samples), self._task.sample
        else:
            done, total, noun = time.monotonic() - self._since, None, "s"
            if self._records:
                total = self._records[-1]["seconds"]
        self._observer.within(len(self._records) + 1, of, done, total, noun)

    def _complete(self) -> bool:
        """Whether the curve is at its end: kraken may validate once more before it hears that it is over."""
        training = self._inputs.training
        return len(self._records) >= training.epochs or _patience_spent(self._records, self._inputs)

    def _validated(self, figures: dict[str, float]) -> None:
        if self._began is not None:
            self._began()
            self._began = None
        now = time.monotonic()
        seconds = round(now - self._since, 2)
        self._taken.look_at_gpu()
        taken = self._taken.peaks | self._taken.cpu_time() | self._taken.energy()
        facts = {**figures, "seconds": seconds, "time": utc_now(), **taken}
        record = cast("Epoch", {"epoch": len(self._records) + 1, **facts})
        self._since = now
        self._records.append(record)
        self._run.confirm()
        self._run.add_epoch(record)
        self._files.thin_out(self._records, self._inputs.keep)
        self._observer.epoch(self._task, record, self._task.best_of(self._records), self._left())

    def _left(self) -> float | None:
        """The most time that can be left, seconds."""
        training = self._inputs.training
        mean = sum(record["seconds"] for record in self._records) / len(self._records)
        left = (training.epochs - len(self._records)) * mean
        if training.time_budget_min is not None:
            left = min(left, training.time_budget_min * 60 - sum(record["seconds"] for record in self._records))
        return max(float(left), 0.0)

    def _cut(self) -> str | None:
        """Why kraken must be stopped, where it would go on by itself."""
        training = self._inputs.training
        if self._records and self._files.has(
            self._task.best_of(self._records)["epoch"]
        ):  # not before it has written that
            if training.quit == "early" and len(self._records) >= training.epochs:
                return "epochs"
            # in legs, and after a warm restart, kraken does not know how long there was no better epoch
            if (training.exact or self._inputs.kraken.release == "4.3") and _patience_spent(
                self._records, self._inputs
            ):
                return "early"
        if training.time_budget_min is not None:
            used = sum(record["seconds"] for record in self._records) + time.monotonic() - self._since
            if used >= training.time_budget_min * 60 and self._records:
                return "time_budget"
        return None

    def _words(self) -> list[str]:
        said = [line for line in self._last if "validation run" not in line]
        return [f"kraken says: {line}" for line in said[-6:]] or ["it said nothing"]
