"""kraken's command lines, release by release: what each of our settings is called there, and what its output means.

Supported: 4.3.13 and 7.1.x. Every setting is passed explicitly, so that a default of kraken never decides; one that a release
lacks, or would ignore, is a problem that `problems` tells before anything starts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from htr_exp.errors import RuntimeUnavailableError
from htr_exp.schema import Training
from htr_exp.weights import ModelHeader

Release = Literal["4.3", "7.1"]

SUPPORTED: dict[Release, re.Pattern[str]] = {"4.3": re.compile(r"4\.3\.13$"), "7.1": re.compile(r"7\.1\.\d+$")}
SPOKEN: dict[Release, str] = {"4.3": "4.3.13", "7.1": "7.1.x"}


@dataclass(frozen=True)
class Option:
    """What a release calls one of our settings.

    Attributes:
        name: its option; None: the release has none. `--x/--no-x` is a switch.
        words: our words and its own, where they differ; a word that is not here, though others are, it does not have.
        group: the option stands before the subcommand.
    """

    name: str | None
    words: Mapping[str, str] | None = None
    group: bool = False


def _same(*words: str) -> dict[str, str]:
    return {word: word for word in words}


_PRECISIONS = {"32-true": "32", "64-true": "64", "16-mixed": "16", "bf16-mixed": "bf16"}

# our key: (4.3.13, 7.1)
OPTIONS: dict[str, tuple[Option, Option]] = {
    "device": (Option("-d"), Option("-d", group=True)),
    "workers": (Option("--workers"), Option("--workers", group=True)),
    "threads": (Option(None), Option("--threads", group=True)),
    "precision": (Option("--precision", _PRECISIONS), Option("--precision", group=True)),
    "deterministic": (Option("-r/--no-deterministic", group=True), Option("-r/--no-deterministic", group=True)),
    "batch_size": (Option("-B"), Option("-B")),
    "lrate": (Option("-r"), Option("-r")),
    "optimizer": (Option("--optimizer", _same("Adam", "SGD", "RMSprop")), Option("--optimizer")),
    "momentum": (Option("-m"), Option("-m")),
    "weight_decay": (Option("-w"), Option("-w")),
    "gradient_clip_val": (Option(None), Option("--gradient-clip-val")),
    "accumulate_grad_batches": (Option(None), Option("--accumulate-grad-batches")),
    "warmup": (Option("--warmup"), Option("--warmup")),
    # 4.3.13 takes its -g for the epoch of cosine's lowest rate, so that --cos-max does nothing there
    "schedule": (
        Option("--schedule", _same("constant", "1cycle", "exponential", "step", "reduceonplateau")),
        Option("--schedule"),
    ),
    "gamma": (Option("-g"), Option("-g")),
    "step_size": (Option("-ss"), Option("-ss")),
    "sched_patience": (Option("--sched-patience"), Option("--sched-patience")),
    "cos_max": (Option("--cos-max"), Option("--cos-max")),
    "cos_min_lr": (Option(None), Option("--cos-min-lr")),
    "pad": (Option("--pad"), Option("--pad")),
    "augment": (Option("--augment/--no-augment"), Option("--augment/--no-augment")),
    "normalize_whitespace": (
        Option("--normalize-whitespace/--no-normalize-whitespace"),
        Option("--normalize-whitespace/--no-normalize-whitespace"),
    ),
    "normalization": (Option("-u"), Option("-u")),
    "legacy_polygons": (Option(None), Option("--legacy-polygons")),
    "quit": (Option("-q", {"early": "early", "fixed": "dumb"}), Option("-q")),
    "min_epochs": (Option("--min-epochs"), Option("--min-epochs")),
    "lag": (Option("--lag"), Option("--lag")),
    "resize": (Option("--resize"), Option("--resize")),
}
"""The settings of a training and each release's options for them."""

_OF_COMMAND = ("quit", "min_epochs", "lag", "resize", "legacy_polygons")  # not always given, or to another subcommand

NEUTRAL: dict[str, tuple[object, ...]] = {"gradient_clip_val": (None, 0.0), "accumulate_grad_batches": (1,), "threads": (1,),
                                          "legacy_polygons": (False,)}  # fmt: skip
"""What a setting may be where a release lacks its option: what that release does anyway."""

OWN_CLIP = 1.0
"""The norm at which kraken 7.1 clips gradients unless told otherwise; what training.gradient_clip_val=null means there."""

PREDICTION_TEMPLATE = """\
{%- macro ln(l) -%}
{"id": {{ (l.id if l.id is defined else none)|tojson }}, "baseline": {{ (l.baseline|default([]))|tojson }}, \
"text": {% if l.text is defined %}{{ l.text|tojson }}\
{% else %}{{ l.recognition|map(attribute='text')|join('')|tojson }}{% endif %}}
{% endmacro -%}
{%- for e in page.entities -%}
{%- if e.type == 'region' -%}{%- for l in e.lines -%}{{ ln(l) }}{%- endfor -%}{%- else -%}{{ ln(e) }}{%- endif -%}
{%- endfor -%}
"""
"""A template for `kraken -t`: one JSON line for each text line, with the id (None from 4.3.13) and the baseline it has in the page's XML."""

