"""Which values and combinations cannot run, and which keys would change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from htr_exp.config.schema import BUILT_IN, Experiment, Model
from htr_exp.core.machine import usable_cpus
from htr_exp.core.task import FOREIGN

OWN_OPTIONS = ("array", "chdir", "dependency", "error", "export", "job-name", "kill-on-invalid-dep", "mem", "nodes", "ntasks",
               "ntasks-per-node", "open-mode", "output", "requeue", "no-requeue", "signal", "time")  # fmt: skip
"""Options of sbatch that a job lives by."""

NETWORKS = {
    "recognition": ("kraken_default", "guide", "small"),
    "segmentation": ("kraken_segmentation", "guide_segmentation", "small_segmentation"),
}
"""The shipped networks of each task."""

_SCHEDULE_KEYS = {
    "exponential": {"gamma"},
    "step": {"gamma", "step_size"},
    "reduceonplateau": {"sched_patience"},  # kraken 7.1 decays by 0.1 there, whatever -g says
    "cosine": {"cos_max", "cos_min_lr"},
}


MOST_FIXED_EPOCHS = 1000
"""More than a training ever needed: whoever asks for as many without early stopping thinks of something else."""


def foreign(experiment: Experiment) -> tuple[str, ...]:
    """Return the keys that the experiment's task does not have."""
    return FOREIGN[experiment.task.name]


def segments(experiment: Experiment) -> bool:
    """Tell whether a segmentation model is named."""
    return bool(experiment.segmentation_model.path or experiment.segmentation_model.doi)


def problems(experiment: Experiment, defaults: Experiment, *, evaluate: bool = False) -> list[str]:
    """Return every reason why `experiment` cannot run as configured; empty if it can.

    Args:
        experiment: as composed, its words checked.
        defaults: the shipped values of the task: a key that has no effect is refused unless it was left alone.
        evaluate: a model is only scored.
    """
    return [
        *_choices(experiment),
        *_segmentation(experiment, evaluate),
        *_numbers(experiment),
        *_inert(experiment, defaults),
        *_combinations(experiment),
        *_runtime(experiment),
        *_of_this_machine(experiment),
        *job_problems(experiment),
    ]


def _choices(experiment: Experiment) -> list[str]:
    found = []
    if experiment.dataset.path is None:
        found.append("dataset is not set: choose one of `options`, or name a folder: dataset.path=FOLDER")
    model = experiment.model
    if model.name != "none" and model.path is None and model.doi is None:
        found.append(
            "model is not set: choose one of `options`, name a file: model.path=FILE, or train from scratch: model=none"
        )
    if model.name == "none":
        if model.path is not None or model.doi is not None:
            found.append("model=none trains from scratch: remove model.path and model.doi, or choose another model")
        if model.transcription_convention != "unknown":
            found.append(
                f"model.transcription_convention={model.transcription_convention} changes nothing with model=none: remove it"
            )
        if experiment.architecture.spec is None:
            found.append("model=none needs a network: choose one of `options`, architecture=...")
        elif experiment.architecture.task not in (None, experiment.task.name):
            found.append(
                f"architecture={experiment.architecture.name}: it is a network for {experiment.architecture.task}; with "
                f"task={experiment.task.name} choose {', '.join(f'architecture={name}' for name in NETWORKS[experiment.task.name])}"
            )
    elif experiment.architecture.spec is not None:
        name = experiment.architecture.name or experiment.architecture.spec
        found.append(
            f"architecture={name}: a base model keeps its own network and kraken would ignore this one; remove it, or use model=none"
        )
    if experiment.tracking.kind == "server" and not experiment.tracking.uri:
        found.append("tracking=server needs an address: tracking.uri=http://HOST:PORT")
    if experiment.name is not None and (
        not experiment.name or "/" in experiment.name or experiment.name.startswith((".", "-"))
    ):
        found.append(f"name={experiment.name}: it names a folder; use letters, digits, `_` and `-`")
    return found


def _named(model: Model) -> str:
    """Return a model as a user names it."""
    return f".path={model.path}" if model.name in (None, "none") else f"={model.name}"


