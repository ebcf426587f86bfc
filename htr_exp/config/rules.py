"""Which values and combinations cannot run, and which keys would change nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from operator import attrgetter
from typing import cast

from htr_exp.config import convention_rules, folding_rules, places
from htr_exp.config.launch_rules import launch_problems
from htr_exp.config.leg_rules import leg_problems
from htr_exp.config.predictions_rules import predictions_problems
from htr_exp.config.schema import (
    BUILT_IN,
    Experiment,
    Model,
    RecognitionScores,
    RecognitionTraining,
    SegmentationScores,
    SegmentationTraining,
    Slurm,
    Split,
)
from htr_exp.core.machine import usable_cpus
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task, task_of

OWN_OPTIONS = ("array", "chdir", "dependency", "error", "export", "job-name", "kill-on-invalid-dep", "mem", "nodes", "ntasks",
               "ntasks-per-node", "open-mode", "output", "requeue", "no-requeue", "signal", "time")  # fmt: skip
"""Options of sbatch that a job lives by."""

NETWORKS: dict[Task, tuple[str, ...]] = {
    RECOGNITION: ("kraken_default", "guide", "small"),
    SEGMENTATION: ("kraken_segmentation", "guide_segmentation", "small_segmentation"),
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


def segments(experiment: Experiment) -> bool:
    """Tell whether a segmentation model is named."""
    return bool(experiment.segmentation_model.path or experiment.segmentation_model.doi)


def problems(experiment: Experiment, defaults: Experiment, *, evaluate: bool = False) -> list[Problem]:
    """Every reason why `experiment` cannot run as configured; empty if it can.

    Args:
        experiment: as composed, its words checked.
        defaults: the shipped values of the task: a key that has no effect is refused unless it was left alone.
        evaluate: a model is only scored.
    """
    return [
        *_choices(experiment, evaluate),
        *_OF_TASK[task_of(experiment.task.name)](experiment, defaults, evaluate),
        *_numbers(experiment),
        *_inert(experiment, defaults),
        *_combinations(experiment),
        *_runtime(experiment),
        *_of_this_machine(experiment),
        *places.problems(experiment),
        *launch_problems(experiment, defaults.launch.search),
        *job_problems(experiment),
    ]


def _at_least(key: str, value: float | None, least: float) -> list[Problem]:
    fits = value is None or value >= least
    return [] if fits else [Problem(f"{key}={value}: it must be at least {least}", where=key)]


def _no_effect(key: str, value: object, choice: str, remedy: str = "remove it") -> Problem:
    return Problem(f"{key}={value} changes nothing with {choice}", remedy, key)


def _choices(experiment: Experiment, evaluate: bool) -> Iterator[Problem]:
    if not experiment.dataset.path:
        yield Problem(
            "dataset is not set",
            f"run `{own_command('options')}` to see the choices, or name a folder: dataset.path=FOLDER",
            "dataset",
        )
    yield from predictions_problems(experiment, evaluate=evaluate)
    if experiment.predictions is None:
        yield from _scratch(experiment, evaluate) if experiment.model.name == "none" else _base_model(experiment)
    if experiment.tracking.kind == "server" and not experiment.tracking.uri:
        yield Problem("tracking=server needs an address", "give tracking.uri=http://HOST:PORT", "tracking")
    if (name := experiment.name) is not None and (not name or "/" in name or name.startswith((".", "-"))):
        yield Problem(f"name={name}: it names a folder", "use letters, digits, `_` and `-`", "name")


def _base_model(experiment: Experiment) -> Iterator[Problem]:
    model, architecture = experiment.model, experiment.architecture
    if model.path is None and model.doi is None:
        remedy = f"run `{own_command('options')}` to see the choices, name a file: model.path=FILE, or train from scratch: model=none"
        yield Problem("model is not set", remedy, "model")
    if architecture.spec is not None:
        what = f"architecture={architecture.name or architecture.spec}: a base model keeps its own network and kraken would ignore this one"
        yield Problem(what, "remove it, or use model=none", "architecture")


def _scratch(experiment: Experiment, evaluate: bool) -> Iterator[Problem]:
    model, architecture, task = experiment.model, experiment.architecture, experiment.task.name
    if evaluate:
        yield Problem("model=none names nothing to evaluate", "choose a model", "model")
        return
    if model.path is not None or model.doi is not None:
        yield Problem(
            "model=none trains from scratch", "remove model.path and model.doi, or choose another model", "model"
        )
    if model.transcription_convention != "unknown":
        yield _no_effect("model.transcription_convention", model.transcription_convention, "model=none")
    if architecture.spec is None:
        yield Problem(
            "model=none needs a network",
            f"run `{own_command('options')}` to see the choices of architecture=...",
            "architecture",
        )
    elif architecture.task not in (None, task):
        networks = ", ".join(f"architecture={name}" for name in NETWORKS[task_of(task)])
        what = f"architecture={architecture.name}: it is a network for {architecture.task}"
        yield Problem(what, f"with task={task} choose {networks}", "architecture")


def _named(model: Model) -> str:
    """A model as a user names it."""
    return f".path={model.path}" if model.name in (None, "none") else f"={model.name}"


def _recognition(experiment: Experiment, defaults: Experiment, evaluate: bool) -> Iterator[Problem]:
    yield from [_segmenter_unused(experiment)] * (segments(experiment) and not evaluate)
    training, scores = cast("RecognitionTraining", experiment.training), cast("RecognitionScores", experiment.scores)
    yield from _at_least("training.batch_size", training.batch_size, 1)
    yield from _at_least("scores.pad", scores.pad, 0)
    limits, table = convention_rules.convention_problems, folding_rules.folding_problems
    yield from (one for of in (limits, table) for one in of(scores, cast("RecognitionScores", defaults.scores)))
    for key in (f"classes.{field.name}" for field in fields(experiment.classes)):
        if _value(experiment, key) != _value(defaults, key):
            yield _no_effect(key, _value(experiment, key), "task=recognition")


def _segmentation(experiment: Experiment, defaults: Experiment, evaluate: bool) -> Iterator[Problem]:
    yield from [_segmenter_unused(experiment)] * segments(experiment)
    if experiment.dataset.characters is not None:
        yield _no_effect("dataset.characters", experiment.dataset.characters, "task=segmentation")
    training, scores = cast("SegmentationTraining", experiment.training), cast("SegmentationScores", experiment.scores)
    if training.lrate is None:
        what = "training.lrate=null: only task=recognition has a default for each size of network"
        yield Problem(what, "give training.lrate=RATE; the shipped one is 0.0002", "training.lrate")
    yield from _at_least("training.line_width", training.line_width, 1)
    yield from _at_least("training.bl_tol", training.bl_tol, 0)
    yield from _at_least("training.dice_weight", training.dice_weight, 0)
    yield from _at_least("scores.pictures", scores.pictures, 0)


def _segmenter_unused(experiment: Experiment) -> Problem:
    return Problem(
        f"segmentation_model{_named(experiment.segmentation_model)} changes nothing here: "
        "it is for `evaluate model=... dataset=...` with a recognition model",
        "to train a segmenter, task=segmentation model=...",
        "segmentation_model",
    )


_OF_TASK: dict[Task, Callable[[Experiment, Experiment, bool], Iterator[Problem]]] = {
    RECOGNITION: _recognition,
    SEGMENTATION: _segmentation,
}
"""What is wrong with the keys that a task has alone, or that it does not use."""

_SEVERAL_AT_ONCE: dict[Task, tuple[str, ...]] = {
    RECOGNITION: ("batch_size", "accumulate_grad_batches"),
    SEGMENTATION: ("accumulate_grad_batches",),
}
"""By which keys of training a step learns from several lines or pages."""


def _numbers(experiment: Experiment) -> Iterator[Problem]:
    training, split = experiment.training, experiment.split
    for key, least in (("epochs", 1), ("min_epochs", 0), ("lag", 1), ("leg_epochs", 0), ("accumulate_grad_batches", 1),
                       ("warmup", 0), ("step_size", 1), ("sched_patience", 1), ("cos_max", 1), ("pad", 0), ("workers", 0), ("threads", 1),
                       ("weight_decay", 0)):  # fmt: skip
        yield from _at_least(f"training.{key}", getattr(training, key), least)
    if training.lrate is not None and training.lrate <= 0:
        yield Problem(f"training.lrate={training.lrate}: it must be above 0", where="training.lrate")
    if training.gradient_clip_val is not None and training.gradient_clip_val < 0:
        what = f"training.gradient_clip_val={training.gradient_clip_val}: it must be at least 0 (0: never clip)"
        yield Problem(what, where="training.gradient_clip_val")
    if training.quit != "early" and training.epochs > MOST_FIXED_EPOCHS:
        yield Problem(
            f"training.epochs={training.epochs}: these are whole epochs (kraken's -N), not iterations of one: with training.quit=fixed kraken "
            "would train them all, which no time limit allows, and 4.3.13 would keep a model of each",
            f"write training.quit=early, which stops training.lag epochs after the best, or at most {MOST_FIXED_EPOCHS}",
            "training.epochs",
        )
    yield from leg_problems(training)
    if training.time_budget_min is not None and training.time_budget_min <= 0:
        what = f"training.time_budget_min={training.time_budget_min}: it must be above 0, or null for no limit"
        yield Problem(what, where="training.time_budget_min")
    if not 0 < split.validation < 1:
        what = f"split.validation={split.validation}: it is a share of the pages, above 0 and below 1"
        yield Problem(what, where="split.validation")
    if not 0 <= split.test < 1:
        what = f"split.test={split.test}: it is a share of the pages, from 0 (no test set) to below 1"
        yield Problem(what, where="split.test")
    shared_out = split.kind in ("drawn", "page", "of_run")
    if shared_out and 0 < split.validation < 1 and 0 <= split.test < 1 and split.validation + split.test >= 1:
        what = f"split.validation={split.validation} and split.test={split.test} leave nothing to train on"
        yield Problem(what, where="split.validation")
    for key, least in (("split.train_pages", 1), ("split.folds", 2), ("model.fetch_timeout_s", 1)):
        yield from _at_least(key, cast("int | None", _value(experiment, key)), least)


def _inert(experiment: Experiment, defaults: Experiment) -> Iterator[Problem]:
    for key, choice in _without_effect(experiment):
        if (value := _value(experiment, key)) != (unset := _value(defaults, key)):
            also = "" if unset is None else f", or write {key}={unset} where a file sets it"
            yield _no_effect(key, value, choice, f"remove it{also}")


def _without_effect(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield each key that has no effect, and the choice that takes it away."""
    training, split = experiment.training, experiment.split
    for key in ("lag", "min_epochs") if training.quit == "fixed" else ("leg_epochs",) * (not training.exact):
        yield f"training.{key}", f"training.quit={training.quit}"
    for key in sorted(
        {key for keys in _SCHEDULE_KEYS.values() for key in keys} - _SCHEDULE_KEYS.get(training.schedule, set())
    ):
        yield f"training.{key}", f"training.schedule={training.schedule}"
    if training.optimizer not in ("SGD", "RMSprop"):
        yield "training.momentum", f"training.optimizer={training.optimizer}"
    if experiment.model.name == "none":
        yield "training.resize", "model=none"
    if task_of(experiment.task.name).reads_text and not segments(experiment):
        yield "scores.text_direction", "no segmentation_model"
    given = split.kind in ("lists", "table")
    unused = ["by", "validation", "seed"] * given + ["gone"] * (split.kind != "of_run")
    unused += ["stratify"] * (split.train_pages is None and (given or split.kind == "of_run"))
    unused += ["test"] * (split.kind not in ("drawn", "page", "of_run")) + ["folds"] * (split.kind != "k_fold")
    for key in unused:
        yield f"split.{key}", _kind(split)
    if split.train_pages is None:
        yield "split.order_seed", "split.train_pages=null"


