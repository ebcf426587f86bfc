"""commands.sh: what a run does, as kraken's own commands, for someone who knows kraken and nothing of us."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from htr_exp.config.schema import RecognitionScores, RecognitionTraining, Scores, Training
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task
from htr_exp.kraken.commands import (
    compile_command,
    convert_command,
    predict_command,
    resume_command,
    segment_command,
    train_command,
)
from htr_exp.kraken.legs import legs
from htr_exp.kraken.releases import release

HEADER = """\
#!/bin/sh
# What this run does, in kraken {version}'s own commands. It repeats the run in a folder of its own, $OUT.{stopping}
{reach}set -eu
cd "$(dirname "$0")"
OUT=${{OUT:-by-hand}}
DATA=${{DATA:-$(cat {data_path} 2>/dev/null || true)}}
{models}mkdir -p "$OUT"
export COLUMNS=400 TERM=dumb NO_COLOR=1 OMP_NUM_THREADS={threads} LC_ALL=C.UTF-8
"""

MODEL = "{variable}=${{{variable}:-$(cat {path} 2>/dev/null || true)}}\n"

PAGES = "pages"
"""The folder of all that is in the archive of pages."""

IMAGES = "images"
"""What pages call the folder of their images, from where they are: the script makes it a link."""

EVERY_IMAGE = "every.images"
"""The list of all images, as pages call them."""

UNPACKING = """
# the pages as kraken is given them; their images are in $DATA
stop() {{ echo "commands.sh: $1" >&2; exit 2; }}
[ -d "$DATA" ] || stop "DATA=$DATA: there is no such folder; say where the images of the pages are: DATA=/WHOLE/PATH sh commands.sh"
{models}tar -xzf {archive} -C "$OUT"
rm -f "$OUT/{pages}/{images}"
ln -s "$(cd "$DATA" && pwd)" "$OUT/{pages}/{images}"
while IFS= read -r image; do [ -f "$OUT/{pages}/$image" ] || stop "DATA=$DATA: there is no ${{image#{images}/}} in it"; done < "$OUT/{pages}/{every_image}"
for list in "$OUT"/{pages}/*.pages "$OUT"/{pages}/*.images; do
  while IFS= read -r name; do printf '%s\\n' "$OUT/{pages}/$name"; done < "$list" > "$OUT/${{list##*/}}"
done
"""

MISSING = '[ -f "${variable}" ] || stop "{variable}=${variable}: there is no such file; say where the {what} is: {variable}=/WHOLE/PATH sh commands.sh"\n'

DEVICE = "DEVICE=${DEVICE:-$(nvidia-smi -L 2>/dev/null | grep -q ^GPU && echo cuda:0 || echo cpu)}\n"
WORKERS = "WORKERS=${WORKERS:-0} # processes that load lines; with a GPU the run takes one less than its CPUs\n"


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


def script(
    training: Training,
    *,
    files: RunFiles,
    version: str,
    device: str,
    seed: int,
    base: bool,
    spec: str | None,
    sides: Sequence[str],
    scores: Scores,
    task: Task = RECOGNITION,
    segmenter: bool = False,
    reach: str | None = None,
) -> str:
    """The text of commands.sh.

    Args:
        training: every setting.
        files: of the run folder.
        version: of kraken.
        device: as kraken names it, or `auto` where only the machine that runs it knows.
        seed: of training.
        base: whether there is a base model.
        spec: the network from scratch, or None with a base model.
        sides: what is compiled: train, validation and, where there is one, test; nothing where nothing is trained.
        scores: every setting of scoring.
        task: what is learnt.
        segmenter: whether whole pages are read, too, in the lines that a segmentation model finds.
        reach: a line that brings this kraken within reach, or says how; None where it is on PATH.
    """
    wanted = {"BASE": (files.base_model_path, "base model")} if base else {}
    wanted |= {"SEGMENTER": (files.segmentation_model_path, "segmentation model")} if segmenter else {}
    header = HEADER.format(
        version=version,
        data_path=files.data_path,
        models="".join(MODEL.format(variable=name, path=path) for name, (path, _) in wanted.items()),
        threads=training.threads,
        stopping=_stopping(training, version) if sides else "",
        reach=f"{reach}\n" if reach else "",  # before -u: module systems use variables that may be unset
    )
    workers = str(training.workers)
    if training.workers is None:
        workers = "0" if device == "cpu" else "$WORKERS"
    if device == "auto":
        device, header = "$DEVICE", header + DEVICE
    if sides and workers == "$WORKERS":
        header += WORKERS
    missing = "".join(MISSING.format(variable=name, what=what) for name, (_, what) in wanted.items())
    names = {"pages": PAGES, "images": IMAGES, "every_image": EVERY_IMAGE}
    lines = [header + UNPACKING.format(archive=files.page_archive, models=missing, **names)]
    steps = STEPS[task](files)
    if sides:
        lines += steps.prepare(training, version, sides)
        trained = _one_training if release(version) == "4.3" else _exact_legs if training.exact else _legs
        lines.append(RESUMED.format(starts=files.starts))
        lines += trained(_Call(training, version, device, workers, seed, spec, task), steps)
    lines.append(f"\n# predictions on the held-out {steps.predicted}")
    models = [("$BASE", "base")] * base + [("$OUT/best.mlmodel", "best")] if sides else [("$BASE", "model")]
    for model, name in models:
        lines += steps.predict(model, name, version, device, training, scores)
    if segmenter:
        lines.append("\n# whole pages, in the lines that the segmentation model finds")
        lines += _recognition(files, "$BASE", "found-lines", version, device, training, scores, segmenter="$SEGMENTER")
    return "\n".join(lines) + "\n"


RESUMED = """
# What this cannot repeat: a training that was resumed within a leg (resumed_at in results.json). It then has other random numbers.
if grep -q '"exact": false' {starts} 2>/dev/null; then
  echo "commands.sh: this run was resumed after an interruption: the line below '# training' gives another model than best.mlmodel" >&2
