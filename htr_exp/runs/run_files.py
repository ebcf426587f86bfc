"""The files of a run folder: what each is called, and which are sealed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class RunFiles:
    """The files of one run's folder, which nothing else knows by name. Those of `RunFiles(Path())` are relative.

    Each path is made once: a table of a thousand runs asks for some forty thousand.
    """

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def experiment(self) -> Path:
        return self.path / "experiment.yaml"

    @cached_property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @cached_property
    def split(self) -> Path:
        return self.path / "split.json"

    @cached_property
    def fingerprints(self) -> Path:
        """What the run's model will have seen, to be recognised by runs that start from it."""
        return self.path / "fingerprints.json"

    @cached_property
    def commands(self) -> Path:
        return self.path / "commands.sh"

    @cached_property
    def page_archive(self) -> Path:
        """The pages as kraken is given them, for `commands` (`pipeline.page_archive`)."""
        return self.path / "pages.tar.gz"

    @cached_property
    def template(self) -> Path:
        return self.path / "predict.jinja"

    @cached_property
    def classes(self) -> Path:
        """Which number each class of a segmentation has, as kraken 7.1 reads it."""
        return self.path / "classes.yaml"

    @cached_property
    def given_predictions(self) -> Path:
        """What another system read, line by line, where that is scored."""
        return self.path / "given_predictions.jsonl"

    @cached_property
    def uncommitted_diff(self) -> Path:
        """The changes of the code since its commit."""
        return self.path / "uncommitted.diff"

    @cached_property
    def sealed(self) -> tuple[Path, ...]:
        """The files that say what the run is; a run has those that it needs."""
        return (
            self.experiment, self.provenance, self.split, self.fingerprints, self.classes, self.commands, self.page_archive,
            self.template, self.given_predictions, self.uncommitted_diff,
        )  # fmt: skip

    @cached_property
    def made(self) -> tuple[Path, ...]:
        """The files that a run makes, beside those in `predictions`."""
        return self.results, self.metrics, self.best, self.pictures

    @cached_property
    def manifest(self) -> Path:
        """The seals of these files; a folder that has it is a run."""
        return self.path / "manifest.json"

    @cached_property
    def results_manifest(self) -> Path:
        """The seals of what the run made, once it has scores, and of the other manifest."""
        return self.path / "results_manifest.json"

    @cached_property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @cached_property
    def results(self) -> Path:
        return self.path / "results.json"

    @cached_property
    def predictions(self) -> Path:
        return self.path / "predictions"

    def predictions_of(self, side: str) -> Path:
        """What was predicted on one side of the split, beside the ground truth."""
        return self.predictions / f"{side}.jsonl"

    @cached_property
    def overlays(self) -> Path:
        """Pictures of the worst pages of a segmentation."""
        return self.predictions / "overlays"

    @cached_property
    def pictures(self) -> Path:
        """Small pictures of the worst test lines and of pages, for the report: it needs no image then."""
        return self.path / "pictures.jsonl"

    @cached_property
    def report(self) -> Path:
        """The page that shows what the run gained; made of the sealed files at any time."""
        return self.path / "report.html"

    @cached_property
    def best(self) -> Path:
        return self.path / "best.mlmodel"

    @cached_property
    def training(self) -> Path:
        """The folder of kraken's own files, while it trains."""
        return self.path / "train"

    @cached_property
    def live(self) -> Path:
        """The folder of what changes, or holds on this machine alone."""
        return self.path / "live"

    @cached_property
    def state_file(self) -> Path:
        return self.live / "state.json"

    @cached_property
    def cancellation(self) -> Path:
        """Who cancelled the run, and when; absent where nobody did."""
        return self.live / "cancelled.json"

    @cached_property
    def opening(self) -> Path:
        """By whom and when the sealed test was opened (`runs.openings`); absent where it is sealed, or was never."""
        return self.live / "opening.json"

    @cached_property
    def judgements(self) -> Path:
        """How the run was judged each time that it was asked for with other words (`runs.judgements`)."""
        return self.live / "judgements.jsonl"

    @cached_property
    def judging_lock(self) -> Path:
        """Held while a judgement is added."""
        return self.live / ".judgements.lock"

    @cached_property
    def log(self) -> Path:
        return self.live / "log.txt"

    @cached_property
    def terminal(self) -> Path:
        """What the run's process prints where several run side by side."""
        return self.live / "terminal.txt"

    @cached_property
    def tracking_marks(self) -> Path:
        """What MLflow has of the run, store by store."""
        return self.live / "tracking.json"

    @cached_property
    def training_outcome(self) -> Path:
        """How the training ended."""
        return self.live / "training.json"

    @cached_property
    def chosen_epoch(self) -> Path:
        """The epoch that was chosen by its line F1, and the others that were scored."""
        return self.live / "chosen.json"

    @cached_property
    def candidates(self) -> Path:
        """The folder of the models among which that epoch is chosen, until it is."""
        return self.live / "candidates"

    @cached_property
    def new_pairs(self) -> Path:
        """The folder of line pairs while they are compiled."""
        return self.live / "compiling"

    @cached_property
    def new_predictions(self) -> Path:
        """The folder of predictions that are not examined yet."""
        return self.live / "predicting"

    @cached_property
    def temporary(self) -> Path:
        """Which folders for temporary files there may be, and on which machines (`runs.temporary_folder`)."""
        return self.live / "temporary.jsonl"

    @cached_property
    def mount_helpers(self) -> Path:
        """The folder of programs by which Apptainer shows an image's files (`kraken.apptainer.shielded`)."""
        return self.live / "bin"

    def page_list(self, side: str) -> Path:
        """The staged pages of one side of the split, a path a line."""
        return self.live / f"{side}.pages"

    def compiled_list(self, side: str) -> Path:
        """The compiled file of one side of the split, for kraken to read."""
        return self.live / f"{side}.list"

    @cached_property
    def held_out_pages(self) -> Path:
        """The staged pages of validation and test together, a path a line."""
        return self.live / "held-out.pages"

    @cached_property
    def held_out_images(self) -> Path:
        """The images of these pages, where they are predicted from the image alone."""
        return self.live / "held-out.images"

    @cached_property
    def data_path(self) -> Path:
        """The path of the folder in which the images of all pages are."""
        return self.live / "data.path"

    @cached_property
    def base_model_path(self) -> Path:
        """The path of the base model; empty where there is none."""
        return self.live / "base_model.path"

    @cached_property
    def segmentation_model_path(self) -> Path:
        """The path of the model that finds the lines of an evaluation from end to end."""
        return self.live / "segmentation_model.path"

    @cached_property
    def places(self) -> Path:
        """Where the data, the cache and the base model are on this machine, now."""
        return self.live / "places.json"

    @cached_property
    def signature(self) -> Path:
        return self.live / "signature"

    @cached_property
    def starts(self) -> Path:
        return self.live / "starts.jsonl"

    @cached_property
    def krakens(self) -> Path:
        """One record for each start: the kraken that it found."""
        return self.live / "krakens.jsonl"

    @cached_property
    def sweeps(self) -> Path:
        return self.live / "sweeps.jsonl"

    @cached_property
    def submissions(self) -> Path:
        """One record for each time the run was given to Slurm."""
        return self.live / "jobs.jsonl"

    @cached_property
    def requeues(self) -> Path:
        """One record for each time a job of the run met its time limit, or Slurm lost its step, and it goes on in a new one."""
        return self.live / "requeues.jsonl"

    @cached_property
    def lock(self) -> Path:
        return self.live / "lock"

    def like_sealed(self, *, scored: bool) -> set[str]:
        """The names of the files that are there of the kinds that are sealed.

        Args:
            scored: the run has scores, and no other file may look like one of those it made.
        """
        try:
            there = {name for name in os.listdir(self.path) if name[0] != "."}
        except OSError:  # somebody takes it away at this moment
            return set()
        if not scored:
            return there & _SEALED
        return {name for name in there if os.path.splitext(name)[1].lower() in _KINDS} | self.predicted()

    def predicted(self) -> set[str]:
        """The names of the files below `predictions`, but for those that are being written."""
        found: set[str] = set()
        for folder, _, names in os.walk(self.predictions):
            inside = f"{FILES.predictions}{folder[len(str(self.predictions)) :]}"
            found.update(f"{inside}/{name}" for name in names if name[0] != ".")
        return found


FILES = RunFiles(Path())
"""The names of a run's files, relative to its folder."""

_SEALED = frozenset(path.name for path in FILES.sealed)
_KINDS = frozenset(path.suffix for path in (*FILES.sealed, *FILES.made))