def _value(experiment: Experiment, key: str) -> object:
    return attrgetter(key)(experiment)


def _combinations(experiment: Experiment) -> Iterator[Problem]:
    training, split = experiment.training, experiment.split
    in_legs = training.exact or 0 < (10 if training.leg_epochs is None else training.leg_epochs) < training.epochs
    several = _SEVERAL_AT_ONCE[task_of(experiment.task.name)]
    by_batches = any(getattr(training, key) > 1 for key in several)
    if training.schedule == "1cycle" and (training.quit != "fixed" or in_legs or by_batches):
        yield Problem(
            "training.schedule=1cycle plans its whole course ahead, and kraken 7.1 counts lines for it, not batches",
            f"use it with training.quit=fixed, training.exact=false, training.leg_epochs=0 and training.{several[0]}=1",
            "training.schedule",
        )
    if split.kind == "lists" and not (split.lists.train and split.lists.validation):
        what = "split=lists needs split.lists.train=FILE and split.lists.validation=FILE (and split.lists.test=FILE for a test set)"
        yield Problem(what, where="split")
    if split.kind == "table" and not split.table:
        yield Problem("split=table needs split.table=FILE", where="split")
    if split.kind == "of_run" and not split.run:
        what = "split=of_run needs split.run=RUN: the name of a run, the beginning of it, `last`, or a file as its split.json"
        yield Problem(what, where="split")
    yield from _groups(experiment)
    if split.kind != "of_run" and split.run:
        yield _no_effect("split.run", split.run, _kind(split), "choose split=of_run to use it")
    if split.kind != "lists" and any((split.lists.train, split.lists.validation, split.lists.test)):
        yield Problem(f"split.lists changes nothing with {_kind(split)}", "choose split=lists to use it", "split.lists")
    if split.kind != "table" and split.table:
        yield _no_effect("split.table", split.table, _kind(split), "choose split=table to use it")


