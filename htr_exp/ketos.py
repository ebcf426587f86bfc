"""kraken's command line, version by version: what each of our settings is called there, and what its output means.

Supported: 7.1.x. Every setting is passed explicitly, so that a default of kraken never decides.
"""

from __future__ import annotations

import contextlib
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp.schema import Training

PREDICTION_TEMPLATE = """\
{%- macro ln(l) -%}
{"id": {{ (l.id if l.id is defined else none)|tojson }}, "text": {% if l.text is defined %}{{ l.text|tojson }}\
{% else %}{{ l.recognition|map(attribute='text')|join('')|tojson }}{% endif %}}
{% endmacro -%}
{%- for e in page.entities -%}
{%- if e.type == 'region' -%}{%- for l in e.lines -%}{{ ln(l) }}{%- endfor -%}{%- else -%}{{ ln(e) }}{%- endif -%}
{%- endfor -%}
"""
"""A template for `kraken -t`: one JSON line for each text line, with the id it has in the page's XML."""

_VALIDATION = re.compile(r"validation run: total chars ([\d.]+) errors ([\d.]+) accuracy")
_CHECKPOINT = re.compile(r"checkpoint_(\d+)-(-?[\d.]+|nan)\.ckpt$")
_BEST = re.compile(r"best_(-?[\d.]+)\.(mlmodel|coreml|safetensors)$")
ABORTED = "checkpoint_abort.ckpt"


@dataclass(frozen=True)
class Validation:
    """One validation run while training, as kraken counts: raw code points after its own normalisations."""

    errors: int
    characters: int

    @property
    def cer(self) -> float:
        """Errors by reference characters; above 1 where more was invented than stands there."""
        return self.errors / self.characters if self.characters else float(self.errors > 0)


def compile_command(ketos: str, *, pages: str, output: str, legacy_polygons: bool) -> list[str]:
    """Return the command that compiles the page files listed in `pages`; one worker keeps their order."""
    argv = [ketos, "--workers", "0", "compile", "-f", "page", "-o", output, "-F", pages]
    return argv + ["--legacy-polygons"] * legacy_polygons


def train_command(
    ketos: str,
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
    until_epoch: int | None = None,
) -> list[str]:
    """Return the command that starts a training.

    Args:
        ketos: the program.
        training: every setting.
        device: as kraken names it.
        workers: processes that load lines.
        seed: of everything random in training.
        train: a file that lists the compiled training data.
        validation: a file that lists the compiled validation data.
        output: the folder for checkpoints.
        base: the base model's file, or None from scratch.
        spec: the network's VGSL, only from scratch.
        until_epoch: stop after so many epochs; default: as `training.quit` says.
    """
    argv = [
        *_group(ketos, training, device, workers, seed),
        "train",
        "-f",
        "binary",
        "-t",
        train,
        "-e",
        validation,
        "-o",
        output,
    ]
    argv += ["--weights-format", "coreml"]
    argv += ["-i", base, "--resize", training.resize] if base is not None else ["-s", str(spec)]
    argv += _stopping(training, until_epoch)
    argv += [
        "-B", str(training.batch_size), "-r", _number(training.lrate), "--optimizer", training.optimizer,
        "-m", _number(training.momentum), "-w", _number(training.weight_decay),
        "--gradient-clip-val", _number(training.gradient_clip_val),
        "--accumulate-grad-batches", str(training.accumulate_grad_batches),
        "--warmup", str(training.warmup), "--schedule", training.schedule, "-g", _number(training.gamma),
        "-ss", str(training.step_size), "--sched-patience", str(training.sched_patience),
        "--cos-max", str(training.cos_max), "--cos-min-lr", _number(training.cos_min_lr),
        "--pad", str(training.pad),
        "--augment" if training.augment else "--no-augment",
        "--normalize-whitespace" if training.normalize_whitespace else "--no-normalize-whitespace",
    ]  # fmt: skip
    return argv + (["-u", training.normalization] if training.normalization else [])


