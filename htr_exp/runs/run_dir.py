"""A run folder: what its files hold, the state of the run, and who works in it."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from htr_exp.core.errors import HtrExpError
from htr_exp.core.files import append_jsonl, read_json, read_jsonl, utc_now, write_atomically, write_json, write_jsonl
from htr_exp.core.lock import Held, Owner, confirm, locked, owner_of
from htr_exp.core.run_state import RunState
from htr_exp.core.secrets import hidden
from htr_exp.core.task import Epoch, task_of
from htr_exp.core.text import printable
from htr_exp.kraken.record import KrakenRecord
from htr_exp.runs import configuration, sealed_records, seals
from htr_exp.runs.record_check import fits, read_records
from htr_exp.runs.records import (
    CancellationRecord,
    FoundKraken,
    MembershipRecord,
    Provenance,
    RequeueRecord,
    Results,
    StartRecord,
    SubmissionRecord,
    submissions_among,
)
from htr_exp.runs.run_files import FILES, RunFiles
from htr_exp.runs.run_place import RunGoneError, held_open, place_now

OPTIONAL_FACTS = ("model", "segmentation_model", "split", "left_out", "leakage", "conventions", "predictions")
"""Records in provenance.json that a run may be without."""


_SHOWN = {"version", "kind", "module", "image", "fallback"}
"""What is shown of a kraken, without which a record of one says nothing."""


@dataclass(frozen=True)
class StateRecord:
    """What a run folder says of the run's state."""

    state: RunState
    reason: str | None = None
    stage: str | None = None  # the stage of the job that it is in or ended in
    since: str = ""


class _WrittenState(TypedDict):
    state: str
    reason: str | None
    stage: str | None
    since: str


class BrokenRunError(HtrExpError):
    """A run folder without which it cannot be said what the run is."""

    def __init__(self, run: RunFiles, file: Path, why: object) -> None:
        said = f"{type(why).__name__}: {why}" if isinstance(why, Exception) else str(why)
        remedy = "put the file back as it was, from a copy, or move the folder elsewhere"
        super().__init__(f"{run.path}: this run cannot be read; {file.name} is missing or damaged ({said}); {remedy}")