def _kind(split: Split) -> str:
    """How a user names the kind of a split: by the choice that has it, where that is one alone."""
    return "split.kind=drawn" if split.kind in ("drawn", "page") else f"split={split.kind}"


def _groups(experiment: Experiment) -> Iterator[Problem]:
    """What is wrong with the groups and the fold that a split asks for."""
    split = experiment.split
    given, in_folds = split.kind in ("lists", "table"), split.kind in ("k_fold", "leave_one_out")
    stratified = split.train_pages is not None or not (given or split.kind == "of_run")
    for key in ["by"] * (not given) + ["stratify"] * stratified:
        value = getattr(split, key)
        if value not in (None, *BUILT_IN) and experiment.dataset.metadata is None:
            yield Problem(
                f"split.{key}={value} needs dataset.metadata=FILE, a table with columns {experiment.dataset.page_column} "
                f"and {value}; without one there are {', '.join(BUILT_IN)}",
                where=f"split.{key}",
            )
    if stratified and split.stratify is not None and split.stratify in (split.by, "page", "image"):
        what = f"split.stratify={split.stratify}: it must be something that several groups have in common (split.by={split.by}), as folder or hand"
        yield Problem(what, where="split.stratify")
    if split.fold is not None and not in_folds:
        yield _no_effect("split.fold", split.fold, _kind(split), "choose split=k_fold or split=leave_one_out to use it")
    if split.fold is None and in_folds:
        one = f"1 to {split.folds}" if split.kind == "k_fold" else str(split.by or "page").upper()
        what = f"split={split.kind} needs split.fold={one}, or split.fold=all with `train -m` for every one"
        yield Problem(what, where="split.fold")
    if split.kind != "k_fold" or split.folds < 2:
        return
    if split.fold not in (None, "all", *(str(number + 1) for number in range(split.folds))):
        remedy = f"choose one of 1 to {split.folds} (split.folds), or all"
        yield Problem(f"split.fold={split.fold}: there is no such fold", remedy, "split.fold")
    if 0 < split.validation < 1 and split.validation + 1 / split.folds >= 1:
        what = f"split.validation={split.validation} and a test fold of 1/{split.folds} leave nothing to train on"
        yield Problem(what, where="split.validation")


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


