"""The shape of an experiment's configuration: every key, its type and its meaning. The values stand in conf/."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from htr_exp.core.task import RECOGNITION, SEGMENTATION, TASKS, Task

MISSING: Any = "???"
"""OmegaConf's sign for a value that conf/ gives; written out, as OmegaConf takes too long to load for whoever asks for keys alone."""


@dataclass
class Dataset:
    """Ground truth: folders of PAGE or ALTO files beside their images."""

    name: str | None = None  # shown in tables and folder names; default: the folder's name
    path: Any = None  # a folder, a zip, a METS file or a IIIF manifest, or a list of them
    pattern: str = MISSING  # which XML files are ground truth, by name or path below the folder
    exclude: list[str] = field(default_factory=list)  # patterns of XML files to leave aside
    transcription_convention: str = "unknown"  # how its text follows the manuscript; mixing conventions measures them
    characters: str | None = None  # a table (CSV, column `char`) of the characters that transcriptions may have
    metadata: str | None = None  # a table (CSV) with a row for each page: document, hand, ... for splits and statistics
    page_column: str = "page"  # its column with the page names
    text_equiv: str = MISSING  # PAGE: which transcription of a line is read: lowest (index), first, last, or an index
    hyphens: bool = MISSING  # ALTO: whether the hyphen at the end of a line (HYP) is read
    format: str = MISSING  # what is read: xml (PAGE and ALTO), line_pairs, or auto: line pairs if there is no XML
    page_of_line: str = MISSING  # line pairs: what tells the page of a line: name, folder, or a column of metadata


@dataclass
class Model:
    """The base model that training starts from; `model=none` trains from scratch."""

    name: str | None = None  # shown in tables and folder names; default: the file's name
    path: str | None = None  # a file
    doi: str | None = None  # where the model is published
    file: str | None = None  # its file name in that record and in site.models
    transcription_convention: str = "unknown"  # of what it was trained on
    trained_on: str | None = None  # a table (CSV, TSV) of the files that it was trained on, by their SHA-256
    fetch_timeout_s: int = MISSING  # how long a download from the DOI may take, seconds


@dataclass
class Architecture:
    """The network of a model trained from scratch (`model=none`)."""

    name: str | None = None
    task: str | None = None  # what it is made for; null: not said
    spec: str | None = None  # VGSL


@dataclass
class TaskChoice:
    """What the model learns: recognition or segmentation."""

    name: str = MISSING


@dataclass
class Classes:
    """What the types of lines and regions are called in a segmentation training, and which are left out."""

    # type in the data, or a pattern of types with * and ? -> class; null: left out; types that are not named keep their own
    lines: dict[str, Any] = field(default_factory=dict)
    regions: dict[str, Any] = field(default_factory=dict)
    subtypes: bool = True  # false: MainZone:column#1 is a MainZone, whatever stands after : or #
    vocabulary: str | None = None  # segmonto: a class that is not in its vocabulary is refused


@dataclass
class Training:
    """How kraken trains, whatever the task. Keys that kraken has too keep kraken's name and meaning."""

    quit: str = MISSING  # early: stop after `lag` epochs without improvement; fixed: after `epochs`
    epochs: int = MISSING  # the most epochs a run may take, in both modes
    min_epochs: int = MISSING  # early stopping waits at least so many epochs
    lag: int = MISSING  # epochs without a better validation CER, or mean IoU, before early stopping
    time_budget_min: float | None = None  # stop cleanly, keep the best and score it after so many minutes of training
    exact: bool = MISSING  # a killed run gives the model and scores of one that was not: 7.1 only
    # restart kraken every so many epochs (quit=fixed, or exact); null: 10, with exact by lines and network; 0: never
    leg_epochs: int | None = None
    lrate: float | None = MISSING  # null: by the size of the network (pipeline/learning_rate.py)
    optimizer: str = MISSING
    momentum: float = MISSING  # SGD and RMSprop only
    weight_decay: float = MISSING
    gradient_clip_val: float | None = (
        None  # null: 1.0 where kraken can clip gradients (7.1), never in 4.3.13, which cannot; 0: never
    )
    accumulate_grad_batches: int = MISSING
    warmup: int = MISSING  # steps over which the rate rises to lrate
    schedule: str = MISSING
    gamma: float = MISSING  # decay of schedule=exponential and step
    step_size: int = MISSING  # epochs between two decays of schedule=exponential and step
    sched_patience: int = MISSING  # epochs without improvement before schedule=reduceonplateau decays
    cos_max: int = MISSING  # epoch of the lowest rate of schedule=cosine
    cos_min_lr: float = MISSING  # that lowest rate
    augment: bool = MISSING  # training lines or pages only
    resize: str = MISSING  # union: add the characters or classes the base model lacks; new: exactly those of the training data; fail: refuse
    pad: int = MISSING  # blank columns left and right of a line, or on all sides of a page, pixels
    deterministic: bool = MISSING
    precision: str = MISSING
    device: str = MISSING  # auto (CUDA, else CPU), cpu, cuda:0
    workers: int | None = None  # processes that load lines; null: none on the CPU, with a GPU the job's CPUs but one
    threads: int = MISSING  # of one process


