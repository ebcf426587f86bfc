"""Trains in legs that can be killed at any moment: follows kraken's log, keeps the curve, the best and the newest checkpoint."""

from __future__ import annotations

import queue
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from htr_exp import commands, ketos
from htr_exp.errors import KilledError, TrainingError
from htr_exp.files import append_jsonl, utc_now, write_json
from htr_exp.rundir import RunDir
from htr_exp.runtime import Command
from htr_exp.schema import Training


class Hear(Protocol):
    """Whoever shows a run's progress."""

    def epoch(self, record: dict[str, Any], best: dict[str, Any], left_s: float | None) -> None:
        """An epoch was validated; `left_s` is the most time that can be left, seconds, where that is known."""

    def note(self, text: str) -> None:
        """Something worth a line."""


@dataclass(frozen=True)
class Material:
    """What a training is made from."""

    training: Training
    ketos: str
    device: str
    workers: int
    seed: int
    base: str | None
    spec: str | None
    train: Path  # lists the compiled training data
    validation: Path


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    ended_by: str  # early, epochs, time_budget, user, terminated
    best_epoch: int
    epochs: int


def best_of(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the epoch with the fewest validation errors, the earliest of equals, as kraken chooses."""
    return min(records, key=lambda record: (record["errors"], record["epoch"]))


def train(run: RunDir, material: Material, *, stop: Callable[[], str | None], hear: Hear) -> Outcome:
    """Train until the experiment's end, from whatever is on disk.

    Args:
        run: its folder gets the curve, the checkpoints, the log and a record of every start.
        material: settings and data.
        stop: asked several times a second; a word (user, terminated) stops kraken cleanly.
        hear: shown every epoch.

    Raises:
        TrainingError: kraken ended without having finished, with its own last words.
    """
    ended_by, new_leg = None, False
    for number, (name, until) in enumerate(commands.legs(material.training)):
        leg = run.training / name
        if _finished(leg, until, run, material.training):
            continue
        before = _end_of_leg_before(run, number, material)
        ended_by = _leg(run, material, leg, until, before, new_leg, stop, hear)
        new_leg = True
        if ended_by is not None:
            break
    records = run.epochs()
    if not records:
        return Outcome(ended_by or "epochs", -1, 0)
    ended_by = ended_by or ("early" if _patience_spent(records, material.training) else "epochs")
    outcome = Outcome(ended_by, int(best_of(records)["epoch"]), len(records))
    write_json(
        run.live / "training.json",
        {"ended_by": outcome.ended_by, "best_epoch": outcome.best_epoch, "epochs": outcome.epochs},
    )
    return outcome


def weights_of_best(run: RunDir, training: Training, best_epoch: int) -> tuple[Path, bool]:
    """Return the file of the best epoch, and whether it is weights already (else a checkpoint to convert)."""
    start = 0
    for name, until in commands.legs(training):
        leg = run.training / name
        if until is None or start <= best_epoch < until:
            weights = ketos.best_weights(leg)
            if weights is not None:
                return weights, True
            kept = ketos.checkpoints(leg)
            if best_epoch in kept:
                return kept[best_epoch], False
        start = until or 0
    raise TrainingError(
        f"{run.training}: the checkpoint of the best epoch ({best_epoch + 1}) is gone; run the same command with again=true"
    )


def clear(run: RunDir, *, keep: bool) -> None:
    """Free the disk of checkpoints; with `keep`, those that a later start goes on from stay."""
    if not keep:
        shutil.rmtree(run.training, ignore_errors=True)


def _finished(leg: Path, until: int | None, run: RunDir, training: Training) -> bool:
    records = run.epochs()
    if ketos.best_weights(leg) is None:
        return False
    # a kill at the very end can leave weights without the record of the last epoch
    return len(records) >= until if until is not None else _patience_spent(records, training)


def _end_of_leg_before(run: RunDir, number: int, material: Material) -> tuple[Path, int] | None:
    """Return the last checkpoint of the leg before and its count of epochs."""
    if number == 0:
        return None
    name, until = commands.legs(material.training)[number - 1]
    kept = ketos.checkpoints(run.training / name)
    if until is None or until - 1 not in kept:
        raise TrainingError(
            f"{run.training / name}: the checkpoint of epoch {until} is gone; run the same command with again=true"
        )
    return kept[until - 1], until


def _leg(
    run: RunDir,
    material: Material,
    leg: Path,
    until: int | None,
    before: tuple[Path, int] | None,
    new_leg: bool,
    stop: Callable[[], str | None],
    hear: Hear,
) -> str | None:
    """Run kraken once. Return why the whole training is over, or None where the leg came to its own end."""
    training = material.training
    records = run.epochs()
    checkpoint, done = _newest(leg, len(records)) or before or (None, 0)
    kept, lost = records[:done], records[done:]
    if records:
        run.write_epochs(kept)  # also without a line that a full disk cut short
    for path in [path for epoch, path in ketos.checkpoints(leg).items() if epoch >= done]:
        path.unlink()  # of epochs that are trained again: kraken would keep both
    if kept and (over := _over(kept, training)):
        return over
    while (weights := ketos.best_weights(leg)) is not None:
        weights.unlink()  # of an end whose last epoch is trained again
    seed = (
        material.seed + done
    )  # a seed that repeats would repeat the order of lines and the dropout of the first epochs
    common: dict[str, Any] = {
        "device": material.device, "workers": str(material.workers), "seed": seed, "output": str(leg), "until_epoch": until,
    }  # fmt: skip
    if checkpoint is not None:
        argv = ketos.resume_command(material.ketos, training, checkpoint=str(checkpoint), **common)
    else:
        argv = ketos.train_command(
            material.ketos, training, train=str(material.train), validation=str(material.validation), base=material.base, spec=material.spec, **common
        )  # fmt: skip
    append_jsonl(
        run.starts,
        {
            "time": utc_now(),
            "leg": leg.name,
            "device": material.device,
            "workers": material.workers,
            "new_leg": new_leg,
            "resumed_from": checkpoint.name if checkpoint else None,
            "first_epoch": done,
            "lost_epochs": len(lost),
            "lost_seconds": round(sum(record["seconds"] for record in lost), 1),
        },
    )
    if lost:
        hear.note(
            f"goes on after epoch {done}; {len(lost)} epoch{'s' * (len(lost) != 1)} without a checkpoint must be trained again"
        )
    elif checkpoint is not None and not new_leg:
        hear.note(f"goes on after epoch {done}")
    leg.mkdir(parents=True, exist_ok=True)
    over = _Follower(run, material, leg, kept, stop, hear).follow(argv)
    if over is None and until is not None and len(run.epochs()) != until:
        raise TrainingError(
            f"kraken ended after {until} epochs, of which only {len(run.epochs())} could be read from what it said: see {run.log}"
        )
    return over


def _newest(leg: Path, recorded: int) -> tuple[Path, int] | None:
    """Return the checkpoint to go on from and how many epochs it has behind it.

    Never more than are recorded: kraken may have written a checkpoint whose validation nobody lived to hear.
    """
    found = [(epoch + 1, False, path) for epoch, path in ketos.checkpoints(leg).items()]
    aborted = leg / ketos.ABORTED
    if aborted.exists() and (epochs := ketos.epochs_behind(aborted)) is not None:
        found.append((epochs, True, aborted))
    found = [one for one in found if one[0] <= recorded]
    if not found:
        return None
    epochs, _, path = max(found)
    return path, epochs


def _over(records: Sequence[dict[str, Any]], training: Training) -> str | None:
    """Say why no further epoch may be trained, or None."""
    if len(records) >= training.epochs:
        return "epochs"
    if _patience_spent(records, training):
        return "early"
    if (
        training.time_budget_min is not None
        and sum(record["seconds"] for record in records) >= training.time_budget_min * 60
    ):
        return "time_budget"
    return None


def _patience_spent(records: Sequence[dict[str, Any]], training: Training) -> bool:
    if training.quit != "early" or len(records) < training.min_epochs:
        return False
    best = best_of(records)
    return bool(best["errors"] == 0 or records[-1]["epoch"] - best["epoch"] >= training.lag)


class _Follower:
    """Hears one kraken training to its end."""

    def __init__(
        self,
        run: RunDir,
        material: Material,
        leg: Path,
        records: list[dict[str, Any]],
        stop: Callable[[], str | None],
        hear: Hear,
    ) -> None:
        self._run, self._material, self._leg, self._records = run, material, leg, records
        self._stop, self._hear = stop, hear
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._last: list[str] = []
        self._since = time.monotonic()

    def follow(self, argv: Sequence[str]) -> str | None:
        """Run the command; return why the training as a whole is over, or None at the leg's own end."""
        training = self._material.training
        over: str | None = None
        with open(self._run.log, "a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(argv)}\n")
            command = Command(argv, threads=training.threads, hear=self._said.put, folder=self._run.path)
            try:
                while command.wait(0.2) is None:
                    self._take_in(log)
                    over = self._stop() or self._cut()
                    if over:
                        command.stop()
                        break
            except BaseException:
                command.kill()
                raise
            code = command.poll()
            self._take_in(log)
        self._thin_out()
        if over is None and ketos.best_weights(self._leg) is None:
            over = self._stop()
            if over is None:
                kind = KilledError if code is not None and code < 0 else TrainingError
                raise kind(f"kraken ended while training (exit code {code}) without having finished", self._words())
        return over

    def _take_in(self, log: Any) -> None:
        while not self._said.empty():
            line = self._said.get()
            log.write(line + "\n")
            if line.strip():
                self._last = [*self._last[-30:], line.strip()]
            validation = ketos.validation_of(line)
            if validation is not None and len(self._records) < self._material.training.epochs:
                self._validated(validation)
        log.flush()

    def _validated(self, validation: ketos.Validation) -> None:
        now = time.monotonic()
        record = {
            "epoch": len(self._records),
            "val_cer": validation.cer,
            "errors": validation.errors,
            "characters": validation.characters,
            "seconds": round(now - self._since, 2),
            "time": utc_now(),
        }
        self._since = now
        self._records.append(record)
        self._run.add_epoch(record)
        self._thin_out()
        self._hear.epoch(record, best_of(self._records), self._left())

    def _left(self) -> float | None:
        """Return the most time that can be left, seconds."""
        training = self._material.training
        mean = sum(record["seconds"] for record in self._records) / len(self._records)
        left = (training.epochs - len(self._records)) * mean
        if training.time_budget_min is not None:
            left = min(left, training.time_budget_min * 60 - sum(record["seconds"] for record in self._records))
        return max(float(left), 0.0)

    def _cut(self) -> str | None:
        """Say why kraken must be stopped, where it would go on by itself."""
        training = self._material.training
        if training.quit == "early" and len(self._records) >= training.epochs:
            return "epochs"
        if training.time_budget_min is not None:
            used = sum(record["seconds"] for record in self._records) + time.monotonic() - self._since
            if used >= training.time_budget_min * 60 and self._records:
                return "time_budget"
        return None

    def _thin_out(self) -> None:
        """Delete checkpoints that nobody will go on from: all but the best and the two newest (the newest may be half-written).

        Those of epochs not heard of yet stay: kraken runs ahead of a process that was suspended.
        """
        kept = ketos.checkpoints(self._leg)
        best = best_of(self._records)["epoch"] if self._records else None
        for epoch in sorted(kept)[:-2]:
            if epoch < len(self._records) and epoch != best and not self._is_best_of_leg(epoch, kept):
                kept[epoch].unlink(missing_ok=True)
        aborted = self._leg / ketos.ABORTED
        if kept and aborted.exists() and kept[max(kept)].stat().st_mtime_ns > aborted.stat().st_mtime_ns:
            aborted.unlink()

    def _is_best_of_leg(self, epoch: int, kept: dict[int, Path]) -> bool:
        of_leg = [record for record in self._records if record["epoch"] in kept]
        return bool(of_leg) and best_of(of_leg)["epoch"] == epoch

    def _words(self) -> list[str]:
        said = [line for line in self._last if "validation run" not in line]
        return [f"kraken says: {line}" for line in said[-6:]] or ["it said nothing"]