def _segmentation(experiment: Experiment, evaluate: bool) -> list[str]:
    found = []
    recognises = experiment.task.name == "recognition"
    if segments(experiment) and not (evaluate and recognises):
        found.append(
            f"segmentation_model{_named(experiment.segmentation_model)} changes nothing here: "
            "it is for `evaluate model=... dataset=...` with a recognition model; to train a segmenter, task=segmentation model=..."
        )
    if recognises:
        return found
    training, scores = experiment.training, experiment.scores
    if experiment.dataset.characters is not None:
        found.append(
            f"dataset.characters={experiment.dataset.characters} changes nothing with task=segmentation: remove it"
        )
    for key, value, least in (("training.line_width", training.line_width, 1), ("training.bl_tol", training.bl_tol, 0),
                              ("training.dice_weight", training.dice_weight, 0), ("scores.pictures", scores.pictures, 0)):  # fmt: skip
        if value is not None and value < least:
            found.append(f"{key}={value}: it must be at least {least}")
    for key in ("training.line_width", "training.topline", "scores.best_by"):
        if _value(experiment, key) is None:
            found.append(f"{key}=null: it must be set with task=segmentation")
    return found


def _numbers(experiment: Experiment) -> list[str]:
    training, split, launch = experiment.training, experiment.split, experiment.launch
    found = [
        f"training.{key}={getattr(training, key)}: it must be at least {least}"
        for key, least in (("epochs", 1), ("min_epochs", 0), ("lag", 1), ("leg_epochs", 0), ("batch_size", 1), ("accumulate_grad_batches", 1),
                           ("warmup", 0), ("step_size", 1), ("sched_patience", 1), ("cos_max", 1), ("pad", 0), ("workers", 0), ("threads", 1))
        if (value := getattr(training, key)) is not None and value < least
    ]  # fmt: skip
    found += [
        f"training.{key}={getattr(training, key)}: it must be above 0"
        for key in ("lrate",)
        if getattr(training, key) <= 0
    ]
    if training.gradient_clip_val is not None and training.gradient_clip_val < 0:
        found.append(f"training.gradient_clip_val={training.gradient_clip_val}: it must be at least 0 (0: never clip)")
    if training.quit != "early" and training.epochs > MOST_FIXED_EPOCHS:
        found.append(
            f"training.epochs={training.epochs}: these are whole epochs (kraken's -N), not iterations of one: with training.quit=fixed kraken "
            "would train them all, which no time limit allows, and 4.3.13 would keep a model of each; write training.quit=early, which "
            f"stops training.lag epochs after the best, or at most {MOST_FIXED_EPOCHS}"
        )
    if training.leg_epochs > 10:
        found.append(
            f"training.leg_epochs={training.leg_epochs}: it must be at most 10, as kraken keeps checkpoints of ten epochs; 0 trains in one leg"
        )
    if training.weight_decay < 0:
        found.append(f"training.weight_decay={training.weight_decay}: it must be at least 0")
    if training.time_budget_min is not None and training.time_budget_min <= 0:
        found.append(f"training.time_budget_min={training.time_budget_min}: it must be above 0, or null for no limit")
    if not 0 < split.validation < 1:
        found.append(f"split.validation={split.validation}: it is a share of the lines, above 0 and below 1")
    if not 0 <= split.test < 1:
        found.append(f"split.test={split.test}: it is a share of the lines, from 0 (no test set) to below 1")
    drawn = split.kind in ("drawn", "page")
    if drawn and 0 < split.validation < 1 and 0 <= split.test < 1 and split.validation + split.test >= 1:
        found.append(f"split.validation={split.validation} and split.test={split.test} leave nothing to train on")
    found += [
        f"split.{key}={value}: it must be at least {least}"
        for key, least in (("train_pages", 1), ("folds", 2))
        if (value := getattr(split, key)) is not None and value < least
    ]
    if launch.jobs < 1:
        found.append(f"launch.jobs={launch.jobs}: it must be at least 1")
    if experiment.scores.pad < 0:
        found.append(f"scores.pad={experiment.scores.pad}: it must be at least 0")
    if experiment.model.fetch_timeout_s < 1:
        found.append(f"model.fetch_timeout_s={experiment.model.fetch_timeout_s}: it must be at least 1")
    return found


def _inert(experiment: Experiment, defaults: Experiment) -> list[str]:
    return [
        f"{key}={_value(experiment, key)} changes nothing with {choice}: remove it"
        for key, choice in _without_effect(experiment)
        if _value(experiment, key) != _value(defaults, key)
    ]