def resume_command(
    ketos: str,
    training: Training,
    *,
    device: str,
    workers: str,
    seed: int,
    checkpoint: str,
    output: str,
    until_epoch: int | None = None,
) -> list[str]:
    """Return the command that goes on from a checkpoint, with its optimiser, data and counts of epochs."""
    argv = [
        *_group(ketos, training, device, workers, seed),
        "train",
        "--resume",
        checkpoint,
        "-o",
        output,
        "--weights-format",
        "coreml",
    ]
    return argv + _stopping(training, until_epoch)


def convert_command(ketos: str, *, checkpoint: str, output: str) -> list[str]:
    """Return the command that makes weights, which every supported kraken loads, of a checkpoint."""
    return [ketos, "convert", "-o", output, "--weights-format", "coreml", checkpoint]


def predict_command(
    kraken: str,
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
    argv = [kraken, "-d", device, "--precision", precision, "--threads", str(threads), "-f", "page", "-t", template]
    argv += ["--no-subline-segmentation"]
    for page, output in pages:
        argv += ["-i", page, output]
    return [*argv, "ocr", "-m", model, "-B", "1", "--pad", str(pad), "--no-reorder", "--num-line-workers", "0"]


def validation_of(line: str) -> Validation | None:
    """Return what a line of `ketos -v train` says of a validation run, or None where it says something else."""
    found = _VALIDATION.search(line)
    return Validation(errors=round(float(found[2])), characters=round(float(found[1]))) if found else None


def checkpoints(folder: Path) -> dict[int, Path]:
    """Return epoch -> checkpoint of a training folder; of two for one epoch the newer, as a resumed training left it.

    A checkpoint that a kill or a full disk cut short counts as none.
    """
    found: dict[int, tuple[int, Path]] = {}
    for path in folder.glob("checkpoint_*.ckpt"):
        match = _CHECKPOINT.match(path.name)
        if match:
            with contextlib.suppress(FileNotFoundError):  # kraken deletes its own, too
                if zipfile.is_zipfile(path):
                    epoch, written = int(match[1]), path.stat().st_mtime_ns
                    found[epoch] = max(found.get(epoch, (0, path)), (written, path))
    return {epoch: path for epoch, (_, path) in found.items()}


def epochs_behind(aborted: Path) -> int | None:
    """Return how many epochs a checkpoint has behind it that kraken wrote as it was stopped; None if it cannot be gone on from.

    One that was written within a validation run cannot: kraken would validate the rest of the lines alone, and take that
    for the epoch's figure. A checkpoint is a zip archive with a pickle, of which only plain values are taken: nothing in it
    is executed.
    """
    try:
        with zipfile.ZipFile(aborted) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as file:
                loop = _PlainValues(file).load()["loops"]["fit_loop"]
        epochs = loop["epoch_progress"]["current"]
        if loop["epoch_loop.batch_progress"]["is_last_batch"] and epochs["processed"] < epochs["ready"]:
            return None
        return int(epochs["processed"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, pickle.UnpicklingError, EOFError):
        return None


class _Anything:
    """Stands for every object of a pickle that is not a plain value."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __call__(self, *args: object, **kwargs: object) -> _Anything:
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        pass

    def extend(self, values: object) -> None:
        pass


class _PlainValues(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else _Anything

    def persistent_load(self, pid: object) -> None:
        return None


def best_weights(folder: Path) -> Path | None:
    """Return the weights that kraken writes when a training has come to its own end."""
    found = [path for path in folder.glob("best_*") if _BEST.match(path.name)]
    return max(found, key=lambda path: path.stat().st_mtime_ns) if found else None


def _group(ketos: str, training: Training, device: str, workers: str, seed: int) -> list[str]:
    argv = [ketos, "-v", "-d", device, "--precision", training.precision, "-s", str(seed)]
    argv += ["--workers", workers, "--threads", str(training.threads)]
    return [*argv, "-r" if training.deterministic else "--no-deterministic"]


def _stopping(training: Training, until_epoch: int | None) -> list[str]:
    if until_epoch is not None or training.quit == "fixed":
        return ["-q", "fixed", "-N", str(until_epoch or training.epochs), "--min-epochs", "0"]
    # kraken ignores -N with -q early: the cap on epochs is ours
    return ["-q", "early", "--lag", str(training.lag), "--min-epochs", str(training.min_epochs)]


def _number(value: float) -> str:
    return repr(float(value))
