"""What commands.sh does for each task: what is made ready, and how the held-out lines or pages are predicted."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from htr_exp.config.schema import RecognitionScores, RecognitionTraining, Scores, Training
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task
from htr_exp.kraken.commands import (
    LINE_PAIRS,
    PAGE_FILES,
    compile_command,
    predict_command,
    predict_lines_command,
    segment_command,
)


class RunFiles(Protocol):
    """The files of a run folder that its commands read, as paths from there."""

    @property
    def page_archive(self) -> Path:
        """Holds the staged pages, and lists of them."""

    @property
    def data_path(self) -> Path:
        """Holds the path of the folder of the images."""

    @property
    def base_model_path(self) -> Path:
        """Holds the path of the base model."""

    @property
    def segmentation_model_path(self) -> Path:
        """Holds the path of the segmentation model."""

    @property
    def held_out_pages(self) -> Path:
        """Lists the staged pages of validation and test."""

    @property
    def held_out_images(self) -> Path:
        """Lists their images."""

    @property
    def classes(self) -> Path:
        """Says which number each class has."""

    @property
    def starts(self) -> Path:
        """Has a record of each start of kraken."""

    @property
    def template(self) -> Path:
        """The form in which kraken writes predictions."""

    def page_list(self, side: str) -> Path:
        """Lists the staged pages of one side of the split."""


class Steps(ABC):
    """What the commands of a task are, where they are not alike for all.

    Attributes:
        train: lists what is trained on.
        validation: lists what is validated with.
        classes: says which number each class has; None: there are no classes.
        figure: for sed: the figure of an epoch in kraken's log, the smaller the better.
        order: of these figures, for sort.
        perfect: the smallest that there can be.
        remarks: on a training in legs.
        predicted: what is predicted.
    """

    train: str
    validation: str
    classes: str | None = None
    figure: str
    order: str
    perfect: int
    remarks: tuple[str, ...] = ()
    predicted: str

    def __init__(self, files: RunFiles) -> None:
        self._files = files

    @abstractmethod
    def prepare(self, training: Training, version: str, sides: Sequence[str]) -> list[str]:
        """The lines that make of the staged pages what is trained on."""

    @abstractmethod
    def predict(
        self, model: str, name: str, version: str, device: str, training: Training, scores: Scores
    ) -> list[str]:
        """The lines that predict what is held out."""


class _Recognition(Steps):
    train, validation = "$OUT/train.list", "$OUT/validation.list"
    figure, order = "s/.*total chars [0-9.]* errors \\([0-9.]*\\) accuracy.*/\\1/p", "n"
    perfect = 0
    predicted = "lines"
    form = PAGE_FILES

    def prepare(self, training: Training, version: str, sides: Sequence[str]) -> list[str]:
        legacy = cast("RecognitionTraining", training).legacy_polygons
        lines = ["# one compiled file for each side of the split; what the cache holds already is compiled again"]
        for side in sides:
            command = compile_command(
                version,
                pages=unpacked(self._files.page_list(side)),
                output=f"$OUT/{side}.arrow",
                legacy_polygons=legacy,
                form=self.form,
            )
            lines += [shown(command), f'echo "$OUT/{side}.arrow" > "$OUT/{side}.list"']
        return lines

    def predict(
        self, model: str, name: str, version: str, device: str, training: Training, scores: Scores
    ) -> list[str]:
        return recognition_lines(self._files, model, name, version, device, training, scores)


class LinePairs(_Recognition):
    form = LINE_PAIRS

    def predict(
        self, model: str, name: str, version: str, device: str, training: Training, scores: Scores
    ) -> list[str]:
        command = predict_lines_command(
            version, pictures="PICTURES", suffix=".jsonl", model=model, template=str(self._files.template), device=device,
            precision=training.precision, threads=training.threads, pad=cast("RecognitionScores", scores).pad,
        )  # fmt: skip
        return [
            f'rm -rf "$OUT/{name}"',
            f'mkdir -p "$OUT/{name}"',
            f'while IFS= read -r line; do cp "$line" "$OUT/{name}"; done < "{unpacked(self._files.held_out_pages)}"',
            f'found=$(printf %s "$OUT/{name}" | sed "s/[[*?]/[&]/g") # -I takes a pattern',
            shown(command).replace("PICTURES", '"$found/*-*"'),
        ]


class _Segmentation(Steps):
    figure, order = "s/.*validation run.* mean_iu \\([0-9.e-]*\\) .*/-\\1/p", "g"
    perfect = -1
    remarks = (
        "# kraken may have given the classes' names to the wrong outputs: the run corrects its own model by classes.yaml",
    )
    predicted = "pages"

    def __init__(self, files: RunFiles) -> None:
        super().__init__(files)
        self.train, self.validation = (unpacked(files.page_list(side)) for side in ("train", "validation"))
        self.classes = str(files.classes)

    def prepare(self, training: Training, version: str, sides: Sequence[str]) -> list[str]:
        return []  # kraken trains on the staged pages themselves

    def predict(
        self, model: str, name: str, version: str, device: str, training: Training, scores: Scores
    ) -> list[str]:
        command = segment_command(
            version, pages=[("PAGES", "PAGES")], model=model, device=device, precision=training.precision, threads=training.threads,
            text_direction=scores.text_direction,
        )  # fmt: skip
        return [
            f'mkdir -p "$OUT/{name}"',
            "set --",
            f'while read -r image; do set -- "$@" -i "$image" "$OUT/{name}/$(basename "$image").xml"; done < "{unpacked(self._files.held_out_images)}"',
            shown(command).replace("-i PAGES PAGES", '"$@"'),
        ]


STEPS: dict[Task, type[Steps]] = {RECOGNITION: _Recognition, SEGMENTATION: _Segmentation}
"""The commands of each task."""


def recognition_lines(
    files: RunFiles,
    model: str,
    name: str,
    version: str,
    device: str,
    training: Training,
    scores: Scores,
    segmenter: str | None = None,
) -> list[str]:
    command = predict_command(
        version, pages=[("PAGES", "PAGES")], model=model, template=str(files.template), device=device,
        precision=training.precision, threads=training.threads, pad=cast("RecognitionScores", scores).pad, segmenter=segmenter,
        text_direction=scores.text_direction,
    )  # fmt: skip
    listed = unpacked(files.held_out_images if segmenter else files.held_out_pages)
    return [
        f'mkdir -p "$OUT/{name}"',
        "set --",
        f'while read -r page; do set -- "$@" -i "$page" "$OUT/{name}/$(basename "$page" .xml).jsonl"; done < "{listed}"',
        shown(command).replace("-i PAGES PAGES", '"$@"'),
    ]


def unpacked(listed: Path) -> str:
    """A list of pages or images, as it is made of the archive."""
    return f"$OUT/{listed.name}"


def shown(command: Sequence[str]) -> str:
    return " ".join(_word(word) for word in command)


def _word(word: str) -> str:
    if not word.startswith("$"):
        return shlex.quote(word)
    folder, star, rest = word.partition("*")
    return f'"{folder}"{star}{rest}'