class RunDir(RunFiles):
    """One run's folder: what is in its files, the state of the run, and who works in it.

    What a file holds is checked where it is read: somebody may have edited it, or a full disk have cut it short. A file that
    a run can do without is then as if it were not there; without `facts` and `configuration` it is no run (`BrokenRunError`).
    """

    @cached_property
    def _known(self) -> dict[str, Any]:
        """provenance.json as it was read, and its stamp: all that looks through a workspace asks for it twice."""
        return {}

    def kraken(self, result: Mapping[str, Any] | None) -> KrakenRecord | None:
        """The kraken that made a result, before there is one that of the last start; None before a start has found it."""
        made: KrakenRecord | None = result.get("kraken") if result else None
        return made if made and made.keys() >= _SHOWN else next(reversed(self.found_krakens), None)

    @property
    def found_krakens(self) -> list[FoundKraken]:
        """The krakens that the starts of the run found, oldest first."""
        return read_records(self.krakens, FoundKraken, *_SHOWN)

    def seal(self, files: Mapping[str, str | bytes], *, before: Callable[[str], None] = lambda sha256: None) -> None:
        """Write the files that say what the run is, and their digests; the manifest comes last and makes it a run.

        Args:
            files: their contents, by name.
            before: as of `seals.write`.

        Raises:
            OSError: the folder cannot be written.
        """
        for name, content in files.items():
            write_atomically(self.path / name, content)
        sealed_records.begin(self.judgements)
        seals.write(self.manifest, (path for path in self.sealed if path.exists()), before=before)

    def seal_results(self) -> None:
        """Seal what the run made: scores, curve, best model, predictions and pictures.

        Raises:
            OSError: the folder cannot be written.
        """
        made = (self.manifest, *self.made, *(self.path / name for name in sorted(self.predicted())))
        seals.write(self.results_manifest, (path for path in made if path.is_file()))

    def unseal_results(self) -> None:
        """Remove the seals of what the run made, since it is made anew, and the page that shows it."""
        for path in (self.results_manifest, self.report, self.pictures):
            path.unlink(missing_ok=True)

    @property
    def is_scored(self) -> bool:
        """Whether what the run made is sealed, or should be; until then results.json is one of an earlier end, or of nobody."""
        return self.results_manifest.exists() or self.written_state().state.has_scores

    def broken_seals(self, *, every_digest: bool = False) -> list[str]:
        """The sealed files that are missing or were changed since, and files of their kinds that nobody sealed.

        Of a run with scores these are also the files that it made. In such a folder, no other file may look like one of the run's.

        Args:
            every_digest: as of `seals.check`.
        """
        scored = self.is_scored
        manifests = (self.manifest, *[self.results_manifest] * scored)
        looked = [seals.check(manifest, every_digest=every_digest) for manifest in manifests]
        sealed = {FILES.manifest.name, FILES.results_manifest.name}.union(*(one.sealed for one in looked))
        # of a manifest that cannot be read, that says all
        added = sorted(self.like_sealed(scored=scored) - sealed) if all(one.sealed for one in looked) else []
        judged = [FILES.judgements.as_posix()] * sealed_records.changed(self.judgements, begun=True)
        return list(dict.fromkeys([*(name for one in looked for name in one.changed), *added, *judged]))

    def was_changed(self, file: Path) -> bool:
        """Whether a sealed file is not as the run wrote it, or nobody can say so."""
        return not {file.name, self.manifest.name}.isdisjoint(self.broken_seals())

    def configuration(self) -> dict[str, Any]:
        """The content of experiment.yaml.

        Raises:
            BrokenRunError: it cannot be read.
        """
        try:
            return configuration.keys_and_values(self.experiment.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BrokenRunError(self, self.experiment, error) from None

    def settings(self) -> dict[str, Any]:
        """The same by dotted keys.

        Raises:
            BrokenRunError: it cannot be read.
        """
        try:
            return configuration.settings(self.experiment.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BrokenRunError(self, self.experiment, error) from None

    def training_settings(self) -> dict[str, Any]:
        """What `training` holds in experiment.yaml.

        Raises:
            BrokenRunError: it cannot be read.
        """
        try:
            values = configuration.section(self.experiment.read_text("utf-8"), "training")
        except (OSError, ValueError):
            values = None
        return values if isinstance(values, dict) else self.configuration()["training"]

    def needed(self, file: Path) -> Any:
        """The keys and values of a JSON file of the folder that the run cannot do without.

        Raises:
            BrokenRunError: it cannot be read, or has no keys.
        """
        try:
            values = read_json(file)
        except (OSError, ValueError) as error:
            raise BrokenRunError(self, file, error) from None
        if not isinstance(values, dict):
            raise BrokenRunError(self, file, configuration.NO_KEYS)
        return values

    def facts(self) -> Provenance:
        """The content of provenance.json.

        Raises:
            BrokenRunError: it cannot be read, or does not say what the run is.
        """
        try:
            status = self.provenance.stat()
        except OSError as error:
            raise BrokenRunError(self, self.provenance, error) from None
        stamp = status.st_mtime_ns, status.st_size, status.st_ino
        if self._known.get("stamp") != stamp:
            self._known.update(facts=self._read_facts(), stamp=stamp)
        facts: Provenance = self._known["facts"]
        return facts

    def _read_facts(self) -> Provenance:
        values: Provenance = self.needed(self.provenance)
        try:
            _ = (
                values["run"]["key"],
                task_of(values["run"]["task"]),
                values["dataset"]["name"],
                values["software"]["kraken"],
            )
            damaged = [key for key in OPTIONAL_FACTS if not isinstance(values.get(key) or {}, dict)]
            if damaged:
                raise ValueError(f"{damaged[0]} is no record")
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenRunError(self, self.provenance, error) from None
        return values

    @property
    def key(self) -> str:
        return str(self.facts()["run"]["key"])

    def write_state(self, state: RunState, *, reason: str | None = None, stage: str | None = None) -> None:
        """Record the state of the run.

        Raises:
            OSError: the folder cannot be written.
        """
        write_json(
            self.state_file, {"state": state, "reason": reason and hidden(reason), "stage": stage, "since": utc_now()}
        )

    def written_state(self) -> StateRecord:
        """The state as it was last written: queued before the first, failed where it cannot be read."""
        try:
            values = read_json(self.state_file)
            if not fits(values, _WrittenState):
                raise ValueError("it holds something else than a state")
            return StateRecord(RunState(values["state"]), values["reason"], values["stage"], values["since"])
        except FileNotFoundError:
            return StateRecord(RunState.QUEUED)
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"{self.state_file} cannot be read ({type(error).__name__}: {error}); `resume` goes on with the run"
            return StateRecord(RunState.FAILED, why)

    def state(self) -> StateRecord:
        """The state of the run; one that is written as running, though no process works in it, was interrupted."""
        found = self.written_state()
        if found.state is not RunState.DONE and (cancelled := self.cancelled()) is not None:
            return StateRecord(RunState.CANCELLED, f"cancelled by {cancelled['by']}", found.stage, cancelled["time"])
        if found.state is RunState.RUNNING and owner_of(self.lock) is None:
            why = "the process ended without a word (killed, or the machine stopped)"
            return StateRecord(RunState.INTERRUPTED, why, found.stage, found.since)
        return found

    def cancel(self, by: str) -> None:
        """Mark the run as cancelled: whatever works in it ends, and no job begins it again until `revive`.

        Raises:
            OSError: the folder cannot be written.
        """
        write_json(self.cancellation, {"by": by, "time": utc_now()})

    def cancelled(self) -> CancellationRecord | None:
        """Who cancelled the run and when, or None."""
        try:
            values: CancellationRecord = {"by": "somebody", "time": "", **read_json(self.cancellation)}
        except (OSError, ValueError, TypeError):
            return None
        return values if fits(values, CancellationRecord) else None

    def revive(self) -> None:
        """Remove the mark of `cancel`."""
        self.cancellation.unlink(missing_ok=True)

    def owner(self) -> Owner | None:
        """The process that works in this run, if one does."""
        return owner_of(self.lock)

    @contextmanager
    def locked(self, wait: Callable[[Owner], bool] = lambda owner: False) -> Iterator[Held]:
        """Work in this run alone; `wait` as for `core.lock.locked`.

        Raises:
            Locked: another process works in it.
            OSError: the folder cannot be written.
        """
        with locked(self.lock, wait=wait) as held, held_open(self.path):
            try:
                yield held
            finally:
                if self.is_gone and (now := place_now(self.path)) is not None:
                    shutil.rmtree(RunDir(now).lock, ignore_errors=True)

    @property
    def is_gone(self) -> bool:
        """Whether it is sure that there is no run here any more: moved, renamed or deleted."""
        try:
            self.manifest.stat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            pass  # a file server that does not answer
        return False

    def confirm(self) -> None:
        """Make sure that the run is here and nobody took it over from this process, before it writes what matters.

        Raises:
            RunGoneError: it was moved, renamed or deleted.
            LockLost: another process works in it.
        """
        if self.is_gone:
            raise RunGoneError(self)
        confirm(self.lock)

    def clear_leftovers(self) -> None:
        """Remove what a killed process has left half written in the folder; for who holds the run.

        Others, who do not hold it, may be writing their marks at this moment.
        """
        judged = sealed_records.seal_of(self.judgements)
        marks = {one.name for one in (self.cancellation, self.tracking_marks, self.judgements, judged)}
        for folder in (self.path, self.live, self.predictions):
            for left in folder.glob(".*"):
                if (half := re.fullmatch(r"\.(.+)\.[0-9a-f]{12}", left.name)) and half[1] not in marks:
                    with contextlib.suppress(OSError):
                        left.unlink()

    def clear_old_place(self) -> None:
        """Remove what a kraken that was told the old place has made there since the run was moved away."""
        if self.is_gone:
            for made in (self.training, self.new_pairs, self.new_predictions):
                shutil.rmtree(made, ignore_errors=True)
            for folder in (self.live, self.path):
                with contextlib.suppress(OSError):  # it holds something else
                    folder.rmdir()

    def epochs(self) -> list[Epoch]:
        """The curve: one record an epoch, in order."""
        return read_records(self.metrics, Epoch, "epoch")

    def write_epochs(self, records: Sequence[Epoch]) -> None:
        """Replace the curve, as a restart does with epochs that it has to train again."""
        write_jsonl(self.metrics, records)

    def add_epoch(self, record: Epoch) -> None:
        append_jsonl(self.metrics, record)

    def note(self, text: str) -> None:
        """Add a line of ours to the log, between kraken's, without secrets.

        Raises:
            OSError: it cannot be written.
        """
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"# {utc_now()} {printable(hidden(text))}\n")

    def result(self) -> Results | None:
        """The content of results.json, or None before there is one."""
        try:
            values: Results = read_json(self.results)
        except (OSError, ValueError):
            return None
        return values if fits(values, Results) else None

    def final_result(self) -> Results | None:
        """The same once it counts: until the run is scored, results.json is one of an earlier end, or of nobody."""
        return self.result() if self.is_scored else None

    def write_predictions(self, side: str, records: Iterable[Any]) -> None:
        """Write what was predicted on a side of the split, one record a line or page.

        Raises:
            OSError: the run folder is not there, or cannot be written.
        """
        self.predictions.mkdir(exist_ok=True)
        write_jsonl(self.predictions_of(side), records)

    def add_submission(self, record: SubmissionRecord) -> None:
        """Record that the run was given to Slurm."""
        append_jsonl(self.submissions, record)

    @property
    def jobs(self) -> list[SubmissionRecord]:
        """The records of `add_submission`, oldest first."""
        return submissions_among(read_jsonl(self.submissions, "job", "time"))

    @property
    def begun(self) -> list[StartRecord]:
        """The starts of the run and of its training, oldest first."""
        return read_records(self.starts, StartRecord)

    @property
    def requeued(self) -> list[RequeueRecord]:
        """The times that a job of the run met its time limit, oldest first."""
        return read_records(self.requeues, RequeueRecord, "job")

    @property
    def memberships(self) -> list[MembershipRecord]:
        """The records of `join_sweep`, oldest first."""
        return read_records(self.sweeps, MembershipRecord, "sweep")

    def join_sweep(self, sweep: str, overrides: Sequence[str], **trial: Any) -> None:
        """Record that the run is a point of a sweep, once; of a search once as each `trial`, with its `point`."""
        known = [(member["sweep"], member.get("trial")) for member in self.memberships]
        if (sweep, trial.get("trial")) not in known:
            append_jsonl(self.sweeps, {"sweep": sweep, "overrides": list(overrides), **trial, "time": utc_now()})