def _runtime(experiment: Experiment) -> Iterator[Problem]:
    runtime = experiment.runtime
    for key, kinds in _OF_RUNTIME.items():
        if runtime.kind not in kinds and (value := getattr(runtime, key)):
            remedy = f"remove it, or choose runtime={' or runtime='.join(kinds)}"
            yield _no_effect(f"runtime.{key}", value, f"runtime={runtime.kind}", remedy)
    if runtime.kind == "module" and not runtime.module:
        yield Problem("runtime.module is not set", "give runtime.module=NAME", "runtime.module")
    if runtime.kind == "apptainer" and not runtime.image:
        yield Problem("runtime.image is not set", "give runtime.image=FILE.sif", "runtime.image")
    if runtime.kind == "module" and runtime.fallback and not runtime.image:
        remedy = "give runtime.image=FILE.sif, or runtime.fallback=false"
        yield Problem("runtime.image is not set", remedy, "runtime.image")


def _of_this_machine(experiment: Experiment) -> Iterator[Problem]:
    if experiment.slurm.submit:
        return
    cpus = usable_cpus()
    for key in ("workers", "threads"):
        asked = getattr(experiment.training, key)
        if asked is not None and asked > max(cpus, 1):
            what = (
                f"training.{key}={asked}: this machine has {cpus} CPUs, and more processes than CPUs only slow it down"
            )
            yield Problem(what, "leave it null" if key == "workers" else "", f"training.{key}")