fi"""


def _stopping(training: Training, version: str) -> str:
    if training.exact:
        return "\n# Epochs are trained in legs. Each begins at the end of the one before, with a seed of its own."
    if training.quit == "early":
        return f"\n# kraken has no cap on epochs with -q early: the run stops it after {training.epochs}."
    return (
        "\n# Epochs are trained in legs, each in a folder of its own, so that each leaves a checkpoint."
        if len(legs(training)) > 1 and release(version) == "7.1"
        else ""
    )


@dataclass(frozen=True)
class _Call:
    """What all commands of a training have in common."""

    training: Training
    version: str
    device: str
    workers: str
    seed: int
    spec: str | None
    task: Task

    def begun(self, steps: _Steps, output: str, until: int | None = None) -> list[str]:
        """The command that begins it."""
        return train_command(
            self.version, self.training, device=self.device, workers=self.workers, seed=self.seed, train=steps.train,
            validation=steps.validation, output=output, base=None if self.spec else "$BASE", spec=self.spec, task=self.task,
            classes=steps.classes, until_epoch=until,
        )  # fmt: skip


class _Steps(ABC):
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


class _Recognition(_Steps):
    train, validation = "$OUT/train.list", "$OUT/validation.list"
    figure, order = "s/.*total chars [0-9.]* errors \\([0-9.]*\\) accuracy.*/\\1/p", "n"
    perfect = 0
    predicted = "lines"

    def prepare(self, training: Training, version: str, sides: Sequence[str]) -> list[str]:
        legacy = cast("RecognitionTraining", training).legacy_polygons
        lines = ["# one compiled file for each side of the split; what the cache holds already is compiled again"]
        for side in sides:
            command = compile_command(
                version,
                pages=_unpacked(self._files.page_list(side)),
                output=f"$OUT/{side}.arrow",
                legacy_polygons=legacy,
            )
            lines += [_shown(command), f'echo "$OUT/{side}.arrow" > "$OUT/{side}.list"']
        return lines

    def predict(
        self, model: str, name: str, version: str, device: str, training: Training, scores: Scores
    ) -> list[str]:
        return _recognition(self._files, model, name, version, device, training, scores)


class _Segmentation(_Steps):
    figure, order = "s/.*validation run.* mean_iu \\([0-9.e-]*\\) .*/-\\1/p", "g"
    perfect = -1
    remarks = (
        "# kraken may have given the classes' names to the wrong outputs: the run corrects its own model by classes.yaml",
    )
    predicted = "pages"

    def __init__(self, files: RunFiles) -> None:
        super().__init__(files)
        self.train, self.validation = (_unpacked(files.page_list(side)) for side in ("train", "validation"))
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
            f'while read -r image; do set -- "$@" -i "$image" "$OUT/{name}/$(basename "$image").xml"; done < "{_unpacked(self._files.held_out_images)}"',
            _shown(command).replace("-i PAGES PAGES", '"$@"'),
        ]


STEPS: dict[Task, type[_Steps]] = {RECOGNITION: _Recognition, SEGMENTATION: _Segmentation}
"""The commands of each task."""


def _one_training(call: _Call, steps: _Steps) -> list[str]:
    command = call.begun(steps, "$OUT/train/m")
    return [
        "\n# training: a model after every epoch",
        'mkdir -p "$OUT/train"',
        f'{_shown(command)} | tee "$OUT/train/log.txt"',
        "# the best of them by the log, whose first validation is a sanity check; kraken's own choice may be that sanity check",
        f"BEST=$(sed -n '{steps.figure}' \"$OUT/train/log.txt\" | tail -n +2 | awk '{{print $1, NR - 1}}' | sort -k1,1{steps.order} -k2,2n | head -n 1 | cut -d ' ' -f 2)",
        'cp "$OUT/train/m_$BEST.mlmodel" "$OUT/best.mlmodel"',
    ]


def _legs(call: _Call, steps: _Steps) -> list[str]:
    lines = ["\n# training", *map(_shown, _commands_of_legs(call, steps)), *steps.remarks]
    lines.append("# the best of all legs: its score is in its name")
    lines.append(
        'cp "$(ls "$OUT"/train/*/best_*.mlmodel | awk -F_ \'{print $NF "\\t" $0}\' | sort -n | tail -n 1 | cut -f 2)" "$OUT/best.mlmodel"'
    )
    return lines


def _exact_legs(call: _Call, steps: _Steps) -> list[str]:
    """The legs of an exact training, whose end and best epoch are ours to find in kraken's log."""
    training, log = call.training, '"$OUT/train/log.txt"'
    spent = f"NR >= {training.min_epochs} && (least <= {steps.perfect} || NR - 1 - best >= {training.lag})"
    over = f" {spent} {{ over = 1; exit }}" if training.quit == "early" else ""
    lines = [
        "\n# the best epoch so far, and 1 once there was no better one for long enough",
        f"best() {{ sed -n '{steps.figure}' {log} | awk 'NR == 1 || $1 < least {{ least = $1; best = NR - 1 }}{over} END {{ print best, over + 0 }}'; }}",
        "over() { best | grep -q ' 1$'; }",
        "\n# training",
        'mkdir -p "$OUT/train"',
    ]
    for number, command in enumerate(_commands_of_legs(call, steps)):
        unless = "over || " if number and training.quit == "early" else ""
        lines.append(f"{unless}{_shown(command)} | tee {'-a ' if number else ''}{log}")
    lines += steps.remarks
    converted = " ".join(convert_command(checkpoint="CHECKPOINT", output="$OUT/best.mlmodel"))
    checkpoint = '"$OUT"/train/*/checkpoint_$(printf %02d "$(best | cut -d \' \' -f 1)")-*.ckpt'
    lines.append(converted.replace("$OUT/best.mlmodel", '"$OUT/best.mlmodel"').replace("CHECKPOINT", checkpoint))
    return lines


