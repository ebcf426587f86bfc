"""What each release calls our settings of a training, for each task, and what it cannot do of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from htr_exp.config.schema import Training
from htr_exp.core.problem import Problem
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task
from htr_exp.kraken.releases import SPOKEN, index_of, release


@dataclass(frozen=True)
class Option:
    """What a release calls one of our settings.

    Attributes:
        name: its option; None: the release has none. `--x/--no-x` is a switch.
        words: our words and its own, where they differ; a word that is not here, though others are, it does not have.
        group: the option stands before the subcommand.
        bare: the word it has for a value is the option itself; an empty one: no option is needed.
        values: how many it takes: each gets the setting.
    """

    name: str | None
    words: Mapping[str, str] | None = None
    group: bool = False
    bare: bool = False
    values: int = 1


Pair = tuple[Option, Option]  # 4.3.13, 7.1


def same(*words: str) -> dict[str, str]:
    """Words that a release has, too."""
    return {word: word for word in words}


def _both(name: str, **more: Any) -> Pair:
    return Option(name, **more), Option(name, **more)


_PRECISIONS = {"32-true": "32", "64-true": "64", "16-mixed": "16", "bf16-mixed": "bf16"}

_RECOGNITION: dict[str, Pair] = {
    "device": (Option("-d"), Option("-d", group=True)),
    "workers": (Option("--workers"), Option("--workers", group=True)),
    "threads": (Option(None), Option("--threads", group=True)),
    "precision": (Option("--precision", _PRECISIONS), Option("--precision", group=True)),
    "deterministic": _both("-r/--no-deterministic", group=True),
    "batch_size": _both("-B"),
    "lrate": _both("-r"),
    "optimizer": (Option("--optimizer", same("Adam", "SGD", "RMSprop")), Option("--optimizer")),
    "momentum": _both("-m"),
    "weight_decay": _both("-w"),
    "gradient_clip_val": (Option(None), Option("--gradient-clip-val")),
    "accumulate_grad_batches": (Option(None), Option("--accumulate-grad-batches")),
    "warmup": _both("--warmup"),
    # 4.3.13 takes its -g for the epoch of cosine's lowest rate, so that --cos-max does nothing there
    "schedule": (
        Option("--schedule", same("constant", "1cycle", "exponential", "step", "reduceonplateau")),
        Option("--schedule"),
    ),
    "gamma": _both("-g"),
    "step_size": _both("-ss"),
    "sched_patience": _both("--sched-patience"),
    "cos_max": _both("--cos-max"),
    "cos_min_lr": (Option(None), Option("--cos-min-lr")),
    "pad": _both("--pad"),
    "augment": _both("--augment/--no-augment"),
    "normalize_whitespace": _both("--normalize-whitespace/--no-normalize-whitespace"),
    "normalization": _both("-u"),
    "legacy_polygons": (Option(None), Option("--legacy-polygons")),
    "quit": (Option("-q", {"early": "early", "fixed": "dumb"}), Option("-q")),
    "min_epochs": _both("--min-epochs"),
    "lag": _both("--lag"),
    "resize": _both("--resize"),
}

_NOT_OF_SEGMENTATION = ("batch_size", "normalize_whitespace", "normalization", "legacy_polygons")

_SEGMENTATION: dict[str, Pair] = {
    key: pair for key, pair in _RECOGNITION.items() if key not in _NOT_OF_SEGMENTATION
} | {
    # 4.3.13's segtrain hands reduceonplateau no figure, at which that fails
    "schedule": (Option("--schedule", same("constant", "1cycle", "exponential", "step")), Option("--schedule")),
    "pad": _both("--pad", values=2),
    "line_width": _both("--line-width"),
    # 7.1.1 fails at -bl, which is what it does anyway, and takes the word behind -cl for its value
    "topline": (
        Option("-bl", {"baseline": "-bl", "topline": "-tl", "centerline": "-cl"}, bare=True),
        Option("-tl", {"baseline": "", "topline": "-tl"}, bare=True),
    ),
    "bl_tol": (Option(None), Option("--bl-tol")),
    "dice_weight": (Option(None), Option("--dice-weight")),
}

OPTIONS: dict[Task, dict[str, Pair]] = {RECOGNITION: _RECOGNITION, SEGMENTATION: _SEGMENTATION}
"""The settings of a training, by task, and each release's options for them."""

