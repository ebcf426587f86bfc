"""What every task does alike at the stages of a job: train, keep the best model, predict with it and with the base model."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol, cast

from htr_exp.core.errors import ChangedError, TrainingError
from htr_exp.core.file_cache import Stamp
from htr_exp.core.files import make_folder, read_json, utc_now
from htr_exp.core.machine import allocation
from htr_exp.core.task import Epoch, Task
from htr_exp.kraken.commands import convert_command
from htr_exp.kraken.legs import may_say_each
from htr_exp.kraken.model_file import read_header
from htr_exp.kraken.model_metadata import update_metadata
from htr_exp.kraken.model_weights import weights_digest
from htr_exp.pipeline import cached, training
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.runs import openings, scorings
from htr_exp.runs.provenance import environments_of
from htr_exp.runs.records import PageRecord, Results, TestScored
from htr_exp.runs.resumptions import resumptions
from htr_exp.runs.scorings import Scoring
from htr_exp.slurm.energy import of_running_job
from htr_exp.splits import fingerprints
from htr_exp.splits.fingerprints import MODEL_KEY

PAGES_PER_COMMAND = 200
"""Pages in one call of kraken: its start is paid once for them, and the argument list stays within every system's limit."""

START_S = 7.0
"""What a start of kraken takes, seconds, at most."""

READINGS = 3
"""How often kraken reads files that are touched while it does, before the run gives up."""


class Observer(training.Observer, Protocol):
    """Whoever shows a run's progress."""

    def stage(self, name: str) -> None:
        """The run enters a stage."""

    def advance(self, done: int, total: int, noun: str) -> None:
        """So many pages or lines of the stage are done, of so many."""


class Call(Protocol):
    """Runs one of kraken's programs to its end."""

    def __call__(
        self,
        argv: Sequence[str],
        doing: str,
        watch: Callable[[], None] = ...,
        bar: Callable[[int, int], None] | None = ...,
    ) -> None: ...


