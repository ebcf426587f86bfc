"""A run folder: what each file is called, what is sealed, the state, and who works in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from htr_exp.core.files import append_jsonl, read_json, read_jsonl, utc_now, write_atomically, write_json, write_jsonl
from htr_exp.core.lock import Held, Owner, confirm, locked, owner_of
from htr_exp.core.run_state import RunState
from htr_exp.core.task import Epoch
from htr_exp.core.text import printable
from htr_exp.kraken.record import KrakenRecord
from htr_exp.runs import seals
from htr_exp.runs.records import CancellationRecord, Provenance, Results, SubmissionRecord

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is ten times as fast


@dataclass(frozen=True)
class StateRecord:
    """What a run folder says of the run's state."""

    state: RunState
    reason: str | None = None
    stage: str | None = None  # the stage of the job that it is in or ended in
    since: str = ""


@dataclass(frozen=True)
class RunDir:
    """One run's folder. Properties are its files; nothing else knows their names. Those of `RunDir(Path())` are relative."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def experiment(self) -> Path:
        return self.path / "experiment.yaml"

    @property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @property
    def split(self) -> Path:
        return self.path / "split.json"

    @property
    def fingerprints(self) -> Path:
        """What the run's model will have seen, to be recognised by runs that start from it."""
        return self.path / "fingerprints.json"

    @property
    def commands(self) -> Path:
        return self.path / "commands.sh"

    @property
    def page_archive(self) -> Path:
        """The pages as kraken is given them, for `commands` (`pipeline.page_archive`)."""
        return self.path / "pages.tar.gz"

    @property
    def template(self) -> Path:
        return self.path / "predict.jinja"

    @property
    def classes(self) -> Path:
        """Which number each class of a segmentation has, as kraken 7.1 reads it."""
        return self.path / "classes.yaml"

    @property
    def uncommitted_diff(self) -> Path:
        """The changes of the code since its commit."""
        return self.path / "uncommitted.diff"

    @property
    def sealed(self) -> tuple[Path, ...]:
        """The files that say what the run is; a run has those that it needs."""
        return (
            self.experiment, self.provenance, self.split, self.fingerprints, self.classes, self.commands, self.page_archive,
            self.template, self.uncommitted_diff,
        )  # fmt: skip

    @property
    def manifest(self) -> Path:
        """The seals of these files; a folder that has it is a run."""
        return self.path / "manifest.json"

    @property
    def results_manifest(self) -> Path:
        """The seals of what the run made, once it has scores."""
        return self.path / "results_manifest.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    def predictions_of(self, side: str) -> Path:
        """What was predicted on one side of the split, beside the ground truth."""
        return self.predictions / f"{side}.jsonl"

    @property
    def overlays(self) -> Path:
        """Pictures of the worst pages of a segmentation."""
        return self.predictions / "overlays"

    @property
    def best(self) -> Path:
        return self.path / "best.mlmodel"

    @property
    def training(self) -> Path:
        """The folder of kraken's own files, while it trains."""
        return self.path / "train"

    @property
    def live(self) -> Path:
        """The folder of what changes, or holds on this machine alone."""
        return self.path / "live"

    @property
    def state_file(self) -> Path:
        return self.live / "state.json"

    @property
    def cancellation(self) -> Path:
        """Who cancelled the run, and when; absent where nobody did."""
        return self.live / "cancelled.json"

    @property
    def judgements(self) -> Path:
        """How the run was judged each time that it was asked for with other words (`runs.judgements`)."""
        return self.live / "judgements.jsonl"

    @property
    def log(self) -> Path:
        return self.live / "log.txt"

    @property
    def terminal(self) -> Path:
        """What the run's process prints where several run side by side."""
        return self.live / "terminal.txt"

    @property
    def tracking_marks(self) -> Path:
        """What MLflow has of the run, store by store."""
        return self.live / "tracking.json"

    @property
    def training_outcome(self) -> Path:
        """How the training ended."""
        return self.live / "training.json"

    @property
    def chosen_epoch(self) -> Path:
        """The epoch that was chosen by its line F1, and the others that were scored."""
        return self.live / "chosen.json"

    @property
    def candidates(self) -> Path:
        """The folder of the models among which that epoch is chosen, until it is."""
        return self.live / "candidates"

    @property
    def new_predictions(self) -> Path:
        """The folder of predictions that are not examined yet."""
        return self.live / "predicting"

    @property
    def temporary(self) -> Path:
        """The folder of temporary files of a kraken in an image."""
        return self.live / "tmp"

    def page_list(self, side: str) -> Path:
        """The staged pages of one side of the split, a path a line."""
        return self.live / f"{side}.pages"

    def compiled_list(self, side: str) -> Path:
        """The compiled file of one side of the split, for kraken to read."""
        return self.live / f"{side}.list"

    @property
    def held_out_pages(self) -> Path:
        """The staged pages of validation and test together, a path a line."""
        return self.live / "held-out.pages"

    @property
    def held_out_images(self) -> Path:
        """The images of these pages, where they are predicted from the image alone."""
        return self.live / "held-out.images"

    @property
    def data_path(self) -> Path:
        """The path of the folder in which the images of all pages are."""
        return self.live / "data.path"

    @property
    def base_model_path(self) -> Path:
        """The path of the base model; empty where there is none."""
        return self.live / "base_model.path"

    @property
    def segmentation_model_path(self) -> Path:
        """The path of the model that finds the lines of an evaluation from end to end."""
        return self.live / "segmentation_model.path"

    @property
    def places(self) -> Path:
        """Where the data, the cache and the base model are on this machine, now."""
        return self.live / "places.json"

    @property
    def signature(self) -> Path:
        return self.live / "signature"

    @property
    def starts(self) -> Path:
        return self.live / "starts.jsonl"

    @property
    def krakens(self) -> Path:
        """One record for each start: the kraken that it found."""
        return self.live / "krakens.jsonl"

    def kraken(self, result: Mapping[str, Any] | None) -> KrakenRecord | None:
        """The kraken that made a result, before there is one that of the last start; None before a start has found it."""
        made: KrakenRecord | None = result.get("kraken") if result else None
        return made or next(reversed(read_jsonl(self.krakens)), None)

    @property
    def sweeps(self) -> Path:
        return self.live / "sweeps.jsonl"

    @property
    def submissions(self) -> Path:
        """One record for each time the run was given to Slurm."""
        return self.live / "jobs.jsonl"

    @property
    def requeues(self) -> Path:
        """One record for each time a job of the run met its time limit and goes on in a new one."""
        return self.live / "requeues.jsonl"

    @property
    def lock(self) -> Path:
        return self.live / "lock"

    def seal(self, files: Mapping[str, str | bytes]) -> None:
        """Write the files that say what the run is, and their digests; the manifest comes last and makes it a run.

        Raises:
            OSError: the folder cannot be written.
        """
        for name, content in files.items():
            write_atomically(self.path / name, content)
        seals.write(self.manifest, (path for path in self.sealed if path.exists()))

    def seal_results(self) -> None:
        """Seal what the run made: scores, curve, best model, predictions and pictures.

        Raises:
            OSError: the folder cannot be written.
        """
        made = (self.results, self.metrics, self.best, *sorted(self.predictions.glob("**/*")))
        seals.write(self.results_manifest, (path for path in made if path.is_file()))

    def unseal_results(self) -> None:
        """Remove the seals of what the run made, since it is made anew."""
        self.results_manifest.unlink(missing_ok=True)

    def broken_seals(self, *, every_digest: bool = False) -> list[str]:
        """The sealed files that are missing or were changed since; of a run with scores also of what it made.

        Args:
            every_digest: as of `seals.changed`.
        """
        scored = self.results_manifest.exists() or self.written_state().state.has_scores
        manifests = (self.manifest, *[self.results_manifest] * scored)
        return [name for manifest in manifests for name in seals.changed(manifest, every_digest=every_digest)]

    def configuration(self) -> dict[str, Any]:
        """The content of experiment.yaml."""
        values: dict[str, Any] = yaml.load(self.experiment.read_text("utf-8"), _Loader)  # noqa: S506 - a safe loader
        return values

    def facts(self) -> Provenance:
        """The content of provenance.json."""
        values: Provenance = read_json(self.provenance)
        return values

    @property
    def key(self) -> str:
        return str(self.facts()["run"]["key"])

    def write_state(self, state: RunState, *, reason: str | None = None, stage: str | None = None) -> None:
        """Record the state of the run.

        Raises:
            OSError: the folder cannot be written.
        """
        write_json(self.state_file, {"state": state, "reason": reason, "stage": stage, "since": utc_now()})

    def written_state(self) -> StateRecord:
        """The state as it was last written: queued before the first, failed where it cannot be read."""
        try:
            values = read_json(self.state_file)
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
            values: CancellationRecord = read_json(self.cancellation)
        except (OSError, ValueError):
            return None
        return values

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
        with locked(self.lock, wait=wait) as held:
            yield held

    def confirm(self) -> None:
        """Make sure that nobody took the run over from this process, before it writes what matters; `LockLost` otherwise."""
        confirm(self.lock)

    def epochs(self) -> list[Epoch]:
        """The curve: one record an epoch, in order."""
        return read_jsonl(self.metrics)

    def write_epochs(self, records: Sequence[Epoch]) -> None:
        """Replace the curve, as a restart does with epochs that it has to train again."""
        write_jsonl(self.metrics, records)

    def add_epoch(self, record: Epoch) -> None:
        append_jsonl(self.metrics, record)

    def note(self, text: str) -> None:
        """Add a line of ours to the log, between kraken's.

        Raises:
            OSError: it cannot be written.
        """
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"# {utc_now()} {printable(text)}\n")

    def result(self) -> Results | None:
        """The content of results.json, or None before there is one."""
        try:
            values: Results = read_json(self.results)
        except (OSError, ValueError):
            return None
        return values

    def add_submission(self, record: SubmissionRecord) -> None:
        """Record that the run was given to Slurm."""
        append_jsonl(self.submissions, record)

    @property
    def jobs(self) -> list[SubmissionRecord]:
        """The records of `add_submission`, oldest first."""
        return read_jsonl(self.submissions)

    def join_sweep(self, sweep: str, overrides: Sequence[str]) -> None:
        """Record that the run is a point of a sweep, once."""
        if all(member.get("sweep") != sweep for member in read_jsonl(self.sweeps)):
            append_jsonl(self.sweeps, {"sweep": sweep, "overrides": list(overrides), "time": utc_now()})