def _without_effect(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield each key that has no effect, and the choice that takes it away."""
    training, split = experiment.training, experiment.split
    for key in foreign(experiment):
        yield key, f"task={experiment.task.name}"
    for key in ("lag", "min_epochs") if training.quit == "fixed" else ("leg_epochs",):
        yield f"training.{key}", f"training.quit={training.quit}"
    for key in sorted(
        {key for keys in _SCHEDULE_KEYS.values() for key in keys} - _SCHEDULE_KEYS.get(training.schedule, set())
    ):
        yield f"training.{key}", f"training.schedule={training.schedule}"
    if training.optimizer not in ("SGD", "RMSprop"):
        yield "training.momentum", f"training.optimizer={training.optimizer}"
    if experiment.model.name == "none":
        yield "training.resize", "model=none"
    given = split.kind in ("lists", "table")
    unused = ["by", "stratify", "validation"] * given + ["seed"] * (given and split.train_pages is None)
    unused += ["test"] * (split.kind not in ("drawn", "page")) + ["folds"] * (split.kind != "k_fold")
    for key in unused:
        yield f"split.{key}", f"split={split.kind}" if split.kind not in ("drawn", "page") else "split.kind=drawn"


def _value(experiment: Experiment, key: str) -> object:
    section, _, name = key.partition(".")
    return getattr(getattr(experiment, section), name)


def _combinations(experiment: Experiment) -> list[str]:
    training, split = experiment.training, experiment.split
    found = []
    in_legs = 0 < training.leg_epochs < training.epochs
    by_batches = training.batch_size * training.accumulate_grad_batches > 1
    if training.schedule == "1cycle" and (training.quit != "fixed" or in_legs or by_batches):
        found.append(
            "training.schedule=1cycle plans its whole course ahead, and kraken 7.1 counts lines for it, not batches: "
            "use it with training.quit=fixed, training.leg_epochs=0 and training.batch_size=1"
        )
    if split.kind == "lists" and not (split.lists.train and split.lists.validation):
        found.append(
            "split=lists needs split.lists.train=FILE and split.lists.validation=FILE (and split.lists.test=FILE for a test set)"
        )
    if split.kind == "table" and not split.table:
        found.append("split=table needs split.table=FILE")
    found += _groups(experiment)
    if split.kind != "lists" and any((split.lists.train, split.lists.validation, split.lists.test)):
        found.append("split.lists.*: choose split=lists to use them")
    if split.kind != "table" and split.table:
        found.append(f"split.table={split.table}: choose split=table to use it")
    return found


def _groups(experiment: Experiment) -> list[str]:
    """Return what is wrong with the groups and the fold that a split asks for."""
    split = experiment.split
    found = []
    given, in_folds = split.kind in ("lists", "table"), split.kind in ("k_fold", "leave_one_out")
    for key in ("by", "stratify"):
        value = getattr(split, key)
        if not given and value not in (None, *BUILT_IN) and experiment.dataset.metadata is None:
            found.append(
                f"split.{key}={value} needs dataset.metadata=FILE, a table with columns {experiment.dataset.page_column} "
                f"and {value}; without one there are {', '.join(BUILT_IN)}"
            )
    if not given and split.stratify is not None and split.stratify in (split.by, "page", "image"):
        found.append(
            f"split.stratify={split.stratify}: it must be something that several groups have in common (split.by={split.by}), as folder or hand"
        )
    if split.fold is not None and not in_folds:
        found.append(f"split.fold={split.fold}: choose split=k_fold or split=leave_one_out to use it")
    if split.fold is None and in_folds:
        one = f"1 to {split.folds}" if split.kind == "k_fold" else split.by.upper()
        found.append(f"split={split.kind} needs split.fold={one}, or split.fold=all with `train -m` for every one")
    if split.kind != "k_fold" or split.folds < 2:
        return found
    if split.fold not in (None, "all", *(str(number + 1) for number in range(split.folds))):
        found.append(f"split.fold={split.fold}: choose one of 1 to {split.folds} (split.folds), or all")
    if 0 < split.validation < 1 and split.validation + 1 / split.folds >= 1:
        found.append(
            f"split.validation={split.validation} and a test fold of 1/{split.folds} leave nothing to train on"
        )
    return found


_OF_RUNTIME = {
    "ketos": ("host",),
    "module": ("module",),
    "modulepath": ("module",),
    "fallback": ("module",),
    "fallback_kraken": ("module",),
    "image": ("module", "apptainer"),
    "bind": ("module", "apptainer"),
}
"""Keys of the runtime group and the kinds that have a use for them."""


def _runtime(experiment: Experiment) -> list[str]:
    runtime = experiment.runtime
    found = [
        f"runtime.{key}={value} changes nothing with runtime={runtime.kind}: remove it, or choose runtime={' or runtime='.join(kinds)}"
        for key, kinds in _OF_RUNTIME.items()
        if runtime.kind not in kinds and (value := getattr(runtime, key))
    ]
    for key in ("module", "image"):
        if runtime.kind == key.replace("image", "apptainer") and not getattr(runtime, key):
            found.append(f"runtime.{key} is not set: give runtime.{key}={'NAME' if key == 'module' else 'FILE.sif'}")
    if runtime.kind == "module" and runtime.fallback and not runtime.image:
        found.append("runtime.image is not set: give runtime.image=FILE.sif, or runtime.fallback=false")
    return found


def _of_this_machine(experiment: Experiment) -> list[str]:
    if experiment.slurm.submit:
        return []
    cpus = usable_cpus()
    return [
        f"training.{key}={asked}: this machine has {cpus} CPUs, and more processes than CPUs only slow it down"
        + (": leave it null" if key == "workers" else "")
        for key in ("workers", "threads")
        if (asked := getattr(experiment.training, key)) is not None and asked > max(cpus, 1)
    ]


def job_problems(experiment: Experiment) -> list[str]:
    """Return what is wrong with what a job asks of Slurm."""
    slurm, training = experiment.slurm, experiment.training
    if not slurm.submit:
        return [
            f"slurm.{key}={value} changes nothing with slurm={slurm.name}: choose slurm=publicgpu, slurm=grantgpu or slurm=template, or remove it"
            for key, value in vars(slurm).items()
            if key not in ("name", "submit") and value not in (None, {})
        ]
    found = []
    for key, least in (("time_min", 1), ("cpus_per_task", 1), ("array_parallelism", 1), ("runs_per_gpu", 1),
                       ("max_requeues", 0), ("signal_delay_s", 1)):  # fmt: skip
        value = getattr(slurm, key)
        if value is None:
            found.append(f"slurm.{key} is not set: give slurm.{key}=NUMBER")
        elif value < least:
            found.append(f"slurm.{key}={value}: it must be at least {least}")
    if slurm.partition is None:
        found.append("slurm.partition is not set: give slurm.partition=NAME, as in `sinfo`")
    if found:
        return found
    time_min, cpus, delay_s = slurm.time_min or 0, slurm.cpus_per_task or 0, slurm.signal_delay_s or 0
    if slurm.mem_gb is not None and slurm.mem_gb <= 0:
        found.append(f"slurm.mem_gb={slurm.mem_gb}: it must be above 0, or null for the partition's default")
    if delay_s >= time_min * 60:
        found.append(
            f"slurm.signal_delay_s={slurm.signal_delay_s}: it must be shorter than slurm.time_min={slurm.time_min}"
        )
    for key in ("workers", "threads"):
        asked = getattr(training, key)
        if asked is not None and asked > cpus:
            found.append(
                f"training.{key}={asked}: a run gets {cpus} CPUs (slurm.cpus_per_task); more processes than CPUs only slow it down"
            )
    if training.device.startswith("cuda") and slurm.gres is None and not any("gpu" in key for key in slurm.extra):
        found.append(f"training.device={training.device}: the job asks for no GPU; give slurm.gres=gpu:1")
    if slurm.nodelist is not None and re.search(r",|\[[^\]]*[-,]", slurm.nodelist):
        found.append(
            f"slurm.nodelist={slurm.nodelist}: a job takes one node: name one, or leave the others out with slurm.exclude=NODES"
        )
    if experiment.launch.jobs != 1:
        found.append(
            f"launch.jobs={experiment.launch.jobs} changes nothing with slurm={slurm.name}: use slurm.array_parallelism={experiment.launch.jobs}"
        )
    for key in slurm.extra:
        if key.replace("_", "-") in OWN_OPTIONS:
            found.append(f"slurm.extra.{key}: htr_exp sets it itself; it cannot be given")
        elif key.replace("-", "_") in vars(slurm):
            found.append(f"slurm.extra.{key}: write slurm.{key.replace('-', '_')}={slurm.extra[key]}")
    return found