_VALIDATION = re.compile(r"validation run: total chars ([\d.]+) errors ([\d.]+) accuracy")


@dataclass(frozen=True)
class Validation:
    """One validation run while training, as kraken counts: raw code points after its own normalisations."""

    errors: int
    characters: int

    @property
    def cer(self) -> float:
        """Errors by reference characters; above 1 where more was invented than stands there."""
        return self.errors / self.characters if self.characters else float(self.errors > 0)


def release(version: str) -> Release:
    """Return the release whose words a version of kraken takes.

    Raises:
        RuntimeUnavailableError: it is not supported.
    """
    for name, pattern in SUPPORTED.items():
        if pattern.match(version):
            return name
    raise RuntimeUnavailableError(
        f"kraken {version} is not supported: supported are {' and '.join(SPOKEN.values())}"
        + ("; its options and its files lie between theirs" if version.startswith(("4.", "5.", "6.", "7.")) else "")
    )


def problems(training: Training, seed: int, version: str) -> list[str]:
    """Return what a version of kraken cannot do of a training, or would ignore, and which releases can."""
    index = _index(release(version))
    found = []
    for key, options in OPTIONS.items():
        value, option, others = getattr(training, key), options[index], options[1 - index]
        unknown = option.words is not None and value not in option.words
        if (option.name is None and value not in NEUTRAL.get(key, (value,))) or unknown:
            can = SPOKEN[("4.3", "7.1")[1 - index]]
            able = others.name is not None and (others.words is None or value in others.words)
            instead = f"; use {_listed(option.words)}" if option.words else _instead(key)
            found.append(
                f"training.{key}={_typed(value)}: kraken {version} cannot do that{f', {can} can' if able else ''}{instead}"
            )
    if index == 0 and seed == 0:
        found.append(f"seed=0: kraken {version} takes it for no seed at all; use another")
    return found


def _instead(key: str) -> str:
    return f"; with this one it must be training.{key}={_typed(NEUTRAL[key][-1])}"


