"""What kraken leaves on disk while it trains, release by release: which epoch a file holds, and which to go on from."""

from __future__ import annotations

import contextlib
import pickle
import re
import shutil
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from htr_exp.config.schema import Training
from htr_exp.core.errors import ModelError, TrainingError
from htr_exp.core.task import Epoch, Task
from htr_exp.kraken.legs import legs
from htr_exp.kraken.model_file import read_header
from htr_exp.kraken.releases import release


class Checkpoints(Protocol):
    """The files of one training. Epochs count from 1 over all its starts, whatever kraken calls them."""

    def newest(self, recorded: int) -> tuple[Path | None, int]:
        """The file to go on from and how many epochs it has behind it; (None, 0) to begin.

        Never more than are recorded: kraken may have written a file whose validation was never recorded.
        """

    def has(self, epoch: int) -> bool:
        """Whether the weights of an epoch are there."""

    def forget(self, done: int) -> None:
        """Delete what is there of epochs that are trained again, all but the first `done`."""

    def leg(self, done: int) -> tuple[Path, int | None]:
        """The folder in which the epochs from `done` on are trained, and the count of epochs at which that ends.

        None: where `training.quit` says.
        """

    def begins_leg(self, start: Path | None, done: int) -> bool:
        """Say whether an uninterrupted training, too, is started from this file after so many epochs.

        Args:
            start: as `newest` returns it.
            done: epochs that it has behind it.
        """

    def ended(self, leg: Path) -> bool:
        """Whether kraken came to its own end there."""

    def thin_out(self, records: Sequence[Epoch], keep: int = 1) -> None:
        """Delete what nobody will go on from: all but the best and the two newest (the newest may be half-written).

        Files of epochs that are not recorded yet stay: kraken runs ahead of a process that was suspended.

        Args:
            records: the curve.
            keep: how many of the best stay; of a segmentation those that find lines best, where kraken says it.
        """

    def kept(self, records: Sequence[Epoch], keep: int) -> list[Epoch]:
        """Of the best epochs of a curve, as many as `thin_out` keeps, the records of those whose weights are there, in order.

        More may be there, such as the newest. Which these are depends on how far kraken ran on before it heard that it was over.
        """

    def best(self, record: Epoch) -> tuple[Path, bool]:
        """The file of the best epoch, given its record, and whether it is weights (else a checkpoint to convert).

        Raises:
            TrainingError: it is gone, or says that it is another's.
        """


def checkpoints_of(folder: Path, training: Training, version: str, task: Task) -> Checkpoints:
    """The files of a training by a version of kraken."""
    return EpochModels(folder, task) if release(version) == "4.3" else LegCheckpoints(folder, training, task)