OF_COMMAND = ("quit", "min_epochs", "lag", "resize", "legacy_polygons")
"""Settings whose options are not always given, or to another subcommand."""

NEUTRAL: dict[str, tuple[object, ...]] = {"gradient_clip_val": (None, 0.0), "accumulate_grad_batches": (1,), "threads": (1,),
                                          "legacy_polygons": (False,), "bl_tol": (None,), "dice_weight": (None, 0.0)}  # fmt: skip
"""What a setting may be where a release lacks its option: what that release does anyway."""

OWN: dict[str, float] = {"gradient_clip_val": 1.0, "dice_weight": 0.5, "bl_tol": 10.0}
"""What kraken 7.1 takes where a setting is null: its own default."""


def problems(training: Training, seed: int, version: str, task: Task = RECOGNITION) -> Iterator[Problem]:
    """What a version of kraken cannot do of a training, or would ignore, and which releases can."""
    index = index_of(version)
    for key, options in OPTIONS[task].items():
        value, option, others = getattr(training, key), options[index], options[1 - index]
        unknown = option.words is not None and value not in option.words
        if (option.name is None and value not in NEUTRAL.get(key, (value,))) or unknown:
            can = SPOKEN[("4.3", "7.1")[1 - index]]
            able = others.name is not None and (others.words is None or value in others.words)
            yield Problem(
                f"training.{key}={_typed(value)}: kraken {version} cannot do that{f', {can} can' if able else ''}",
                f"use {', '.join(option.words)}" if option.words else _instead(key),
                f"training.{key}",
            )
    if index == 0 and training.exact:
        what = f"training.exact=true: kraken {version} cannot do that, {SPOKEN['7.1']} can: its models do not hold the state of the optimiser"
        yield Problem(what, "use training.exact=false, or a runtime with kraken 7.1", "training.exact")
    if index == 0 and seed == 0:
        yield Problem(f"seed=0: kraken {version} takes it for no seed at all", "use another", "seed")


def _instead(key: str) -> str:
    return f"with this one it must be training.{key}={_typed(NEUTRAL[key][-1])}"


def _typed(value: object) -> str:
    """A value as a user types it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


_CUTTING = (
    "lines are cut out of the page by this release's own method: scores compare within one version of kraken only"
)
_AUGMENTED = "validation lines are augmented, too: the validation score while training is lower than without"

_REMARKS: dict[Task, tuple[tuple[str, ...], tuple[str, ...]]] = {
    RECOGNITION: ((_CUTTING,), (_AUGMENTED,)),
    SEGMENTATION: ((), ()),
}
"""What 4.3.13 does otherwise in the trainings of a task: always, and with training.augment."""


def remarks(training: Training, version: str, task: Task = RECOGNITION) -> list[str]:
    """What a version of kraken does otherwise than its settings say, one sentence each; for the record."""
    if release(version) != "4.3":
        return []
    always, augmented = _REMARKS[task]
    said = [*always]
    said.append(
        "a restart is a warm one: its models hold no state of the optimiser, which begins anew with the weights"
    )
    if training.schedule != "constant" or training.warmup:
        said.append("the learning rate's schedule and warm-up begin anew at a restart")
    said.append("gradients are never clipped")
    if training.augment:
        said += augmented
    if training.precision != "32-true":
        said.append("predictions are made in 32-bit precision: it recognises in no other")
    if (training.workers or 0) > 1:
        said.append(f"it computes with as many threads as workers: {training.workers}")
    return said


def values_of(training: Training, device: str, workers: str) -> dict[str, Any]:
    """Every setting as kraken is to get it."""
    given = {**vars(training), "device": device, "workers": workers}
    return given | {key: value for key, value in OWN.items() if key in given and given[key] is None}


def words_of(values: Mapping[str, Any], task: Task, index: int, *, group: bool) -> list[str]:
    """The options for settings, those of the group or those of the subcommand."""
    argv: list[str] = []
    for key, options in OPTIONS[task].items():
        option, value = options[index], values[key]
        if option.name is None or option.group is not group or key in OF_COMMAND or value is None:
            continue
        if isinstance(value, bool):
            on, off = option.name.split("/")
            argv.append(on if value else off)
        elif option.bare and option.words:
            argv += [option.words[value]] * bool(option.words[value])
        else:
            argv += [option.name, *[option.words[value] if option.words else number(value)] * option.values]
    return argv


def number(value: object) -> str:
    """A value as kraken reads it."""
    return repr(value) if isinstance(value, float) else str(value)