def _typed(value: object) -> str:
    """Return a value as a user types it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _listed(words: Mapping[str, str]) -> str:
    return ", ".join(words)


def unloadable(header: ModelHeader, version: str) -> str | None:
    """Return why a version of kraken cannot load a model, with what to do; None if it can."""
    needed = str(header.metadata.get("_kraken_min_version") or "")
    if _numbers(needed) > _numbers(version):
        return f"it needs kraken {needed} or newer, and kraken {version} is to load it; choose another runtime or model"
    if release(version) != "4.3":
        return None
    if header.format == "safetensors":
        return (
            f"kraken {version} loads no safetensors: make an .mlmodel of it with kraken 7.1, "
            "`ketos convert -o NEW.mlmodel --weights-format coreml FILE`, or choose a runtime with kraken 7.1"
        )
    if not header.network.startswith("["):
        return f"its network ({header.network}) is unknown to kraken {version}; choose a runtime with kraken 7.1"
    return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def remarks(training: Training, version: str) -> list[str]:
    """Return what a version of kraken does otherwise than its settings say, one sentence each; for the record."""
    if release(version) != "4.3":
        return []
    said = [
        "lines are cut out of the page by this release's own method: scores compare within one version of kraken only",
        "a restart is a warm one: its models hold no state of the optimiser, which begins anew with the weights",
        "the learning rate's schedule and warm-up begin anew at a restart",
        "gradients are never clipped",
    ]
    if training.schedule == "constant" and not training.warmup:
        said.pop(2)
    if training.augment:
        said.append("validation lines are augmented, too: the validation score while training is lower than without")
    if training.precision != "32-true":
        said.append("predictions are made in 32-bit precision: it recognises in no other")
    if (training.workers or 0) > 1:
        said.append(f"it computes with as many threads as workers: {training.workers}")
    return said


def compile_command(version: str, *, pages: str, output: str, legacy_polygons: bool) -> list[str]:
    """Return the command that compiles the page files listed in `pages`; one worker keeps their order."""
    if release(version) == "4.3":
        return ["ketos", "compile", "--workers", "1", "-f", "page", "-o", output, "-F", pages]
    argv = ["ketos", "--workers", "0", "compile", "-f", "page", "-o", output, "-F", pages]
    return argv + ["--legacy-polygons"] * legacy_polygons


def train_command(
    version: str,
    training: Training,
    *,
    device: str,
    workers: str,
    seed: int,
    train: str,
    validation: str,
    output: str,
    base: str | None,
    spec: str | None,
    done: int = 0,
    until_epoch: int | None = None,
) -> list[str]:
    """Return the command that starts a training.

    Args:
        version: of kraken.
        training: every setting.
        device: as kraken names it.
        workers: processes that load lines.
        seed: of everything random in training.
        train: a file that lists the compiled training data.
        validation: a file that lists the compiled validation data.
        output: the folder for checkpoints; 4.3.13: what its models' names begin with.
        base: the model's file to start from, or None from scratch.
        spec: the network's VGSL, only from scratch.
        done: epochs that `base` has behind it, where it is a model of this training (a warm restart).
        until_epoch: stop after so many epochs, those of `done` included; default: as `training.quit` says.
    """
    index = _index(release(version))
    values = _values(training, device, workers)
    argv = ["ketos", "-v", *_options(values, index, group=True), "-s", str(seed), "train"]
    argv += ["-f", "binary", "-t", train, "-e", validation, "-o", output]
    argv += ["--weights-format", "coreml"] * (index == 1)
    if base is None:
        argv += ["-s", str(spec)]
    else:  # what a warm restart starts from has its alphabet already
        argv += ["-i", base, "--resize", "fail" if done else training.resize]
    return [*argv, *_stopping(training, index, done, until_epoch), *_options(values, index, group=False)]


def resume_command(
    version: str,
    training: Training,
    *,
    device: str,
    workers: str,
    seed: int,
    checkpoint: str,
    output: str,
    until_epoch: int | None = None,
) -> list[str]:
    """Return the command that goes on from a checkpoint, with its optimiser, data and counts of epochs: 7.1 only."""
    index = _index(release(version))
    argv = [
        "ketos", "-v", *_options(_values(training, device, workers), index, group=True), "-s", str(seed), "train",
        "--resume", checkpoint, "-o", output, "--weights-format", "coreml",
    ]  # fmt: skip
    return argv + _stopping(training, index, 0, until_epoch)


def convert_command(*, checkpoint: str, output: str) -> list[str]:
    """Return the command that makes weights, which every supported kraken loads, of a checkpoint: 7.1 only."""
    return ["ketos", "convert", "-o", output, "--weights-format", "coreml", checkpoint]


def predict_command(
    version: str,
    *,
    pages: Sequence[tuple[str, str]],
    model: str,
    template: str,
    device: str,
    precision: str,
    threads: int,
    pad: int,
) -> list[str]:
    """Return the command that recognises the ground truth lines of page files, one output file each.

    Batch size 1 and no reordering: padding in a batch changes predictions, and scores compare what the network wrote.
    """
    files = [word for page, output in pages for word in ("-i", page, output)]
    if release(version) == "4.3":
        argv = ["kraken", "-d", device, "-f", "page", "-t", template, *files]
        return [*argv, "ocr", "-m", model, "--pad", str(pad), "--no-reorder", "--threads", str(threads)]
    argv = ["kraken", "-d", device, "--precision", precision, "--threads", str(threads), "-f", "page", "-t", template]
    argv += ["--no-subline-segmentation", *files]
    return [*argv, "ocr", "-m", model, "-B", "1", "--pad", str(pad), "--no-reorder", "--num-line-workers", "0"]


def validation_of(line: str) -> Validation | None:
    """Return what a line of `ketos -v train` says of a validation run, or None where it says something else."""
    found = _VALIDATION.search(line)
    return Validation(errors=round(float(found[2])), characters=round(float(found[1]))) if found else None


def rehearsals(version: str) -> int:
    """Return how many validation runs `ketos train` reports before the first epoch: 4.3.13 tries itself out on two batches."""
    return 1 if release(version) == "4.3" else 0


def _index(release: Release) -> int:
    return 0 if release == "4.3" else 1


def _values(training: Training, device: str, workers: str) -> dict[str, Any]:
    clip = OWN_CLIP if training.gradient_clip_val is None else training.gradient_clip_val
    return {**vars(training), "device": device, "workers": workers, "gradient_clip_val": clip}


def _options(values: Mapping[str, Any], index: int, *, group: bool) -> list[str]:
    argv: list[str] = []
    for key, options in OPTIONS.items():
        option, value = options[index], values[key]
        if option.name is None or option.group is not group or key in _OF_COMMAND or value is None:
            continue
        if isinstance(value, bool):
            on, off = option.name.split("/")
            argv.append(on if value else off)
        else:
            argv += [option.name, option.words[value] if option.words else _number(value)]
    return argv


def _stopping(training: Training, index: int, done: int, until_epoch: int | None) -> list[str]:
    quits = OPTIONS["quit"][index].words or _same("early", "fixed")
    if until_epoch is not None or training.quit == "fixed":
        return ["-q", quits["fixed"], "-N", str((until_epoch or training.epochs) - done), "--min-epochs", "0"]
    # kraken ignores -N with -q early: the cap on epochs is ours
    return ["-q", quits["early"], "--lag", str(training.lag), "--min-epochs", str(max(training.min_epochs - done, 0))]


def _number(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
