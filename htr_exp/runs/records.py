"""What the JSON files of a run folder hold, key by key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypedDict, cast

from htr_exp.kraken.record import KrakenRecord, KrakenSoftware
from htr_exp.runs.record_check import fits

NO_KRAKEN = "none"
"""Where a record names kraken or its device, and the predictions of another system were scored."""

Figures = dict[str, Any]
"""The figures of one model on one side of the split, with a list `per_page`. Which ones there are is for the task:
`score` and `result_columns` of `core.task.Task`."""


class RunIdentity(TypedDict):
    """What a run is called, and what it is for."""

    uuid: str
    key: str
    name: str
    task: str
    verb: str  # train or evaluate
    question: str


class DatasetRecord(TypedDict):
    """The ground truth as it was read."""

    name: str
    format: str  # xml or line_pairs
    digest: str
    folders: list[str]
    read: dict[str, int]  # pages and lines in the files
    pages: int  # that can be used
    lines: int
    characters: int
    dropped: dict[str, int]  # code of a problem -> lines left out for it


class ModelRecord(TypedDict):
    """A model that a run starts from or uses; of another system its name, and the digest of what it read."""

    name: str
    file: str
    sha256: str
    doi: str | None
    network: str | None
    legacy_polygons: bool | None


class SoftwareRecord(TypedDict):
    """What decides results beside our own code."""

    python: str
    kraken: str
    packages: dict[str, str]


class MachineRecord(TypedDict):
    """Where the run was written."""

    host: str
    system: str
    cpu: str
    cores: int | None
    memory_gb: float
    gpu: list[str]
    driver: str | None  # of the GPUs
    executable: str


class _Code(TypedDict):
    version: str
    digest: str
    commit: str | None
    dirty: bool | None


class CodeRecord(_Code, total=False):
    """The code that wrote the run; the other keys only in a checkout."""

    untracked: list[str]
    redacted: list[str]  # files of which lines that look like secrets are left out of uncommitted.diff


class _Provenance(TypedDict):
    run: RunIdentity
    created: str
    command: list[str]  # as typed
    site: dict[str, str]  # name, and `from`: the command line, HTR_EXP_SITE, htr-exp.yaml or the default
    code: CodeRecord
    software: SoftwareRecord
    machine: MachineRecord
    dataset: DatasetRecord
    split: dict[
        str, Any
    ]  # digest, test_digest, sealed (scores.test=final), seed, kind, by, fold, and pages and lines of each side
    model: ModelRecord | None
    conventions: dict[str, str | None]  # of `dataset` and `model`
    segmentation_model: ModelRecord | None
    leakage: dict[str, Any]  # `splits.leakage.LeakageReport.record`
    device: str
    kraken: dict[str, Any]  # kind, version and remarks of the plan's
    warnings: list[str]


class LeftOutRecord(TypedDict):
    """Pages of the ground truth that a run leaves out."""

    excluded: list[str]  # by dataset.exclude
    scored_before: list[
        dict[str, str]
    ]  # page and run: that an earlier run of the workspace was scored on, however left out


class Provenance(_Provenance, total=False):
    """provenance.json. The other keys are what the audit of the training data found, task by task."""

    left_out: LeftOutRecord
    predictions: dict[str, Any]  # of another system: `scoring.other_systems.predictions.Predictions.record`
    classes: dict[str, Any]
    memory: dict[str, Any]
    crowded_lines: dict[str, Any] | None


class _PageRecord(TypedDict):
    page: str
    image: str
    digest: str  # of what training sees of it
    xml_digest: str
    image_digest: str
    lines: int
    characters: int
    line_ids: list[str]
    why: str  # its side, and the reason


class PageRecord(_PageRecord, total=False):
    """A page in split.json."""

    group: str  # of pages that the split keeps on one side; only where that is not the page alone
    metadata: dict[str, str]  # column -> value, as the table of dataset.metadata had them; only where there is a table


SplitRecord = dict[str, list[PageRecord]]
"""split.json: train, validation, test and unused -> pages."""


class LinePlace(TypedDict):
    """Where the picture of a line is on this machine, if it has one of its own."""

    image: str
    sha256: str


class _PagePlace(TypedDict):
    staged: str
    sha256: str  # of the staged file
    image: str


class PagePlace(_PagePlace, total=False):
    """Where a page is on this machine."""

    lines: list[LinePlace]  # of line pairs: of each line


class PlacesRecord(TypedDict):
    """places.json: where everything is on this machine."""

    workspace: str
    cache: str
    base_model: str | None
    segmentation_model: str | None
    pages: dict[str, PagePlace]


class _Time(TypedDict):
    time: str


class StartRecord(_Time, total=False):
    """A line of starts.jsonl: a start of the run, or a start of kraken's training within it."""

    # of the run
    start: int
    last_stage: str  # instead of `start`: the run was to end after this stage
    opens_test: bool  # instead of `start`: the run was to score its opened test
    host: str
    pid: int
    code: str
    node: str | None
    job: str | None
    restart: int
    # of kraken's training
    leg: str
    kraken: str
    device: str
    workers: int
    exact: bool  # an uninterrupted training, too, is started from here
    new_leg: bool  # planned, so no resumption
    resumed_from: str | None
    warm_restart: bool
    epochs_before: int
    lost_epochs: int
    lost_seconds: float


class SubmissionRecord(TypedDict):
    """A line of jobs.jsonl: the run was given to Slurm."""

    time: str
    by: str
    job: str  # as squeue shows it: 123 or 123_4
    compile_job: str | None  # which it waits for
    log: str  # Slurm's own output file
    packed: int  # runs in this job
    slurm: dict[str, Any]  # the settings