class Stages(ABC):
    """The stages of a run.

    Args:
        inputs: the run.
        call: runs kraken's programs.
        stop: asked while something is waited for.
        observer: shown the progress.
    """

    task: Task
    doing: str  # what predicting is called
    suffix: str  # of a page's prediction
    prepares = True  # whether there is anything to do before training

    def __init__(self, inputs: RunInputs, call: Call, stop: Callable[[], str | None], observer: Observer) -> None:
        self._inputs, self._call, self._stop, self._observer = inputs, call, stop, observer
        self._run = inputs.run

    def prepare(self) -> None:  # noqa: B027 - segmentation trains on the pages themselves
        """Make of the staged pages what kraken trains on, unless it is there."""

    def score(self, outcome: training.Outcome | None) -> None:
        """Score the predictions; write them down, and results.json."""
        self._score(outcome)
        if outcome is not None and (said := self._two_figures()):
            self._observer.note(said)

    @abstractmethod
    def _score(self, outcome: training.Outcome | None) -> None:
        """Do so."""

    @abstractmethod
    def _training_files(self) -> training.TrainingFiles:
        """The files that the task trains on."""

    @abstractmethod
    def _look_at_training_data(self) -> list[Stamp]:
        """Make sure that the data to train on is what the plan saw.

        Raises:
            ChangedError: it is not.
        """

    @abstractmethod
    def _prediction_key(self) -> dict[str, str | int]:
        """The settings of this task that decide a prediction, beside model, kraken and device."""

    @abstractmethod
    def _prediction_command(self, model: Path, pages: Sequence[tuple[PageRecord, Path]]) -> list[str]:
        """Kraken's command that predicts pages, each with its output file."""

    @abstractmethod
    def _take_prediction(self, page: PageRecord, output: Path, target: Path) -> None:
        """Examine what kraken wrote of a page, and keep it in the cache.

        Raises:
            TrainingError: it is not there, or not of that page.
        """

    def train(self) -> training.Outcome:
        """Train to the end, or until told to stop; what was learnt from files that changed meanwhile is thrown away."""
        experiment, base = self._inputs.experiment, self._base_model()
        spec = None if self._inputs.facts["model"] else experiment.architecture.spec
        self._look_at_training_data()
        inputs = training.TrainingInputs(
            training=experiment.training,
            kraken=self._inputs.kraken,
            device=self._inputs.device,
            workers=self._inputs.workers,
            seed=experiment.seed,
            base=self._inputs.places["base_model"],
            spec=spec,
            task=self.task,
            samples=self._samples(spec or read_header(next(iter(base))).network),
            began=lambda: self._inputs.unchanged(models=base),
            **self._training_files(),
        )
        try:
            try:
                outcome = training.train(self._run, inputs, stop=self._stop, observer=self._observer)
            except TrainingError:  # perhaps for what it read
                self._look_at_training_data()
                raise
            self._look_at_training_data()
            if not self._run.epochs():  # it may have left a checkpoint all the same
                self._inputs.unchanged(models=base)
        except ChangedError:
            self._forget_training("the data or the base model changed while it was trained on")
            raise
        return outcome

    def _samples(self, network: str) -> int | None:
        """How many lines or pages an epoch reads; None where kraken is not to say each."""
        if not may_say_each(self.task, network, self._inputs.device):
            return None
        pages = self._inputs.pages("train", "validation")
        return sum(page["lines"] for page in pages) if self.task.reads_text else len(pages)

    def seconds_to_score(self) -> float:
        """About how long it takes from here to the scores of the best epoch, where the training is stopped now.

        A page is predicted in batches of one line, which takes about as long as to train on it in larger ones.
        """
        models = len(self._inputs.models()) - self._base_is_predicted
        pages = self._inputs.split
        trained = len(pages["train"]) + len(pages["validation"])
        a_page = self._run.epochs()[-1]["seconds"] / trained
        return (1 + models) * START_S + models * len(self._inputs.pages(*self._inputs.held_out)) * a_page

    @cached_property
    def _base_is_predicted(self) -> bool:
        """Whether the cache holds all that the base model predicts; the first page stands for all."""
        if not self._inputs.facts["model"]:
            return False
        digest = self._inputs.facts["model"]["sha256"]
        return all(self._predicted(digest, page).exists() for page in self._inputs.pages(*self._inputs.held_out)[:1])

    def _base_model(self) -> dict[Path, str]:
        """The file of the base model with its digest; empty without one."""
        path = self._inputs.places["base_model"]
        return {Path(path): self._inputs.digest(Path(path))} if path is not None and self._inputs.facts["model"] else {}

    def _forget_training(self, why: str) -> None:
        """Throw away what was learnt: the next start begins anew."""
        training.forget(self._run)
        text = f"{why}: all epochs are thrown away"
        self._run.note(text)
        self._observer.note(text)

    def _reading(self, look: Callable[[], list[Stamp]], read: Callable[[], None]) -> None:
        """Let kraken read files that are what the plan saw; once more where somebody touched them meanwhile.

        Args:
            look: as of `RunInputs.unchanged`.
            read: runs kraken; what it made before is made again.

        Raises:
            ChangedError: they changed.
            TrainingError: kraken failed, or they are touched each time.
        """
        before = look()
        for _ in range(READINGS):
            try:
                read()
            except TrainingError:  # perhaps for what it read
                look()
                raise
            after = look()
            if after == before:
                return
            before = after
            text = f"files were touched while kraken was {self.doing}; it reads them again"
            self._run.note(text)
            self._observer.note(text)
        raise TrainingError(
            f"the files that kraken reads were touched {READINGS} times while it read them",
            [
                "let nothing write to the images, the models and the cache while a run uses them, and start the same command again"
            ],
        )

    def _confirm_inputs(self) -> None:
        """Make sure, before scores are kept, that all they were made from is still what it was.

        Raises:
            ChangedError: it is not.
        """
        digests, pages = self._inputs.digests, self._inputs.pages(*self._inputs.held_out)
        models = {path: digests[name] for name, path in self._inputs.models().items()}
        others = {path: self._inputs.digest(path) for model in models for path in self._models_read(model)}
        self._inputs.unchanged(pages, others | models)
        predictions = (self._predicted(digest, page) for digest in digests.values() for page in pages)
        changed = [file for file in predictions if not cached.is_intact(file)]
        if changed:
            raise ChangedError(
                f"{changed[0]}: the prediction was changed while it was scored; the same command makes it again"
            )

    def convert(self) -> None:
        """Keep the best epoch's weights as best.mlmodel."""
        self._take_weights(self._best(), self._run.best)

    def _best(self) -> Epoch:
        """The record of the best epoch."""
        return training.best_epoch(self._run, self.task)

    def _take_weights(self, record: Epoch, target: Path) -> None:
        """Make a model, which every supported kraken loads, of what is kept of an epoch."""
        kraken, settings = self._inputs.kraken, self._inputs.experiment.training
        source, is_weights = training.weights_of(self._run, settings, kraken.version, self.task, record)
        aside = target.with_name(f".{target.stem}.part.mlmodel")
        aside.unlink(missing_ok=True)
        if is_weights:
            shutil.copyfile(source, aside)
        else:
            self._call(
                convert_command(checkpoint=str(source), output=str(aside)),
                "converting the best checkpoint",
            )
        self._correct(aside)
        update_metadata(aside, {MODEL_KEY: {**self._seen_pages, "weights": weights_digest(aside)}})
        read_header(aside)
        self._run.confirm()
        os.replace(aside, target)

    @cached_property
    def _seen_pages(self) -> dict[str, object]:
        """What the model says of the pages it has seen, wherever it is copied to."""
        return fingerprints.for_model(fingerprints.read(read_json(self._run.fingerprints), self._run.name))

    def _correct(self, model: Path) -> None:  # noqa: B027 - recognition needs none
        """Correct what kraken writes wrongly into a model."""

    def predict(self) -> None:
        """Predict the held-out pages with the base and the best model, unless the cache holds it."""
        self._predict(self._inputs.models(), self._inputs.pages(*self._inputs.held_out))

    def _predict(self, models: dict[str, Path], pages: Sequence[PageRecord]) -> None:
        wanted: dict[str, list[PageRecord]] = {}
        for name, model in models.items():
            digest = self._inputs.digest(model)
            targets = [(page, self._predicted(digest, page)) for page in pages]
            missing = [(page, target) for page, target in targets if not cached.is_intact(target)]
            self._say_changed([target for _, target in missing])
            wanted[name] = [page for page, _ in missing]
        done, total = 0, sum(map(len, wanted.values()))
        for name, of_model in wanted.items():
            for start in range(0, len(of_model), PAGES_PER_COMMAND):
                batch = of_model[start : start + PAGES_PER_COMMAND]
                self._predict_batch(name, models[name], batch, partial(self._advance, done, total))
                done += len(batch)

    def _say_changed(self, files: Sequence[Path]) -> None:
        """Say which files of the cache are made again, since somebody changed them."""
        for file in filter(cached.was_changed, files):
            text = f"{file}: changed since it was written; it is made again"
            self._run.note(text)
            self._observer.note(text)

    def _advance(self, before: int, total: int, count: int) -> None:
        self._observer.advance(before + count, total, "page")

    def _predict_batch(
        self, name: str, model: Path, pages: Sequence[PageRecord], advanced: Callable[[int], None]
    ) -> None:
        scratch, digest = self._run.new_predictions, self._inputs.digest(model)
        outputs = {page["page"]: scratch / f"{number}{self.suffix}" for number, page in enumerate(pages)}
        models = {path: self._inputs.digest(path) for path in self._models_read(model)}

        def read() -> None:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            self._call(
                self._prediction_command(model, [(page, outputs[page["page"]]) for page in pages]),
                f"{self.doing} with the {name} model",
                watch=lambda: advanced(sum(self._is_predicted(page, outputs[page["page"]]) for page in pages)),
            )

        self._reading(lambda: self._inputs.unchanged(pages, models), read)
        for page in pages:
            target = self._predicted(digest, page)
            make_folder(target.parent, below=self._inputs.cache)
            self._take_prediction(page, outputs[page["page"]], target)
            cached.seal(target)
        shutil.rmtree(scratch, ignore_errors=True)

    def _job_energy_wh(self) -> float | None:
        """What the nodes of the run's job have taken; None where that is not known, or not of this run alone."""
        job, given = allocation(), self._run.jobs
        if job is None or not given or given[-1]["packed"] > 1 or sum("start" in one for one in self._run.begun) > 1:
            return None
        return of_running_job(job.raw)

    def _is_predicted(self, page: PageRecord, output: Path) -> bool:
        """Whether kraken has written what it predicts of a page, as far as can be seen at a glance."""
        return output.exists()

    def _models_read(self, model: Path) -> list[Path]:
        """The files of models that kraken reads to predict with one."""
        return [model]

    def _predicted(self, model_digest: str, page: PageRecord) -> Path:
        """The file in which the cache holds, or will hold, the prediction of a page."""
        key = {
            "model": model_digest,
            "kraken": self._inputs.kraken.version,
            "device": self._inputs.device.partition(":")[0],
            "precision": self._inputs.experiment.training.precision,
            "threads": self._inputs.experiment.training.threads,
            **self._prediction_key(),
        }
        return self._inputs.prediction(key, page, self.suffix)

    def _two_figures(self) -> str:
        """Why the validation figure of the best epoch is another in the end than while training; empty where nobody sees that."""
        results = self._run.result() or Results()
        scored = ((results.get("validation") or {}).get("best") or {}).get(self.task.score)
        told = self.task.figure(self._best())
        if self.task.curve != self.task.score or scored is None or self.task.shown(scored) == self.task.shown(told):
            return ""
        return (
            f"validation {self.task.score_label}: {self.task.shown(told)} in epoch {self._best()['epoch']} was kraken's count, in batches; "
            f"{self.task.shown(scored)} is ours, of the same model line by line, as on the test pages"
        )

    def _count_scoring(self, weights: str) -> TestScored | None:
        """Count that the test pages were scored, before anybody sees the score; None without a test."""
        facts = self._inputs.facts
        if (test_digest := facts["split"]["test_digest"]) is None or openings.is_sealed(self._run):
            return None
        scoring: Scoring = {
            "time": utc_now(),
            "run": self._run.name,
            "uuid": facts["run"]["uuid"],
            "task": facts["run"]["task"],
            "dataset": facts["dataset"]["name"],
            "test_digest": test_digest,
            "weights": weights,
        }
        opening = openings.opening_of(self._run) if openings.was_sealed(self._run) else None
        if opening is not None:
            scoring["opening"] = opening
        others = self._inputs.pages("train", "validation")
        counts = scorings.record(self._run.path.parent, scoring, self._inputs.pages("test"), others)
        return counts if opening is None else {**counts, "opening": opening}

    def _common_results(self, outcome: training.Outcome | None) -> Results:
        """What results.json says beside the scores."""
        *_, scored = self._inputs.models().values()
        weights = {name: weights_digest(model) for name, model in self._inputs.models().items()}
        results: Results = {
            "network": read_header(scored).network,
            "models": self._inputs.digests,
            "weights": weights,
        }
        if counted := self._count_scoring(weights[self._inputs.scored[-1]]):
            results["test_scored"] = counted
        if outcome is not None:
            key, best = self.task.curve_key, self._best()
            results |= {"best_epoch": best["epoch"], "epochs": outcome.epochs, "ended_by": outcome.ended_by}
            results |= cast("Results", {f"{key}_while_training": self.task.figure(best)})
            results |= cast("Results", resumptions(self._run.begun))
            if energy := self._job_energy_wh():
                results["job_energy_wh"] = energy
        return results | {
            "val_source": "rescored",
            "device": self._inputs.device,
            "kraken": self._inputs.kraken.facts(),
            "environments": environments_of(self._run),
            "time": utc_now(),
        }