class LegCheckpoints:
    """kraken 7.1: checkpoints with the state of the optimiser, in a folder for each leg; the best ten of a leg, no more.

    An exact training goes on from the ends of legs alone: within a leg, kraken's random numbers are not known.
    """

    ABORTED = "checkpoint_abort.ckpt"
    _NAME = re.compile(r"checkpoint_(\d+)-(-?[\d.]+|nan)\.ckpt$")
    _BEST = re.compile(r"best_(-?[\d.]+)\.(mlmodel|coreml|safetensors)$")

    def __init__(self, folder: Path, training: Training, task: Task) -> None:
        self._folder, self._task = folder, task
        self._legs = [(folder / name, until) for name, until in legs(training)]
        self._exact = training.exact

    def newest(self, recorded: int) -> tuple[Path | None, int]:
        found: list[tuple[int, bool, Path]] = []
        for leg, until in self._legs:
            found += [
                (epoch, False, path) for epoch, path in self._of(leg).items() if not self._exact or epoch == until
            ]
            aborted = leg / self.ABORTED
            if not self._exact and aborted.exists() and (epochs := epochs_behind(aborted)) is not None:
                found.append((epochs, True, aborted))
        found = [one for one in found if one[0] <= recorded]
        if not found:
            return None, 0
        epochs, _, path = max(found)
        return path, epochs

    def has(self, epoch: int) -> bool:
        return any(epoch in self._of(leg) for leg, _ in self._legs)

    def forget(self, done: int) -> None:
        for leg, until in self._legs:
            if self._exact and (until is None or until > done):
                shutil.rmtree(
                    leg, ignore_errors=True
                )  # kraken gives its files other names where there are some already
            again = [path for epoch, path in self._of(leg).items() if epoch > done]
            for path in again:
                path.unlink()  # kraken would keep both
        while (weights := self._weights(self.leg(done)[0])) is not None:
            weights.unlink()  # of an end whose last epoch is trained again

    def leg(self, done: int) -> tuple[Path, int | None]:
        return next(one for one in self._legs if one[1] is None or done < one[1])

    def begins_leg(self, start: Path | None, done: int) -> bool:
        if start is None:
            return done == 0
        return start.name != self.ABORTED and any(done == until for _, until in self._legs)

    def ended(self, leg: Path) -> bool:
        return self._weights(leg) is not None

    def kept(self, records: Sequence[Epoch], keep: int) -> list[Epoch]:
        return _of_epochs(
            records, _best_epochs(records, keep, self._task) & {one for leg, _ in self._legs for one in self._of(leg)}
        )

    def thin_out(self, records: Sequence[Epoch], keep: int = 1) -> None:
        best = _best_epochs(records, keep, self._task)
        over = 0
        if self._exact:  # what a kill would take away does not count yet
            _, over = self.newest(len(records))
            best |= _best_epochs(records[:over], keep, self._task) | {over}
        for leg, until in self._legs:
            kept = self._of(leg)
            if until is not None and until <= over:
                self._thin_out_leg(leg, kept, best)
                continue
            best_of_leg = _best_epochs([record for record in records if record["epoch"] in kept], 1, self._task)
            for epoch in sorted(kept)[:-2]:
                if epoch <= len(records) and epoch not in best | best_of_leg:
                    kept[epoch].unlink(missing_ok=True)
            aborted = leg / self.ABORTED
            if kept and aborted.exists() and kept[max(kept)].stat().st_mtime_ns > aborted.stat().st_mtime_ns:
                aborted.unlink()

    def _thin_out_leg(self, leg: Path, kept: dict[int, Path], best: set[int]) -> None:
        """Delete what nobody goes on from of a leg that is over."""
        unwanted = [path for epoch, path in kept.items() if epoch not in best]
        for path in [*unwanted, *([] if best & kept.keys() else leg.glob("best_*"))]:
            path.unlink(missing_ok=True)

    def best(self, record: Epoch) -> tuple[Path, bool]:
        epoch = int(record["epoch"])
        leg, _ = self.leg(epoch - 1)
        kept = self._of(leg)
        weights = None if self._exact else self._weights(leg)  # a kill may have come before kraken wrote them
        if weights is not None and self._is_of(weights, record):
            return weights, True
        if epoch not in kept:
            raise _gone(self._folder, epoch)
        return kept[epoch], False

    def _of(self, leg: Path) -> dict[int, Path]:
        """Epoch -> checkpoint; of two for one epoch the newer, as a resumed training left it.

        A checkpoint that a kill or a full disk cut short counts as none.
        """
        found: dict[int, tuple[int, Path]] = {}
        for path in leg.glob("checkpoint_*.ckpt"):
            match = self._NAME.match(path.name)
            if match:
                with contextlib.suppress(FileNotFoundError):  # kraken deletes its own, too
                    if zipfile.is_zipfile(path):
                        epoch, written = int(match[1]) + 1, path.stat().st_mtime_ns  # kraken counts from 0
                        found[epoch] = max(found.get(epoch, (0, path)), (written, path))
        return {epoch: path for epoch, (_, path) in found.items()}

    def _is_of(self, weights: Path, record: Epoch) -> bool:
        """Tell whether the weights that kraken wrote at its end are those of an epoch: their score is in their name."""
        match = self._BEST.match(weights.name)
        return match is not None and abs(float(match[1]) - self._task.accuracy(record)) < 1e-4

    def _weights(self, leg: Path) -> Path | None:
        """The weights that kraken writes when a leg has come to its own end."""
        found = [path for path in leg.glob("best_*") if self._BEST.match(path.name)]
        return max(found, key=lambda path: path.stat().st_mtime_ns) if found else None