class RequeueRecord(_Time):
    """A line of requeues.jsonl: a job of the run met its time limit, or Slurm lost its step, and it goes on in a new one."""

    job: str


class MembershipRecord(_Time, total=False):
    """A line of sweeps.jsonl: the run is a point of a sweep, or a trial of a search."""

    sweep: str
    name: str
    overrides: list[str]
    trial: int  # of a search: its number, from 1
    point: dict[str, Any]  # of a search: the values that it chose


class JudgementRecord(TypedDict):
    """A line of judgements.jsonl: how a run was judged when it was asked for again."""

    leakage: dict[str, Any]  # `splits.leakage.LeakageReport.record`
    conventions: dict[str, str | None]  # of `dataset` and `model`
    command: list[str]
    time: str


class CancellationRecord(TypedDict):
    """cancelled.json."""

    by: str
    time: str


class Candidate(TypedDict):
    """An epoch that was scored on the validation pages."""

    epoch: int
    line_f1: float


class ChosenEpoch(TypedDict):
    """chosen.json."""

    epoch: int
    candidates: list[Candidate]


class Resumptions(TypedDict):
    """Where a training was resumed after an interruption."""

    resumed_at: list[int]  # epochs done, in the order of the starts
    resumed_exactly: bool | None  # whether that changed nothing; null: nothing was resumed


class _Opening(TypedDict):
    by: str
    time: str
    question: str
    trials: int  # runs of the question on the same test pages, whatever became of them
    place: int  # of the run among them by validation, from 1
    before: int  # runs of the question whose test was opened before


class Opening(_Opening, total=False):
    """opening.json: a sealed test was opened; so it is in scorings.jsonl and results.json, too."""

    scored: str  # when it was


class _TestScored(TypedDict):
    times: int  # different models, each once in each run
    runs: int
    in_part: int  # more scorings, of other test sets that have some of these pages
    incomplete: bool  # the file of scorings was changed by hand: it may have been more


class TestScored(_TestScored, total=False):
    """How often the test pages of a run were scored in its workspace."""

    opened: int  # how often a sealed test was opened on them; only where it was
    opening: Opening  # of this run


class Environment(TypedDict):
    """What a start of the run computed with, and on which machine."""

    software: KrakenSoftware
    machine: MachineRecord


class FoundKraken(KrakenRecord, Environment):
    """A line of krakens.jsonl: the kraken that a start of the run found, what it computes with, and where."""

    time: str


class CountedPage(TypedDict, total=False):
    """A page in the `per_page` of recognition."""

    page: str
    unit: str  # the group of pages that it was drawn with; only where that is not the page alone
    errors: int
    characters: int


class CountedFigures(TypedDict, total=False):
    """What of the `Figures` of recognition says how sure they are; not in runs of before there were intervals."""

    cer: float
    cer_low: float | None
    cer_high: float | None
    pages: int
    units: int  # pages, or groups of pages that the split keeps together
    per_page: list[CountedPage]


class Gain(TypedDict):
    """What a training gained on one side of the split: the base model's CER less that of the best model, as a share."""

    cer: float
    cer_low: float
    cer_high: float
    p: float
    sign_p: float
    detectable: float
    units: int  # over so many pages or groups


class FoldingRecord(TypedDict):
    """The table by which `cer_folded` was counted: `scores.folding` and the two keys beside it."""

    rows: list[str]
    case: bool
    punctuation: bool
    digest: str  # of the rest


class Results(TypedDict, total=False):
    """results.json; of a segmentation without `end_to_end`, `polygons` and `folding`, of an evaluation without the training."""

    test: dict[str, Figures | None]  # base and best
    validation: dict[str, Figures | None]
    gain: dict[str, Gain | None]  # test and validation
    end_to_end: dict[str, Figures]
    network: str | None
    models: dict[str, str]  # base and best -> SHA-256 of the file
    weights: dict[str, str]  # base and best -> digest of the weights alone; of another system of what it read
    best_epoch: int
    epochs: int
    ended_by: str
    resumed_at: list[int]  # as in `Resumptions`
    resumed_exactly: bool | None
    test_scored: TestScored  # when this was written, this run included
    val_cer_while_training: float
    val_mean_iu_while_training: float
    candidates: list[Candidate]
    val_source: str
    device: str
    job_energy_wh: (
        float  # of the nodes of its job, by Slurm, until the training was scored; only of a job that did nothing else
    )
    kraken: KrakenRecord
    environments: list[Environment]  # of all starts, each once
    polygons: str
    folding: FoldingRecord | None  # null: cer_folded was not counted
    time: str


_JOB = re.compile(r"\d+(_\d+)?")
_TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ")


def submissions_among(records: Iterable[Any]) -> list[SubmissionRecord]:
    """Those records that say which job a run was given to, and when: their numbers go to Slurm and into names of files."""

    def tells(record: Any) -> bool:
        jobs = (record["job"], record.get("compile_job") or record["job"])
        return (
            all(map(_JOB.fullmatch, jobs))
            and _TIME.fullmatch(record["time"]) is not None
            and fits(record.get("slurm") or {}, _Asked)
        )

    return [cast("SubmissionRecord", one) for one in records if fits(one, SubmissionRecord) and tells(one)]


class _Asked(TypedDict):
    """What is read of the settings of a submission."""

    mem_gb: float
    time_min: float
    partition: str