def job_problems(experiment: Experiment) -> list[Problem]:
    """What is wrong with what a job asks of Slurm."""
    slurm = experiment.slurm
    if not slurm.submit:
        remedy = "choose slurm=publicgpu, slurm=grantgpu or slurm=template, or remove it"
        return [
            _no_effect(f"slurm.{key}", value, f"slurm={slurm.name}", remedy)
            for key, value in vars(slurm).items()
            if key not in ("name", "submit") and value not in (None, {})
        ]
    return list(_job_numbers(slurm)) or list(_job(experiment))


def _job_numbers(slurm: Slurm) -> Iterator[Problem]:
    for key, least in (("time_min", 1), ("cpus_per_task", 1), ("array_parallelism", 1), ("runs_per_gpu", 1),
                       ("max_requeues", 0), ("signal_delay_s", 1)):  # fmt: skip
        value = getattr(slurm, key)
        if value is None:
            yield Problem(f"slurm.{key} is not set", f"give slurm.{key}=NUMBER", f"slurm.{key}")
        else:
            yield from _at_least(f"slurm.{key}", value, least)
    if slurm.partition is None:
        yield Problem("slurm.partition is not set", "give slurm.partition=NAME, as in `sinfo`", "slurm.partition")


def _job(experiment: Experiment) -> Iterator[Problem]:
    slurm, training = experiment.slurm, experiment.training
    time_min, cpus, delay_s = slurm.time_min or 0, slurm.cpus_per_task or 0, slurm.signal_delay_s or 0
    if slurm.mem_gb is not None and slurm.mem_gb <= 0:
        what = f"slurm.mem_gb={slurm.mem_gb}: it must be above 0, or null for the partition's default"
        yield Problem(what, where="slurm.mem_gb")
    if delay_s >= time_min * 60:
        what = f"slurm.signal_delay_s={slurm.signal_delay_s}: it must be shorter than slurm.time_min={slurm.time_min}"
        yield Problem(what, where="slurm.signal_delay_s")
    for key in ("workers", "threads"):
        asked = getattr(training, key)
        if asked is not None and asked > cpus:
            what = f"training.{key}={asked}: a run gets {cpus} CPUs (slurm.cpus_per_task); more processes than CPUs only slow it down"
            yield Problem(what, where=f"training.{key}")
    if training.device.startswith("cuda") and slurm.gres is None and not any("gpu" in key for key in slurm.extra):
        what = f"training.device={training.device}: the job asks for no GPU"
        yield Problem(what, "give slurm.gres=gpu:1", "training.device")
    if slurm.nodelist is not None and re.search(r",|\[[^\]]*[-,]", slurm.nodelist):
        what = f"slurm.nodelist={slurm.nodelist}: a job takes one node"
        yield Problem(what, "name one, or leave the others out with slurm.exclude=NODES", "slurm.nodelist")
    if (jobs := experiment.launch.jobs) != 1 and experiment.launch.search.name == "none":
        yield _no_effect("launch.jobs", jobs, f"slurm={slurm.name}", f"use slurm.array_parallelism={jobs}")
    for key in slurm.extra:
        own = key.replace("-", "_")
        if key.replace("_", "-") in OWN_OPTIONS:
            yield Problem(f"slurm.extra.{key}: htr_exp sets it itself; it cannot be given", where="slurm.extra")
        elif own in vars(slurm):
            yield Problem(
                f"slurm.extra.{key} has a key of its own", f"write slurm.{own}={slurm.extra[key]}", "slurm.extra"
            )