@dataclass
class RecognitionTraining(Training):
    """How kraken trains a recogniser."""

    batch_size: int = MISSING  # lines
    normalization: str | None = None  # Unicode form kraken brings texts into while training
    normalize_whitespace: bool = MISSING
    legacy_polygons: bool = MISSING  # cut lines out of the page as kraken before 5 did


@dataclass
class SegmentationTraining(Training):
    """How kraken trains a segmenter: page by page."""

    line_width: int = MISSING  # height of a baseline as it is drawn for learning, pixels of the scaled page
    topline: str = MISSING  # where the line lies that is drawn: baseline, topline, centerline
    dice_weight: float | None = None  # of the Dice loss; null: 0.5 where kraken has it (7.1), none in 4.3.13
    bl_tol: float | None = None  # tolerance of kraken 7.1's own detection of lines, pixels; null: its 10


@dataclass
class SplitLists:
    """Files that name the pages of each split, one a line."""

    train: str | None = None
    validation: str | None = None
    test: str | None = None


@dataclass
class Split:
    """Which pages are learnt from (train), steered by (validation) and scored on (test)."""

    # drawn: by seed (page: its name of before); k_fold, leave_one_out: each group is the test set once; lists: given files;
    # table: a column of a CSV; of_run: pages keep the sides that they had in a run
    kind: str = MISSING
    # what is never on two sides: page, folder, image, or a column of dataset.metadata; null: page, of_run: as in that run
    by: str | None = "page"
    seed: int = MISSING  # alone decides a drawn split
    validation: float = MISSING  # share of the pages
    test: float = MISSING  # share of the pages; 0: no test set
    stratify: str | None = None  # as `by`: each side gets its share of the pages of every value of this
    folds: int = 5  # k_fold: how many
    fold: str | None = None  # which fold, or the group left out; all: every one, as a sweep
    train_pages: int | None = None  # train on so many pages, the same first ones for every number; null: on all
    order_seed: int = 0  # of train_pages: decides which pages are the first ones
    lists: SplitLists = field(default_factory=SplitLists)
    table: str | None = None  # CSV file
    page_column: str = MISSING  # its column with the page names
    column: str = MISSING  # its column with train, validation or test
    run: str | None = None  # of_run: a run, or a file as its split.json
    gone: str = MISSING  # of_run: what to do if pages of that run are not there: stop, or leave_out


@dataclass
class Leakage:
    """What must not be on two sides of a split, nor among what the base model was trained on.

    The numbers are thresholds. Beside each stands in which direction it is weaker, which means that it finds less.
    """

    accept: list[str] = field(default_factory=list)  # kinds that do not stop the run; its record and every table say so
    near_text: float = MISSING  # share of letters in which texts agree to be near-identical; higher is weaker
    contained_text: float = MISSING  # share of the shorter text's shingles that the other has; higher is weaker
    shared_lines: float = MISSING  # share of the lighter text's lines, by weight, that the other has; higher is weaker
    near_line: float = MISSING  # share of letters in which lines agree to be one; higher is weaker
    found_lines: float = (
        MISSING  # share of lines, and of their letters, that are anywhere in the other; higher is weaker
    )
    text_letters: int = MISSING  # texts of fewer letters are not compared; higher is weaker
    differing_text: int = MISSING  # letters from which on texts that are not near overrule images; lower is weaker
    near_image: float = MISSING  # share of the bits in which near-identical images may differ; lower is weaker
    copied_image: float = MISSING  # the same, to be near-identical whatever the texts say; lower is weaker


