"""What kraken says while it works: `ketos -v` of a training, `-vv` also of each line or page, `ketos compile` by a bar."""

from __future__ import annotations

import math
import re

from htr_exp.kraken.releases import release

# rich begins a line with the time, or 20 blanks in its place; what follows of a long line stands further in, where a file's name
# may say anything
_SAID = r"^(?:(?:\[[^\]]*\])? {0,21}%s +)?"
_FIGURE = r"(-?[\d.]+(?:e[-+]?\d+)?|nan)"
_RECOGNITION = re.compile(_SAID % "INFO" + rf"validation run: total chars {_FIGURE} errors {_FIGURE} accuracy")
_SEGMENTATION = re.compile(
    _SAID % "INFO" + rf"validation run: accuracy {_FIGURE} mean_acc {_FIGURE} mean_iu {_FIGURE} freq_iu {_FIGURE}"
)
_LINES = re.compile(_SAID % "INFO" + rf"validation bl detection: P {_FIGURE} R {_FIGURE} F1 {_FIGURE}")

_SAMPLE = re.compile(_SAID % "DEBUG" + "(?:Loading sample|Attempting to load) ")
_BAR = re.compile(r"Extracting lines .* (\d+)/(\d+) ")
_STEERING = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")

REPLACED = re.compile(r"Failed\. Replacing with sample (\d+)")
"""What segtrain says when it could not use a page, and trains on another in its place."""


def validation_of(line: str) -> dict[str, float] | None:
    """The figures of a validation run, if a line tells of one, under the names that they have in the curve.

    Recognition: `val_cer`, `errors` and `characters`, raw code points after kraken's own normalisations; the rate is above
    1 where more was invented than stands there. Segmentation: `val_mean_iu`, `val_freq_iu`, `val_accuracy` and
    `val_mean_acc`, over the pixels of regions and of the ends of lines (7.1), or of all classes (4.3.13).
    """
    if found := _RECOGNITION.search(line):
        characters, errors = (round(float(figure)) for figure in found.groups())
        return {
            "val_cer": errors / characters if characters else float(errors > 0),
            "errors": errors,
            "characters": characters,
        }
    if found := _SEGMENTATION.search(line):
        return _finite(("val_accuracy", "val_mean_acc", "val_mean_iu", "val_freq_iu"), found)
    return None


def further_of(line: str) -> dict[str, float] | None:
    """More figures of the validation run that was told of last: 7.1's detection of lines, as it counts."""
    found = _LINES.search(line)
    return _finite(("val_bl_precision", "val_bl_recall", "val_bl_f1"), found) if found else None


def _finite(names: tuple[str, ...], found: re.Match[str]) -> dict[str, float]:
    values = (float(figure) for figure in found.groups())
    return {name: value if math.isfinite(value) else 0.0 for name, value in zip(names, values)}


def loads_sample(line: str) -> bool:
    """Whether a line, of `ketos -vv`, says that one more line or page is read, to be trained on or validated with."""
    return _SAMPLE.search(line) is not None


def extracted_of(line: str) -> tuple[int, int] | None:
    """How many lines `ketos compile` has done of how many, if a line is its bar."""
    found = _BAR.search(line)
    return (int(found[1]), int(found[2])) if found else None


def without_steering(line: str) -> str:
    """A line of kraken's that believes it is on a terminal, without what steers one."""
    return _STEERING.sub("", line)


def sanity_checks(version: str) -> int:
    """How many validation runs it reports before the first epoch: 4.3.13 tries itself out on two batches."""
    return 1 if release(version) == "4.3" else 0