class EpochModels:
    """kraken 4.3.13: a model after every epoch and nothing else; each start counts its own from 0.

    Every start has a folder of its own, named after the epoch that it begins with.
    """

    STEM = "m"
    _FOLDER = re.compile(r"from-(\d+)$")
    _NAME = re.compile(rf"{STEM}_(\d+)\.mlmodel$")

    def __init__(self, folder: Path, task: Task) -> None:
        self._folder, self._task = folder, task

    def newest(self, recorded: int) -> tuple[Path | None, int]:
        for epoch, path in sorted(self._all().items(), reverse=True):
            if epoch <= recorded:
                with contextlib.suppress(ModelError):  # a kill or a full disk cut it short
                    read_header(path)
                    return path, epoch
        return None, 0

    def has(self, epoch: int) -> bool:
        return epoch in self._all()

    def forget(self, done: int) -> None:
        for epoch, path in self._all().items():
            if epoch > done:
                path.unlink()
        shutil.rmtree(self.leg(done)[0], ignore_errors=True)

    def leg(self, done: int) -> tuple[Path, int | None]:
        return self._folder / f"from-{done:04d}", None

    def begins_leg(self, start: Path | None, done: int) -> bool:
        return start is None and done == 0

    def ended(self, leg: Path) -> bool:
        return False  # it leaves no sign of it: the count of epochs says so

    def kept(self, records: Sequence[Epoch], keep: int) -> list[Epoch]:
        return _of_epochs(records, _best_epochs(records, keep, self._task) & self._all().keys())

    def thin_out(self, records: Sequence[Epoch], keep: int = 1) -> None:
        kept = self._all()
        best = _best_epochs(records, keep, self._task)
        first = max(self._starts(), default=0) + 1  # kraken takes that for its best and copies it at its end
        for epoch in sorted(kept)[:-2]:
            if epoch <= len(records) and epoch not in best | {first}:
                kept[epoch].unlink(missing_ok=True)

    def best(self, record: Epoch) -> tuple[Path, bool]:
        epoch = int(record["epoch"])
        path = self._all().get(epoch)
        if path is None:
            raise _gone(self._folder, epoch)
        history = read_header(path).metadata.get("accuracy") or [(0, None)]
        said = history[-1][1]  # before it stands the history of the model that it was trained from
        if said is None or abs(said - self._task.accuracy(record)) > 1e-4:
            raise TrainingError(
                f"{path}: it says that its validation accuracy was {said}, kraken's log says {self._task.accuracy(record):.6f} "
                f"of epoch {epoch}: train anew with again=true"
            )
        return path, True

    def _starts(self) -> dict[int, Path]:
        found = {match: path for path in self._folder.glob("from-*") if (match := self._FOLDER.match(path.name))}
        return {int(match[1]): path for match, path in found.items()}

    def _all(self) -> dict[int, Path]:
        found: dict[int, Path] = {}
        for start, folder in sorted(self._starts().items()):
            for path in folder.glob(f"{self.STEM}_*.mlmodel"):
                if match := self._NAME.match(path.name):
                    found[start + int(match[1]) + 1] = path
        return found


def _best_epochs(records: Sequence[Epoch], count: int, task: Task) -> set[int]:
    """The best epoch, and where more are to be kept those that come nearest to it, or find most lines."""
    if not records:
        return set()
    nearest = sorted(records, key=lambda one: (task.candidate_loss(one), one["epoch"]))[: count if count > 1 else 0]
    return {int(record["epoch"]) for record in (task.best_of(records), *nearest)}


def _of_epochs(records: Sequence[Epoch], epochs: set[int]) -> list[Epoch]:
    return [record for record in records if record["epoch"] in epochs]


def _gone(folder: Path, epoch: int) -> TrainingError:
    return TrainingError(
        f"{folder}: the file of the best epoch ({epoch}) is gone; run the same command with again=true"
    )


def epochs_behind(aborted: Path) -> int | None:
    """How many epochs a checkpoint has behind it that kraken wrote as it was stopped; None if it cannot be gone on from.

    One that was written within a validation run cannot: kraken would validate the rest of the lines alone, and take that
    for the epoch's figure. A checkpoint is a zip archive with a pickle, of which only plain values are taken: nothing in it
    is executed.
    """
    try:
        with zipfile.ZipFile(aborted) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as file:
                loop = _PlainValues(file).load()["loops"]["fit_loop"]
        epochs = loop["epoch_progress"]["current"]
        if loop["epoch_loop.batch_progress"]["is_last_batch"] and epochs["processed"] < epochs["ready"]:
            return None
        return int(epochs["processed"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, pickle.UnpicklingError, EOFError):
        return None


class _Anything:
    """Stands for every object of a pickle that is not a plain value."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __call__(self, *args: object, **kwargs: object) -> _Anything:
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        pass

    def extend(self, values: object) -> None:
        pass


class _PlainValues(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else _Anything

    def persistent_load(self, pid: object) -> None:
        return None