@dataclass
class Scores:
    """How predictions are made and scored."""

    # in which direction the lines of whole pages follow each other; null: as most lines of the ground truth are written
    text_direction: str | None = None
    # each_run: a run is scored on its test pages at its end; final: `test` scores the run that validation chose
    test: str = "each_run"


@dataclass
class RecognitionScores(Scores):
    """How lines are recognised for scoring."""

    pad: int = MISSING  # blank columns left and right of a line, pixels
    # what counts as the same in cer_folded; null: cer_folded is not counted, as in runs of before there was one
    folding: list[str] | None = None  # rows: what is written and, after a blank, what it counts as
    folding_case: bool = True
    folding_punctuation: bool = True
    # null: the CER is not divided into convention and reading, as in runs of before this could be done
    convention_share: float | None = None
    convention_pages: int = 2


@dataclass
class SegmentationScores(Scores):
    """How the best epoch of a segmenter is chosen, and what is drawn of its pages."""

    best_by: str = MISSING  # mean_iu: kraken's figure while training; line_f1: ours, of the epochs it kept
    pictures: int = MISSING  # of so many of the worst pages, ground truth and prediction in one


@dataclass
class Runtime:
    """Where kraken is."""

    kind: str = MISSING  # host; module: an environment module; apptainer: an image
    kraken: str | None = None  # the version it must have; with host the default is the one that is there
    ketos: str | None = None  # host: the program; default: beside the running Python, else on PATH
    module: str | None = None  # module: its name, as `module load` takes it
    modulepath: list[str] = field(default_factory=list)  # module: more folders of modulefiles, for `module use`
    fallback: bool = False  # module: without it, use the image
    fallback_kraken: str | None = None  # the version in that image
    image: str | None = None  # apptainer, and the fallback: a SIF file
    bind: list[str] = field(default_factory=list)  # more that kraken sees in the image: FOLDER or FOLDER:AS, read-only
    mixed_versions: bool = False  # runs of one sweep may use different versions of kraken


@dataclass
class Slurm:
    """What a job asks of Slurm; keys that sbatch has too keep sbatch's name and meaning."""

    name: str | None = None
    submit: bool = MISSING  # False: runs here, and no other key of this group has an effect
    partition: str | None = None
    time_min: int | None = None  # limit of one job, minutes
    gres: str | None = None
    constraint: str | None = None
    cpus_per_task: int | None = None  # of one run
    mem_gb: float | None = None  # of one run; null: the partition's default
    account: str | None = None
    qos: str | None = None
    mail_type: str | None = None
    mail_user: str | None = None  # null: whoever submits
    nodelist: str | None = None
    exclude: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)  # other options of sbatch
    array_parallelism: int | None = None  # jobs of a sweep at a time
    runs_per_gpu: int | None = None  # runs of a sweep that share one job
    max_requeues: int | None = None  # how often a job at its time limit, or lost by Slurm, goes on in a new one
    signal_delay_s: int | None = None  # so long before the limit the job is told to make its checkpoint, seconds
    compile_partition: str | None = None  # where the data of a sweep is compiled; null: in the runs' own partition


@dataclass
class Search:
    """How the points of a search over values are chosen; `launch/search=none` chooses none."""

    name: str = "none"  # runs written before there was a search have none
    trials: int | None = None
    at_a_time: int | None = None  # trials
    sampler: str | None = None
    startup_trials: int | None = None  # tpe: drawn at random before it learns
    seed: int | None = None  # of the sampler


@dataclass
class Launch:
    """How a list of runs is started on this machine."""

    jobs: int = MISSING  # runs at a time
    wait: bool = MISSING  # also of submitted runs: return only when they have ended
    search: Search = field(default_factory=Search)


@dataclass
class Site:
    """Folders of one machine, and how it is reached from another one."""

    name: str = MISSING
    login: str | None = None  # for on=NAME: HOST or USER@HOST as ssh knows it; None: it is reached from nowhere else
    login_workspace: str = "."  # the workspace there, seen from the home folder there
    login_environment: str | None = None  # the Python environment with htr-exp there; None: htr-exp of the PATH there
    workspace: str = MISSING
    ground_truth: str = MISSING
    models: str = MISSING
    images: str = "${site.workspace}/images"
    runs: str = MISSING
    cache: str = MISSING