def _commands_of_legs(call: _Call, steps: _Steps) -> Iterator[list[str]]:
    before: tuple[str, int] | None = None
    for folder, until in legs(call.training):
        output = f"$OUT/train/{folder}"
        if before is None:
            yield call.begun(steps, output, until)
        else:
            yield resume_command(
                call.version,
                call.training,
                device=call.device,
                workers=call.workers,
                seed=call.seed + before[1],
                task=call.task,
                checkpoint=f"$OUT/train/{before[0]}/checkpoint_{before[1] - 1:02d}-*.ckpt",
                output=output,
                until_epoch=until,
            )
        before = (folder, until) if until is not None else None


def _recognition(
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
    listed = _unpacked(files.held_out_images if segmenter else files.held_out_pages)
    return [
        f'mkdir -p "$OUT/{name}"',
        "set --",
        f'while read -r page; do set -- "$@" -i "$page" "$OUT/{name}/$(basename "$page" .xml).jsonl"; done < "{listed}"',
        _shown(command).replace("-i PAGES PAGES", '"$@"'),
    ]


def _unpacked(listed: Path) -> str:
    """A list of pages or images, as it is made of the archive."""
    return f"$OUT/{listed.name}"


def _shown(command: Sequence[str]) -> str:
    return " ".join(_word(word) for word in command)


def _word(word: str) -> str:
    if not word.startswith("$"):
        return shlex.quote(word)
    folder, star, rest = word.partition("*")
    return f'"{folder}"{star}{rest}'