@dataclass
class Tracking:
    """Where runs are recorded besides their folders."""

    kind: str = MISSING  # embedded: one SQLite file in the workspace; server: an MLflow server; none
    uri: str | None = None


@dataclass
class Experiment:
    """One run's whole configuration."""

    dataset: Dataset = field(default_factory=Dataset)
    model: Model = field(default_factory=Model)
    segmentation_model: Model = field(
        default_factory=Model
    )  # evaluate: also score what `model` reads in the lines that this finds
    architecture: Architecture = field(default_factory=Architecture)
    task: TaskChoice = field(default_factory=TaskChoice)
    classes: Classes = field(default_factory=Classes)
    training: Training = field(default_factory=Training)
    split: Split = field(default_factory=Split)
    leakage: Leakage = field(default_factory=Leakage)
    scores: Scores = field(default_factory=Scores)
    runtime: Runtime = field(default_factory=Runtime)
    slurm: Slurm = field(default_factory=Slurm)
    launch: Launch = field(default_factory=Launch)
    site: Site = field(default_factory=Site)
    tracking: Tracking = field(default_factory=Tracking)
    predictions: str | None = None  # evaluate: what another system read on the test pages, instead of a model
    system: str | None = None  # its name
    system_trained_on: str | None = None  # as model.trained_on, of that system
    question: str = (
        MISSING  # what the experiment asks; one MLflow experiment each, `default` one for each dataset and task
    )
    seed: int = MISSING  # decides training and nothing else
    name: str | None = None  # of the run folder; default: dataset-model
    again: bool = MISSING  # make another run of what is already done


SECTIONS: dict[Task, dict[str, type]] = {
    RECOGNITION: {"training": RecognitionTraining, "scores": RecognitionScores},
    SEGMENTATION: {"training": SegmentationTraining, "scores": SegmentationScores},
}
"""The groups whose keys depend on the task."""


def tasks_with(key: str) -> list[Task]:
    """The tasks that have a key, or have all keys of its group."""
    group, _, name = key.partition(".")
    return [
        task
        for task, sections in SECTIONS.items()
        if group not in sections or not name or name in {field.name for field in fields(sections[group])}
    ]


def experiment_of(task: Task) -> Experiment:
    """An experiment with the keys of its task, and no values yet."""
    return Experiment(**{group: section() for group, section in SECTIONS[task].items()})


CONVENTIONS = ("graphematic", "expanded", "normalised", "unknown")
"""How a transcription follows its manuscript: sign by sign, abbreviations expanded, spelling normalised."""

CHOICES: dict[str, tuple[str, ...]] = {
    "dataset.transcription_convention": CONVENTIONS,
    "model.transcription_convention": CONVENTIONS,
    "dataset.format": ("auto", "xml", "line_pairs"),
    "dataset.text_equiv": ("lowest", "first", "last", *"0123456789"),
    "training.quit": ("early", "fixed"),
    "training.optimizer": ("Adam", "AdamW", "AdamW+Muon", "SGD", "RMSprop"),
    "training.schedule": ("constant", "1cycle", "exponential", "cosine", "step", "reduceonplateau"),
    "training.resize": ("union", "new", "fail"),
    "training.normalization": ("NFC", "NFD", "NFKC", "NFKD"),
    "training.precision": ("32-true", "64-true", "16-true", "16-mixed", "bf16-true", "bf16-mixed"),
    "split.kind": ("drawn", "k_fold", "leave_one_out", "lists", "table", "of_run", "page"),
    "split.gone": ("stop", "leave_out"),
    "scores.test": ("each_run", "final"),
    "training.topline": ("baseline", "topline", "centerline"),
    "scores.best_by": ("mean_iu", "line_f1"),
    "scores.text_direction": ("horizontal-lr", "horizontal-rl"),
    "classes.vocabulary": ("segmonto",),
    "task.name": tuple(TASKS),
    "launch.search.name": ("none", "optuna"),
    "launch.search.sampler": ("tpe", "random"),
    "runtime.kind": ("host", "module", "apptainer"),
    "tracking.kind": ("embedded", "server", "none"),
}
"""The words that a key takes; None is allowed where the schema allows it."""


BUILT_IN = ("page", "folder", "image")
"""What pages can be grouped by without a table."""
